import type { LocalPeer, TlsPeer } from "../model/index.js";
import type { ExchangeHandler, ExchangeListener, ExchangeResponse, ServedExchange } from "../net/exchange.js";
import { type ExchangeAddress, formatExchangeAddress } from "../net/exchange-address.js";
import type { ArrivingBody, ExchangeLoad } from "../net/exchange-limits.js";
import { encodeHttpResponse, HttpRequestReader, httpContinue } from "../net/http1.js";
import { inflateBody, isEncoded } from "../net/inflate.js";
import { RequestError, type RequestHead, type RequestReader, tooLarge } from "../net/request-reader.js";
import { encodeCgiResponse, ScgiRequestReader } from "../net/scgi.js";
import type { Stream, StreamLayer } from "../net/stream.js";
import { listenTcp } from "../net/tcp.js";
import { listenUnix } from "../net/unix.js";
import { type Alarm, type Clock, realClock } from "./clock.js";
import type { LocalListening } from "./local-access.js";

/** How often slow connections are looked for, at the least, in milliseconds. */
const sweepMsMax = 1_000;

/** Bytes of further requests that a peer may send before it is answered; more are not read. */
const aheadMax = 65_536;

/** What is different between HTTP and SCGI. */
interface Wire {
  reader(load: ExchangeLoad): RequestReader;
  /** @param keepAliveMs how long the connection is kept; 0 to end it */
  encode(response: ExchangeResponse, keepAliveMs: number, isHead: boolean): readonly Uint8Array[];
}

const http: Wire = {
  reader: ({ limits }) => new HttpRequestReader(limits.headersSizeMax, limits.bodySizeMax),
  encode: encodeHttpResponse,
};

const scgi: Wire = {
  reader: () => new ScgiRequestReader(),
  encode: (response) => [encodeCgiResponse(response)],
};

/**
 * Serves exchanges over HTTP/1.1 and 1.0, or SCGI, on TCP or a Unix socket. Rejects with the system's error.
 *
 * @param layer TLS, for `https:`
 * @param local how Unix sockets are listened on
 */
export async function listenExchanges(
  address: ExchangeAddress,
  handler: ExchangeHandler,
  load: ExchangeLoad,
  layer: StreamLayer | undefined,
  clock: Clock = realClock,
  local?: LocalListening | undefined,
): Promise<ExchangeListener> {
  const { host, port, socketPath, scheme, target } = address;
  const server = new ExchangeServer(scheme.startsWith("scgi") ? scgi : http, handler, load, clock);
  const onConnection = (stream: Stream): void => server.accept(stream, layer);
  const listener =
    socketPath === "" ? await listenTcp(host, port, onConnection) : await listenUnix(socketPath, onConnection, local);
  const place = /^tcp:\/\/(?:\[(.*)\]|([^:]*)):(\d+)$/.exec(listener.address);
  const bound = place === null ? {} : { host: place[1] ?? place[2] ?? "", port: Number(place[3]) };
  return {
    address: formatExchangeAddress({ ...address, ...bound, target }),
    stop() {
      server.stop();
      void listener.close();
    },
    async close() {
      server.stop();
      await listener.close();
      await server.close();
    },
  };
}

/** The connections of one listener. */
class ExchangeServer {
  readonly wire: Wire;
  readonly handler: ExchangeHandler;
  readonly load: ExchangeLoad;
  readonly clock: Clock;
  /** No further exchange is to follow those under way. */
  stopping = false;
  readonly #connections = new Set<Connection>();
  readonly #sweeper: Alarm;
  readonly #sweepMs: number;
  #open = 0;
  #onEmpty: () => void = () => {};

  constructor(wire: Wire, handler: ExchangeHandler, load: ExchangeLoad, clock: Clock) {
    this.wire = wire;
    this.handler = handler;
    this.load = load;
    this.clock = clock;
    this.#sweeper = clock.alarm(() => this.#sweep());
    const { idleTimeoutMs, requestTimeoutMs, writeTimeoutMs } = load.limits;
    this.#sweepMs = Math.min(sweepMsMax, ...[idleTimeoutMs, requestTimeoutMs, writeTimeoutMs].map((ms) => ms / 2));
  }

  accept(stream: Stream, layer: StreamLayer | undefined): void {
    const host = stream.peer.replace(/:\d+$/, "");
    if (this.stopping || !this.load.enter(host)) return stream.destroy();
    this.#open++;
    const leave = (): void => {
      this.load.leave(host);
      if (--this.#open === 0) this.#onEmpty();
    };
    if (layer === undefined) this.#begin(stream, leave);
    else void this.#secure(stream, layer, leave);
  }

  async #secure(plain: Stream, layer: StreamLayer, leave: () => void): Promise<void> {
    try {
      const stream = await layer(plain, "server");
      if (!this.stopping) return this.#begin(stream, leave);
      stream.destroy();
    } catch {
      // The peer could not agree on a session: there is nobody to tell.
      plain.destroy();
    }
    leave();
  }

  #begin(stream: Stream, leave: () => void): void {
    const connection = new Connection(this, stream, () => {
      this.#connections.delete(connection);
      leave();
    });
    this.#connections.add(connection);
    if (this.#connections.size === 1) this.#sweeper.set(this.clock.now() + this.#sweepMs);
  }

  /** Ends the connections that are idle, slow with a request, or do not take their response. */
  #sweep(): void {
    const now = this.clock.now();
    for (const connection of this.#connections) connection.check(now);
    if (this.#connections.size > 0) this.#sweeper.set(now + this.#sweepMs);
  }

  stop(): void {
    this.stopping = true;
    for (const connection of this.#connections) connection.stop();
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.cut(new Error("the server is closing"));
    if (this.#open > 0) {
      await new Promise<void>((resolve) => {
        this.#onEmpty = resolve;
      });
    }
    this.#sweeper.clear();
  }
}

/**
 * Where a connection is.
 *
 * - `idle`: between two requests
 * - `reading`: a request has begun to arrive
 * - `handling`: it is whole, and its answer is awaited
 * - `dropping`: it was answered before it was whole; the rest is read and dropped
 * - `leaving`: the last answer is on its way out
 */
type State = "idle" | "reading" | "handling" | "dropping" | "leaving";

/** One connection: requests, one after another, and their answers. */
class Connection {
  readonly #server: ExchangeServer;
  readonly #stream: Stream;
  readonly #reader: RequestReader;
  #state: State = "idle";
  /** When the state began, or when the peer was last seen to take some of an answer. */
  #since: number;
  #backlog = 0;
  #paused = false;
  #running = false;
  #exchange: Exchange | undefined;

  constructor(server: ExchangeServer, stream: Stream, onClose: () => void) {
    this.#server = server;
    this.#stream = stream;
    this.#reader = server.wire.reader(server.load);
    this.#since = server.clock.now();
    stream.start({
      onData: (chunk) => this.#onData(chunk),
      onDrain: () => {},
      onClose: () => {
        this.#state = "leaving";
        onClose();
        this.#exchange?.gone();
      },
    });
  }

  get stream(): Stream {
    return this.#stream;
  }

  get load(): ExchangeLoad {
    return this.#server.load;
  }

  get handler(): ExchangeHandler {
    return this.#server.handler;
  }

  #onData(chunk: Uint8Array): void {
    if (this.#state === "leaving") return;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      return this.#refuse(error);
    }
    this.#run();
    if (this.#state === "handling" && !this.#paused && this.#reader.unread > aheadMax) {
      this.#paused = true;
      this.#stream.pause();
    }
  }

  /** Reads as far as there is something to read, and no answer is awaited. */
  #run(): void {
    // An answer that comes at once comes while its request is being read.
    if (this.#running) return;
    this.#running = true;
    try {
      while (this.#state !== "handling" && this.#state !== "leaving") {
        const event = this.#reader.read();
        if (event === undefined) {
          if (this.#state === "idle" && !this.#reader.isBetween) this.#enter("reading");
          break;
        }
        if (event.kind === "head") this.#begin(event.head, event.length);
        else if (event.kind === "data") this.#exchange?.take(event.bytes);
        else this.#whole();
      }
    } catch (error) {
      this.#refuse(error);
    }
    this.#running = false;
  }

  #enter(state: State): void {
    this.#state = state;
    this.#since = this.#server.clock.now();
  }

  #begin(head: RequestHead, length: number | undefined): void {
    // It began with its first byte, which may have come before.
    if (this.#state === "idle") this.#enter("reading");
    const exchange = new Exchange(this, head, length);
    this.#exchange = exchange;
    const refusal = this.handler.admit(exchange);
    if (refusal !== undefined) return exchange.respond(refusal);
    const { bodySizeMax } = this.load.limits;
    if (length !== undefined && length > bodySizeMax) return exchange.fail(tooLarge(bodySizeMax));
    if (head.expectsContinue && this.#reader.unread === 0 && length !== 0) this.#stream.write(httpContinue);
  }

  #whole(): void {
    if (this.#state === "dropping") return this.#next();
    this.#state = "handling";
    this.#exchange?.whole();
  }

  /** The exchange has been answered. */
  answer(exchange: Exchange, response: ExchangeResponse): void {
    if (this.#exchange !== exchange || this.#state === "leaving") return;
    const { head } = exchange;
    const isWhole = this.#state === "handling";
    // A peer that waits for a word and is refused does not send the body: nothing tells where its next request begins.
    const last = this.#server.stopping || !head.keepAlive || (!isWhole && head.expectsContinue);
    const { idleTimeoutMs } = this.load.limits;
    const pieces = this.#server.wire.encode(response, last ? 0 : idleTimeoutMs, head.method === "HEAD");
    for (const piece of pieces) this.#stream.write(piece);
    if (isWhole) {
      if (last) this.#leave();
      else this.#next();
    } else if (head.expectsContinue) this.#leave();
    // Hanging up on a peer that still sends would lose the answer on its way.
    else this.#enter("dropping");
  }

  /** Goes on to the next request. */
  #next(): void {
    const { head } = this.#exchange ?? {};
    this.#exchange = undefined;
    if (this.#server.stopping || head?.keepAlive === false) return this.#leave();
    this.#enter("idle");
    if (this.#paused) {
      this.#paused = false;
      this.#stream.resume();
    }
    if (this.#reader.unread > 0) this.#run();
  }

  /** Ends the connection once what was written is out. */
  #leave(): void {
    this.#exchange = undefined;
    this.#enter("leaving");
    this.#stream.end();
  }

  /** What cannot be read is answered once, and nothing after it can be read. */
  #refuse(error: unknown): void {
    const { status, message } = error instanceof RequestError ? error : { status: 500, message: "the server failed" };
    if (this.#state === "idle" || this.#state === "reading") {
      for (const piece of this.#server.wire.encode(plain(status, message), 0, false)) this.#stream.write(piece);
    }
    this.#exchange?.dropBody();
    this.#leave();
  }

  /** Ends what takes too long. */
  check(now: number): void {
    const { idleTimeoutMs, requestTimeoutMs, writeTimeoutMs } = this.load.limits;
    const { backlog } = this.#stream;
    if (this.#backlog > 0 && backlog < this.#backlog) this.#since = now;
    const grew = this.#backlog === 0 && backlog > 0;
    this.#backlog = backlog;
    if (grew) this.#since = now;
    const waited = now - this.#since;
    if (backlog > 0) {
      if (waited > writeTimeoutMs) {
        this.cut(new Error(`took none of its response for ${writeTimeoutMs} ms (writeTimeoutMs)`));
      }
      return;
    }
    switch (this.#state) {
      case "idle":
        if (waited > idleTimeoutMs) this.#leave();
        break;
      case "reading":
        if (waited > requestTimeoutMs) {
          this.#refuse(new RequestError(408, `the request took more than ${requestTimeoutMs} ms (requestTimeoutMs)`));
        }
        break;
      case "dropping":
      case "leaving":
        if (waited > requestTimeoutMs) this.cut(new Error("the peer does not hang up"));
    }
  }

  /** No further request is wanted. */
  stop(): void {
    if (this.#state === "idle") this.#leave();
  }

  cut(reason: Error): void {
    this.#stream.destroy(reason);
  }
}

/** One request and its answer. */
class Exchange implements ServedExchange {
  readonly head: RequestHead;
  readonly #connection: Connection;
  readonly #length: number | undefined;
  #pieces: Uint8Array[] = [];
  #arriving: ArrivingBody | undefined;
  #answered = false;
  body: Uint8Array = none;
  onGone: (() => void) | undefined = undefined;

  constructor(connection: Connection, head: RequestHead, length: number | undefined) {
    this.#connection = connection;
    this.head = head;
    this.#length = length;
  }

  get method(): string {
    return this.head.method;
  }

  get target(): string {
    return this.head.target;
  }

  header(name: string): string | undefined {
    return this.head.header(name);
  }

  get peer(): string {
    return this.#connection.stream.peer;
  }

  get tls(): TlsPeer | undefined {
    return this.#connection.stream.tls;
  }

  get credentials(): LocalPeer | undefined {
    return this.#connection.stream.credentials;
  }

  get connection(): object {
    return this.#connection;
  }

  take(bytes: Uint8Array): void {
    if (this.#answered) return;
    this.#pieces.push(bytes);
    // Most bodies come in one piece, and wait for nothing.
    if (bytes.length === this.#length) return;
    const { load } = this.#connection;
    this.#arriving ??= { bytes: 0, cut: (reason) => this.#connection.cut(reason) };
    load.grow(this.#arriving, bytes.length);
    if (this.#arriving.bytes > load.limits.bodySizeMax) this.fail(tooLarge(load.limits.bodySizeMax));
  }

  whole(): void {
    this.dropArriving();
    const pieces = this.#pieces;
    this.#pieces = [];
    this.body = pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces);
    const encoding = this.header("content-encoding");
    const { handler, load } = this.#connection;
    if (!isEncoded(encoding)) return handler.handle(this);
    inflateBody(this.body, encoding, load.limits.bodySizeMax).then(
      (body) => {
        this.body = body;
        if (!this.#answered) handler.handle(this);
      },
      (error: unknown) => this.fail(error as RequestError),
    );
  }

  dropArriving(): void {
    if (this.#arriving === undefined) return;
    this.#connection.load.done(this.#arriving);
    this.#arriving = undefined;
  }

  dropBody(): void {
    this.dropArriving();
    this.#pieces = [];
  }

  respond(response: ExchangeResponse): void {
    if (this.#answered) return;
    this.#answered = true;
    this.dropBody();
    this.#connection.answer(this, response);
  }

  fail({ status, message }: RequestError): void {
    this.respond(plain(status, message));
  }

  /** The connection has ended. */
  gone(): void {
    this.dropBody();
    if (this.#answered) return;
    this.#answered = true;
    this.onGone?.();
  }
}

const none = new Uint8Array();

function plain(status: number, text: string): ExchangeResponse {
  return { status, headers: { "Content-Type": "text/plain; charset=utf-8" }, body: `${text}\n` };
}

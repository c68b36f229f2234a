import type { TlsPeer } from "../model/index.js";
import type { ExchangeHandler, ExchangeListener, ExchangeResponse, ServedExchange } from "../net/exchange.js";
import type { ExchangeAddress } from "../net/exchange-address.js";
import type { ArrivingBody, ExchangeLoad } from "../net/exchange-limits.js";
import { encodeCgiHead, type ScgiHead, ScgiHeadReader } from "../net/scgi.js";
import type { Stream } from "../net/stream.js";
import { listenTcp } from "../net/tcp.js";
import { listenUnix } from "../net/unix.js";
import { type Alarm, type Clock, realClock } from "./clock.js";

/** How often slow connections are looked for, at the least, in milliseconds. */
const sweepMsMax = 1_000;

/** Serves exchanges over SCGI, on TCP or a Unix socket: one for each connection. Rejects with the system's error. */
export async function listenScgi(
  address: ExchangeAddress,
  handler: ExchangeHandler,
  load: ExchangeLoad,
  clock: Clock = realClock,
): Promise<ExchangeListener> {
  const server = new ScgiServer(handler, load, clock);
  const onConnection = (stream: Stream): void => server.accept(stream);
  const { host, port, socketPath, target } = address;
  const listener =
    socketPath === "" ? await listenTcp(host, port, onConnection) : await listenUnix(socketPath, onConnection);
  const place = socketPath === "" ? listener.address.replace(/^tcp:/, "scgi:") : `scgi+unix:${socketPath}`;
  const separator = socketPath === "" || target === undefined ? "" : ":";
  return {
    address: `${place}${separator}${target ?? ""}`,
    stop: () => void listener.close(),
    async close() {
      await listener.close();
      await server.close();
    },
  };
}

class ScgiServer {
  readonly #handler: ExchangeHandler;
  readonly #load: ExchangeLoad;
  readonly #clock: Clock;
  readonly #exchanges = new Set<ScgiExchange>();
  readonly #sweeper: Alarm;
  readonly #sweepMs: number;
  #onEmpty: () => void = () => {};

  constructor(handler: ExchangeHandler, load: ExchangeLoad, clock: Clock) {
    this.#handler = handler;
    this.#load = load;
    this.#clock = clock;
    this.#sweeper = clock.alarm(() => this.#sweep());
    const { requestTimeoutMs, writeTimeoutMs } = load.limits;
    this.#sweepMs = Math.min(sweepMsMax, requestTimeoutMs / 2, writeTimeoutMs / 2);
  }

  accept(stream: Stream): void {
    const host = stream.peer.replace(/:\d+$/, "");
    if (!this.#load.enter(host)) return stream.destroy();
    const exchange = new ScgiExchange(stream, this.#handler, this.#load, this.#clock.now(), () => {
      this.#exchanges.delete(exchange);
      this.#load.leave(host);
      if (this.#exchanges.size > 0) return;
      this.#sweeper.clear();
      this.#onEmpty();
    });
    this.#exchanges.add(exchange);
    if (this.#exchanges.size === 1) this.#sweeper.set(this.#clock.now() + this.#sweepMs);
  }

  /** Ends the connections that are slow with a request, or do not take their response. */
  #sweep(): void {
    const now = this.#clock.now();
    for (const exchange of this.#exchanges) exchange.check(now);
    if (this.#exchanges.size > 0) this.#sweeper.set(now + this.#sweepMs);
  }

  async close(): Promise<void> {
    if (this.#exchanges.size === 0) return;
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    for (const exchange of this.#exchanges) exchange.cut(new Error("the server is closing"));
    await empty;
  }
}

/** One connection: a request, and its answer. */
class ScgiExchange implements ServedExchange {
  readonly #stream: Stream;
  readonly #handler: ExchangeHandler;
  readonly #load: ExchangeLoad;
  readonly #startedAt: number;
  readonly #reader = new ScgiHeadReader();
  #variables: ScgiHead["variables"] = new Map();
  readonly #pieces: Uint8Array[] = [];
  #left = 0;
  #state: "head" | "body" | "handling" | "answered" = "head";
  #arriving: ArrivingBody | undefined;
  body: Uint8Array = new Uint8Array();
  onGone: (() => void) | undefined;
  /** When the peer was last seen to take some of the answer, and what was left then. */
  #takenAt = Number.POSITIVE_INFINITY;
  #backlog = 0;

  constructor(stream: Stream, handler: ExchangeHandler, load: ExchangeLoad, now: number, onClose: () => void) {
    this.#stream = stream;
    this.#handler = handler;
    this.#load = load;
    this.#startedAt = now;
    stream.start({
      onData: (chunk) => this.#onData(chunk),
      onDrain: () => {},
      onClose: () => {
        this.#arrived();
        const waits = this.#state === "handling";
        this.#state = "answered";
        onClose();
        if (waits) this.onGone?.();
      },
    });
  }

  get connection(): object {
    return this.#stream;
  }

  get peer(): string {
    return this.#stream.peer;
  }

  get tls(): TlsPeer | undefined {
    return undefined;
  }

  get method(): string {
    return this.#variables.get("REQUEST_METHOD") ?? "";
  }

  get target(): string {
    return this.#variables.get("REQUEST_URI") ?? this.#variables.get("PATH_INFO") ?? "/";
  }

  header(name: string): string | undefined {
    const variable = name.toUpperCase().replaceAll("-", "_");
    const own = variable === "CONTENT_TYPE" || variable === "CONTENT_LENGTH";
    return this.#variables.get(own ? variable : `HTTP_${variable}`);
  }

  #onData(chunk: Uint8Array): void {
    if (this.#state === "body") return this.#take(chunk);
    // What comes behind a whole request belongs to nothing.
    if (this.#state !== "head") return;
    let head: ScgiHead | undefined;
    try {
      head = this.#reader.push(chunk);
    } catch (error) {
      return this.cut(error instanceof Error ? error : new Error(String(error)));
    }
    if (head === undefined) return;
    this.#variables = head.variables;
    this.#state = "body";
    this.#left = head.contentLength;
    const { bodySizeMax } = this.#load.limits;
    const refusal = this.#handler.admit(this);
    if (refusal !== undefined) this.respond(refusal);
    else if (this.#left > bodySizeMax) {
      const body = `the body is larger than ${bodySizeMax} bytes (bodySizeMax)\n`;
      this.respond({ status: 413, headers: { "Content-Type": "text/plain; charset=utf-8" }, body });
    } else this.#take(head.rest);
  }

  #take(chunk: Uint8Array): void {
    const piece = chunk.subarray(0, this.#left);
    this.#left -= piece.length;
    this.#pieces.push(piece);
    if (this.#left > 0) {
      this.#arriving ??= { bytes: 0, cut: (reason) => this.cut(reason) };
      this.#load.grow(this.#arriving, piece.length);
      return;
    }
    this.#arrived();
    this.#state = "handling";
    this.body = this.#pieces.length === 1 ? piece : Buffer.concat(this.#pieces);
    this.#pieces.length = 0;
    this.#handler.handle(this);
  }

  #arrived(): void {
    if (this.#arriving !== undefined) this.#load.done(this.#arriving);
  }

  respond({ status, headers, body }: ExchangeResponse): void {
    if (this.#state === "answered") return;
    this.#arrived();
    this.#state = "answered";
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    const head = encodeCgiHead(status, { ...headers, "Content-Length": String(bytes.length) });
    this.#stream.write(Buffer.concat([head, bytes]));
    this.#stream.end();
    this.#takenAt = Number.NEGATIVE_INFINITY;
  }

  /** Ends what takes too long. */
  check(now: number): void {
    const { requestTimeoutMs, writeTimeoutMs } = this.#load.limits;
    if (this.#state === "head" || this.#state === "body") {
      if (now - this.#startedAt > requestTimeoutMs) {
        this.cut(new Error(`a request took more than ${requestTimeoutMs} ms (requestTimeoutMs)`));
      }
    } else if (this.#state === "answered") {
      const { backlog } = this.#stream;
      if (backlog < this.#backlog || this.#takenAt === Number.NEGATIVE_INFINITY) this.#takenAt = now;
      this.#backlog = backlog;
      if (now - this.#takenAt > writeTimeoutMs) {
        this.cut(new Error(`took none of its response for ${writeTimeoutMs} ms (writeTimeoutMs)`));
      }
    }
  }

  cut(reason: Error): void {
    this.#stream.destroy(reason);
  }
}

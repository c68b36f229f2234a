import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { createGunzip, createInflate, type Gunzip, type Inflate } from "node:zlib";
import type { Exchange, ExchangeEvents, ExchangeRequest, ExchangeTransport, ResponseHead } from "./exchange.js";
import { type ExchangeAddress, formatExchangeAddress } from "./exchange-address.js";
import type { PeerDemand } from "./peer-credentials.js";
import { connected } from "./tcp.js";
import { secureContextOf, serverNameOf, type TlsClientCredentials } from "./tls.js";

/**
 * How long an idle connection waits for the next exchange, in milliseconds. Below the 5 seconds that Node and Apache
 * wait at the other end: whoever writes as the server hangs up cannot know what became of the request.
 */
export const idleMsDefault = 4_000;

/** A body of more bytes goes out in pieces of this size, so that its progress can be told and an early answer stops it. */
const pieceSize = 65_536;

export interface HttpTransportOptions {
  readonly tls?: TlsClientCredentials | undefined;
  /** Whether to ask for compressed responses; default true. */
  readonly gzip?: boolean | undefined;
  /** Milliseconds that an idle connection is kept; default 4,000, and never longer than the server says. */
  readonly idleMs?: number | undefined;
  /** Who must be serving on a Unix socket: asked of each connection before anything is written to it. */
  readonly demand?: (() => Promise<PeerDemand>) | undefined;
}

/** HTTP/1.1 to one origin: over TCP, over TLS, or over a Unix socket. Connections are kept for the next exchange. */
export class HttpTransport implements ExchangeTransport {
  readonly peer: string;
  connects = 0;
  readonly #address: ExchangeAddress;
  readonly #agent: HttpAgent;
  readonly #makeRequest: typeof requestHttp;
  readonly #acceptEncoding: string;
  readonly #idleMs: number;
  readonly #demand: HttpTransportOptions["demand"];
  /** A connection that was made before anything was asked. */
  #spare: Socket | undefined;

  /** @throws RpcError `invalid-argument` for keys or certificates that cannot be used */
  constructor(address: ExchangeAddress, options: HttpTransportOptions = {}) {
    this.peer = formatExchangeAddress(address, "");
    this.#address = address;
    this.#acceptEncoding = options.gzip === false ? "identity" : "gzip";
    const secure = address.scheme === "https";
    this.#makeRequest = secure ? requestHttps : requestHttp;
    this.#idleMs = options.idleMs ?? idleMsDefault;
    this.#demand = options.demand;
    const pool = { keepAlive: true, timeout: this.#idleMs, noDelay: true };
    this.#agent = secure
      ? new HttpsAgent({
          ...pool,
          secureContext: secureContextOf(options.tls ?? {}, "TLSv1.2"),
          ...(options.tls?.servername === undefined ? {} : { servername: options.tls.servername }),
        })
      : new HttpAgent(pool);
    const agent = this.#agent as unknown as { createConnection: (...args: unknown[]) => Socket | undefined };
    const create = agent.createConnection;
    agent.createConnection = (...args) => {
      const spare = this.#takeSpare();
      if (spare !== undefined) return spare;
      // What else the agent gives would be called as soon as the socket is connected.
      const socket = create.apply(this.#agent, options.demand === undefined ? args : args.slice(0, 1)) as Socket;
      const event = secure ? "secureConnect" : "connect";
      socket.once(event, () => this.connects++);
      if (options.demand === undefined) return socket;
      // Whoever asks gets it once it is known to be good.
      const given = args[1] as (error: unknown, socket?: Socket) => void;
      connected(socket, undefined, event)
        .then(() => this.#check(socket))
        .then(
          () => given(null, socket),
          (error: unknown) => {
            socket.destroy();
            given(error);
          },
        );
      return undefined;
    };
  }

  async open(signal: AbortSignal): Promise<void> {
    const { host, port, socketPath, scheme } = this.#address;
    // What cannot be demanded is said before anybody is connected to.
    await this.#demand?.();
    if (scheme === "https") {
      const { secureContext, servername } = (this.#agent as HttpsAgent).options;
      const socket = connectTls({ host, port, secureContext, ...serverNameOf(servername ?? host) });
      await connected(socket, signal, "secureConnect");
      this.#keepSpare(socket);
    } else {
      const socket = socketPath === "" ? connectTcp({ host, port, noDelay: true }) : connectTcp({ path: socketPath });
      await connected(socket, signal);
      try {
        await this.#check(socket);
      } catch (error) {
        socket.destroy();
        throw error;
      }
      this.#keepSpare(socket);
    }
  }

  /** Rejects when somebody serves who is not to be called. */
  async #check(socket: Socket): Promise<void> {
    const demand = await this.#demand?.();
    demand?.check(demand.credentials.of(socket), this.peer);
  }

  #keepSpare(socket: Socket): void {
    this.connects++;
    this.#spare?.destroy();
    this.#spare = socket;
    socket.unref();
    // It may end before it is used, which is nobody's failure.
    socket.on("error", ignore);
    socket.once("close", () => {
      if (this.#spare === socket) this.#spare = undefined;
    });
    socket.setTimeout(this.#idleMs);
    socket.once("timeout", () => {
      if (this.#spare === socket) socket.destroy();
    });
    // Reading is what notices the other end's hanging up. Nothing is to be read: nothing was asked.
    socket.once("data", () => {
      if (this.#spare === socket) socket.destroy();
    });
  }

  #takeSpare(): Socket | undefined {
    const socket = this.#spare;
    this.#spare = undefined;
    if (socket === undefined || socket.destroyed || !socket.writable) return undefined;
    socket.setTimeout(0);
    socket.removeAllListeners("data").removeAllListeners("timeout").removeListener("error", ignore).ref();
    return socket;
  }

  start(request: ExchangeRequest, events: ExchangeEvents): Exchange {
    const exchange = new HttpExchange(request, events);
    // A server that has hung up may have been heard by the machine and not yet by us. Writing to its connection would leave
    // nobody knowing what became of the request, so one turn of the event loop looks first.
    if (this.#hasConnections) setImmediate(() => setImmediate(() => exchange.begin(() => this.#request(request))));
    else exchange.begin(() => this.#request(request));
    return exchange;
  }

  get #hasConnections(): boolean {
    if (this.#spare !== undefined) return true;
    for (const _ in this.#agent.freeSockets) return true;
    // One that has just brought its answer is free in a moment.
    for (const _ in this.#agent.sockets) return true;
    return false;
  }

  #request({ target, headers, body }: ExchangeRequest): ClientRequest {
    const { host, port, socketPath } = this.#address;
    return this.#makeRequest({
      method: "POST",
      path: target,
      agent: this.#agent,
      ...(socketPath === "" ? { host, port } : { socketPath, setHost: false }),
      headers: {
        ...(socketPath === "" ? {} : { Host: "localhost" }),
        "Accept-Encoding": this.#acceptEncoding,
        ...headers,
        "Content-Length": body.length,
      },
    });
  }

  close(): void {
    this.#spare?.destroy();
    // Sockets in use are not kept once their exchange is done: the agent keeps as many as it may, and that is none.
    this.#agent.maxFreeSockets = 0;
    for (const sockets of Object.values(this.#agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }
}

/** One request on one of the pool's sockets. */
class HttpExchange implements Exchange {
  readonly #body: Uint8Array;
  readonly #progress: boolean;
  readonly #events: ExchangeEvents;
  #request: ClientRequest | undefined;
  #over = false;
  #response: IncomingMessage | undefined;
  #inflating: Gunzip | Inflate | undefined;

  constructor({ body, progress }: ExchangeRequest, events: ExchangeEvents) {
    this.#body = body;
    this.#progress = progress;
    this.#events = events;
  }

  /** Makes the request, unless it was given up before. */
  begin(make: () => ClientRequest): void {
    if (this.#over) return;
    let request: ClientRequest;
    try {
      request = make();
    } catch (error) {
      return this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
    this.#request = request;
    request.on("socket", (socket) => this.#onSocket(socket));
    request.on("response", (response) => this.#onResponse(response));
    // A 101 without our asking for it: nobody here speaks what follows.
    request.on("upgrade", (_response, socket) => {
      socket.destroy();
      this.#fail(new Error("the server switched to another protocol"));
    });
    request.on("error", (error) => this.#fail(error));
    request.on("close", () => {
      // After a response it says nothing: its last bytes may still be being inflated.
      if (this.#response === undefined) this.#fail(new Error("the connection ended before the response"));
    });
    if (this.#body.length <= pieceSize && !this.#progress) request.end(this.#body);
    else this.#upload(request, 0);
  }

  abort(): void {
    if (this.#over) return;
    this.#over = true;
    this.#destroy();
  }

  #onSocket(socket: Socket): void {
    if (this.#over) return;
    if (!socket.connecting) return this.#events.onSent();
    const event = "encrypted" in socket ? "secureConnect" : "connect";
    socket.once(event, () => {
      if (!this.#over) this.#events.onSent();
    });
  }

  #upload(request: ClientRequest, from: number): void {
    if (this.#over || request.destroyed) return;
    const to = Math.min(from + pieceSize, this.#body.length);
    request.write(this.#body.subarray(from, to), (error) => {
      if (error !== null && error !== undefined) return; // the request's own error event says so
      if (this.#progress && !this.#over) this.#events.onUploaded(to);
      if (to < this.#body.length) this.#upload(request, to);
      else request.end();
    });
  }

  #onResponse(response: IncomingMessage): void {
    if (this.#over) return void response.destroy();
    this.#response = response;
    const head = headOf(response);
    const body = this.#inflated(response, head.headers["content-encoding"]);
    if (body === undefined) return;
    this.#events.onHead(head);
    body.on("data", (chunk: Uint8Array) => {
      if (!this.#over) this.#events.onData(chunk);
    });
    body.on("end", () => this.#end());
    body.on("error", (error: Error) => this.#fail(error));
    if (body !== response) response.on("error", (error) => this.#fail(error));
    response.on("aborted", () => this.#fail(new Error("the connection ended in the middle of the response")));
  }

  /** The body with its content encoding undone; undefined, and failed, when it has one that nobody asked for. */
  #inflated(response: IncomingMessage, encoding: string | undefined): NodeJS.ReadableStream | undefined {
    switch (encoding?.trim().toLowerCase() ?? "identity") {
      case "":
      case "identity":
        return response;
      case "gzip":
      case "x-gzip":
        // What is inflated is counted by whoever takes it, chunk by chunk, and given up in time.
        this.#inflating = createGunzip();
        return response.pipe(this.#inflating);
      case "deflate":
        this.#inflating = createInflate();
        return response.pipe(this.#inflating);
      default:
        this.#fail(new Error(`the response has the content encoding ${encoding}, which was not asked for`));
        return undefined;
    }
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    // An answer that came before the request was out: the rest of it means nothing to anybody.
    const request = this.#request;
    if (request?.writableEnded !== true || (request.socket?.writableLength ?? 0) > 0) request?.destroy();
    this.#events.onEnd();
  }

  #fail(error: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#destroy();
    this.#events.onError(error);
  }

  #destroy(): void {
    this.#response?.destroy();
    this.#inflating?.destroy();
    this.#request?.destroy();
  }
}

function headOf(response: IncomingMessage): ResponseHead {
  const { "set-cookie": setCookie = [], ...headers } = response.headers;
  return {
    status: response.statusCode ?? 0,
    statusText: response.statusMessage ?? "",
    headers: headers as ResponseHead["headers"],
    setCookie,
  };
}

function ignore(): void {}

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { createGunzip, createInflate } from "node:zlib";
import type { TlsPeer } from "../model/index.js";
import { formatIpAddress } from "./address.js";
import type { ExchangeHandler, ExchangeResponse, ServedExchange } from "./exchange.js";
import type { ArrivingBody, ExchangeLoad } from "./exchange-limits.js";
import { peerOf } from "./tls.js";

// One request to a server of Node's, ours or a framework's: its body is read within bounds, and its answer written.

export interface ServeHttpOptions {
  readonly handler: ExchangeHandler;
  readonly load: ExchangeLoad;
  /** Whether the peer waits to be asked for the body. */
  readonly awaited: boolean;
  /** Whether this should be the connection's last exchange. */
  readonly stopping: () => boolean;
}

/** Serves one request that Node has read the head of. */
export function serveHttp(request: IncomingMessage, response: ServerResponse, options: ServeHttpOptions): void {
  const connection = connectionOf(request.socket);
  const exchange = new HttpExchange(request, response, connection, options);
  if (connection.active.size >= options.load.limits.pipelinedMax) {
    exchange.refuse(503, "too many requests of one connection wait for their answers (pipelinedMax)");
    return;
  }
  connection.active.add(exchange);
  exchange.start();
}

/** What is known of a connection, for as long as it lives. */
class HttpConnection {
  readonly active: Set<HttpExchange> = new Set<HttpExchange>();
  readonly #socket: Socket;
  #peer: string | undefined;
  #tls: TlsPeer | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.once("close", () => {
      for (const exchange of this.active) exchange.gone();
      this.active.clear();
    });
  }

  get peer(): string {
    if (this.#peer === undefined) {
      const { remoteAddress, remotePort = 0 } = this.#socket;
      const scheme = this.#socket instanceof TLSSocket ? "tls" : "tcp";
      this.#peer = remoteAddress === undefined ? "unix:" : formatIpAddress(scheme, remoteAddress, remotePort);
    }
    return this.#peer;
  }

  get tls(): TlsPeer | undefined {
    if (this.#tls === undefined && this.#socket instanceof TLSSocket) this.#tls = peerOf(this.#socket, "server");
    return this.#tls;
  }
}

const connections = new WeakMap<Socket, HttpConnection>();

function connectionOf(socket: Socket): HttpConnection {
  let connection = connections.get(socket);
  if (connection === undefined) {
    connection = new HttpConnection(socket);
    connections.set(socket, connection);
  }
  return connection;
}

/** One request and its answer. */
class HttpExchange implements ServedExchange {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #options: ServeHttpOptions;
  readonly connection: HttpConnection;
  body: Uint8Array = none;
  onGone: (() => void) | undefined;
  #answered = false;
  #pieces: Uint8Array[] = [];
  #arriving: ArrivingBody | undefined;
  #inflating: NodeJS.WritableStream | undefined;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    connection: HttpConnection,
    options: ServeHttpOptions,
  ) {
    this.#request = request;
    this.#response = response;
    this.connection = connection;
    this.#options = options;
  }

  get method(): string {
    return this.#request.method ?? "";
  }

  get target(): string {
    // A framework that has mounted us below a path has shortened `url`.
    return (this.#request as { originalUrl?: string }).originalUrl ?? this.#request.url ?? "";
  }

  get peer(): string {
    return this.connection.peer;
  }

  get tls(): TlsPeer | undefined {
    return this.connection.tls;
  }

  header(name: string): string | undefined {
    const value = this.#request.headers[name];
    return typeof value === "object" ? value.join(", ") : value;
  }

  start(): void {
    const { handler, load } = this.#options;
    const refusal = handler.admit(this);
    if (refusal !== undefined) return this.#refuse(refusal);
    const length = this.#request.headers["content-length"];
    if (length !== undefined && Number(length) > load.limits.bodySizeMax) return this.#tooLarge();
    if (this.#options.awaited) this.#response.writeContinue();
    this.#read(length === undefined ? undefined : Number(length));
  }

  // --- the body

  #read(length: number | undefined): void {
    const request = this.#request;
    const parsed = (request as { body?: unknown }).body;
    if (typeof parsed === "string" || parsed instanceof Uint8Array) {
      // A framework's body parser was here first.
      this.body = typeof parsed === "string" ? Buffer.from(parsed) : parsed;
      if (this.body.length > this.#options.load.limits.bodySizeMax) return this.#tooLarge();
      return this.#options.handler.handle(this);
    }
    if (request.readableEnded) {
      const text = "a body parser has consumed the request; let it leave XML alone, or keep it as text";
      return this.refuse(500, text);
    }
    request.on("error", ignore); // the socket's own end says so
    const encoding = request.headers["content-encoding"]?.trim().toLowerCase();
    if (encoding !== undefined && encoding !== "identity") return this.#readEncoded(encoding);
    request.on("data", (chunk: Uint8Array) => {
      // The usual request comes in one chunk, and is nobody's burden.
      if (chunk.length === length) this.#pieces.push(chunk);
      else this.#take(chunk);
    });
    request.on("end", () => this.#whole());
  }

  #readEncoded(encoding: string): void {
    if (encoding !== "gzip" && encoding !== "x-gzip" && encoding !== "deflate") {
      return this.refuse(415, `the content encoding ${encoding} is not known here; gzip and deflate are`);
    }
    const inflating = encoding === "deflate" ? createInflate() : createGunzip();
    this.#inflating = inflating;
    inflating.on("data", (chunk: Uint8Array) => this.#take(chunk));
    inflating.on("end", () => this.#whole());
    inflating.on("error", () => this.refuse(400, `the body is not ${encoding}`));
    this.#request.pipe(inflating);
  }

  #take(chunk: Uint8Array): void {
    if (this.#answered) return;
    const { load } = this.#options;
    this.#arriving ??= { bytes: 0, cut: (reason) => this.#cut(reason) };
    load.grow(this.#arriving, chunk.length);
    if (this.#answered) return;
    if (this.#arriving.bytes > load.limits.bodySizeMax) return this.#tooLarge();
    this.#pieces.push(chunk);
  }

  #whole(): void {
    if (this.#answered) return;
    this.#arrived();
    const pieces = this.#pieces;
    this.#pieces = [];
    this.body = pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces);
    this.#options.handler.handle(this);
  }

  #arrived(): void {
    if (this.#arriving !== undefined) this.#options.load.done(this.#arriving);
  }

  /** The memory of all is more than may be, and this is the request that goes. */
  #cut(reason: Error): void {
    this.#answered = true;
    this.#pieces = [];
    this.#request.socket.destroy(reason);
  }

  // --- the answer

  respond({ status, headers, body }: ExchangeResponse): void {
    if (this.#answered) return;
    this.#answered = true;
    const response = this.#response;
    const length = typeof body === "string" ? Buffer.byteLength(body) : body.length;
    const lines = ["Content-Length", String(length)];
    for (const name in headers) lines.push(name, headers[name] as string);
    if (this.#options.stopping()) lines.push("Connection", "close");
    response.writeHead(status, lines);
    response.end(this.method === "HEAD" ? "" : body);
    this.#sent();
  }

  /** The response is on its way; a peer that does not take it loses the connection. */
  #sent(): void {
    const { active } = this.connection;
    const { socket } = this.#request;
    if (socket.writableLength === 0) return void active.delete(this);
    const { writeTimeoutMs } = this.#options.load.limits;
    const onTimeout = (): void => {
      if (socket.writableLength > 0) socket.destroy();
    };
    // Node puts it off whenever the peer has taken something.
    socket.setTimeout(writeTimeoutMs, onTimeout);
    this.#response.once("close", () => {
      socket.off("timeout", onTimeout);
      active.delete(this);
    });
  }

  /** Answers with a line of text, and does not read on. */
  refuse(status: number, text: string): void {
    this.#refuse({ status, headers: { "Content-Type": "text/plain; charset=utf-8" }, body: `${text}\n` });
  }

  #tooLarge(): void {
    this.refuse(413, `the body is larger than ${this.#options.load.limits.bodySizeMax} bytes (bodySizeMax)`);
  }

  #refuse(refusal: ExchangeResponse): void {
    if (this.#answered) return;
    this.#arrived();
    this.#pieces = [];
    // What is still to come of the body is read and dropped: hanging up would lose the answer on its way. A peer that
    // waited for a word does not send it, so that nothing tells where its next request would begin.
    const { awaited } = this.#options;
    this.respond(awaited ? { ...refusal, headers: { ...refusal.headers, Connection: "close" } } : refusal);
    if (this.#inflating !== undefined) this.#request.unpipe(this.#inflating).resume();
  }

  /** The connection has ended. */
  gone(): void {
    this.#arrived();
    this.#pieces = [];
    if (this.#answered) return;
    this.#answered = true;
    this.onGone?.();
  }
}

const none = new Uint8Array();

function ignore(): void {}

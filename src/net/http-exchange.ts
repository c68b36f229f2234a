import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { LocalPeer, TlsPeer } from "../model/index.js";
import { formatIpAddress } from "./address.js";
import type { ExchangeHandler, ExchangeResponse, ServedExchange } from "./exchange.js";
import type { ArrivingBody, ExchangeLoad } from "./exchange-limits.js";
import { inflateBody, isEncoded } from "./inflate.js";
import type { CredentialReader } from "./peer-credentials.js";
import { RequestError, tooLarge } from "./request-reader.js";
import { peerOf } from "./tls.js";

// One request to somebody else's server over Node's `http`: its body is read within bounds, and its answer written. The
// connection, its time and its size are that server's business.

export interface ServeHttpOptions {
  readonly handler: ExchangeHandler;
  readonly load: ExchangeLoad;
  /** What asks who is there on Unix sockets, once it is loaded. */
  readonly credentials?: (() => CredentialReader | undefined) | undefined;
}

/** Serves one request that Node has read the head of. */
export function serveHttp(request: IncomingMessage, response: ServerResponse, options: ServeHttpOptions): void {
  new HttpExchange(request, response, options).start();
}

/** One request and its answer. */
class HttpExchange implements ServedExchange {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #options: ServeHttpOptions;
  body: Uint8Array = new Uint8Array();
  onGone: (() => void) | undefined = undefined;
  #answered = false;
  #pieces: Uint8Array[] = [];
  readonly #arriving: ArrivingBody = { bytes: 0, cut: (reason) => this.#request.socket.destroy(reason) };

  constructor(request: IncomingMessage, response: ServerResponse, options: ServeHttpOptions) {
    this.#request = request;
    this.#response = response;
    this.#options = options;
  }

  get method(): string {
    return this.#request.method ?? "";
  }

  get target(): string {
    // A framework that has mounted us below a path has shortened `url`.
    return (this.#request as { originalUrl?: string }).originalUrl ?? this.#request.url ?? "";
  }

  get connection(): Socket {
    return this.#request.socket;
  }

  get peer(): string {
    const { remoteAddress, remotePort = 0 } = this.connection;
    if (remoteAddress === undefined) return "unix:";
    return formatIpAddress(this.connection instanceof TLSSocket ? "tls" : "tcp", remoteAddress, remotePort);
  }

  get tls(): TlsPeer | undefined {
    return this.connection instanceof TLSSocket ? peerOf(this.connection, "server") : undefined;
  }

  get credentials(): LocalPeer | undefined {
    // Asked later than at accept, and the same: the kernel wrote it down when the peer connected.
    if (this.connection.remoteAddress !== undefined) return undefined;
    try {
      return this.#options.credentials?.()?.of(this.connection);
    } catch {
      return undefined;
    }
  }

  header(name: string): string | undefined {
    const value = this.#request.headers[name];
    return typeof value === "object" ? value.join(", ") : value;
  }

  start(): void {
    const { handler, load } = this.#options;
    this.#response.on("close", () => this.#gone());
    const refusal = handler.admit(this);
    if (refusal !== undefined) return this.respond(refusal);
    if (Number(this.header("content-length") ?? 0) > load.limits.bodySizeMax) return this.#tooLarge();
    this.#read();
  }

  #read(): void {
    const request = this.#request;
    const { load } = this.#options;
    const parsed = (request as { body?: unknown }).body;
    if (typeof parsed === "string" || parsed instanceof Uint8Array) {
      // A framework's body parser was here first, and has undone the content encoding.
      this.body = typeof parsed === "string" ? Buffer.from(parsed) : parsed;
      if (this.body.length > load.limits.bodySizeMax) return this.#tooLarge();
      return this.#options.handler.handle(this);
    }
    if (request.readableEnded) {
      const text = "a body parser has consumed the request; let it leave XML alone, or keep it as text";
      return this.#fail(new RequestError(500, text));
    }
    request.on("error", () => {}); // the response's own end says so
    request.on("data", (chunk: Uint8Array) => {
      if (this.#answered) return;
      load.grow(this.#arriving, chunk.length);
      if (this.#arriving.bytes > load.limits.bodySizeMax) return this.#tooLarge();
      this.#pieces.push(chunk);
    });
    request.on("end", () => this.#whole());
  }

  #whole(): void {
    if (this.#answered) return;
    const { handler, load } = this.#options;
    load.done(this.#arriving);
    this.body = Buffer.concat(this.#pieces);
    this.#pieces = [];
    const encoding = this.header("content-encoding");
    if (!isEncoded(encoding)) return handler.handle(this);
    inflateBody(this.body, encoding, load.limits.bodySizeMax).then(
      (body) => {
        this.body = body;
        if (!this.#answered) handler.handle(this);
      },
      (error: unknown) => this.#fail(error as RequestError),
    );
  }

  #tooLarge(): void {
    this.#fail(tooLarge(this.#options.load.limits.bodySizeMax));
  }

  #fail({ status, message }: RequestError): void {
    this.respond({ status, headers: { "Content-Type": "text/plain; charset=utf-8" }, body: `${message}\n` });
  }

  respond({ status, headers, body }: ExchangeResponse): void {
    if (this.#answered) return;
    this.#end();
    const length = typeof body === "string" ? Buffer.byteLength(body) : body.length;
    this.#response.writeHead(status, { ...headers, ...(status === 204 ? {} : { "Content-Length": length }) });
    this.#response.end(this.method === "HEAD" || status === 204 ? undefined : body);
  }

  #end(): void {
    this.#answered = true;
    this.#options.load.done(this.#arriving);
    this.#pieces = [];
  }

  /** The connection has ended, or the answer is out. */
  #gone(): void {
    if (this.#answered) return;
    this.#end();
    this.onGone?.();
  }
}

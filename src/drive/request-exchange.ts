import type { LocalPeer, TlsPeer } from "../model/index.js";
import type { ExchangeHandler, ExchangeResponse, ServedExchange } from "../net/exchange.js";
import type { ArrivingBody, ExchangeLoad } from "../net/exchange-limits.js";
import { inflateBody, isEncoded } from "../net/inflate.js";
import { type RequestError, type RequestHead, tooLarge } from "../net/request-reader.js";
import type { Stream } from "../net/stream.js";

/** The connection that a request came on. */
export interface ExchangeOwner {
  readonly stream: Stream;
  readonly handler: ExchangeHandler;
  readonly load: ExchangeLoad;
  answer(exchange: RequestExchange, response: ExchangeResponse): void;
  cut(reason: Error): void;
}

/** One request and its answer. */
export class RequestExchange implements ServedExchange {
  readonly head: RequestHead;
  readonly #connection: ExchangeOwner;
  readonly #length: number | undefined;
  #pieces: Uint8Array[] = [];
  #arriving: ArrivingBody | undefined;
  #answered = false;
  body: Uint8Array = none;
  onGone: (() => void) | undefined = undefined;

  constructor(connection: ExchangeOwner, head: RequestHead, length: number | undefined) {
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

/** An answer in words. */
export function plain(status: number, text: string): ExchangeResponse {
  return { status, headers: { "Content-Type": "text/plain; charset=utf-8" }, body: `${text}\n` };
}

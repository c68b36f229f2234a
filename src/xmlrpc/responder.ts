import { gzip } from "node:zlib";
import type { ExchangeResponse, ServedExchange, ServedHead } from "../net/exchange.js";
import type { TextEncoding } from "./codec/options.js";
import { type Answer, writeFarcallHeader } from "./engine/index.js";
import { type HttpFace, type HttpFaceOptions, plain } from "./http-face.js";
import type { Kept } from "./idempotency.js";

/** Makes HTTP responses of answers and refusals: what they say to farcall's own clients, to pages, and how they are compressed. */
export class Responder {
  readonly #face: HttpFace;
  readonly #options: HttpFaceOptions;
  /** What every response says of where answers are kept. */
  readonly #store: string | undefined;
  /** Of an answer that is a result. */
  readonly #usualHeaders: Readonly<Record<string, string>>;

  constructor(face: HttpFace, options: HttpFaceOptions, encoding: TextEncoding, store: string | undefined) {
    this.#face = face;
    this.#options = options;
    this.#store = store;
    this.#usualHeaders = {
      "Content-Type": encoding === "utf-8" ? "text/xml" : `text/xml; charset=${encoding}`,
      ...this.#farcallHeader(""),
    };
  }

  /** What became of a call: its answer, or an HTTP status with a text. */
  kept(exchange: ServedExchange, kept: Kept): void {
    if ("body" in kept) return this.answer(exchange, kept);
    // What another request is at may still run; whatever else has a status did not run by this one.
    const note = kept.status === 409 || kept.status === 500 ? "" : "executed=no";
    const after = kept.retryAfter === true ? { "Retry-After": "1" } : {};
    this.refuse(exchange, plain(kept.status, kept.text, { ...this.#farcallHeader(note), ...after }));
  }

  refuse(exchange: ServedExchange, refusal: ExchangeResponse): void {
    exchange.respond(this.#face.readable(refusal, exchange));
  }

  answer(exchange: ServedExchange, { body, executed, inner, failed }: Answer): void {
    let headers = this.#usualHeaders;
    if (failed || inner !== undefined) {
      const note = writeFarcallHeader({ executed: failed ? executed : undefined, inner });
      headers = { ...headers, ...this.#farcallHeader(note) };
    }
    if (this.#options.cors !== undefined) headers = { ...headers, ...this.#face.headers(exchange.header("origin")) };
    const { gzipFrom } = this.#options;
    if (gzipFrom === undefined || body.length < gzipFrom || !takesGzip(exchange)) {
      return exchange.respond({ status: 200, headers, body });
    }
    const vary = "Vary" in headers ? `${headers["Vary"]}, Accept-Encoding` : "Accept-Encoding";
    const zipped = { ...headers, "Content-Encoding": "gzip", Vary: vary };
    gzip(body, (error, small) => {
      if (error === null) exchange.respond({ status: 200, headers: zipped, body: small });
      else exchange.respond({ status: 200, headers, body });
    });
  }

  #farcallHeader(note: string): { readonly Farcall?: string } {
    const store = this.#store;
    const said = store === undefined ? note : note === "" ? store : `${note}, ${store}`;
    return said === "" ? {} : { Farcall: said };
  }
}

function takesGzip(head: ServedHead): boolean {
  return /\bgzip\b/i.test(head.header("accept-encoding") ?? "");
}

import type { Identity } from "../model/index.js";
import type { ExchangeResponse, ServedHead } from "../net/exchange.js";
import { isXmlType } from "./engine/index.js";
import type { HttpServerAuth } from "./server-auth.js";

/** Which pages of other origins may call a server from a browser. */
export interface Cors {
  /** Such as `https://app.example.org`; `*` for every page, which then sends no cookies and no HTTP authentication. */
  readonly origins: readonly string[] | "*";
}

export interface HttpFaceOptions {
  readonly auth?: readonly HttpServerAuth[] | undefined;
  readonly cors?: Cors | undefined;
  /** Compresses answers of that many bytes and more for callers that take gzip; default: none. */
  readonly gzipFrom?: number | undefined;
}

/** What of HTTP a server looks at before and beside the document. */
export class HttpFace {
  readonly #auth: readonly HttpServerAuth[];
  readonly #cors: Cors | undefined;
  /** The paths that are served at addresses of the server's own. */
  readonly paths: Set<string> = new Set<string>();

  constructor(options: HttpFaceOptions) {
    this.#auth = options.auth ?? [];
    this.#cors = options.cors;
  }

  /**
   * Looks at a request before its body is read: an answer refuses it.
   *
   * @param mounted whether somebody else has chosen the path, and has pages of its own
   */
  admit(head: ServedHead, mounted: boolean): ExchangeResponse | undefined {
    const { method, target } = head;
    if (!mounted && !this.paths.has(withoutQuery(target))) return plain(404, "there is nothing at this path");
    const origin = head.header("origin");
    const foreign = origin !== undefined && !(mounted && isOwn(origin, head.header("host")));
    // A page can make a browser send such a request without asking anybody, to machines that only the browser can reach.
    if (foreign && !this.#allows(origin))
      return plain(403, `pages of ${origin.slice(0, 200)} may not call this server (cors)`);
    if (method === "OPTIONS" && foreign) return this.#preflight(head, origin);
    if (method !== "POST") {
      return { ...plain(405, "XML-RPC is called by POST"), headers: { ...plainHeaders, Allow: "POST" } };
    }
    if (!isXmlType(head.header("content-type"))) return plain(415, "XML-RPC is text/xml");
    if (this.#auth.length > 0 && this.#credentials(head) === undefined) return this.unauthorized();
    return undefined;
  }

  #allows(origin: string): boolean {
    const origins = this.#cors?.origins;
    return origins === "*" || origins?.includes(origin) === true;
  }

  #preflight(head: ServedHead, origin: string): ExchangeResponse {
    const asked = head.header("access-control-request-headers");
    return {
      status: 204,
      headers: {
        ...this.headers(origin),
        "Access-Control-Allow-Methods": "POST",
        ...(asked === undefined ? {} : { "Access-Control-Allow-Headers": asked.slice(0, 1024) }),
        "Access-Control-Max-Age": "600",
      },
      body: "",
    };
  }

  /** The headers that let a page of another origin read an answer. */
  headers(origin: string | undefined): Readonly<Record<string, string>> {
    if (origin === undefined || this.#cors === undefined || !this.#allows(origin)) return noHeaders;
    const every = this.#cors.origins === "*";
    return {
      "Access-Control-Allow-Origin": every ? "*" : origin,
      ...(every ? {} : { "Access-Control-Allow-Credentials": "true", Vary: "Origin" }),
      "Access-Control-Expose-Headers": "Farcall",
    };
  }

  /** An answer that a page of another origin may read, where it may call: what a browser hides may have run for all it knows. */
  readable(response: ExchangeResponse, head: ServedHead): ExchangeResponse {
    const cors = this.headers(head.header("origin"));
    return cors === noHeaders ? response : { ...response, headers: { ...response.headers, ...cors } };
  }

  // --- who calls

  #credentials(head: ServedHead): { readonly auth: HttpServerAuth; readonly credentials: string } | undefined {
    const [, scheme = "", credentials = ""] = /^([A-Za-z]+) +(.*?) *$/.exec(head.header("authorization") ?? "") ?? [];
    const auth = this.#auth.find((known) => known.scheme.toLowerCase() === scheme.toLowerCase());
    return auth === undefined ? undefined : { auth, credentials };
  }

  /** Who calls; undefined when the credentials are refused. */
  identify(head: ServedHead): Identity | undefined | Promise<Identity | undefined> {
    if (this.#auth.length === 0) return head.tls?.verified === true ? tlsIdentity(head) : nobody;
    const given = this.#credentials(head);
    return given?.auth.accept(given.credentials);
  }

  unauthorized(): ExchangeResponse {
    const challenge = this.#auth.map((auth) => auth.challenge).join(", ");
    return {
      ...plain(401, "this server wants to know who calls"),
      headers: { ...plainHeaders, "WWW-Authenticate": challenge, Farcall: "executed=no" },
    };
  }
}

const nobody: Identity = { flavor: "none", verified: false };
const noHeaders: Readonly<Record<string, string>> = {};
const plainHeaders = { "Content-Type": "text/plain; charset=utf-8" } as const;

function tlsIdentity({ tls }: ServedHead): Identity {
  return { flavor: "tls", verified: true, principal: tls?.fingerprint256 };
}

/** An answer in words: for people and for logs. */
export function plain(status: number, text: string, headers: Readonly<Record<string, string>> = {}): ExchangeResponse {
  return { status, headers: { ...plainHeaders, ...headers }, body: `${text}\n` };
}

function withoutQuery(target: string): string {
  const query = target.indexOf("?");
  return query < 0 ? target : target.slice(0, query);
}

/** Whether a page comes from the server itself. */
function isOwn(origin: string, host: string | undefined): boolean {
  return host !== undefined && (origin === `http://${host}` || origin === `https://${host}`);
}

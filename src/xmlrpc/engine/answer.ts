import type { Executed, RpcErrorCode } from "../../model/index.js";

// What an HTTP answer that is none of XML-RPC says about the call: the code of its error, and whether the procedure ran. Only
// what HTTP's own specification promises is taken for proof; a farcall server says itself whether the procedure ran.

export interface Meaning {
  readonly code: RpcErrorCode;
  readonly executed: Executed;
}

/**
 * What a status means that came without an answer of XML-RPC (RFC 9110, section 15; RFC 6585). `executed` is `no` where the
 * status says that the request was not applied. A gateway's 502, 503 and 504 do not say that.
 */
export function statusMeaning(status: number, told: Executed | undefined): Meaning {
  const { code, executed } = ofStatus(status);
  return { code, executed: told ?? executed };
}

function ofStatus(status: number): Meaning {
  switch (status) {
    case 401: // 15.5.2: it "has not been applied"
    case 403:
    case 407:
      return { code: "denied", executed: "no" };
    case 404:
    case 410:
    case 421:
      return { code: "not-found", executed: "no" };
    case 405:
      return { code: "unimplemented", executed: "no" };
    case 411:
    case 413:
    case 414:
    case 415:
    case 417:
    case 426:
    case 428:
    case 431:
      return { code: "invalid-argument", executed: "no" };
    case 408: // 15.5.9: the server did not receive a whole request
      return { code: "unavailable", executed: "no" };
    case 412: // 15.5.13: the memory that the call was to meet again is not there
      return { code: "unavailable", executed: "no" };
    case 409: // somebody else is at the same call
      return { code: "busy", executed: "unknown" };
    case 429:
      return { code: "busy", executed: "no" };
    case 503:
      return { code: "busy", executed: "unknown" };
    case 502:
    case 504:
      return { code: "unavailable", executed: "unknown" };
    default:
      return { code: status >= 500 ? "server-error" : "bad-reply", executed: "unknown" };
  }
}

/** Whether a status sends the call elsewhere without having applied it. 303 says that there is an answer elsewhere: it may have run. */
export function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 307 || status === 308;
}

/** Whether a content type can be a document of XML-RPC. */
export function isXmlType(contentType: string | undefined): boolean {
  if (contentType === undefined) return true;
  return /^\s*(?:text|application)\/(?:[\w.-]+\+)?xml\s*(?:;|$)/i.test(contentType);
}

/** The `charset` of a content type; undefined without one. */
export function charsetOf(contentType: string | undefined): string | undefined {
  if (contentType === undefined) return undefined;
  const match = /;\s*charset\s*=\s*(?:"([^"]*)"|([^\s;]+))/i.exec(contentType);
  return match?.[1] ?? match?.[2];
}

/** Pauses that a server asks for go up to this, in milliseconds: a day. */
const retryAfterMsMax = 86_400_000;

/** What Retry-After asks for, in milliseconds; undefined for none. Dates are not followed: the two clocks may differ. */
export function retryAfterMs(value: string | undefined): number | undefined {
  if (value === undefined || !/^\d{1,10}$/.test(value.trim())) return undefined;
  return Math.min(Number(value) * 1000, retryAfterMsMax);
}

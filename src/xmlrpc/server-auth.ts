import type { MaybePromise } from "../call/reply-cache.js";
import type { Identity } from "../model/index.js";

/** One way to prove who calls, by HTTP's `Authorization`. */
export interface HttpServerAuth {
  /** Such as `Basic`. */
  readonly scheme: string;
  /** What `WWW-Authenticate` asks for. */
  readonly challenge: string;
  /** @returns who calls, or undefined for credentials that are refused */
  accept(credentials: string): MaybePromise<Identity | undefined>;
}

/**
 * Basic authentication (RFC 7617), in UTF-8. Over `http:` anybody on the way can read the password.
 *
 * @param check whether the password is the user's; compare in constant time (`crypto.timingSafeEqual`)
 */
export function serverAuthBasic(
  check: (user: string, password: string) => MaybePromise<boolean>,
  realm = "XML-RPC",
): HttpServerAuth {
  return {
    scheme: "Basic",
    challenge: `Basic realm=${JSON.stringify(realm)}, charset="UTF-8"`,
    accept(credentials) {
      if (!/^[A-Za-z0-9+/]+={0,2}$/.test(credentials)) return undefined;
      const text = new TextDecoder().decode(Buffer.from(credentials, "base64"));
      const colon = text.indexOf(":");
      if (colon < 0) return undefined;
      const user = text.slice(0, colon);
      const identity: Identity = { flavor: "basic", verified: true, principal: user };
      const accepted = check(user, text.slice(colon + 1));
      if (accepted instanceof Promise) return accepted.then((yes) => (yes ? identity : undefined));
      return accepted ? identity : undefined;
    },
  };
}

/**
 * Bearer tokens (RFC 6750).
 *
 * @param check names the caller that a token belongs to; undefined for one that is refused
 */
export function serverAuthBearer(check: (token: string) => MaybePromise<string | undefined>): HttpServerAuth {
  const identityOf = (principal: string | undefined): Identity | undefined =>
    principal === undefined ? undefined : { flavor: "bearer", verified: true, principal };
  return {
    scheme: "Bearer",
    challenge: "Bearer",
    accept(token) {
      if (!/^[\w.~+/-]+=*$/.test(token)) return undefined;
      const principal = check(token);
      return principal instanceof Promise ? principal.then(identityOf) : identityOf(principal);
    },
  };
}

import { toBase64 } from "../bytes/base64.js";
import { RpcError } from "../model/index.js";

/** Who calls, by HTTP's own means. */
export type HttpAuth =
  /** Basic authentication (RFC 7617), in UTF-8. Over `http:` anybody on the way can read it. */
  | { readonly user: string; readonly password: string }
  /** A bearer token (RFC 6750); a function is asked at every attempt. */
  | { readonly token: string | (() => string) };

/** What the transport says itself, or what decides where a request ends. */
const ours: ReadonlySet<string> = new Set([
  "host",
  "content-length",
  "transfer-encoding",
  "connection",
  "accept-encoding",
  "expect",
  "upgrade",
]);

/**
 * Checks headers that a user gives.
 *
 * @throws RpcError `invalid-argument` that names the header
 */
export function checkHeaders(headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[!#$%&'*+.^_`|~\w-]+$/.test(name)) throw bad(`headers: ${JSON.stringify(name)} is no header's name`);
    if (ours.has(name.toLowerCase())) throw bad(`headers: ${name} is the transport's own`);
    // A line end would begin another header.
    if (typeof value !== "string" || !/^[\t\x20-\x7e\u0080-\u00ff]*$/.test(value)) {
      throw bad(`headers: the value of ${name} has characters that a header cannot hold`);
    }
  }
}

/** The value of Authorization; asked for at every attempt. */
export function authorization(auth: HttpAuth): string {
  if ("token" in auth) {
    const token = typeof auth.token === "function" ? auth.token() : auth.token;
    // RFC 6750, section 2.1
    if (!/^[\w.~+/-]+=*$/.test(token)) throw bad("auth: the token has characters that a bearer token does not have");
    return `Bearer ${token}`;
  }
  const { user, password } = auth;
  if (user.includes(":")) throw bad("auth: a user's name cannot have a colon");
  return `Basic ${toBase64(new TextEncoder().encode(`${user}:${password}`))}`;
}

function bad(message: string): RpcError {
  return new RpcError("invalid-argument", message, { executed: "no" });
}

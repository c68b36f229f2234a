import { formatExchangeAddress, parseExchangeAddress } from "../net/exchange-address.js";
import type { Place } from "./engine/index.js";

/**
 * How far redirects are followed. A call's parameters may be secret themselves, so by default they go to no other host.
 *
 * - `same-host`: to the same host and port, or from `http:` to `https:` on the usual ports of both
 * - `any`: anywhere; headers, credentials and cookies go only where `same-host` would let them
 * - `none`: nowhere
 */
export type Redirects = "same-host" | "any" | "none";

/** Where a redirect leads and whether the user's credentials may go along, or why it is not followed. */
export function redirected(
  location: string,
  from: Place,
  redirects: Redirects,
): (Place & { readonly trusted: boolean }) | string {
  if (redirects === "none") return `the option redirects is "none"`;
  const here = parseExchangeAddress(from.origin);
  // On a Unix socket and in SCGI there is one server, whatever it calls itself.
  const base = here.scheme === "http" || here.scheme === "https" ? from.origin : "http://localhost";
  let url: URL;
  try {
    url = new URL(location, `${base}${from.target}`);
  } catch {
    return "it is no address";
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") return "it leads away from HTTP";
  const target = `${url.pathname}${url.search}`;
  if (base !== from.origin) {
    return url.origin === base ? { origin: from.origin, target, trusted: true } : "it leads to another server";
  }
  if (here.scheme === "https" && url.protocol === "http:") return "it leads from TLS to clear text";
  const there = parseExchangeAddress(url.origin);
  const origin = formatExchangeAddress(there, "");
  const sameHost = there.host.toLowerCase() === here.host.toLowerCase();
  const samePort = there.scheme === here.scheme && there.port === here.port;
  const upgrade = there.scheme === "https" && there.port === 443 && here.scheme === "http" && here.port === 80;
  const trusted = sameHost && (samePort || upgrade);
  if (!trusted && redirects !== "any") return `it leads to another server; the option redirects "any" would follow it`;
  return { origin, target, trusted };
}

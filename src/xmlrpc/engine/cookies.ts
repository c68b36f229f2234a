/** What a jar keeps at most; over it the oldest goes. Browsers keep 50 and 4,096 for a site too. */
export const cookiesMax = 50;
export const cookieSizeMax = 4_096;

interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly path: string;
  readonly secure: boolean;
  /** In milliseconds since 1970; infinite for the client's life. */
  readonly expiresAt: number;
}

/**
 * The cookies of one origin (RFC 6265). They go back to the host that set them and to no other, whatever `Domain` says, and
 * live no longer than the client.
 */
export class CookieJar {
  /** By name and path, in the order in which they were first set. */
  readonly #cookies = new Map<string, Cookie>();

  /** Takes a Set-Cookie. What cannot be read is left out, as browsers do. */
  set(header: string, secure: boolean, now: number): void {
    const [pair = "", ...attributes] = header.split(";");
    const equals = pair.indexOf("=");
    const name = pair.slice(0, equals).trim();
    const value = pair.slice(equals + 1).trim();
    // Whatever could not stand in a header again is no cookie.
    if (equals < 1 || pair.length > cookieSizeMax || !/^[!-~]+$/.test(name) || !/^[ -~]*$/.test(value)) return;
    let path = "/";
    let onlySecure = false;
    let expiresAt = Number.POSITIVE_INFINITY;
    let hasMaxAge = false;
    for (const attribute of attributes) {
      const [key = "", text = ""] = attribute.split("=", 2).map((part) => part.trim());
      switch (key.toLowerCase()) {
        case "path":
          if (text.startsWith("/")) path = text;
          break;
        case "secure":
          onlySecure = true;
          break;
        case "max-age":
          if (!/^-?\d{1,12}$/.test(text)) break;
          // It goes before Expires, wherever it stands.
          hasMaxAge = true;
          expiresAt = now + Number(text) * 1000;
          break;
        case "expires": {
          const at = Date.parse(attribute.slice(attribute.indexOf("=") + 1));
          if (!hasMaxAge && !Number.isNaN(at)) expiresAt = at;
        }
      }
    }
    if (onlySecure && !secure) return;
    const id = `${name};${path}`;
    if (expiresAt <= now) {
      this.#cookies.delete(id);
      return;
    }
    this.#cookies.set(id, { name, value, path, secure: onlySecure, expiresAt });
    if (this.#cookies.size > cookiesMax) {
      for (const oldest of this.#cookies.keys()) {
        this.#cookies.delete(oldest);
        break;
      }
    }
  }

  /** The header for a request; undefined where there is none. */
  header(target: string, secure: boolean, now: number): string | undefined {
    const path = target.replace(/\?.*$/s, "");
    const found: Cookie[] = [];
    for (const [id, cookie] of this.#cookies) {
      if (cookie.expiresAt <= now) this.#cookies.delete(id);
      else if ((!cookie.secure || secure) && matches(path, cookie.path)) found.push(cookie);
    }
    if (found.length === 0) return undefined;
    // RFC 6265, section 5.4: longer paths first.
    found.sort((a, b) => b.path.length - a.path.length);
    return found.map(({ name, value }) => `${name}=${value}`).join("; ");
  }
}

function matches(path: string, of: string): boolean {
  return path === of || (path.startsWith(of) && (of.endsWith("/") || path[of.length] === "/"));
}

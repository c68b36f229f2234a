import { RpcError } from "../model/index.js";

/** Where HTTP exchanges go, taken apart. */
export interface ExchangeAddress {
  /** `http` and `https` over TCP, `http+unix` over a Unix socket; `scgi` and `scgi+unix` without HTTP between. */
  readonly scheme: "http" | "https" | "http+unix" | "scgi" | "scgi+unix";
  /** Empty on Unix sockets. */
  readonly host: string;
  /** 0 on Unix sockets, and for a server that takes any free one. */
  readonly port: number;
  /** The socket's file; empty elsewhere. */
  readonly socketPath: string;
  /** What is asked for, with the query, such as `/RPC2`; undefined where the address does not say. */
  readonly target: string | undefined;
  /** From `http://USER:PASSWORD@HOST`. */
  readonly credentials: { readonly user: string; readonly password: string } | undefined;
}

const forms =
  "http://HOST[:PORT][/PATH], https://HOST[:PORT][/PATH], http+unix:/SOCKET[:/PATH], scgi://HOST:PORT[/PATH] or " +
  "scgi+unix:/SOCKET[:/PATH] (IPv6 hosts in brackets)";

/** Whether the text is meant as an address of HTTP exchanges, well written or not. */
export function isExchangeAddress(text: string): boolean {
  return /^(https?|http\+unix|scgi|scgi\+unix):/.test(text);
}

/**
 * Takes an address of HTTP exchanges apart. A socket's file ends at the last `:/`, where the path begins.
 *
 * @throws RpcError `invalid-argument` that names the address, without its password, and says what forms there are
 */
export function parseExchangeAddress(text: string): ExchangeAddress {
  const unix = /^(http\+unix|scgi\+unix):(?:\/\/)?(\/.*?)(?::(\/[^:]*))?$/s.exec(text);
  if (unix !== null) {
    const [, scheme, socketPath = "", target] = unix;
    if (socketPath.includes("\0")) throw badAddress(text, "a path cannot hold a NUL");
    checkTarget(text, target);
    return {
      scheme: scheme as "http+unix" | "scgi+unix",
      host: "",
      port: 0,
      socketPath,
      target,
      credentials: undefined,
    };
  }
  const parts = /^(https?|scgi):\/\/(?:([^@/?#]*)@)?(\[[0-9A-Fa-f:.]+\]|[^\s:/[\]@?#]+)(?::(\d+))?([/?].*)?$/s.exec(
    text,
  );
  if (parts === null) throw badAddress(text, "it has none of the known forms");
  const [, scheme = "", userinfo, host = "", port, target] = parts;
  if (port !== undefined && Number(port) > 65_535) throw badAddress(text, "a port is at most 65535");
  if (scheme === "scgi" && port === undefined) throw badAddress(text, "SCGI has no usual port; give one");
  if (scheme === "scgi" && userinfo !== undefined) throw badAddress(text, "SCGI carries no user and password");
  checkTarget(text, target);
  return {
    scheme: scheme as "http" | "https" | "scgi",
    host: host.startsWith("[") ? host.slice(1, -1) : host,
    port: port === undefined ? (scheme === "https" ? 443 : 80) : Number(port),
    socketPath: "",
    target: target?.startsWith("?") ? `/${target}` : target,
    credentials: userinfo === undefined ? undefined : credentialsOf(text, userinfo),
  };
}

/** A path goes into the request's first line as it stands. */
function checkTarget(text: string, target: string | undefined): void {
  if (target?.includes("#")) throw badAddress(text, "a fragment (#) is not sent to servers");
  // Visible ASCII: anything else would end the line early, or mean something else at the other end.
  if (target !== undefined && !/^[!-~]*$/.test(target)) {
    throw badAddress(text, "its path has characters that must be percent-encoded");
  }
}

function credentialsOf(text: string, userinfo: string): ExchangeAddress["credentials"] {
  const colon = userinfo.indexOf(":");
  try {
    const user = decodeURIComponent(colon < 0 ? userinfo : userinfo.slice(0, colon));
    return { user, password: colon < 0 ? "" : decodeURIComponent(userinfo.slice(colon + 1)) };
  } catch {
    throw badAddress(text, "its user or password is not well percent-encoded");
  }
}

/** An address in its usual form, without user and password: for messages, and to compare origins. */
export function formatExchangeAddress(address: ExchangeAddress, target: string = address.target ?? ""): string {
  const { scheme } = address;
  if (address.socketPath !== "") return `${scheme}:${address.socketPath}${target === "" ? "" : `:${target}`}`;
  // A dual-stack socket shows IPv4 peers as ::ffff:1.2.3.4; users know them without the prefix.
  const { host: given, port } = address;
  const host = given.startsWith("::ffff:") && given.includes(".") ? given.slice(7) : given;
  const usual = (scheme === "http" && port === 80) || (scheme === "https" && port === 443);
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}${usual ? "" : `:${port}`}${target}`;
}

function badAddress(text: string, why: string): RpcError {
  const shown = text.replace(/\/\/[^@/?#]*@/, "//...@");
  return new RpcError("invalid-argument", `Bad address "${shown}": ${why}. Write ${forms}.`, { executed: "no" });
}

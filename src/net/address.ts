import { RpcError } from "../model/index.js";

/** An address as a user writes it, taken apart. */
export type Address =
  | { readonly scheme: "tcp" | "udp" | "tls"; readonly host: string; readonly port: number | undefined }
  | { readonly scheme: "unix"; readonly path: string }
  | { readonly scheme: "memory" | "memory+datagram"; readonly name: string };

const forms =
  "tcp://HOST[:PORT], udp://HOST[:PORT], tls://HOST:PORT, unix:/PATH, memory://NAME or memory+datagram://NAME (IPv6 hosts in brackets)";

/**
 * Takes an address apart.
 *
 * @throws RpcError `invalid-argument` that names the address and says what forms there are
 */
export function parseAddress(text: string): Address {
  const unix = /^unix:(?:\/\/)?(\/.*)$/s.exec(text);
  if (unix?.[1] !== undefined) {
    if (unix[1].includes("\0")) throw badAddress(text, "a path cannot hold a NUL");
    return { scheme: "unix", path: unix[1] };
  }
  const memory = /^(memory(?:\+datagram)?):\/\/([^/]+)$/.exec(text);
  if (memory?.[1] !== undefined && memory[2] !== undefined) {
    return { scheme: memory[1] as "memory" | "memory+datagram", name: memory[2] };
  }
  const ip = /^(tcp|udp|tls):\/\/(\[[^\]]+\]|[^:/[\]@?#]+)(?::(\d+))?\/?$/.exec(text);
  if (ip === null) throw badAddress(text, "it has none of the known forms");
  const [, scheme, host = "", port] = ip;
  if (port !== undefined && Number(port) > 65_535) throw badAddress(text, "a port is at most 65535");
  return {
    scheme: scheme as "tcp" | "udp" | "tls",
    host: host.startsWith("[") ? host.slice(1, -1) : host,
    port: port === undefined ? undefined : Number(port),
  };
}

function badAddress(text: string, why: string): RpcError {
  return new RpcError("invalid-argument", `Bad address "${text}": ${why}. Write ${forms}.`, { executed: "no" });
}

/** An IP address and port as text, such as `tcp://127.0.0.1:2049` or `udp://[::1]:111`. */
export function formatIpAddress(scheme: string, host: string, port: number): string {
  // A dual-stack socket shows IPv4 peers as ::ffff:1.2.3.4; users know them without the prefix.
  const plain = host.startsWith("::ffff:") && host.includes(".") ? host.slice(7) : host;
  return plain.includes(":") ? `${scheme}://[${plain}]:${port}` : `${scheme}://${plain}:${port}`;
}

/** The name in an address that is one, such as `calc` in `name:calc`; undefined for every other address. */
export function nameIn(text: string): string | undefined {
  return /^name:(?:\/\/)?(.*)$/s.exec(text)?.[1];
}

// Universal addresses and netids (RFC 5665, section 5), and the addresses of hosts that they are made of.

/** IANA's number of a transport protocol, as version 2 of rpcbind uses it. */
export const protocolNumber: Readonly<Record<"tcp" | "udp", number>> = { tcp: 6, udp: 17 };

/** A host and port as a universal address, such as `127.0.0.1.8.1` for port 2049: RFC 5665, section 5.2.3. */
export function toUniversalAddress(host: string, port: number): string {
  return `${host}.${port >> 8}.${port & 0xff}`;
}

/** A universal address of IPv4 or IPv6, taken apart; undefined when the text is none. */
export function parseUniversalAddress(uaddr: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^([0-9a-fA-F.:%a-z]*)\.(\d{1,3})\.(\d{1,3})$/.exec(uaddr);
  if (match === null) return undefined;
  const [high, low] = [Number(match[2]), Number(match[3])];
  return high > 255 || low > 255 ? undefined : { host: match[1] ?? "", port: high * 256 + low };
}

/**
 * The port of a universal address.
 *
 * @returns undefined when the text is none
 */
export function portOfUniversalAddress(uaddr: string): number | undefined {
  return parseUniversalAddress(uaddr)?.port;
}

/** The netid of a transport to or at a host. */
export function netidOf(transport: "tcp" | "udp", host: string): string {
  return host.includes(":") ? `${transport}6` : transport;
}

/** The 4 or 16 bytes of an IP address, without its zone; undefined when the text is none. */
export function ipBytes(host: string): number[] | undefined {
  const [address = "", ...zones] = host.split("%");
  if (zones.length > 1) return undefined;
  return address.includes(":") ? ip6Bytes(address) : ip4Bytes(address);
}

function ip4Bytes(text: string): number[] | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)) return undefined;
  return parts.map(Number);
}

function ip6Bytes(text: string): number[] | undefined {
  const last = text.slice(text.lastIndexOf(":") + 1);
  if (last.includes(".")) {
    const four = ip4Bytes(last);
    if (four === undefined) return undefined;
    const [a = 0, b = 0, c = 0, d = 0] = four;
    const groups = `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
    return ip6Bytes(text.slice(0, -last.length) + groups);
  }
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const groups = halves.map((half) => (half === "" ? [] : half.split(":")));
  const count = groups.flat().length;
  if (!groups.flat().every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  if (halves.length === 1 ? count !== 8 : count > 7) return undefined;
  const [front = [], back = []] = groups;
  const all = [...front, ...Array<string>(8 - count).fill("0"), ...back];
  return all.flatMap((group) => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

/** An IPv4 address that a socket of IPv6 shows with a prefix, without it; any other host as it is. */
export function plainHost(host: string): string {
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(host) ? host.slice(7) : host;
}

/** Whether a host is this machine's loopback. */
export function isLoopback(host: string): boolean {
  const bytes = ipBytes(plainHost(host));
  if (bytes === undefined) return false;
  if (bytes.length === 4) return bytes[0] === 127;
  return bytes.every((byte, i) => byte === (i === 15 ? 1 : 0));
}

/** Whether a host stands for every address of its machine. */
export function isWildcard(host: string): boolean {
  return ipBytes(host)?.every((byte) => byte === 0) === true;
}

/** IPv6 as RFC 5952 writes it, IPv4 in four decimals. */
export function ipText(bytes: readonly number[]): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i] ?? 0) * 256 + (bytes[2 * i + 1] ?? 0));
  let [from, size] = [0, 0];
  for (let start = 0; start < 8; start++) {
    let end = start;
    while (end < 8 && groups[end] === 0) end++;
    if (end - start > Math.max(size, 1)) [from, size] = [start, end - start];
  }
  const text = (part: number[]): string => part.map((group) => group.toString(16)).join(":");
  return size === 0 ? text(groups) : `${text(groups.slice(0, from))}::${text(groups.slice(from + size))}`;
}

/** The address that reaches everybody of an IPv4 network; undefined where the network has nobody else. */
export function broadcastAddress(address: string, netmask: string): string | undefined {
  const [host, mask] = [ipBytes(address), ipBytes(netmask)];
  // RFC 3021: a link of two has none.
  if (host?.length !== 4 || mask?.length !== 4 || (mask[3] ?? 255) >= 254) return undefined;
  return host.map((byte, i) => byte | (~(mask[i] ?? 0) & 0xff)).join(".");
}

// Universal addresses and netids: RFC 5665, section 5.

/** IANA's number of a transport protocol, as version 2 of rpcbind uses it. */
export const protocolNumber: Readonly<Record<"tcp" | "udp", number>> = { tcp: 6, udp: 17 };

/** A host and port as a universal address, such as `127.0.0.1.8.1` for port 2049: RFC 5665, section 5.2.3. */
export function toUniversalAddress(host: string, port: number): string {
  return `${host}.${port >> 8}.${port & 0xff}`;
}

/** A universal address of IPv4 or IPv6, taken apart; undefined when the text is none. */
export function parseUniversalAddress(uaddr: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(.*)\.(\d{1,3})\.(\d{1,3})$/.exec(uaddr);
  if (match === null) return undefined;
  const [host = "", high, low] = [match[1], Number(match[2]), Number(match[3])];
  if (high > 255 || low > 255 || !/^[0-9a-fA-F.:%a-z]*$/.test(host)) return undefined;
  return { host, port: high * 256 + low };
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

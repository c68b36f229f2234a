import { isIPv6 } from "node:net";

/** A host and port as a universal address, such as `127.0.0.1.8.1` for port 2049: RFC 5665, section 5.2.3. */
export function toUniversalAddress(host: string, port: number): string {
  return `${host}.${port >> 8}.${port & 0xff}`;
}

/**
 * The port of a universal address.
 *
 * @returns undefined when the text is none
 */
export function portOfUniversalAddress(uaddr: string): number | undefined {
  const match = /^[0-9a-fA-F.:%a-z]*\.(\d{1,3})\.(\d{1,3})$/.exec(uaddr);
  if (match === null) return undefined;
  const [high, low] = [Number(match[1]), Number(match[2])];
  return high > 255 || low > 255 ? undefined : high * 256 + low;
}

/** The netid of a transport to or at a host. */
export function netidOf(transport: "tcp" | "udp", host: string): string {
  return isIPv6(host) ? `${transport}6` : transport;
}

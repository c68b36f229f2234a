import { ipBytes, ipText, parseUniversalAddress, toUniversalAddress } from "./uaddr.js";

// Addresses as the machine's own interface to sockets has them on Linux, which is what UADDR2TADDR and TADDR2UADDR of
// RFC 1833 turn into universal ones and back. Only programs of the same machine can use them.

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const sizes = { inet: 16, inet6: 28 } as const;

/** Bytes of `sockaddr_un`; only those of its path are told. */
export const unixSizeMax = 110;

/**
 * A universal address as a `sockaddr`.
 *
 * @param littleEndian the machine's byte order, in which the family is
 * @returns undefined when the address is none of that kind of transport
 */
export function toSockaddr(netid: string, uaddr: string, littleEndian: boolean): Uint8Array | undefined {
  if (netid === "local") return toUnix(uaddr, littleEndian);
  const parsed = parseUniversalAddress(uaddr);
  const bytes = parsed === undefined ? undefined : ipBytes(parsed.host);
  if (parsed === undefined || bytes?.length !== (netid.endsWith("6") ? 16 : 4)) return undefined;
  const isV6 = bytes.length === 16;
  const { data, sockaddr } = emptySockaddr(isV6 ? sizes.inet6 : sizes.inet);
  data.setUint16(0, isV6 ? AF_INET6 : AF_INET, littleEndian);
  data.setUint16(2, parsed.port);
  sockaddr.set(bytes, isV6 ? 8 : 4);
  return sockaddr;
}

/**
 * A `sockaddr` as a universal address.
 *
 * @returns empty when it is none of that kind of transport
 */
export function fromSockaddr(netid: string, sockaddr: Uint8Array, littleEndian: boolean): string {
  if (sockaddr.length < 4) return "";
  const data = new DataView(sockaddr.buffer, sockaddr.byteOffset, sockaddr.length);
  const family = data.getUint16(0, littleEndian);
  if (netid === "local") return family === AF_UNIX ? fromUnix(sockaddr) : "";
  const isV6 = netid.endsWith("6");
  if (family !== (isV6 ? AF_INET6 : AF_INET) || sockaddr.length < (isV6 ? 24 : 8)) return "";
  const bytes = sockaddr.subarray(isV6 ? 8 : 4, isV6 ? 24 : 8);
  return toUniversalAddress(ipText([...bytes]), data.getUint16(2));
}

function toUnix(path: string, littleEndian: boolean): Uint8Array | undefined {
  // A path is bytes; one that is not ASCII is left to those who know its encoding.
  if (!/^\/[\x20-\x7e]*$/.test(path) || path.length > unixSizeMax - 3) return undefined;
  const { data, sockaddr } = emptySockaddr(2 + path.length);
  data.setUint16(0, AF_UNIX, littleEndian);
  for (let i = 0; i < path.length; i++) sockaddr[2 + i] = path.charCodeAt(i);
  return sockaddr;
}

function fromUnix(sockaddr: Uint8Array): string {
  const end = sockaddr.indexOf(0, 2);
  const path = String.fromCharCode(...sockaddr.subarray(2, Math.min(end < 0 ? unixSizeMax : end, unixSizeMax)));
  return /^\/[\x20-\x7e]*$/.test(path) ? path : "";
}

function emptySockaddr(size: number): { readonly data: DataView; readonly sockaddr: Uint8Array } {
  const sockaddr = new Uint8Array(size);
  return { data: new DataView(sockaddr.buffer), sockaddr };
}

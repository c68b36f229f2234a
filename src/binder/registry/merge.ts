import { ipBytes, isLoopback, isWildcard, parseUniversalAddress, plainHost, toUniversalAddress } from "./uaddr.js";

/** One address of one interface of the machine, as `os.networkInterfaces` tells it. */
export interface InterfaceAddress {
  readonly address: string;
  readonly netmask: string;
  /** Loopback. */
  readonly internal: boolean;
}

/**
 * An address as its asker reaches it: where a server listens on every address of the machine, the one of the interface
 * that the asker is on.
 *
 * @param uaddr what is registered
 * @param asker its host; undefined when it is on a Unix socket
 * @param hint the address at which it reached the binder, as far as it says
 * @returns empty when there is no way from the asker to it: the loopback of this machine is no other's
 */
export function mergeAddress(
  uaddr: string,
  asker: string | undefined,
  hint: string,
  interfaces: readonly InterfaceAddress[],
): string {
  const registered = parseUniversalAddress(uaddr);
  if (registered === undefined || asker === undefined) return uaddr;
  const { host, port } = registered;
  if (!isWildcard(host)) return isLoopback(host) && !isLoopback(asker) && !isOwn(asker, interfaces) ? "" : uaddr;
  const size = ipBytes(host)?.length;
  const family = interfaces.filter(({ address }) => ipBytes(address)?.length === size);
  const hinted = parseUniversalAddress(hint)?.host;
  const best =
    family.find(({ address }) => hinted !== undefined && sameAddress(address, hinted)) ??
    closest(family, plainHost(asker)) ??
    family.find(({ internal }) => !internal) ??
    family[0];
  return best === undefined ? uaddr : toUniversalAddress(best.address, port);
}

/** Whether a host is one of the machine's addresses. */
export function isOwn(host: string, interfaces: readonly InterfaceAddress[]): boolean {
  return isLoopback(host) || interfaces.some(({ address }) => sameAddress(address, plainHost(host)));
}

function sameAddress(one: string, other: string): boolean {
  const [a, b] = [ipBytes(one), ipBytes(other)];
  return a !== undefined && b !== undefined && a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** The interface whose network the host is in; of several, the one with the smallest network. */
function closest(interfaces: readonly InterfaceAddress[], host: string): InterfaceAddress | undefined {
  const asked = ipBytes(host);
  let best: { readonly found: InterfaceAddress; readonly bits: number } | undefined;
  for (const found of interfaces) {
    const [address, mask] = [ipBytes(found.address), ipBytes(found.netmask)];
    if (asked === undefined || address?.length !== asked.length || mask?.length !== asked.length) continue;
    if (!address.every((byte, i) => ((byte ^ (asked[i] ?? 0)) & (mask[i] ?? 0)) === 0)) continue;
    const bits = mask.reduce((sum, byte) => sum + byte.toString(2).replaceAll("0", "").length, 0);
    if (best === undefined || bits > best.bits) best = { found, bits };
  }
  return best?.found;
}

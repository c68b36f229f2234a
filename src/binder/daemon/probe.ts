import { RpcError } from "../../model/index.js";
import { formatIpAddress, openStream } from "../../net/index.js";
import { OncClient } from "../../onc/client.js";
import { ClntStat } from "../../onc/status.js";
import { nothing } from "../../xdr/index.js";
import type { Registration } from "../registry/registry.js";
import { isWildcard, parseUniversalAddress } from "../registry/uaddr.js";

/** What looking for a server came to. One that does not answer in time may be busy. */
export type Presence = "there" | "gone" | "silent";

/** Looks whether the server of a registration is still there. */
export type Probe = (entry: Registration, timeoutMs: number) => Promise<Presence>;

/**
 * Asks the server of a registration whether it is there: over TCP and UDP by procedure 0 of its program, over a Unix socket
 * by connecting, since what listens there may be anything. Gone is what nobody listens at any more, and an address that
 * somebody else has, who does not serve the program.
 */
export const probeServer: Probe = async (entry, timeoutMs) => {
  if (entry.netid === "local") return await probeUnix(entry.addr, timeoutMs);
  const address = localAddressOf(entry);
  if (address === undefined) return "gone";
  const { prog: program, vers: version } = entry;
  const options = { timeoutMs, connectTimeoutMs: timeoutMs, retry: false, session: "off" } as const;
  try {
    await using client = await OncClient.open(address, options);
    await client.call({ program, version, procedure: 0 }, nothing, undefined, nothing);
    return "there";
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    if (isRefusal(error)) return "gone";
    if (error.status?.number === ClntStat.RPC_PROGUNAVAIL) return "gone";
    return error.code === "deadline-exceeded" || error.code === "unavailable" ? "silent" : "there";
  }
};

/** Where this machine reaches the server of a registration; undefined where the address is none of TCP or UDP. */
export function localAddressOf({ netid, addr }: Registration): string | undefined {
  if (netid === "local") return `unix:${addr}`;
  const parsed = parseUniversalAddress(addr);
  if (parsed === undefined) return undefined;
  const loopback = netid.endsWith("6") ? "::1" : "127.0.0.1";
  return formatIpAddress(netid.slice(0, 3), isWildcard(parsed.host) ? loopback : parsed.host, parsed.port);
}

async function probeUnix(path: string, timeoutMs: number): Promise<Presence> {
  try {
    const stream = await openStream({ scheme: "unix", path }, { signal: AbortSignal.timeout(timeoutMs) });
    stream.destroy();
    return "there";
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "ENOENT" || code === "ECONNREFUSED" ? "gone" : "silent";
  }
}

/** Whether the machine itself said that nobody listens. */
function isRefusal(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ((cause as NodeJS.ErrnoException).code === "ECONNREFUSED") return true;
  }
  return false;
}

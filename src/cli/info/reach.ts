import { lookup } from "node:dns/promises";
import { parseUniversalAddress } from "../../binder/registry/uaddr.js";
import { RpcbindV4 } from "../../binder/rpcbind/rpcbind.js";
import { RpcError } from "../../model/index.js";
import { formatIpAddress } from "../../net/index.js";
import { ClntStat, clntStatus } from "../../onc/status.js";
import { CliError, ExitCode } from "../exit.js";
import { ask, binderAddress } from "./dump.js";

// Where a program is pinged, for each way of saying it.

/** The kinds of transport that can be named. */
const netids = ["tcp", "udp", "tcp6", "udp6", "local"] as const;
export type Netid = (typeof netids)[number];

/** @throws CliError for a name that is none */
export function checkNetid(text: string): Netid {
  const found = netids.find((netid) => netid === text);
  if (found === undefined) throw new CliError(`Could not find ${text}`, ExitCode.failed);
  return found;
}

/**
 * The address of a program over a kind of transport: without a port where rpcbind is to be asked.
 *
 * @throws RpcError for a host that has no such address, and a program that is not registered
 */
export async function addressOver(
  netid: Netid,
  host: string,
  target: { readonly program: number; readonly version: number; readonly timeoutMs: number },
): Promise<string> {
  if (netid === "local") return `unix:${await localAddress(target)}`;
  const family = netid.endsWith("6") ? 6 : 4;
  const found = await lookup(host, { family }).catch((error: unknown) => {
    const status = clntStatus(ClntStat.RPC_UNKNOWNHOST);
    throw new RpcError("not-found", `${host} has no address of IPv${family}`, { executed: "no", status, cause: error });
  });
  const plain = family === 6 ? `[${found.address}]` : found.address;
  return `${netid.slice(0, 3)}://${plain}`;
}

/** @throws CliError for a universal address that is none of the kind */
export function addressAt(netid: Netid, uaddr: string): string {
  if (netid === "local" && uaddr.startsWith("/")) return `unix:${uaddr}`;
  const parsed = parseUniversalAddress(uaddr);
  const isV6 = parsed?.host.includes(":") === true;
  if (parsed === undefined || netid === "local" || parsed.host === "" || isV6 !== netid.endsWith("6")) {
    throw new CliError(`${uaddr} is no universal address of ${netid}, such as 127.0.0.1.8.1 for port 2049`);
  }
  return formatIpAddress(netid.slice(0, 3), parsed.host, parsed.port);
}

async function localAddress({
  program,
  version,
  timeoutMs,
}: {
  readonly program: number;
  readonly version: number;
  readonly timeoutMs: number;
}): Promise<string> {
  const wanted = { prog: program, vers: version, netid: "local", addr: "", owner: "" };
  const path = await ask(RpcbindV4, binderAddress(undefined), timeoutMs, (client) => client.getaddr(wanted));
  if (path !== "") return path;
  const status = clntStatus(ClntStat.RPC_PROGNOTREGISTERED);
  throw new RpcError("not-found", `program ${program} is not registered for local`, { executed: "no", status });
}

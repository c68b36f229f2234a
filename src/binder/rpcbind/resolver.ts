import { isIP } from "node:net";
import { type Client, type ResolveQuery, type Resolver, RpcError } from "../../model/index.js";
import { formatIpAddress } from "../../net/index.js";
import { connectOnc } from "../../onc/client.js";
import type { OncService } from "../../onc/program.js";
import { ClntStat, clntStatus } from "../../onc/status.js";
import { netidOf, portOfUniversalAddress, protocolNumber, toUniversalAddress } from "../registry/uaddr.js";
import { RPCBIND_PORT, RpcbindV2 } from "./rpcbind.js";
import { ByAddressV3, ByAddressV4 } from "./versions.js";

/** Asks a service at rpcbind's address, over the given transport; undefined when rpcbind does not serve that version. */
async function ask<C, T>(
  service: OncService<C>,
  address: string,
  timeoutMs: number,
  question: (client: Client<C>) => Promise<T>,
): Promise<T | undefined> {
  await using client = await connectOnc(service, address, {
    connectTimeoutMs: timeoutMs,
    timeoutMs,
    retry: false,
    // Port mappers have no sessions.
    session: "off",
  });
  try {
    return await question(client);
  } catch (error) {
    if (error instanceof RpcError && error.code === "unimplemented") return undefined;
    throw error;
  }
}

/**
 * Finds the port of a program at a host: asks the host's rpcbind by version 4, then 3, then 2 (the port mapper), over
 * the transport that the program is wanted on.
 *
 * A program that is registered in other versions only is found too, as C clients expect: the call then fails with the
 * versions that there are.
 */
export const rpcbindResolver: Resolver = {
  async resolve({ transport, host, program, version, timeoutMs }: ResolveQuery): Promise<string> {
    if (transport !== "tcp" && transport !== "udp") {
      const message = `rpcbind knows no ${transport} addresses; give the whole address`;
      throw new RpcError("invalid-argument", message, { executed: "no" });
    }
    const binder = formatIpAddress(transport, host, RPCBIND_PORT);
    const port = await findPort(transport, host, program, version, binder, timeoutMs).catch((error: unknown) => {
      throw binderFailure(error, binder, program);
    });
    if (port === 0) {
      throw new RpcError(
        "not-found",
        `program ${program} is not registered for ${transport} with the rpcbind at ${binder}; start its server, or give the port`,
        { executed: "no", peer: binder, status: clntStatus(ClntStat.RPC_PROGNOTREGISTERED) },
      );
    }
    return formatIpAddress(transport, host, port);
  },
};

/** @returns the port, or 0 when the program is not registered */
async function findPort(
  transport: "tcp" | "udp",
  host: string,
  program: number,
  version: number,
  binder: string,
  timeoutMs: number,
): Promise<number> {
  // The address tells which of its interfaces the answer is for, and keeps the question as long as the answer.
  const addr = isIP(host) === 0 ? "" : toUniversalAddress(host, RPCBIND_PORT);
  const entry = { prog: program, vers: version, netid: netidOf(transport, host), addr, owner: "" };
  for (const service of [ByAddressV4, ByAddressV3]) {
    const uaddr = await ask(service, binder, timeoutMs, (client) => client.getaddr(entry));
    if (uaddr === undefined) continue;
    if (uaddr === "") return 0;
    const port = portOfUniversalAddress(uaddr);
    if (port !== undefined) return port;
    throw new RpcError("bad-reply", `the rpcbind at ${binder} answered "${uaddr}", which is no universal address`, {
      executed: "no",
      peer: binder,
    });
  }
  const mapping = { prog: program, vers: version, prot: protocolNumber[transport], port: 0 };
  const port = await ask(RpcbindV2, binder, timeoutMs, (client) => client.getport(mapping));
  if (port !== undefined) return port;
  throw new RpcError("unimplemented", `${binder} serves none of rpcbind's versions 4, 3 and 2`, { executed: "no" });
}

/** The user's own call was not sent, so whatever went wrong here, it did not run. */
function binderFailure(error: unknown, binder: string, program: number): RpcError {
  const code = error instanceof RpcError ? error.code : "unavailable";
  const text = error instanceof Error ? error.message : String(error);
  return new RpcError(
    code === "not-found" ? code : "unavailable",
    `cannot ask the rpcbind at ${binder} for program ${program}: ${text}. Is rpcbind running there? Otherwise give the port`,
    {
      executed: "no",
      peer: binder,
      cause: error,
      status: clntStatus(code === "not-found" ? ClntStat.RPC_UNKNOWNHOST : ClntStat.RPC_PMAPFAILURE),
    },
  );
}

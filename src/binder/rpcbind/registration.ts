import { existsSync } from "node:fs";
import { userInfo } from "node:os";
import { type Client, RpcError } from "../../model/index.js";
import { parseAddress } from "../../net/index.js";
import { connectOnc } from "../../onc/client.js";
import type { OncService } from "../../onc/program.js";
import { ClntStat, clntStatus } from "../../onc/status.js";
import { netidOf, portOfUniversalAddress, protocolNumber, toUniversalAddress } from "../registry/uaddr.js";
import { RPCBIND_PORT, type Rpcb, RpcbindV2 } from "./rpcbind.js";
import { ByAddressV3, ByAddressV4, type RpcbindByAddress } from "./versions.js";

/** What was registered, and where. */
export interface Registration {
  readonly binder: string;
  readonly entry: Rpcb;
}

/** rpcbind's own socket: who registers there is known by its uid, and may take back only what is its own. */
const rpcbindSocket = "/run/rpcbind.sock";

/**
 * Registers every service at every address with an rpcbind, in place of what was registered for the same program,
 * version and netid: a server that was killed leaves its registration behind.
 *
 * @throws RpcError `unavailable` when no rpcbind answers, `denied` when it refuses
 */
export async function registerAll(
  services: readonly { readonly program: number; readonly version: number; readonly name: string }[],
  addresses: readonly string[],
  binder?: string,
): Promise<Registration[]> {
  const owner = userInfo().username;
  const entries = services.flatMap(({ program, version }) =>
    addresses.flatMap((address) => {
      const place = placeOf(address);
      return place === undefined ? [] : [{ prog: program, vers: version, owner, ...place }];
    }),
  );
  if (entries.length === 0) {
    const message = "there is nothing to register: listen on a tcp, udp or unix address first";
    throw new RpcError("invalid-argument", message, { executed: "no" });
  }
  const done: Registration[] = [];
  await withBinder(binder, async (client, address) => {
    for (const entry of entries) {
      await client.unset({ ...entry, addr: "" });
      if (!(await client.set(entry))) {
        throw new RpcError(
          "denied",
          `the rpcbind at ${address} refuses program ${entry.prog} version ${entry.vers} over ${entry.netid}: somebody else has registered it`,
          { executed: "no", peer: address },
        );
      }
      done.push({ binder: address, entry });
    }
  });
  return done;
}

/** Takes registrations back. */
export async function unregisterAll(registrations: readonly Registration[]): Promise<void> {
  const [first] = registrations;
  if (first === undefined) return;
  await withBinder(first.binder, async (client) => {
    for (const { entry } of registrations) await client.unset({ ...entry, addr: "" });
  });
}

/** The netid and universal address of an address; undefined where rpcbind knows no such kind. */
function placeOf(text: string): Pick<Rpcb, "netid" | "addr"> | undefined {
  const address = parseAddress(text);
  if (address.scheme === "unix") return { netid: "local", addr: address.path };
  if (address.scheme !== "tcp" && address.scheme !== "udp") return undefined;
  return {
    netid: netidOf(address.scheme, address.host),
    addr: toUniversalAddress(address.host, address.port ?? 0),
  };
}

type Registrar = Pick<Client<RpcbindByAddress>, "set" | "unset">;

/** Finds a way to the rpcbind of this machine, and the highest version that it serves. */
async function withBinder(
  given: string | undefined,
  work: (client: Registrar, address: string) => Promise<void>,
): Promise<void> {
  const loopback = `tcp://127.0.0.1:${RPCBIND_PORT}`;
  const address = given ?? (existsSync(rpcbindSocket) ? `unix:${rpcbindSocket}` : loopback);
  for (const service of [ByAddressV4, ByAddressV3]) {
    await using client = await reach(service, address);
    if (await serves(client)) return await work(client, address);
  }
  await using client = await reach(RpcbindV2, address);
  await work(portMapperAsRegistrar(client), address);
}

async function reach<C>(service: OncService<C>, address: string): Promise<Client<C>> {
  try {
    return await connectOnc(service, address, { session: "off" });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new RpcError("unavailable", `cannot register: no rpcbind answers (${text}). Start rpcbind`, {
      executed: "no",
      peer: address,
      cause: error,
      status: clntStatus(ClntStat.RPC_PMAPFAILURE),
    });
  }
}

async function serves(client: Pick<Client<object>, "$ping">): Promise<boolean> {
  try {
    await client.$ping();
    return true;
  } catch (error) {
    if (error instanceof RpcError && error.code === "unimplemented") return false;
    throw error;
  }
}

/** Version 2 knows TCP and UDP over IPv4 only; what it cannot say counts as refused. */
function portMapperAsRegistrar(client: Client<RpcbindV2>): Registrar {
  const mappingOf = ({ prog, vers, netid, addr }: Rpcb): Parameters<typeof client.set>[0] | undefined => {
    if (netid !== "tcp" && netid !== "udp") return undefined;
    return { prog, vers, prot: protocolNumber[netid], port: portOfUniversalAddress(addr) ?? 0 };
  };
  return {
    async set(entry) {
      const mapping = mappingOf(entry);
      return mapping !== undefined && (await client.set(mapping));
    },
    async unset(entry) {
      const mapping = mappingOf(entry);
      return mapping !== undefined && (await client.unset(mapping));
    },
  };
}

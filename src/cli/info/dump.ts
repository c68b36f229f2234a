import { existsSync } from "node:fs";
import { toUniversalAddress } from "../../binder/registry/uaddr.js";
import { type Mapping, RPCBIND_PORT, type Rpcb, RpcbindV2 } from "../../binder/rpcbind/rpcbind.js";
import { ByAddressV3, ByAddressV4 } from "../../binder/rpcbind/versions.js";
import { type Client, RpcError } from "../../model/index.js";
import { formatIpAddress } from "../../net/index.js";
import { connectOnc } from "../../onc/client.js";
import type { OncService } from "../../onc/program.js";
import { protocolName } from "./tables.js";

// What is registered with a rpcbind. Over a stream always: a list does not fit a datagram for long.

/** rpcbind's own socket: it answers where loopback is filtered, and needs no port. */
const rpcbindSocket = "/run/rpcbind.sock";

/** Where the rpcbind of a host listens; `host` may be an address in full, and is this machine where it is missing. */
export function binderAddress(host: string | undefined): string {
  if (host === undefined) {
    return existsSync(rpcbindSocket) ? `unix:${rpcbindSocket}` : formatIpAddress("tcp", "127.0.0.1", RPCBIND_PORT);
  }
  return /^\w+:\/|^unix:/.test(host) ? host : formatIpAddress("tcp", host, RPCBIND_PORT);
}

/** All that the port mapper knows: TCP and UDP over IPv4. Throws `RpcError`. */
export async function dumpMappings(address: string, timeoutMs: number): Promise<Mapping[]> {
  return await ask(RpcbindV2, address, timeoutMs, async (client) => [...mapsOf(await client.dump())]);
}

/** All that rpcbind knows; by version 3, 4 or 2, in the order in which rpcinfo asks them. Throws `RpcError`. */
export async function dumpEntries(address: string, timeoutMs: number): Promise<Rpcb[]> {
  for (const service of [ByAddressV3, ByAddressV4]) {
    try {
      return await ask(service, address, timeoutMs, async (client) => [...mapsOf(await client.dump())]);
    } catch (error) {
      if (!(error instanceof RpcError) || error.code !== "unimplemented") throw error;
    }
  }
  const mappings = await dumpMappings(address, timeoutMs);
  return mappings.map(({ prog, vers, prot, port }) => ({
    prog,
    vers,
    netid: protocolName(prot),
    addr: toUniversalAddress("0.0.0.0", port),
    owner: "unknown",
  }));
}

/** Asks a rpcbind one thing. Throws `RpcError`. */
export async function ask<C, T>(
  service: OncService<C>,
  address: string,
  timeoutMs: number,
  question: (client: Client<C>) => Promise<T>,
): Promise<T> {
  const connectTimeoutMs = Math.min(timeoutMs, 5_000);
  await using client = await connectOnc(service, address, {
    timeoutMs,
    connectTimeoutMs,
    retry: false,
    // Port mappers have no sessions.
    session: "off",
  });
  return await question(client);
}

interface List<T> {
  readonly map: T;
  readonly next: List<T> | null;
}

/** What a list holds. */
export function* mapsOf<T>(list: List<T> | null): Generator<T> {
  for (let entry = list; entry !== null; entry = entry.next) yield entry.map;
}

/** The entries of a list that are links themselves. */
export function* mapsIn<T extends { readonly next: T | null }>(list: T | null): Generator<T> {
  for (let entry = list; entry !== null; entry = entry.next) yield entry;
}

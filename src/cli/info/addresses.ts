import { toUniversalAddress } from "../../binder/registry/uaddr.js";
import { RPCBIND_PORT, type RpcbEntry, RpcbindV4 } from "../../binder/rpcbind/rpcbind.js";
import { parseAddress } from "../../net/index.js";
import { harmless } from "../harmless.js";
import { ask, mapsOf } from "./dump.js";
import type { ServiceNames } from "./service-names.js";

/** One address of a program, as it is reached from here. */
export interface AddressRow {
  readonly program: number;
  readonly version: number;
  readonly family: string;
  readonly protocol: string;
  /** `clts`, `cots` or `cots_ord`: datagrams, a stream, a stream that ends in order. */
  readonly delivery: string;
  readonly address: string;
  readonly service: string | null;
}

/** All addresses of a version, of the family that rpcbind is asked over. Throws `RpcError`. */
export async function addressesOf(
  binder: string,
  program: number,
  version: number,
  timeoutMs: number,
): Promise<RpcbEntry[]> {
  const address = parseAddress(binder);
  const host = "host" in address ? address.host : undefined;
  const isIp = host !== undefined && /^[\d.]+$|:/.test(host);
  const addr = isIp ? toUniversalAddress(host, ("port" in address && address.port) || RPCBIND_PORT) : "";
  const wanted = { prog: program, vers: version, netid: "", addr, owner: "" };
  return await ask(RpcbindV4, binder, timeoutMs, async (client) => [...mapsOf(await client.getaddrlist(wanted))]);
}

export function addressRows(
  entries: readonly RpcbEntry[],
  program: number,
  version: number,
  names: ServiceNames,
): AddressRow[] {
  const service = names.name(program) ?? null;
  return entries.map(({ maddr, delivery, family, proto }) => {
    const kind = delivery === 1 ? "clts" : delivery === 2 ? "cots" : "cots_ord";
    return { program, version, family, protocol: proto, delivery: kind, address: maddr, service };
  });
}

/** `rpcinfo -l`. */
export function addressTable(rows: readonly AddressRow[]): string {
  if (rows.length === 0) return "No remote programs registered.\n";
  const lines = rows.map(({ program, version, family, protocol, delivery, address, service }) => {
    const kind = `${family}/${protocol}/${delivery} `.padEnd(24);
    const place = `${String(program).padStart(10)}${String(version).padStart(3)}    ${kind}${address.padEnd(24)}`;
    return harmless(`${place} ${(service ?? "-").padEnd(13)}`);
  });
  return ["   program vers  tp_family/name/class    address\t\t  service", ...lines]
    .map((line) => `${line}\n`)
    .join("");
}

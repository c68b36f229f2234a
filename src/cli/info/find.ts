import { lookupService } from "node:dns/promises";
import { broadcast } from "../../binder/broadcast.js";
import { toUniversalAddress } from "../../binder/registry/uaddr.js";
import type { Procedure } from "../../model/index.js";
import { parseAddress } from "../../net/index.js";
import { oncProgram } from "../../onc/program.js";
import { nothing } from "../../xdr/index.js";

/** Who answered a broadcast. */
export interface FoundRow {
  /** The universal address of the program. */
  readonly address: string;
  /** The machine's name; `unknown` where nobody knows it. */
  readonly host: string;
}

interface Pinged {
  ping: Procedure<[], void, "at-least-once">;
}

/** Who serves a version of a program on the local networks: `rpcinfo -b`, but each server once. Throws `RpcError`. */
export async function findServers(program: number, version: number, timeoutMs: number): Promise<FoundRow[]> {
  const service = oncProgram<Pinged>({
    name: `program ${program}`,
    program,
    version,
    procedures: { ping: { number: 0, name: "NULL", args: [], result: nothing, semantics: "at-least-once" } },
  });
  // Version 2, which every machine has that can be asked at all.
  const replies = await broadcast(service, "ping", [], { waitFor: "all", timeoutMs, rpcbindVersion: 2 });
  return await Promise.all(
    replies.map(async ({ address }) => {
      const parsed = parseAddress(address);
      const [host, port] = "host" in parsed ? [parsed.host, parsed.port ?? 0] : ["", 0];
      const found = await lookupService(host, port).catch(() => undefined);
      const named = found === undefined || found.hostname === host ? "unknown" : found.hostname;
      return { address: toUniversalAddress(host, port), host: named };
    }),
  );
}

// The server that the hostile tests attack: its contract.
import type { Procedure } from "farcall";
import { type OncService, oncProgram } from "farcall/onc";
import { opaque, string, uint } from "farcall/xdr";

export interface Target {
  take: Procedure<[bytes: Uint8Array], number, "at-least-once">;
  give: Procedure<[size: number], Uint8Array>;
  /** Keeps the bytes for a second. */
  hold: Procedure<[bytes: Uint8Array], number>;
  /** {@link Usage} as JSON, after a full collection. */
  usage: Procedure<[], string, "at-least-once">;
}

export const TargetV1: OncService<Target> = oncProgram<Target>({
  name: "TARGET",
  program: 0x20000e1f,
  version: 1,
  procedures: {
    take: { number: 1, name: "TAKE", args: [opaque()], result: uint, semantics: "at-least-once" },
    give: { number: 2, name: "GIVE", args: [uint], result: opaque() },
    hold: { number: 3, name: "HOLD", args: [opaque()], result: uint },
    usage: { number: 4, name: "USAGE", args: [], result: string(), semantics: "at-least-once" },
  },
});

export interface Usage {
  readonly heapUsed: number;
  readonly external: number;
  readonly rss: number;
  readonly descriptors: number;
}

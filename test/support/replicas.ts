// A service whose effect can be counted, as the experiment with two replicas calls it.
import type { Procedure } from "farcall";
import { type OncService, oncProgram } from "farcall/onc";
import { uint } from "farcall/xdr";

export interface Replicated {
  /** Takes effect, committed by itself; gives the number back. */
  apply: Procedure<[call: number], number>;
  /** Takes effect in the transaction of its reply. */
  applyOnce: Procedure<[call: number], number, "exactly-once">;
}

export const ReplicatedV1: OncService<Replicated> = oncProgram<Replicated>({
  name: "REPLICATED",
  program: 0x2000_0e25,
  version: 1,
  procedures: {
    apply: { number: 1, name: "APPLY", args: [uint], result: uint },
    applyOnce: { number: 2, name: "APPLY_ONCE", args: [uint], result: uint, semantics: "exactly-once" },
  },
});

/** Who remembers which calls have run. */
export type Memory =
  /** Nobody: every datagram runs. */
  | "none"
  /** Each process for itself. */
  | "process"
  /** A shared store where a call is claimed before it takes effect, which it does by itself. */
  | "claim-first"
  /** A shared store in whose transaction it takes effect. */
  | "atomic";

export type Database =
  | { readonly kind: "sqlite"; readonly folder: string }
  | { readonly kind: "postgres"; readonly connection: object };

/** What a replica's process is told, as JSON. */
export interface ReplicaOptions {
  readonly memory: Memory;
  readonly database: Database;
  /** A name that it keeps when it starts again. */
  readonly owner: string;
  /** The chance that it is killed at each step of each call. */
  readonly crashes: number;
  readonly seed: number;
}

/** Where a replica's process may be killed, in the order of a call's life. */
export type CrashStep = "arrived" | "claimed" | "taken effect" | "kept" | "answered";

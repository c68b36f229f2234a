// A small program for tests of failures: what runs can be counted, may take its time, or never ends.
import type { Procedure } from "farcall";
import { type OncService, oncProgram } from "farcall/onc";
import { nothing, uint } from "farcall/xdr";

export interface Ledger {
  /** Doubles the id; may not run twice. */
  add: Procedure<[id: number], number, "at-most-once">;
  /** Doubles the id; may run twice. */
  read: Procedure<[id: number], number, "at-least-once">;
  /** Never answers. */
  hang: Procedure<[id: number], number, "at-most-once">;
  /** Never answers; may run twice. */
  hangRead: Procedure<[id: number], number, "at-least-once">;
  /** Ends the server's process in the middle of the call. */
  crash: Procedure<[], void, "at-most-once">;
}

export const LedgerV1: OncService<Ledger> = oncProgram<Ledger>({
  name: "LEDGER",
  program: 0x20000e19,
  version: 1,
  procedures: {
    add: { number: 1, name: "ADD", args: [uint], result: uint },
    read: { number: 2, name: "READ", args: [uint], result: uint, semantics: "at-least-once" },
    hang: { number: 3, name: "HANG", args: [uint], result: uint },
    hangRead: { number: 4, name: "HANG_READ", args: [uint], result: uint, semantics: "at-least-once" },
    crash: { number: 5, name: "CRASH", args: [], result: nothing },
  },
});

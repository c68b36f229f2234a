import type { Procedure } from "../../src/index.js";
import { type OncService, oncProgram } from "../../src/onc/index.js";
import { bool, nothing, string, uint } from "../../src/xdr/index.js";

/** A contract with one procedure of each declaration. */
export interface StoreV1 {
  read: Procedure<[key: string], number, "at-least-once">;
  write: Procedure<[key: string, value: number], boolean>;
  log: Procedure<[line: string], void, "maybe">;
}
export const StoreV1: OncService<StoreV1> = oncProgram<StoreV1>({
  name: "STORE_PROG",
  program: 0x2000_0105,
  version: 1,
  procedures: {
    read: { number: 1, name: "READ", args: [string()], result: uint, semantics: "at-least-once" },
    write: { number: 2, name: "WRITE", args: [string(), uint], result: bool },
    log: { number: 3, name: "LOG", args: [string()], result: nothing, semantics: "maybe" },
  },
});

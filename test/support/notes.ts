import type { OneWayProcedure, Procedure } from "../../src/index.js";
import { type OncService, oncProgram } from "../../src/onc/index.js";
import { int, nothing } from "../../src/xdr/index.js";

/** What test/interop/c/oneway_server.c serves. */
export interface NotesV1 {
  note: OneWayProcedure<[value: number]>;
  /** How many notes have come. */
  count: Procedure<[], number>;
}
export const NotesV1: OncService<NotesV1> = oncProgram<NotesV1>({
  name: "NOTES_PROG",
  program: 0x2000_0e05,
  version: 1,
  procedures: {
    note: { number: 1, name: "NOTE", args: [int], result: nothing, oneWay: true },
    count: { number: 2, name: "COUNT", args: [], result: int },
  },
});

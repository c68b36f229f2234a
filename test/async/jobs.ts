// A contract with everything that asynchronous requests have to do with.
import type { Procedure, ReportingProcedure } from "../../src/model/index.js";
import { type OncService, oncProgram } from "../../src/onc/program.js";
import * as xdr from "../../src/xdr/index.js";

export interface Jobs {
  /** Fails when its worker is lost. */
  add: Procedure<[pair: { a: number; b: number }], number>;
  /** May run again. */
  count: ReportingProcedure<[to: number], number, "at-least-once", number>;
  name: Procedure<[text: string], string>;
}

export const Jobs: OncService<Jobs> = oncProgram<Jobs>({
  name: "JOBS_PROG",
  program: 0x2000_0777,
  version: 3,
  procedures: {
    add: { number: 1, name: "ADD", args: [xdr.struct({ a: xdr.int, b: xdr.int })], result: xdr.int },
    count: {
      number: 2,
      name: "COUNT",
      args: [xdr.int],
      result: xdr.int,
      semantics: "at-least-once",
      progress: xdr.int,
    },
    name: { number: 3, name: "NAME", args: [xdr.string(100)], result: xdr.string(100) },
  },
});

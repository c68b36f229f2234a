import type { OneWayProcedure, Procedure } from "farcall";
import { oncProgram } from "farcall/onc";
import * as xdr from "farcall/xdr";

/** What a client offers its server, in tests of callbacks. */
export interface ProgressV1 {
  /** Asks for leave to go on. */
  report: Procedure<[done: number], string>;
  /** May be asked twice. */
  peek: Procedure<[], number, "at-least-once">;
  note: OneWayProcedure<[text: string]>;
}

export const ProgressV1 = oncProgram<ProgressV1>({
  name: "PROGRESS_PROG",
  program: 0x20000c02,
  version: 1,
  procedures: {
    report: { number: 1, name: "REPORT", args: [xdr.int], result: xdr.string(1_000_000) },
    peek: { number: 2, name: "PEEK", args: [], result: xdr.int, semantics: "at-least-once" },
    note: { number: 3, name: "NOTE", args: [xdr.string(1_000)], result: xdr.nothing, oneWay: true },
  },
});

/** What the server offers. */
export interface JobV1 {
  /** Reports `steps` times, and gives what it was told. */
  run: Procedure<[steps: number], string>;
  /** Calls nobody. */
  plain: Procedure<[text: string], string>;
  /** Calls and callbacks within each other, so deep. */
  nest: Procedure<[depth: number], number>;
}

export const JobV1 = oncProgram<JobV1>({
  name: "JOB_PROG",
  program: 0x20000c01,
  version: 1,
  procedures: {
    run: { number: 1, name: "RUN", args: [xdr.int], result: xdr.string(1_000_000) },
    plain: { number: 2, name: "PLAIN", args: [xdr.string(1_000_000)], result: xdr.string(1_000_000) },
    nest: { number: 3, name: "NEST", args: [xdr.int], result: xdr.int },
  },
});

// What the processes of a real history agree on: servers and clients that are killed while they work, and journals that
// tell afterwards what they did.
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import type { Procedure, Semantics } from "farcall";
import { type OncService, oncProgram } from "farcall/onc";
import { uint } from "farcall/xdr";
import type { Database } from "./replicas.js";

/** Each procedure is told which call it is, and gives a number that no other execution gives. */
export interface Historic {
  hint: Procedure<[call: number], number, "maybe">;
  often: Procedure<[call: number], number, "at-least-once">;
  once: Procedure<[call: number], number>;
  exactly: Procedure<[call: number], number, "exactly-once">;
}

export const HistoricV1: OncService<Historic> = oncProgram<Historic>({
  name: "HISTORIC",
  program: 0x2000_0e28,
  version: 1,
  procedures: {
    hint: { number: 1, name: "HINT", args: [uint], result: uint, semantics: "maybe" },
    often: { number: 2, name: "OFTEN", args: [uint], result: uint, semantics: "at-least-once" },
    once: { number: 3, name: "ONCE", args: [uint], result: uint },
    exactly: { number: 4, name: "EXACTLY", args: [uint], result: uint, semantics: "exactly-once" },
  },
});

export type ProcedureName = keyof Historic;
export const guarantees: Readonly<Record<ProcedureName, Semantics>> = {
  hint: "maybe",
  often: "at-least-once",
  once: "at-most-once",
  exactly: "exactly-once",
};

export interface HistoryServerOptions {
  readonly address: string;
  readonly journal: string;
  /** Which run of the server this is. */
  readonly boot: number;
  /** Where replies are kept; without one, in memory. */
  readonly database?: Database | undefined;
  /** Handlers take up to so many milliseconds. */
  readonly busyMs: number;
}

export interface HistoryClientOptions {
  readonly address: string;
  readonly journal: string;
  /** The first call's number and the last one's. */
  readonly from: number;
  readonly to: number;
  /** Calls that are under way at once. */
  readonly window: number;
  /** The mean pause of each task between two calls. */
  readonly paceMs: number;
  readonly procedures: readonly ProcedureName[];
  readonly session: "off" | "auto";
  readonly timeoutsMs: readonly number[];
  readonly seed: number;
}

/** One line of a journal. Times are milliseconds of the machine's monotonic clock, which all processes share. */
export type Entry =
  | {
      readonly is: "call";
      readonly call: number;
      readonly procedure: ProcedureName;
      readonly ms: number;
      readonly timeoutMs: number;
    }
  | { readonly is: "value"; readonly call: number; readonly value: number; readonly ms: number }
  | {
      readonly is: "failure";
      readonly call: number;
      readonly code: string;
      readonly executed: string;
      readonly attempts: number;
      readonly message: string;
      readonly ms: number;
    }
  /** A handler begins, and will give this number. */
  | {
      readonly is: "run";
      readonly call: number;
      readonly procedure: ProcedureName;
      readonly value: number;
      readonly ms: number;
    }
  /** What `$settle` learned of a call that had failed as `unknown`; a value says that it ran and what it gave. */
  | {
      readonly is: "settled";
      readonly call: number;
      readonly executed: string;
      readonly value?: number | undefined;
      readonly reason?: string | undefined;
      readonly ms: number;
    }
  /** A client has made all its calls, and they have ended. */
  | { readonly is: "over" };

/**
 * What a process did, line by line. A line is with the system when `write` has returned, so it outlives the process,
 * however that ends; only the machine's own end would need more.
 */
export class Journal {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, "a");
  }

  write(entry: Entry): void {
    writeSync(this.#file, `${JSON.stringify(entry)}\n`);
  }

  close(): void {
    closeSync(this.#file);
  }
}

export function readJournal(path: string): Entry[] {
  const lines = readFileSync(path, "utf8").split("\n");
  // What follows the last line's end, if anything, was never finished.
  lines.pop();
  return lines.map((line) => JSON.parse(line) as Entry);
}

/** Linux and macOS count it from their own start, so processes of one machine can compare. */
export function machineMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

// What the processes of a real history of asynchronous requests agree on.
import { appendFileSync, readFileSync } from "node:fs";
import type { Procedure, ReportingProcedure } from "farcall";
import { type OncService, oncProgram } from "farcall/onc";
import { int } from "farcall/xdr";
import type { Database } from "./replicas.js";

export interface Errand {
  add: Procedure<[arg: number], number, "at-least-once">;
  count: ReportingProcedure<[arg: number], number, "at-least-once", number>;
  once: Procedure<[arg: number], number>;
}

export const ErrandV1: OncService<Errand> = oncProgram<Errand>({
  name: "ERRAND",
  program: 0x2000_0e29,
  version: 1,
  procedures: {
    add: { number: 1, name: "ADD", args: [int], result: int, semantics: "at-least-once" },
    count: { number: 2, name: "COUNT", args: [int], result: int, semantics: "at-least-once", progress: int },
    once: { number: 3, name: "ONCE", args: [int], result: int },
  },
});

export const errands = ["add", "count", "once"] as const;

/** Accepts requests, runs them, or both: `server`, `worker`. */
export interface RequestServerOptions {
  readonly role: "server" | "worker";
  /** Of a server. */
  readonly socket: string;
  readonly journal: string;
  readonly database: Database;
  readonly leaseMs: number;
}

export interface RequestClientOptions {
  readonly name: string;
  readonly socket: string;
  /** Its own, which it goes on with. */
  readonly journal: string;
  /** Those of the other owners, whose ids it tries. */
  readonly others: readonly string[];
  readonly from: number;
  readonly to: number;
  readonly window: number;
  /** The longest pause before each request, in milliseconds. */
  readonly paceMs: number;
  /** Whom it claims to be, where the kernel does not tell its user apart. */
  readonly claims?: number | undefined;
}

/** One line of a journal. */
export type RequestEntry =
  | { readonly is: "submit"; readonly n: number; readonly procedure: (typeof errands)[number]; readonly arg: number }
  | { readonly is: "id"; readonly n: number; readonly id: string }
  | { readonly is: "refused"; readonly n: number; readonly code: string; readonly executed: string }
  | { readonly is: "cancel"; readonly n: number }
  | { readonly is: "event"; readonly n: number; readonly number: number; readonly kind: string; readonly text: string }
  | { readonly is: "result"; readonly n: number; readonly text: string }
  | { readonly is: "over"; readonly n: number }
  | { readonly is: "saw"; readonly what: string }
  | { readonly is: "surprise"; readonly text: string }
  | { readonly is: "run"; readonly id: string; readonly attempt: number; readonly arg: number }
  | { readonly is: "ran"; readonly id: string; readonly attempt: number; readonly how: "returned" | "threw" };

export function note(journal: string, entry: RequestEntry): void {
  appendFileSync(journal, `${JSON.stringify(entry)}\n`);
}

/** What a process wrote; a line that was cut off by its end is none. */
export function read(journal: string): RequestEntry[] {
  const lines = readFileSync(journal, "utf8").split("\n");
  lines.pop();
  return lines.map((line) => JSON.parse(line) as RequestEntry);
}

// Reads what the processes of a real history left behind, and says what must not be. Calls have numbers of their own, so
// what ran for a call is known.
import { type Entry, guarantees, type ProcedureName } from "../support/history.js";

/** What was left: a journal for each process, and the rows that committed. */
export interface Journals {
  readonly clients: readonly (readonly Entry[])[];
  readonly servers: readonly (readonly Entry[])[];
  readonly effects: readonly { readonly call: number; readonly value: number }[];
}

export interface Verdict {
  /** Calls by how they ended, such as `exactly: value` or `once: unavailable unknown`. */
  readonly endings: Readonly<Record<string, number>>;
  readonly violations: readonly string[];
}

interface Call {
  readonly call: number;
  readonly procedure: ProcedureName;
  readonly settleBy: number;
  /** Whether its client lived to its last line. */
  readonly awaited: boolean;
  ending: Extract<Entry, { is: "value" | "failure" }> | undefined;
}

/** @param graceMs how much later than its deadline a call may end */
export function judge({ clients, servers, effects }: Journals, graceMs: number): Verdict {
  const calls = new Map<number, Call>();
  for (const journal of clients) read(journal, graceMs, calls);
  const runs = group(servers.flat().filter((entry) => entry.is === "run"));
  const commits = group(effects);
  const endings: Record<string, number> = {};
  const violations: string[] = [];
  for (const each of calls.values()) {
    const { procedure, ending } = each;
    const end =
      ending === undefined ? "abandoned" : ending.is === "value" ? "value" : `${ending.code} ${ending.executed}`;
    endings[`${procedure}: ${end}`] = (endings[`${procedure}: ${end}`] ?? 0) + 1;
    // What "it ran" means: of exactly-once, that its effect was committed.
    const ran = (procedure === "exactly" ? commits : runs).get(each.call) ?? [];
    for (const what of wrong(each, ran)) violations.push(`${procedure} ${each.call} (${end}): ${what}`);
  }
  for (const call of [...runs.keys(), ...commits.keys()]) {
    if (!calls.has(call)) violations.push(`${call} ran, and nobody had called it`);
  }
  return { endings, violations };
}

function* wrong({ procedure, settleBy, awaited, ending }: Call, ran: readonly number[]): Generator<string> {
  const guarantee = guarantees[procedure];
  if ((guarantee === "at-most-once" || guarantee === "exactly-once") && ran.length > 1)
    yield `it ran ${ran.length} times`;
  if (ending === undefined) {
    if (awaited) yield "it never settled";
    return;
  }
  if (ending.ms > settleBy) yield `it settled ${Math.round(ending.ms - settleBy)} ms too late`;
  if (ending.is === "value") {
    if (!ran.includes(ending.value))
      yield `it was answered with ${ending.value}, and what ran gave ${ran.join() || "nothing"}`;
    return;
  }
  if (ending.executed === "no" && ran.length > 0) yield "it was said not to have run";
  if (ending.executed === "yes" && ran.length === 0) yield "it was said to have run";
  if (guarantee === "maybe" && ending.attempts > 1) yield `it was sent ${ending.attempts} times`;
}

/** Adds a client's calls. One that was killed left calls that nobody awaits any more. */
function read(journal: readonly Entry[], graceMs: number, calls: Map<number, Call>): void {
  const over = journal.at(-1)?.is === "over";
  for (const entry of journal) {
    if (entry.is === "call") {
      const { call, procedure, ms, timeoutMs } = entry;
      calls.set(call, { call, procedure, settleBy: ms + timeoutMs + graceMs, awaited: over, ending: undefined });
    } else if (entry.is === "value" || entry.is === "failure") {
      const call = calls.get(entry.call);
      if (call?.ending !== undefined) throw new Error(`call ${entry.call} ended twice`);
      if (call !== undefined) call.ending = entry;
    }
  }
}

/** What was given for each call. */
function group(runs: readonly { readonly call: number; readonly value: number }[]): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (const { call, value } of runs) groups.set(call, [...(groups.get(call) ?? []), value]);
  return groups;
}

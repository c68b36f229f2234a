// Puts together what the processes of a real history left behind, for the checker that judges simulated ones.
import type { Executed, RpcErrorCode } from "farcall";
import { check } from "../../src/testing/check.js";
import type { CallRecord, ExecutionRecord, History } from "../../src/testing/history.js";
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
  /** As sentences. */
  readonly violations: readonly string[];
}

/** @param graceMs how much later than its deadline a call may end */
export function judge(journals: Journals, graceMs: number): Verdict {
  const history = historyOf(journals, graceMs);
  const endings: Record<string, number> = {};
  for (const { procedure, ending } of history.calls) {
    const end = ending === undefined ? "abandoned" : ending.ok ? "value" : `${ending.code} ${ending.executed}`;
    endings[`${procedure}: ${end}`] = (endings[`${procedure}: ${end}`] ?? 0) + 1;
  }
  return { endings, violations: check(history).map(({ rule, message }) => `${rule}: ${message}`) };
}

function historyOf({ clients, servers, effects }: Journals, graceMs: number): History {
  const calls: CallRecord[] = [];
  for (const [i, journal] of clients.entries()) calls.push(...callsOf(journal, `client-${i + 1}`, graceMs));
  const rows = new Map(effects.map((effect, row) => [nameOf(effect), row]));
  const surprises: string[] = [];
  if (rows.size < effects.length) surprises.push("two rows are of one execution");
  const executions: ExecutionRecord[] = [];
  for (const [i, journal] of servers.entries()) {
    for (const entry of journal) {
      if (entry.is !== "run") continue;
      executions.push(executionOf(entry, executions.length, i + 1, rows.delete(nameOf(entry))));
    }
  }
  for (const name of rows.keys()) surprises.push(`the row ${name} is of no execution`);
  return {
    seed: 0,
    calls,
    executions,
    surprises,
    // No client sends what may not run twice to a server that does not remember it, whatever its store: so not even the
    // cache in memory has an excuse.
    durable: true,
    unchecked: false,
    doubled: false,
    calm: false,
    values: new Map(),
  };
}

const nameOf = ({ call, value }: { readonly call: number; readonly value: number }): string => `${call} ${value}`;
const keyOf = (procedure: ProcedureName, call: number): string => `${procedure} ${call}`;

function executionOf(
  { call, procedure, value, ms }: Extract<Entry, { is: "run" }>,
  number: number,
  boot: number,
  committed: boolean,
): ExecutionRecord {
  const transactional = guarantees[procedure] === "exactly-once";
  const key = keyOf(procedure, call);
  // Whether it came to its end is not known, only what it would give.
  return {
    ...{ number, boot, procedure, args: [call], key, beganAt: ms, endedAt: undefined, result: `${value}` },
    ...{ threw: false, transactional, committed },
  };
}

/** A client's calls. One that was killed left calls that nobody awaits any more. */
function callsOf(journal: readonly Entry[], client: string, graceMs: number): Iterable<CallRecord> {
  const abandoned = journal.at(-1)?.is !== "over";
  const calls = new Map<number, CallRecord>();
  for (const entry of journal) {
    if (entry.is === "call") {
      const { call, procedure, ms, timeoutMs } = entry;
      calls.set(call, {
        ...{ number: call, client, transport: "stream", procedure, args: [call], key: keyOf(procedure, call) },
        ...{ guarantee: guarantees[procedure], invokedAt: ms, settleBy: ms + timeoutMs + graceMs },
        ...{ settledAt: undefined, ending: undefined, abandoned, late: false },
      });
    } else if (entry.is === "settled") {
      settle(calls.get(entry.call), entry);
    } else if (entry.is === "value" || entry.is === "failure") {
      const call = calls.get(entry.call);
      if (call === undefined || call.ending !== undefined)
        throw new Error(`call ${entry.call} ended twice, or never began`);
      call.abandoned = false;
      call.settledAt = entry.ms;
      call.late = entry.ms > call.settleBy;
      call.ending = entry.is === "value" ? { ok: true, value: entry.value, bytes: `${entry.value}` } : failed(entry);
    }
  }
  return calls.values();
}

/** What was learned later holds as if the call had ended so. */
function settle(call: CallRecord | undefined, { executed, value, ms }: Extract<Entry, { is: "settled" }>): void {
  if (call?.ending?.ok !== false) throw new Error("what has not failed was settled");
  call.settledAt = ms;
  call.ending =
    value === undefined ? { ...call.ending, executed: executed as Executed } : { ok: true, value, bytes: `${value}` };
}

function failed({ code, executed, attempts, message }: Extract<Entry, { is: "failure" }>): CallRecord["ending"] {
  return {
    ok: false,
    code: code as RpcErrorCode,
    executed: executed as Executed,
    attempts,
    error: new Error(message),
  };
}

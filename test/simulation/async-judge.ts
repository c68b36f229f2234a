// What must hold of asynchronous requests, judged by what their owners were told, what ran, and what the queue has at the end.
import type { RequestRow } from "../../src/async/core/request.js";

/** A request as its owner wanted it, over all runs of its client. */
export interface Wanted {
  readonly owner: string;
  readonly key: string;
  readonly procedure: "add" | "count" | "once";
  readonly arg: number;
  /** How many runs of its client have submitted it: what the last one is told says nothing of those before. */
  tries: number;
  /** Each id that was given for the key. */
  readonly ids: string[];
  /** What submitting ended with, where it did not end with an id. */
  refused: { readonly code: string; readonly executed: string } | undefined;
  /** Whether anybody of its owner's asked to cancel it. */
  cancelled: boolean;
  /** What the consumer has dealt with, in order, over all its runs. */
  readonly events: Told[];
  /** What result() said, each time. */
  readonly results: string[];
  /** The owner has all that there is to know. */
  over: boolean;
}

export interface Told {
  readonly number: number;
  readonly kind: string;
  readonly text: string;
}

/** A handler that ran. */
export interface Ran {
  readonly id: string;
  readonly attempt: number;
  readonly arg: number;
  /** Undefined while it runs, or where its worker died. */
  ended: "returned" | "threw" | undefined;
}

export interface AsyncHistory {
  readonly wanted: readonly Wanted[];
  readonly ran: readonly Ran[];
  /** What the queue knew at the end, by id. */
  readonly rows: ReadonlyMap<string, RequestRow>;
  /** Rows, by owner and key. */
  readonly keys: ReadonlyMap<string, RequestRow>;
  /** Others that saw what is not theirs. */
  readonly seen: readonly string[];
  readonly surprises: readonly string[];
  readonly calm: boolean;
}

const finals = ["done", "failed", "cancelled", "expired"];

/** What was broken, as sentences; empty when all held. */
export function judgeAsync({ wanted, ran, rows, keys, seen, surprises, calm }: AsyncHistory): string[] {
  const broken: string[] = [...surprises, ...seen];
  const runsOf = (id: string): readonly Ran[] => ran.filter((each) => each.id === id);
  for (const request of wanted) {
    const name = `${request.owner}'s ${request.key} (${request.procedure} ${request.arg})`;
    const row = keys.get(`${request.owner} ${request.key}`);
    if (!request.over) broken.push(`${name} never settled`);
    if (new Set(request.ids).size > 1) broken.push(`${name} was given the ids ${request.ids.join(" and ")}`);
    const [id] = request.ids;
    if (id === undefined) {
      if (request.tries === 1 && request.refused?.executed === "no" && row !== undefined)
        broken.push(`${name}: was said not to be queued, and is`);
      if (calm && request.refused !== undefined) broken.push(`${name} was refused though nothing went wrong`);
      continue;
    }
    judgeEvents(name, request, broken);
    const runs = runsOf(id);
    const last = request.events.at(-1);
    const own = rows.get(id);
    if (own === undefined) {
      broken.push(`${name} was given an id, and the queue knows nothing of it`);
      continue;
    }
    if (!finals.includes(own.state)) broken.push(`${name} is ${own.state} at the end`);
    const ends = new Set([
      ...request.results,
      ...(last === undefined || !finals.includes(last.kind) ? [] : [last.text]),
    ]);
    if (ends.size > 1) broken.push(`${name} ended in several ways: ${[...ends].join(", ")}`);
    for (const end of ends) {
      if (!end.startsWith(`${own.state} ${own.executed}`))
        broken.push(`${name} was told ${end}, and is ${own.state} ${own.executed}`);
    }
    if (calm && own.state !== "done" && !request.cancelled)
      broken.push(`${name} is ${own.state} though nothing went wrong`);
    if (own.state === "cancelled" && !request.cancelled) broken.push(`${name} is cancelled, and nobody asked for that`);
    const attempts = runs.map(({ attempt }) => attempt);
    if (new Set(attempts).size < attempts.length) broken.push(`${name} ran twice in one attempt: ${attempts.join()}`);
    if (request.procedure === "once" && runs.length > 1)
      broken.push(`${name}, which must not run again, ran ${runs.length} times`);
    if (own.executed === "no" && runs.length > 0)
      broken.push(`${name} was said not to have run, and ran ${runs.length} times`);
    if (own.executed === "yes" && runs.length === 0) broken.push(`${name} was said to have run, and did not`);
    if (own.state !== "done") continue;
    const winner = runs.find(({ attempt }) => attempt === own.attempt);
    if (winner?.ended !== "returned") broken.push(`${name} is done, and its last attempt has not returned`);
    for (const end of ends) {
      if (end !== `done yes ${request.arg + 1}`) broken.push(`${name} has the result of another: ${end}`);
    }
  }
  for (const { id, arg } of ran) {
    const owner = wanted.find((each) => each.ids.includes(id) || keys.get(`${each.owner} ${each.key}`)?.id === id);
    if (owner?.arg !== arg) broken.push(`request ${id} ran with ${arg}, which nobody wanted of it`);
  }
  return broken;
}

/** Nothing lost, nothing twice, nothing out of order, and an end at the end. */
function judgeEvents(name: string, { events, over, procedure }: Wanted, broken: string[]): void {
  const numbers = events.map(({ number }) => number);
  if (numbers.some((number, i) => number !== i + 1)) {
    broken.push(`${name} told its events as ${numbers.join(", ")}`);
    return;
  }
  const at = events.findIndex(({ kind }) => finals.includes(kind));
  if (over && events.length > 0 && at !== events.length - 1) {
    broken.push(`${name} told ${events.map(({ kind }) => kind).join(", ")}, and no end at the end`);
  }
  // Progress of one attempt counts up from 1.
  let progress = 0;
  for (const { kind, text } of events) {
    if (kind === "running") progress = 0;
    if (kind === "progress" && Number(text) !== ++progress) {
      broken.push(`${name} (${procedure}) told progress ${text} where ${progress} was next`);
      return;
    }
  }
}

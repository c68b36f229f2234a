import type { Executed } from "../../model/index.js";

// One asynchronous request, and what may become of it. This file knows no database, no clock and no wire: each step takes
// the request and the time, and gives what has changed.
//
//   submit -> queued --- start ---> running --- finish ---> done | failed | cancelled
//               |  ^                   |
//               |  +--- interrupt -----+--- its lease is over ---> failed, where it must not run again
//               |                      |
//               +------- expire -------+---> expired              queued --- cancel ---> cancelled
//
// A start counts the attempt, and the attempt is the fencing token: whoever held an earlier one can change nothing any more.

export type RequestState = "queued" | "running" | "done" | "failed" | "cancelled" | "expired";

/** What becomes of a request whose worker is lost: it runs again from the start, or from its checkpoint, or it fails. */
export type RestartPolicy = "requeue" | "resume" | "fail";

export type RequestEventKind = "running" | "progress" | "interrupted" | "done" | "failed" | "cancelled" | "expired";

/** What was told of a request, in its order: numbers begin at 1 and have no gaps. */
export interface RequestEventRow {
  readonly number: number;
  /** Milliseconds since 1970, by the engine's clock. */
  readonly at: number;
  readonly kind: RequestEventKind;
  /** Of `progress`, the encoded value; of `running`, nothing. The outcome is the request's own. */
  readonly data: Uint8Array;
}

/** A request as it is kept. */
export interface RequestRow {
  /** 128 random bits, as 32 hexadecimal digits. */
  readonly id: string;
  /** The principal that it belongs to: nobody else learns that there is such a request. */
  readonly owner: string;
  /** The idempotency key: the same key of the same owner gives the same id. */
  readonly key: string;
  /** Of procedure and arguments: the same key with others is the caller's mistake. */
  readonly digest: string;
  /** Which procedure, as workers name it. */
  readonly procedure: string;
  readonly restart: RestartPolicy;
  /** How often it may be started. */
  readonly attemptsMax: number;
  readonly acceptedAt: number;
  /** When it expires unless it has ended. */
  readonly expiresAt: number;
  /** Milliseconds that its outcome is kept for, unless it is acknowledged. */
  readonly keepMs: number;
  args: Uint8Array;
  state: RequestState;
  /** Of a request that has ended: whether its procedure ran. */
  executed: Executed;
  /** The encoded result. */
  outcome: Uint8Array;
  /** Why it ended without one. */
  reason: string;
  /** How often it was started: the fencing token of the last start. */
  attempt: number;
  worker: string;
  leaseUntil: number;
  /** The last step of this attempt that told something, so that a repeated one tells it once. */
  step: number;
  /** Its owner wants it to end. */
  cancelled: boolean;
  checkpoint: Uint8Array;
  /** The number of its last event. */
  lastEvent: number;
  /** Events up to this one have arrived. */
  acknowledged: number;
  /** When it goes; 0 while it has not ended. */
  keptUntil: number;
}

/** How a run ended. */
export type RequestEnd =
  | { readonly state: "done"; readonly outcome: Uint8Array }
  | { readonly state: "failed"; readonly reason: string; readonly executed?: Executed | undefined };

/** What a step did: the row has changed in place, and these events belong to it. */
export type Change = readonly RequestEventRow[];

export const noBytes: Uint8Array = new Uint8Array(0);

export function hasEnded({ state }: Pick<RequestRow, "state">): boolean {
  return state !== "queued" && state !== "running";
}

/** Whether it has ended and its owner has acknowledged that: only its key is remembered. */
export function isSpent(row: RequestRow): boolean {
  return hasEnded(row) && row.acknowledged >= row.lastEvent;
}

/** What it counts in its owner's bytes. */
export function bytesOf(row: RequestRow): number {
  return isSpent(row) ? 0 : row.args.length + row.outcome.length + row.checkpoint.length;
}

/** When something must be done about it, though nobody asks. */
export function dueOf(row: RequestRow): number {
  if (row.state === "queued") return row.expiresAt;
  if (row.state === "running") return Math.min(row.leaseUntil, row.expiresAt);
  return row.keptUntil;
}

/** Whether whoever holds this attempt still holds the request. */
export function holds(row: RequestRow, attempt: number): boolean {
  return row.state === "running" && row.attempt === attempt;
}

/** A worker takes it. */
export function start(row: RequestRow, worker: string, leaseMs: number, now: number): Change {
  row.state = "running";
  row.attempt++;
  row.worker = worker;
  row.leaseUntil = now + leaseMs;
  row.step = 0;
  return [event(row, "running", now)];
}

export function renew(row: RequestRow, leaseMs: number, now: number): void {
  row.leaseUntil = now + leaseMs;
}

/** The worker tells how far it is. The same step twice is told once. */
export function progress(row: RequestRow, step: number, data: Uint8Array, now: number): Change {
  if (step <= row.step) return [];
  row.step = step;
  return [event(row, "progress", now, data)];
}

/** The run has ended. */
export function finish(row: RequestRow, end: RequestEnd, now: number): Change {
  if (end.state === "done") return close(row, "done", "yes", end.outcome, "", now);
  // What was told to end and ended without a result was cancelled.
  const state = row.cancelled ? "cancelled" : "failed";
  return close(row, state, end.executed ?? "yes", noBytes, end.reason, now);
}

/** Its worker gives it back, or is lost: it starts again, or ends here. */
export function interrupt(row: RequestRow, why: string, now: number): Change {
  if (row.cancelled) return close(row, "cancelled", "unknown", noBytes, why, now);
  if (row.restart === "fail") return close(row, "failed", "unknown", noBytes, why, now);
  if (row.attempt >= row.attemptsMax) {
    return close(row, "failed", "unknown", noBytes, `${why}, for the ${row.attempt}th time`, now);
  }
  row.state = "queued";
  row.worker = "";
  row.leaseUntil = 0;
  if (row.restart === "requeue") row.checkpoint = noBytes;
  return [event(row, "interrupted", now)];
}

/** The owner wants it to end: at once where it waits; where it runs, its worker is told. */
export function cancel(row: RequestRow, now: number): Change {
  if (hasEnded(row)) return [];
  if (row.state === "queued") {
    // What ran before and waits to run again has run.
    const executed = row.attempt === 0 ? "no" : "unknown";
    return close(row, "cancelled", executed, noBytes, "cancelled by its owner", now);
  }
  row.cancelled = true;
  return [];
}

/** What is due happens: it expires, or its worker is taken for lost. A request that is to go tells so by {@link isOver}. */
export function fall(row: RequestRow, now: number): Change {
  if (hasEnded(row)) return [];
  if (row.expiresAt <= now) {
    const executed = row.state === "queued" && row.attempt === 0 ? "no" : "unknown";
    return close(row, "expired", executed, noBytes, "its time to live is over", now);
  }
  if (row.state === "running" && row.leaseUntil <= now) return interrupt(row, "its worker was lost", now);
  return [];
}

/** Whether nothing of it is to be kept any longer. */
export function isOver(row: RequestRow, now: number): boolean {
  return hasEnded(row) && row.keptUntil <= now;
}

/** The owner has received its events up to this one. Once that is the last, only the key is kept, for so long. */
export function acknowledge(row: RequestRow, through: number, keyKeptMs: number, now: number): void {
  const until = Math.min(through, row.lastEvent);
  if (until <= row.acknowledged) return;
  row.acknowledged = until;
  if (!isSpent(row)) return;
  row.outcome = noBytes;
  row.keptUntil = Math.min(row.keptUntil, now + keyKeptMs);
}

function close(
  row: RequestRow,
  state: "done" | "failed" | "cancelled" | "expired",
  executed: Executed,
  outcome: Uint8Array,
  reason: string,
  now: number,
): Change {
  row.state = state;
  row.executed = executed;
  row.outcome = outcome;
  row.reason = reason;
  row.leaseUntil = 0;
  row.keptUntil = now + row.keepMs;
  // Nobody runs it any more.
  row.args = noBytes;
  row.checkpoint = noBytes;
  return [event(row, state, now)];
}

function event(row: RequestRow, kind: RequestEventKind, at: number, data: Uint8Array = noBytes): RequestEventRow {
  row.lastEvent++;
  return { number: row.lastEvent, at, kind, data };
}

import { type CallContext, DecodeError, type Handlers } from "../model/index.js";
import {
  type AcknowledgeArgs,
  AsyncStatus,
  CancelOutcome,
  type CancelResult,
  type EventsArgs,
  type EventsResult,
  type FarcallAsyncV1,
  type ListResult,
  type LookArgs,
  type LookResult,
  type RequestEvent,
  RequestEventKind,
  RequestExecuted,
  type RequestFailure,
  type RequestInfo,
  RequestState,
  type SubmitArgs,
  type SubmitResult,
} from "./async.js";
import type { Seen } from "./core/book.js";
import { hasEnded, isSpent, type RequestEventRow, type RequestRow } from "./core/request.js";
import { EngineError } from "./core/table.js";
import type { RequestDesk } from "./desk.js";
import { oncName } from "./job.js";
import { isAnonymous, ownerOf } from "./owner.js";

/** Milliseconds after which whoever found no room may ask again. */
const retryAfterMs = 1_000;

/** Most events of one answer, and most bytes of their values, beyond one event. */
const eventsMax = 256;
const listMax = 1_000;

/** What serves the async program. */
export function oncHandlers(desk: RequestDesk): Handlers<FarcallAsyncV1> {
  const { book } = desk;
  return {
    submit: (args, context) => submit(desk, args, context),
    look: (args, context) => answering(() => look(desk, args, context)),
    events: (args, context) => answering(() => events(desk, args, context)),
    acknowledge: async ({ id, through }: AcknowledgeArgs, { caller }) => {
      const { status } = await answering(async () => {
        const found = await book.acknowledge(ownerOf(caller), id, through);
        return { status: found ? AsyncStatus.ASYNC_OK : AsyncStatus.ASYNC_NOT_FOUND };
      });
      return status;
    },
    cancel: (id, { caller }) =>
      answering(async (): Promise<CancelResult> => {
        const done = await book.cancel(ownerOf(caller), id);
        if (done === undefined) return { status: AsyncStatus.ASYNC_NOT_FOUND };
        return { status: AsyncStatus.ASYNC_OK, ok: { outcome: outcomes[done.how], state: states[done.state] } };
      }),
    list: (count, { caller }) =>
      answering(async (): Promise<ListResult> => {
        if (isAnonymous(caller)) return { status: AsyncStatus.ASYNC_DENIED };
        const rows = await book.list(ownerOf(caller), Math.min(count, listMax));
        return { status: AsyncStatus.ASYNC_OK, requests: rows.map(infoOf) };
      }),
  };
}

/** An answer, or that the engine is dead. */
async function answering<T extends { readonly status: AsyncStatus }>(
  ask: () => Promise<T>,
): Promise<T | { readonly status: typeof AsyncStatus.ASYNC_UNAVAILABLE | typeof AsyncStatus.ASYNC_UNKNOWN }> {
  try {
    return await ask();
  } catch (error) {
    return { status: engineStatus(error) };
  }
}

/** @throws what is no failure of the engine */
function engineStatus(error: unknown): typeof AsyncStatus.ASYNC_UNAVAILABLE | typeof AsyncStatus.ASYNC_UNKNOWN {
  if (!(error instanceof EngineError)) throw error;
  return error.executed === "no" ? AsyncStatus.ASYNC_UNAVAILABLE : AsyncStatus.ASYNC_UNKNOWN;
}

async function submit(desk: RequestDesk, args: SubmitArgs, { caller }: CallContext): Promise<SubmitResult> {
  const job = desk.jobs.get(oncName(args.program, args.version, args.procedure));
  if (job === undefined) return { status: AsyncStatus.ASYNC_NO_PROCEDURE };
  if (!(await desk.allows(caller, job))) return { status: AsyncStatus.ASYNC_DENIED };
  const { requestSizeMax } = desk.book.limits;
  if (args.arguments.length > requestSizeMax) {
    const why = `the arguments have ${args.arguments.length} bytes, and requestSizeMax allows ${requestSizeMax}`;
    return { status: AsyncStatus.ASYNC_BAD_ARGUMENTS, why };
  }
  const bytes = args.arguments.slice();
  try {
    // What nobody could run is not taken in.
    job.args.decode(bytes);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return { status: AsyncStatus.ASYNC_BAD_ARGUMENTS, why: error.message.slice(0, 1_000) };
  }
  try {
    const accepted = await desk.submit(caller, job, bytes, { key: args.key, ttlMs: Number(args.ttl) });
    switch (accepted.state) {
      case "busy":
        return { status: AsyncStatus.ASYNC_BUSY, retryAfter: retryAfterMs };
      case "mismatch":
        return { status: AsyncStatus.ASYNC_MISMATCH };
      case "accepted": {
        const { id, known, leftMs } = accepted;
        return { status: AsyncStatus.ASYNC_OK, accepted: { id, ttl: BigInt(Math.max(0, leftMs)), known } };
      }
    }
  } catch (error) {
    return { status: engineStatus(error) };
  }
}

async function look(desk: RequestDesk, { id, wait }: LookArgs, context: CallContext): Promise<LookResult> {
  const owner = ownerOf(context.caller);
  const seen = await desk.until(
    id,
    wait,
    context.signal,
    () => desk.book.look(owner, id),
    (found) => found === undefined || hasEnded(found.request),
  );
  if (seen === undefined) return { status: AsyncStatus.ASYNC_NOT_FOUND };
  const row = seen.request;
  const end = hasEnded(row) && !isSpent(row) ? eventOf(row, endOf(row)) : null;
  return { status: AsyncStatus.ASYNC_OK, ok: { request: infoOf(seen), end } };
}

async function events(desk: RequestDesk, args: EventsArgs, context: CallContext): Promise<EventsResult> {
  const { id, after, acknowledged, wait } = args;
  const owner = ownerOf(context.caller);
  const count = Math.min(Math.max(args.count, 1), eventsMax);
  // Only the first question acknowledges: the others are the same again.
  let first: number | undefined = acknowledged > 0 ? acknowledged : undefined;
  const page = await desk.until(
    id,
    wait,
    context.signal,
    () => {
      const through = first;
      first = undefined;
      return desk.book.events(owner, id, after, count, through);
    },
    (found) => found === undefined || found.events.length > 0 || hasEnded(found.request),
  );
  if (page === undefined) return { status: AsyncStatus.ASYNC_NOT_FOUND };
  const { request } = page;
  return {
    status: AsyncStatus.ASYNC_OK,
    ok: { request: infoOf(page), events: page.events.map((event) => eventOf(request, event)) },
  };
}

/** The last event of a request that has ended, which is made of the request itself. */
export function endOf(row: RequestRow): RequestEventRow {
  return { number: row.lastEvent, at: 0, kind: row.state as RequestEventRow["kind"], data: row.outcome };
}

function eventOf(row: RequestRow, { number, at, kind, data }: RequestEventRow): RequestEvent {
  const failure = (): RequestFailure => ({ executed: executeds[row.executed], reason: row.reason });
  const body = ((): RequestEvent["body"] => {
    switch (kind) {
      case "running":
        return { kind: RequestEventKind.EVENT_RUNNING };
      case "interrupted":
        return { kind: RequestEventKind.EVENT_INTERRUPTED };
      case "progress":
        return { kind: RequestEventKind.EVENT_PROGRESS, value: data };
      case "done":
        return { kind: RequestEventKind.EVENT_DONE, result: row.outcome };
      case "failed":
        return { kind: RequestEventKind.EVENT_FAILED, failed: failure() };
      case "cancelled":
        return { kind: RequestEventKind.EVENT_CANCELLED, cancelled: failure() };
      case "expired":
        return { kind: RequestEventKind.EVENT_EXPIRED, expired: failure() };
    }
  })();
  return { number, at: BigInt(at), body };
}

function infoOf({ request: row, now }: Seen): RequestInfo {
  const [, program = 0, version = 0, procedure = 0] = (/^onc (\d+)\.(\d+)\.(\d+)$/.exec(row.procedure) ?? []).map(
    Number,
  );
  return {
    id: row.id,
    program,
    version,
    procedure,
    state: states[row.state],
    executed: executeds[row.executed],
    attempt: row.attempt,
    age: BigInt(Math.max(0, now - row.acceptedAt)),
    ttl: BigInt(Math.max(0, row.expiresAt - now)),
    lastEvent: row.lastEvent,
    acknowledged: row.acknowledged,
    cancelled: row.cancelled,
  };
}

const states: Readonly<Record<RequestRow["state"], RequestState>> = {
  queued: RequestState.REQUEST_QUEUED,
  running: RequestState.REQUEST_RUNNING,
  done: RequestState.REQUEST_DONE,
  failed: RequestState.REQUEST_FAILED,
  cancelled: RequestState.REQUEST_CANCELLED,
  expired: RequestState.REQUEST_EXPIRED,
};

const executeds: Readonly<Record<RequestRow["executed"], RequestExecuted>> = {
  no: RequestExecuted.EXECUTED_NO,
  yes: RequestExecuted.EXECUTED_YES,
  unknown: RequestExecuted.EXECUTED_UNKNOWN,
};

const outcomes = {
  cancelled: CancelOutcome.CANCEL_DONE,
  requested: CancelOutcome.CANCEL_REQUESTED,
  "too-late": CancelOutcome.CANCEL_TOO_LATE,
} as const;

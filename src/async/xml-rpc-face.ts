import { type CallContext, DecodeError, EncodeError } from "../model/index.js";
import { array, optional, struct } from "../xmlrpc/codec/composite.js";
import { FaultCode } from "../xmlrpc/codec/fault-code.js";
import { decodeParams } from "../xmlrpc/codec/procedure.js";
import { any, boolean, int, string, type XmlRpcType } from "../xmlrpc/codec/type.js";
import type { XmlRpcValue } from "../xmlrpc/codec/value.js";
import { XmlRpcFault } from "../xmlrpc/engine/index.js";
import { method, type XmlRpcService, xmlRpcService } from "../xmlrpc/service.js";
import { hasEnded, isSpent, type RequestEventRow, type RequestRow } from "./core/request.js";
import { EngineError } from "./core/table.js";
import type { RequestDesk } from "./desk.js";
import type { Job, Payload } from "./job.js";
import { isAnonymous, ownerOf } from "./owner.js";

/** The codes of faults of `async.*`: above the agreed ones. */
export const AsyncFault = {
  BUSY: 1001,
  UNAVAILABLE: 1002,
  UNKNOWN: 1003,
  MISMATCH: 1006,
  NOT_FOUND: 1007,
  DENIED: 1008,
} as const;

/** A value with the type that says how it goes. */
interface Typed {
  readonly type: XmlRpcType<unknown>;
  readonly value: unknown;
}

const typed: XmlRpcType<Typed> = {
  signature: "any",
  encode: (writer, { type, value }) => type.encode(writer, value),
  decode: (value) => ({ type: any as XmlRpcType<unknown>, value: any.decode(value) }),
};

const options = struct({ key: optional(string), ttl: optional(int) });

const requestType = struct({
  id: string,
  method: string,
  /** queued, running, done, failed, cancelled or expired. */
  state: string,
  /** no, yes or unknown. */
  executed: string,
  attempt: int,
  lastEvent: int,
  acknowledged: int,
  cancelled: boolean,
  /** Of one that is done. */
  result: optional(typed),
  /** Of one that has ended otherwise. */
  reason: optional(string),
});

const eventType = struct({
  number: int,
  /** running, progress, interrupted, done, failed, cancelled or expired. */
  kind: string,
  value: optional(typed),
  executed: optional(string),
  reason: optional(string),
});

/** Milliseconds to wait. */
const wait: XmlRpcType<number | undefined> & { readonly optional: true } = optional(int);

/** Asynchronous requests over XML-RPC. Failures are faults of the numbers in docs/async.md. */
export const asyncXmlRpc: XmlRpcService<unknown> = xmlRpcService(
  {
    submit: method("async.submit", {
      params: [string, array(any), optional(options)],
      result: struct({ id: string, known: boolean }),
      help: "Queues a call of a method with these parameters, and gives its id. The same key gives the same id.",
    }),
    wait: method("async.wait", {
      params: [string, wait],
      result: requestType,
      semantics: "at-least-once",
      help: "What has become of a request: answers when it ends, or after so many milliseconds.",
    }),
    events: method("async.events", {
      params: [string, optional(int), wait, optional(int)],
      result: array(eventType),
      semantics: "at-least-once",
      help: "Events of a request behind a number; waits so many milliseconds for one; acknowledges those up to the last.",
    }),
    acknowledge: method("async.acknowledge", { params: [string, int], result: boolean, semantics: "at-least-once" }),
    cancel: method("async.cancel", { params: [string], result: string, semantics: "at-least-once" }),
    list: method("async.list", { params: [], result: array(requestType), semantics: "at-least-once" }),
  },
  { name: "async" },
);

const listMax = 1_000;
const eventsMax = 256;

/** What serves `async.*`. */
export function xmlRpcHandlers(desk: RequestDesk): object {
  const { book } = desk;
  return {
    submit: (
      name: string,
      params: XmlRpcValue[],
      given: { key?: string; ttl?: number } | undefined,
      context: CallContext,
    ) => answering(() => submit(desk, name, params, given ?? {}, context)),

    wait: (id: string, waitMs: number | undefined, { caller, signal }: CallContext) =>
      answering(async () => {
        const owner = ownerOf(caller);
        const seen = await desk.until(
          id,
          Math.max(0, waitMs ?? 0),
          signal,
          () => book.look(owner, id),
          (found) => found === undefined || hasEnded(found.request),
        );
        return infoOf(desk, (seen ?? notFound()).request);
      }),

    events: (
      id: string,
      after: number | undefined,
      waitMs: number | undefined,
      ack: number | undefined,
      { caller, signal }: CallContext,
    ) =>
      answering(async () => {
        const owner = ownerOf(caller);
        let first = ack !== undefined && ack > 0 ? ack : undefined;
        const page = await desk.until(
          id,
          Math.max(0, waitMs ?? 0),
          signal,
          () => {
            const through = first;
            first = undefined;
            return book.events(owner, id, Math.max(0, after ?? 0), eventsMax, through);
          },
          (found) => found === undefined || found.events.length > 0 || hasEnded(found.request),
        );
        const { request, events } = page ?? notFound();
        return events.map((event) => eventOf(desk, request, event));
      }),

    acknowledge: (id: string, through: number, { caller }: CallContext) =>
      answering(async () => (await book.acknowledge(ownerOf(caller), id, through)) || notFound()),

    cancel: (id: string, { caller }: CallContext) =>
      answering(async () => ((await book.cancel(ownerOf(caller), id)) ?? notFound()).how),

    list: ({ caller }: CallContext) =>
      answering(async () => {
        if (isAnonymous(caller)) throw new XmlRpcFault(AsyncFault.DENIED, "only a caller that has a name has a list");
        return (await book.list(ownerOf(caller), listMax)).map(({ request }) => infoOf(desk, request));
      }),
  };
}

function notFound(): never {
  throw new XmlRpcFault(AsyncFault.NOT_FOUND, "there is no such request");
}

/** An answer, or a fault that says that the engine is dead. */
async function answering<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    throw error.executed === "no"
      ? new XmlRpcFault(AsyncFault.UNAVAILABLE, "the queue cannot be asked now; nothing was done")
      : new XmlRpcFault(AsyncFault.UNKNOWN, "the queue failed, and whether it did what was asked is not known");
  }
}

async function submit(
  desk: RequestDesk,
  name: string,
  params: XmlRpcValue[],
  { key = crypto.randomUUID(), ttl = 0 }: { readonly key?: string; readonly ttl?: number },
  { caller }: CallContext,
): Promise<{ id: string; known: boolean }> {
  const job = desk.ofMethod(name);
  if (job?.xml === undefined) throw new XmlRpcFault(FaultCode.METHOD_NOT_FOUND, `no requests are taken for ${name}`);
  if (!(await desk.allows(caller, job))) throw new XmlRpcFault(AsyncFault.DENIED, "this caller may not submit this");
  if (Buffer.byteLength(key) > 255) throw new XmlRpcFault(FaultCode.INVALID_PARAMS, "a key has 255 bytes at most");
  let args: Uint8Array;
  try {
    args = job.args.encode(decodeParams(job.xml, params));
  } catch (error) {
    if (!(error instanceof DecodeError || error instanceof EncodeError)) throw error;
    throw new XmlRpcFault(FaultCode.INVALID_PARAMS, error.message);
  }
  const { requestSizeMax } = desk.book.limits;
  if (args.length > requestSizeMax) {
    const text = `the parameters have ${args.length} bytes, and requestSizeMax allows ${requestSizeMax}`;
    throw new XmlRpcFault(FaultCode.INVALID_PARAMS, text);
  }
  const accepted = await desk.submit(caller, job, args, { key, ttlMs: ttl });
  if (accepted.state === "busy") throw new XmlRpcFault(AsyncFault.BUSY, `the queue is full (${accepted.limit})`);
  if (accepted.state === "mismatch") {
    throw new XmlRpcFault(AsyncFault.MISMATCH, "the key belongs to a request with another method or other parameters");
  }
  return { id: accepted.id, known: accepted.known };
}

function jobOf(desk: RequestDesk, row: RequestRow): Job | undefined {
  return desk.jobs.get(row.procedure);
}

/** A kept value as XML-RPC has it; undefined where it has none. */
function typedOf(
  type: XmlRpcType<unknown> | undefined,
  payload: Payload<unknown> | undefined,
  bytes: Uint8Array,
): Typed | undefined {
  if (type === undefined || payload === undefined) return undefined;
  const value = payload.decode(bytes);
  return value === undefined ? undefined : { type, value };
}

function infoOf(desk: RequestDesk, row: RequestRow): object {
  const job = jobOf(desk, row);
  const shown = hasEnded(row) && !isSpent(row);
  return {
    id: row.id,
    method: job?.xml?.name ?? row.procedure,
    state: row.state,
    executed: row.executed,
    attempt: row.attempt,
    lastEvent: row.lastEvent,
    acknowledged: row.acknowledged,
    cancelled: row.cancelled,
    ...(shown && row.state === "done" ? { result: typedOf(job?.xml?.result, job?.result, row.outcome) } : {}),
    ...(shown && row.state !== "done" ? { reason: row.reason } : {}),
  };
}

function eventOf(desk: RequestDesk, row: RequestRow, { number, kind, data }: RequestEventRow): object {
  const job = jobOf(desk, row);
  if (kind === "progress") return { number, kind, value: typedOf(job?.xmlProgress, job?.progress, data) };
  if (kind === "done")
    return { number, kind, executed: row.executed, value: typedOf(job?.xml?.result, job?.result, row.outcome) };
  if (kind === "running" || kind === "interrupted") return { number, kind };
  return { number, kind, executed: row.executed, reason: row.reason };
}

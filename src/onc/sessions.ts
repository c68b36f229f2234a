import { createHash } from "node:crypto";
import type { Look } from "../call/reply-cache.js";
import type { Alarm } from "../drive/clock.js";
import type { Machine } from "../drive/machine.js";
import { nothing } from "../xdr/index.js";
import { argsCodec } from "./args.js";
import { principalOf, type ServedProcedure, type ServedVersion, type ServerCall } from "./engine/index.js";
import type { ReplyCache } from "./reply-cache.js";
import {
  type AckArgs,
  CallFate,
  type CancelArgs,
  type OpenArgs,
  type OpenResult,
  OpenStatus,
  SESSION_PROGRAM,
  SESSION_VERSION,
  type SessionId,
  type StatusArgs,
  type StatusResult,
  xdrAckArgs,
  xdrCancelArgs,
  xdrOpenArgs,
  xdrOpenResult,
  xdrSessionId,
  xdrStatusArgs,
  xdrStatusResult,
} from "./session/session.js";
import { laneCaller, type SessionLimits, SessionTable, sessionLimitDefaults, sessionName } from "./session/table.js";

/** What a server allows its sessions; the reasons for the defaults are in docs/limits.md. */
export type SessionOptions = { readonly [K in keyof SessionLimits]?: SessionLimits[K] | undefined };

/** Without a result it is one-way: whoever cancels, acknowledges or ends waits for no answer, and learns nothing. */
const served = (name: string, number: number, args: ServedProcedure["args"], result?: ServedProcedure["result"]) =>
  [
    number,
    // Each may run twice, so none of them needs the store of replies, least of all over UDP while that is in trouble.
    { number, name, args, result: result ?? nothing, oneWay: result === undefined, semantics: "at-least-once" },
  ] as const;

/** The session program as it is served. SESSION_CALL is not here: the engine makes a call of another procedure of it. */
export const sessionProgram: ServedVersion = {
  name: "FARCALL_SESSION",
  program: SESSION_PROGRAM,
  version: SESSION_VERSION,
  procedures: new Map([
    served("null", 0, argsCodec([]), nothing),
    served("open", 1, argsCodec([xdrOpenArgs]), xdrOpenResult),
    served("cancel", 3, argsCodec([xdrCancelArgs])),
    served("ack", 4, argsCodec([xdrAckArgs])),
    served("status", 5, argsCodec([xdrStatusArgs]), xdrStatusResult),
    served("close", 6, argsCodec([xdrSessionId])),
  ]),
};

/** How soon a client that was refused a session may ask again, in milliseconds. */
const retryAfterMs = 1_000;

/** The session program's procedures, and the time of its sessions and calls. */
export class Sessions {
  readonly table: SessionTable<ServerCall>;
  readonly #replies: ReplyCache | undefined;
  readonly #boot: Uint8Array;
  readonly #machine: Machine;
  readonly #alarm: Alarm;
  #armedFor = Number.POSITIVE_INFINITY;
  /** Calls whose signals are to fire at their deadlines. */
  readonly #watched = new Set<ServerCall>();

  constructor(options: SessionOptions, replies: ReplyCache | undefined, machine: Machine) {
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    for (const [name, value] of given) {
      if (!(Number.isFinite(value) && (value as number) > 0))
        throw new RangeError(`${name} must be above 0, not ${value}`);
    }
    this.#replies = replies;
    this.#machine = machine;
    this.#boot = machine.randomBytes(16);
    this.table = new SessionTable(
      { ...sessionLimitDefaults, ...Object.fromEntries(given) },
      {
        make: (principal) => {
          const random = machine.randomBytes(16);
          return new Uint8Array([...random, ...ownerMark(random, principal)]);
        },
        belongs: (id, principal) => {
          const mark = ownerMark(id.subarray(0, 16), principal);
          return mark.every((byte, i) => byte === id[16 + i]);
        },
      },
    );
    this.#alarm = machine.clock.alarm(() => this.#tick());
  }

  /** What serves the session program. */
  readonly handlers = {
    open: (args: OpenArgs, call: ServerCall): OpenResult => this.#open(args, call),
    cancel: ({ session, number }: CancelArgs, call: ServerCall): void => {
      const found = this.#find(session, call);
      found?.find(number.lane, number.sequence)?.abort(new Error("cancelled by its caller"));
    },
    ack: (args: AckArgs, call: ServerCall): void => this.#acknowledge(args, call),
    status: (args: StatusArgs, call: ServerCall): StatusResult | Promise<StatusResult> => this.#status(args, call),
    close: (session: SessionId, call: ServerCall): void => {
      const found = this.#find(session, call);
      if (found !== undefined) this.table.end(found, new Error("its client has ended the session"));
    },
  };

  /** A connection is gone. */
  lost(link: object): void {
    this.table.lost(link, this.#machine.clock.now());
    this.arm();
  }

  /** The signal of this call is to fire at its deadline. */
  watch(call: ServerCall): void {
    this.#watched.add(call);
    this.#armFor(call.deadline ?? Number.POSITIVE_INFINITY);
  }

  unwatch(call: ServerCall): void {
    this.#watched.delete(call);
  }

  /** Sees to it that leases end in time. */
  arm(): void {
    this.#armFor(this.table.deadline);
  }

  close(): void {
    this.#alarm.clear();
    this.table.close(new Error("the server is closing"));
  }

  #armFor(due: number): void {
    if (due >= this.#armedFor) return;
    this.#armedFor = due;
    this.#alarm.set(due);
  }

  #tick(): void {
    this.#armedFor = Number.POSITIVE_INFINITY;
    const now = this.#machine.clock.now();
    this.table.tick(now);
    let next = this.table.deadline;
    for (const call of this.#watched) {
      const { deadline = next } = call;
      if (deadline <= now) {
        this.#watched.delete(call);
        call.abort(new Error("its caller has given up: the deadline has passed"));
      } else if (deadline < next) {
        next = deadline;
      }
    }
    this.#armFor(next);
  }

  #find(id: SessionId, call: ServerCall): ReturnType<SessionTable<ServerCall>["find"]> {
    return this.table.find(id, principalOf(call.caller));
  }

  #open(args: OpenArgs, call: ServerCall): OpenResult {
    const { link } = call;
    const stream = link.session === undefined ? undefined : link;
    const session = this.table.open(principalOf(call.caller), args, stream, this.#machine.clock.now());
    this.arm();
    if (session === undefined) return { status: OpenStatus.OPEN_BUSY, retryAfter: retryAfterMs };
    const store = this.#replies?.store;
    const { sessionWindow, sessionLanesMax, sessionLeaseMs } = this.table.limits;
    return {
      status: OpenStatus.OPEN_OK,
      ok: {
        session: session.id,
        boot: this.#boot,
        store: store?.id ?? "",
        durable: store?.durable ?? false,
        shared: store?.shared ?? false,
        transactional: store?.transactional ?? false,
        window: whole(sessionWindow),
        lanes: whole(sessionLanesMax),
        lease: whole(sessionLeaseMs),
        kept: whole(store?.replyWindowMs ?? 0),
      },
    };
  }

  #acknowledge({ session: id, acknowledged }: AckArgs, call: ServerCall): void {
    const session = this.#find(id, call);
    if (session === undefined) return;
    this.table.touch(session, call.link.session === undefined ? undefined : call.link, this.#machine.clock.now());
    this.arm();
    for (const { lane: number, sequence } of acknowledged) {
      const lane = session.lane(number, this.table.limits.sessionLanesMax);
      if (lane === undefined || sequence <= lane.acknowledged) continue;
      lane.acknowledged = sequence;
      this.#replies?.forget(lane.caller, sequence);
    }
  }

  #status({ session: id, store, number, fence }: StatusArgs, call: ServerCall): StatusResult | Promise<StatusResult> {
    const principal = principalOf(call.caller);
    if (!this.table.belongs(id, principal)) return { fate: CallFate.FATE_DENIED };
    const replies = this.#replies;
    if (replies === undefined || replies.store.id !== store) return { fate: CallFate.FATE_ELSEWHERE };
    const { lane, sequence } = number;
    if (this.table.find(id, principal)?.find(lane, sequence) !== undefined) return { fate: CallFate.FATE_RUNNING };
    try {
      const key = { caller: laneCaller(sessionName(id, principal), lane), call: sequence };
      const look = replies.look(key, fence, call.link.peer);
      return look instanceof Promise ? look.then(statusOf, () => noStore) : statusOf(look);
    } catch {
      return noStore;
    }
  }
}

/** A limit as the wire can say it: no more than it is. */
function whole(limit: number): number {
  return Math.min(Math.floor(limit), 0xffff_ffff);
}

const noStore: StatusResult = { fate: CallFate.FATE_NO_STORE };

function statusOf(look: Look): StatusResult {
  if (look.state === "done") return { fate: CallFate.FATE_DONE, outcome: look.reply };
  return { fate: fates[look.state] };
}

const fates: Readonly<Record<Exclude<Look["state"], "done">, Exclude<CallFate, typeof CallFate.FATE_DONE>>> = {
  running: CallFate.FATE_RUNNING,
  "too-large": CallFate.FATE_TOO_LARGE,
  forgotten: CallFate.FATE_FORGOTTEN,
  lost: CallFate.FATE_LOST,
  fenced: CallFate.FATE_FENCED,
  unseen: CallFate.FATE_UNSEEN,
  busy: CallFate.FATE_NO_STORE,
};

/** Says whose a session id is, without telling: nobody else's question about it is taken for its owner's. */
function ownerMark(random: Uint8Array, principal: string): Uint8Array {
  return createHash("sha256").update("farcall session").update(random).update(principal).digest().subarray(0, 4);
}

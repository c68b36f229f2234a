import { ServerRecord } from "../../call/steps.js";
import { type Caller, isTraceparent } from "../../model/index.js";
import type { XdrReader } from "../../xdr/index.js";
import type { AuthAccepted } from "../auth/index.js";
import { CALL_EXPLAIN, CALL_NESTED, CallStatus } from "../session/session.js";
import type { Session, SessionTable } from "../session/table.js";
import type { Answer, Answers, SessionEnds } from "./answers.js";
import { type DuplicateFilter, filteredCall } from "./duplicate-filter.js";
import type { OnceCalls } from "./once-calls.js";
import { sessionForm } from "./reply-form.js";
import type { ServedPrograms } from "./served.js";
import { type Seat, ServerCall, type ServerHost, type ServerLink, type ServerRefusal } from "./server-call.js";
import { principalOf, SessionArguments, sessionRefusal, stricter } from "./session-call.js";

/** A SESSION_CALL as it arrives. */
export interface SessionArrival {
  readonly link: ServerLink;
  readonly xid: number;
  readonly caller: Caller;
  readonly auth: AuthAccepted;
  /** Bytes of the whole message. */
  readonly size: number;
  readonly record: ServerRecord | undefined;
}

/** Calls of sessions at the server: each keeps its number however often, and over whichever connection, it is sent. */
export class ServerSessions implements SessionEnds {
  readonly #host: ServerHost;
  readonly #table: SessionTable<ServerCall>;
  readonly #programs: ServedPrograms;
  readonly #answers: Answers;
  readonly #once: OnceCalls;
  readonly #filter: DuplicateFilter | undefined;
  readonly #arguments = new SessionArguments();

  constructor(
    host: ServerHost,
    table: SessionTable<ServerCall>,
    programs: ServedPrograms,
    answers: Answers,
    once: OnceCalls,
    filter: DuplicateFilter | undefined,
  ) {
    this.#host = host;
    this.#table = table;
    this.#programs = programs;
    this.#answers = answers;
    this.#once = once;
    this.#filter = filter;
  }

  /** Takes a SESSION_CALL: it runs, waits, or is answered. */
  receive(arrival: SessionArrival, r: XdrReader): void {
    const { link, xid, auth } = arrival;
    let plain: XdrReader;
    try {
      plain = auth.unwrapArgs === undefined ? r : auth.unwrapArgs(r);
      this.#arguments.read(plain);
    } catch {
      return this.#answers.refuse(link, xid, { stat: "GARBAGE_ARGS" }, auth);
    }
    const refusal = this.#admit(arrival, plain);
    if (refusal === undefined) return;
    this.#answers.refuse(link, xid, refusal, auth, sessionForm);
    this.#host.refused?.(link, refusal, this.#arguments);
  }

  /** Begins a call, or has it wait for its turn or for itself; says why it does neither. */
  #admit({ link, xid, caller, auth, size, record: observed }: SessionArrival, r: XdrReader): ServerRefusal | undefined {
    const host = this.#host;
    const parts = this.#arguments;
    const { sequence, acknowledged, fingerprint } = parts;
    const now = host.now();
    const table = this.#table;
    const session = table.findFor(parts.session, caller, principalOf);
    if (session === undefined) return sessionRefusal(CallStatus.CALL_STALE);
    table.touch(session, link.session === undefined ? undefined : link, now);
    session.used = true;
    const { sessionLanesMax, sessionWindow } = table.limits;
    const lane = session.lane(parts.lane, sessionLanesMax);
    if (lane === undefined || sequence > acknowledged + sessionWindow) return sessionRefusal(CallStatus.CALL_BUSY);
    if (acknowledged > lane.acknowledged) {
      lane.acknowledged = acknowledged;
      host.replies?.forget(lane.caller, acknowledged);
    }
    const found = this.#programs.find(parts);
    if ("stat" in found) return found;
    const { served, target } = found;
    const stranger = host.admit?.(link, served, target);
    if (stranger !== undefined) return { stat: "AUTH_ERROR", why: stranger };
    const semantics = stricter(parts.promised, target.semantics ?? "at-most-once");
    if (semantics === "exactly-once" && this.#filter?.transactional !== true) {
      return sessionRefusal(CallStatus.CALL_NO_GUARANTEE);
    }
    const explain = (parts.flags & CALL_EXPLAIN) !== 0;
    const record = observed ?? (explain ? new ServerRecord(() => host.now(), link.heardAt ?? now) : undefined);
    record?.enter("unmarshal");
    let args: readonly unknown[];
    try {
      args = target.args.decode(r);
      r.finish();
    } catch {
      return { stat: "GARBAGE_ARGS" };
    }
    const deadline = now + parts.remaining;
    const seat = { session, lane, caller: lane.caller, call: sequence, semantics, fingerprint, deadline, explain };
    const call = new ServerCall(host, link, xid, served, target, args, caller, auth, sessionForm, seat);
    if (parts.traceparent !== "" && isTraceparent(parts.traceparent)) call.traceparent = parts.traceparent;
    if (record !== undefined) {
      record.enter("receive");
      call.record = record;
    }
    const why = host.authorize?.(call);
    if (why !== undefined) return { stat: "AUTH_ERROR", why };
    const first = this.#isFiltered(seat) ? lane.running.get(sequence) : undefined;
    if (first?.seat !== undefined && first.seat.fingerprint !== fingerprint) {
      return sessionRefusal(CallStatus.CALL_MISMATCH);
    }
    if (first !== undefined && this.#hears(first, link)) return undefined;
    this.#answers.count(call, size);
    if (first !== undefined) {
      this.#join(first, call);
    } else {
      // What waits for a callback cannot be waited for by what the callback calls.
      const nested = (parts.flags & CALL_NESTED) !== 0;
      if (session.fifo && session.current !== undefined && !nested) session.waiting.push(call);
      else this.#begin(call, now);
      // One that has ended by now was in nobody's way.
      if (!call.ended) keep(call, seat);
    }
    this.#answers.weigh(call);
    return undefined;
  }

  /** Whether the call may not run again when it is sent again. */
  #isFiltered({ semantics }: Seat): boolean {
    return this.#filter !== undefined && (semantics === "at-most-once" || semantics === "exactly-once");
  }

  /** Whether whoever sent this again will hear the first one's answer: it goes to the same port. */
  #hears(first: ServerCall, link: ServerLink): boolean {
    if (link.session !== undefined || first.link.session !== undefined || first.link.peer !== link.peer) return false;
    if (this.#filter !== undefined) this.#filter.counts.joined++;
    return true;
  }

  /** The same call runs or waits: this one gets its answer. */
  #join(first: ServerCall, call: ServerCall): void {
    first.filtered ??= filteredCall(first.seat as Seat, "", first);
    first.filtered.waiters ??= [];
    first.filtered.waiters.push(call);
    if (this.#filter !== undefined) this.#filter.counts.joined++;
  }

  /** The turn of a call has come. */
  #begin(call: ServerCall, now: number): void {
    const seat = call.seat as Seat;
    const { session, deadline } = seat;
    if (session.fifo) session.current ??= call;
    if (call.aborted !== undefined || now >= deadline) {
      return this.#conclude(call, sessionRefusal(CallStatus.CALL_EXPIRED));
    }
    if (!this.#isFiltered(seat)) return this.#host.dispatch(call);
    call.filtered ??= filteredCall(seat, "", call);
    this.#host.replies?.claim(call, call.filtered.key);
  }

  /** Answers a call, and whoever sent it again. */
  #conclude(call: ServerCall, answer: Answer): void {
    if (call.filtered !== undefined) this.#once.settle(call.filtered, answer);
    else this.#answers.answer(call, answer);
    this.#host.answered(call);
  }

  left(call: ServerCall): void {
    const { session, lane, call: sequence } = call.seat as Seat;
    if (lane.running.size > 0) {
      const beside = call.successor();
      if (lane.running.get(sequence) === call) {
        if (beside === undefined) lane.running.delete(sequence);
        else lane.running.set(sequence, beside);
      }
    }
    session.left(lane);
    if (session.ended) this.#table.disposeOf(session);
  }

  /** Where calls run one after another, the next one may begin. */
  over(call: ServerCall): void {
    const session = call.seat?.session;
    if (session === undefined || session.current !== call || !call.ended) return;
    session.current = undefined;
    this.#next(session);
  }

  /** Begins what waits its turn in a session whose calls run one after another. */
  #next(session: Session<ServerCall>): void {
    if (session.turning) return;
    session.turning = true;
    while (session.current === undefined) {
      const next = session.waiting.shift();
      if (next === undefined) break;
      this.#begin(next, this.#host.now());
    }
    session.turning = false;
  }
}

/** The call goes on in a later turn: whoever sends it again, cancels it, or asks about it finds it. */
function keep(call: ServerCall, { lane, call: sequence }: Seat): void {
  const beside = lane.running.get(sequence);
  if (beside === undefined) lane.running.set(sequence, call);
  else beside.runsTwice(call);
}

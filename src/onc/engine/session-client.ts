import { type Pause, RetryPolicy } from "../../call/retry.js";
import { type Executed, RpcError, type RpcErrorCode, type Settlement } from "../../model/index.js";
import { nothing, XdrReader, type XdrWriter } from "../../xdr/index.js";
import { argsCodec } from "../args.js";
import { type ClientSeat, ClientSession } from "../session/client-session.js";
import {
  CALL_EXPLAIN,
  CALL_NESTED,
  CallFate,
  CallStatus,
  DONE_STATEFUL,
  Guarantee,
  type OpenOk,
  type OpenResult,
  OpenStatus,
  SESSION_PROGRAM,
  SESSION_VERSION,
  type StatusResult,
  xdrAckArgs,
  xdrCancelArgs,
  xdrOpenArgs,
  xdrOpenResult,
  xdrSessionId,
  xdrStatusArgs,
  xdrStatusResult,
} from "../session/session.js";
import { ClntStat, clntStatus } from "../status.js";
import { type AttemptFailure, type CallFailure, type CallTarget, ClientCall, isOnce } from "./client-call.js";
import { type OutcomeFailure, readFailure } from "./session-outcome.js";

// The session as its client lives it: offered with the first call, refused by servers that do not have it, found stale by
// servers that have started again. Calls wait here for their places and for news of their earlier transmissions.

export interface SessionClientOptions {
  /** Whether a server without sessions is called plainly, or not at all. */
  readonly mode: "auto" | "require";
  /** A name that the client keeps when it starts again; empty when it has none. */
  readonly client: string;
  /** This run of it: 16 bytes. */
  readonly incarnation: Uint8Array;
  /** Whether the server is to run the calls one after another. */
  readonly fifo: boolean;
  /** The server was asked before, and has no sessions. */
  readonly refusedBefore: boolean;
  /** Is told that the server has none. */
  readonly onRefused: () => void;
}

/** What the session needs of the engine that it belongs to. */
export interface SessionPort {
  /** When the engine wants to be woken. */
  deadline: number;
  /** The time as of the last event, in milliseconds. */
  readonly now: number;
  /** Starts a call of the session program. */
  start(call: ClientCall): void;
  /** Encodes a call and sends or queues it, or ends it when its arguments cannot be encoded. */
  transmit(call: ClientCall): void;
  /** Sends something whose answer nobody waits for, if it can be sent now. */
  post(target: CallTarget, args: readonly unknown[]): void;
  /** Whether the network may deliver what was sent once twice: then an answer to one copy says nothing about the other. */
  readonly doubles: boolean;
  /** Keeps the arguments of a call that waits, or ends it when they are none or too much; says whether it waits. */
  hold(call: ClientCall): boolean;
  /** The call does not wait any more. */
  release(call: ClientCall): void;
  /** Takes a call that goes on from where it was queued or sent. */
  detach(call: ClientCall): void;
  /** Gives a detached call another xid: late answers to the one it had are not for it any more. */
  renumber(call: ClientCall): void;
  /** Ends a call. */
  fail(call: ClientCall, failure: CallFailure): void;
  /** An attempt has failed: the call is tried again, or ends. */
  attemptFailed(call: ClientCall, failure: AttemptFailure, pause: Pause): void;
  /** No connection could be made: says whether the call goes on waiting; otherwise it has ended. */
  unreached(call: ClientCall, failure: AttemptFailure): boolean;
  /** What a call asked for is here. */
  succeed(call: ClientCall, result: XdrReader): void;
}

/** How long a server may take to say whether it has sessions: one that keeps silent about programs it lacks has none. */
const openTimeoutMs = 2_000;

/** How long a server that gave no answer is not asked again; doubles with each time. */
const askAgainMs = 60_000;

/** How long after an answer the server is told of it, unless another call says it before. */
const acknowledgeAfterMs = 200;

/** How many lanes one message may speak of: `ack_args` in session.x. */
const acknowledgedMax = 64;

/** Between two questions about a call that another server runs. */
const pollMs: { readonly first: number; readonly most: number } = { first: 50, most: 1_000 };

/** STATUS is a question: it may be asked again. */
const statusTimeoutMs = 10_000;

const target = (
  name: string,
  procedure: number,
  args: CallTarget["args"],
  result: CallTarget["result"],
): CallTarget => ({
  name: `FARCALL_SESSION.${name}`,
  program: SESSION_PROGRAM,
  version: SESSION_VERSION,
  procedure,
  args,
  result,
  semantics: "at-least-once",
});

const targets = {
  open: target("open", 1, argsCodec([xdrOpenArgs]), xdrOpenResult),
  call: target("call", 2, argsCodec([]), nothing),
  cancel: target("cancel", 3, argsCodec([xdrCancelArgs]), nothing),
  ack: target("ack", 4, argsCodec([xdrAckArgs]), nothing),
  status: target("status", 5, argsCodec([xdrStatusArgs]), xdrStatusResult),
  close: target("close", 6, argsCodec([xdrSessionId]), nothing),
} as const;

/** What the header of a call in a session names. */
export const sessionCallTarget: CallTarget = targets.call;

const guarantees = {
  maybe: Guarantee.MAYBE,
  "at-least-once": Guarantee.AT_LEAST_ONCE,
  "at-most-once": Guarantee.AT_MOST_ONCE,
  "exactly-once": Guarantee.EXACTLY_ONCE,
} as const;

const once = new RetryPolicy(false);

/** A call whose fate is asked for. */
interface Question {
  readonly seat: ClientSeat;
  due: number;
  pause: number;
}

export class SessionClient {
  readonly #options: SessionClientOptions;
  readonly #port: SessionPort;
  /**
   * `idle`: not offered yet. `opening`: offered. `open`: calls go into it. `none`: the server has none, until `#noneUntil`.
   * `stale`: it has ended together with state at the server, which the user must know.
   */
  #state: "idle" | "opening" | "open" | "none" | "stale" = "idle";
  #session: ClientSession | undefined;
  #noneUntil = Number.POSITIVE_INFINITY;
  #unanswered = 0;
  /** Whether this server ever gave a session: then silence and lost connections are no refusals. */
  #hasSessions = false;
  /** Not before this time is such a server asked again. */
  #openAt = Number.NEGATIVE_INFINITY;
  /** Calls that wait for the answer to OPEN, or for a place. */
  readonly #waiting = new Set<ClientCall>();
  readonly #questions = new Map<ClientCall, Question>();
  readonly #onOpen: (() => void)[] = [];
  #acknowledgeAt = Number.POSITIVE_INFINITY;
  /** What failed without an answer, and may be asked about. */
  readonly #unsettled = new WeakMap<RpcError, { readonly seat: ClientSeat; readonly target: CallTarget }>();

  constructor(options: SessionClientOptions, port: SessionPort) {
    this.#options = options;
    this.#port = port;
    if (options.refusedBefore && options.mode === "auto" && !options.fifo) this.#state = "none";
  }

  /** Whether further calls would only wait. */
  get full(): boolean {
    return this.#waiting.size > 0;
  }

  /** How many calls wait to be made. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** What the server gives; undefined without a session. */
  get facts(): OpenOk | undefined {
    return this.#state === "open" ? this.#session?.facts : undefined;
  }

  // --- calls

  /**
   * Takes a call in, unless it is to be made plainly.
   *
   * @returns whether it was taken: sent, waiting, or ended
   */
  takes(call: ClientCall): boolean {
    if (isPlain(call.target)) return false;
    if (this.#state === "none" && this.#port.now >= this.#noneUntil) this.#state = "idle";
    switch (this.#state) {
      case "open":
        // Behind those that wait already.
        if (this.#waiting.size > 0 || !this.#seat(call)) this.#wait(call);
        return true;
      case "none":
        return this.#refusesPlain(call);
      case "stale":
        this.#port.fail(call, stale);
        return true;
      case "idle":
      case "opening":
        this.#wait(call);
        if (this.#state === "idle" && this.#waiting.size > 0) this.#open();
        return true;
    }
  }

  /** The option for whose sake no call may be made plainly. */
  get #needed(): string | undefined {
    if (this.#options.fifo) return `order "fifo"`;
    return this.#options.mode === "require" ? `session "require"` : undefined;
  }

  /** Ends a call that a server without sessions cannot be asked to run; says whether it did. */
  #refusesPlain(call: ClientCall): boolean {
    const wanted = this.#needed ?? (call.semantics === "exactly-once" ? "exactly-once" : undefined);
    if (wanted === undefined) return false;
    const failure =
      this.#noneUntil === Number.POSITIVE_INFINITY
        ? refusal(`the server has no sessions, which ${wanted} needs`)
        : unopened(`the server has not opened a session, which ${wanted} needs`);
    this.#port.fail(call, failure);
    return true;
  }

  /** Gives a call its place, or ends it; says whether there was one. */
  #seat(call: ClientCall): boolean {
    const session = this.#session as ClientSession;
    if (call.semantics === "exactly-once" && !session.facts.transactional) {
      this.#port.fail(call, refusal("the server's store of replies has no transactions, which exactly-once needs"));
      return true;
    }
    const seat = session.seat();
    if (seat === undefined) return false;
    this.#waitNoMore(call);
    call.seat = seat;
    this.#port.transmit(call);
    return true;
  }

  #wait(call: ClientCall): void {
    if (this.#port.hold(call)) this.#waiting.add(call);
  }

  #waitNoMore(call: ClientCall): void {
    if (this.#waiting.delete(call)) this.#port.release(call);
  }

  /** Gives places to those that wait, as far as there are any. */
  #seatWaiting(): void {
    for (const call of this.#waiting) {
      if (this.#state !== "open" || !this.#seat(call)) return;
    }
  }

  /**
   * Writes what a call of a session has before its arguments, and then those: `call_head` and `body` of session.x, field by
   * field because every call passes through here. A test holds it against the compiled codec.
   */
  writeCall(w: XdrWriter, call: ClientCall, seat: ClientSeat): void {
    const { session, lane, sequence } = seat;
    const { program, version, procedure } = call.target;
    const from = w.position;
    lane.told = lane.acknowledged;
    const { id } = session;
    const remaining = remainingMs(call.deadline, this.#port.now);
    const flags = (call.record?.asksServer === true ? CALL_EXPLAIN : 0) | (call.nested ? CALL_NESTED : 0);
    w.uint32x4(id[0], id[1], id[2], id[3]);
    w.uint32x4(id[4], lane.number, sequence, lane.acknowledged);
    // The last word is the length of the text: there is none.
    w.uint32x4(remaining, guarantees[call.semantics], flags, 0);
    if (call.traceparent !== undefined) {
      w.truncate(w.position - 4);
      w.string(call.traceparent, 255);
    }
    // And here that of the arguments.
    w.uint32x4(program, version, procedure, 0);
    const at = w.position;
    call.headSize = at - from;
    call.writeArgs(w);
    w.patchUint32(at - 4, w.position - at);
  }

  /** The call has ended. If it was answered the server need not remember it any more. */
  ended(call: ClientCall): void {
    this.#waitNoMore(call);
    this.#questions.delete(call);
    const { seat } = call;
    if (seat === undefined) return;
    // Only what may have run, and is remembered, can be asked about later.
    const settled = call.answered || call.executed !== "unknown" || !isFiltered(call, seat.session);
    if (settled) seat.lane.answered(seat.sequence);
    else seat.lane.abandoned();
    if (this.#acknowledgeAt === Number.POSITIVE_INFINITY) {
      this.#acknowledgeAt = this.#port.now + acknowledgeAfterMs;
      this.#wakeAt(this.#acknowledgeAt);
    }
    if (this.#waiting.size > 0 && this.#state === "open") this.#seatWaiting();
  }

  /** The call's caller has given it up: the server is told. */
  cancelled({ seat, transmissions }: ClientCall): void {
    if (seat === undefined || transmissions === 0) return;
    this.#port.post(targets.cancel, [{ session: seat.session.facts.session, number: numberOf(seat) }]);
  }

  /** The client is being closed: what the server keeps for it may go. */
  close(): void {
    if (this.#session !== undefined) this.#port.post(targets.close, [this.#session.facts.session]);
    this.#state = "none";
    for (const tell of this.#onOpen.splice(0)) tell();
  }

  /** Tells the server over which connection the client can be reached now, without waiting for a call. */
  hello(): void {
    if (this.#state === "open")
      this.#port.post(targets.ack, [{ session: this.#session?.facts.session, acknowledged: [] }]);
  }

  // --- what comes back

  /**
   * Reads the outcome of a call up to its result.
   *
   * @returns whether the result comes next; if not, the call has been dealt with
   * @throws DecodeError for what is no outcome
   */
  reads(r: XdrReader, call: ClientCall): boolean {
    const { seat } = call;
    if (seat === undefined) return true;
    const status = r.uint() as CallStatus;
    if (status === CallStatus.CALL_DONE || status === CallStatus.CALL_EXPLAINED) {
      if (status === CallStatus.CALL_EXPLAINED) {
        const [receive, unmarshal, execute, reply] = [r.uint(), r.uint(), r.uint(), r.uint()].map((us) => us / 1000);
        if (call.record !== undefined) {
          call.record.server = { receive, unmarshal, execute, reply } as NonNullable<typeof call.record.server>;
        }
      }
      const stateful = (r.uint() & DONE_STATEFUL) !== 0;
      checkLength(r);
      if (stateful && !seat.session.stateful) this.#hasState(seat.session);
      call.answered = true;
      return true;
    }
    const failure = readFailure(r, status, call.target);
    r.finish();
    const { executed, passing, retryAfterMs = 0 } = failure;
    if (status === CallStatus.CALL_FENCED) call.disprove();
    // What may be otherwise a moment later, or was a moment before, is no evidence where there may be another copy; and a
    // refusal that ends nothing may itself come twice.
    else if (!(this.#port.doubles && (passing || status === CallStatus.CALL_STALE))) call.add(executed);
    if (status === CallStatus.CALL_STALE) this.#stale(call, seat);
    else if (status === CallStatus.CALL_RUNNING) this.#ask(call, seat, pollMs.first);
    else if (passing) this.#port.attemptFailed(call, { ...failure, repeat: "busy" }, { retryAfterMs, charged: true });
    else {
      call.answered = true;
      this.#port.fail(call, failure);
    }
    return false;
  }

  /** State at the server hangs on this session. That may be learned from a kept reply, when the session is gone. */
  #hasState(session: ClientSession): void {
    session.stateful = true;
    if (session !== this.#session) this.#loseState();
  }

  /**
   * A session is gone and its state with it: calls fail until the user knows. One that was opened since stays: two at once
   * would not keep calls in order.
   */
  #loseState(): void {
    this.#state = "stale";
    this.#tellOpen();
    for (const call of [...this.#waiting]) this.#port.fail(call, stale);
  }

  /** The server does not know the session that the call was sent in. */
  #stale(call: ClientCall, { session }: ClientSeat): void {
    if (session === this.#session && this.#state === "open") {
      this.#session = undefined;
      if (session.stateful) this.#loseState();
      else this.#state = "idle";
    }
    const seat = call.seat as ClientSeat;
    // What may have run is asked about; what has not, or may run again, needs no question.
    if (call.executed === "no" || !isFiltered(call, session)) this.#move(call);
    else this.#ask(call, seat, 0);
  }

  /** The call's place is void, and it has not run there: it gets another one. */
  #move(call: ClientCall): void {
    const stateful = call.seat?.session.stateful === true;
    call.seat = undefined;
    this.#questions.delete(call);
    if (stateful) return this.#port.fail(call, stale);
    this.#port.detach(call);
    this.#port.renumber(call);
    if (!this.takes(call)) this.#port.transmit(call);
  }

  // --- what became of a call?

  #ask(call: ClientCall, seat: ClientSeat, afterMs: number): void {
    this.#port.detach(call);
    const due = this.#port.now + afterMs;
    this.#questions.set(call, { seat, due, pause: Math.max(afterMs, pollMs.first) });
    if (afterMs === 0) this.#question(call);
    else this.#wakeAt(due);
  }

  #question(call: ClientCall): void {
    const question = this.#questions.get(call);
    if (question === undefined) return;
    question.due = Number.POSITIVE_INFINITY;
    const still = (): boolean => this.#questions.get(call) === question;
    const answered = (result: StatusResult): void => {
      if (still()) this.#answered(call, question, result);
    };
    const failed = (error: RpcError): void => {
      if (!still()) return;
      // Silence, or what cannot be read, is no answer: the call's own deadline says how long it is worth asking.
      if (isNoAnswer(error)) return this.#askLater(question);
      const message = `the session is gone, and nobody could be asked whether the call ran: ${error.message}`;
      this.#port.fail(call, { code: "unavailable", message, details: { cause: error } });
    };
    this.#port.start(this.statusCall(question.seat, this.#port.now, call.deadline, answered, failed));
  }

  #askLater(question: Question): void {
    question.pause = Math.min(question.pause * 2, pollMs.most);
    question.due = this.#port.now + question.pause;
    this.#wakeAt(question.due);
  }

  /** STATUS has an answer about a call that is still wanted. */
  #answered(call: ClientCall, question: Question, result: StatusResult): void {
    switch (result.fate) {
      case CallFate.FATE_DONE: {
        const r = new XdrReader(result.outcome);
        return this.#port.succeed(call, r);
      }
      case CallFate.FATE_FENCED:
        call.disprove();
        return this.#move(call);
      case CallFate.FATE_RUNNING:
      case CallFate.FATE_UNSEEN:
      case CallFate.FATE_NO_STORE:
        return this.#askLater(question);
      default: {
        const { executed, message } = fateTexts[result.fate];
        call.answered = true;
        call.add(executed);
        this.#port.fail(call, { code: "unavailable", message, details: { status: clntStatus(ClntStat.RPC_CANTRECV) } });
      }
    }
  }

  /** The call that asks what became of another, and keeps it from running if it has not. */
  statusCall(
    { session, lane, sequence }: ClientSeat,
    now: number,
    deadline: number,
    resolve: (result: StatusResult) => void,
    reject: (error: RpcError) => void,
  ): ClientCall {
    const args = {
      session: session.facts.session,
      store: session.facts.store,
      number: { lane: lane.number, sequence },
      fence: true,
    };
    const life = {
      semantics: "at-least-once",
      startedAt: now,
      deadline: Math.min(deadline, now + statusTimeoutMs),
    } as const;
    const done = (result: unknown): void => resolve(result as StatusResult);
    return new ClientCall(targets.status, [args], life, done, reject);
  }

  /** A call has failed without an answer: whoever has its error may ask about it later. */
  failed(call: ClientCall, error: RpcError): void {
    const { seat, target } = call;
    if (seat !== undefined && error.executed === "unknown" && isFiltered(call, seat.session)) {
      this.#unsettled.set(error, { seat, target });
    }
  }

  /** The place of a call that failed with this error; undefined when nobody remembers the call. */
  unsettled(error: RpcError): { readonly seat: ClientSeat; readonly target: CallTarget } | undefined {
    return this.#unsettled.get(error);
  }

  /**
   * What STATUS says of a call that has ended, in the words of its client; undefined when it will say more later.
   *
   * @throws RpcError `bad-reply` for an outcome that cannot be read, which is no answer
   */
  settlement(result: StatusResult, target: CallTarget, peer: string): Settlement<unknown> | undefined {
    switch (result.fate) {
      case CallFate.FATE_FENCED:
        return { executed: "no" };
      case CallFate.FATE_RUNNING:
      case CallFate.FATE_UNSEEN:
      case CallFate.FATE_NO_STORE:
        return undefined;
      case CallFate.FATE_DONE:
        return settle(new XdrReader(result.outcome), target, peer);
      default: {
        const { executed, message } = fateTexts[result.fate];
        if (executed !== "yes") return { executed: "unknown", reason: message };
        return { executed, ok: false, error: outcomeError("server-error", message, target, peer) };
      }
    }
  }

  // --- the session's life

  #open(): void {
    if (this.#port.now >= this.#openAt) return this.#port.start(this.#openCall(this.#port.now));
    this.#wakeAt(this.#openAt);
    // Who only asks what the server gives does not wait for it to come back.
    this.#tellOpen();
  }

  #openCall(now: number): ClientCall {
    this.#state = "opening";
    const { client, incarnation, fifo } = this.#options;
    const life = { semantics: "at-least-once", startedAt: now, deadline: now + openTimeoutMs, retry: once } as const;
    const done = (result: unknown): void => this.#opened(result as OpenResult);
    const args = [{ client, incarnation, fifo }];
    return new ClientCall(targets.open, args, life, done, (error) => this.#notOpened(error));
  }

  #opened(result: OpenResult): void {
    if (this.#state !== "opening") return;
    if (result.status === OpenStatus.OPEN_OK) {
      this.#unanswered = 0;
      this.#hasSessions = true;
      this.#openAt = Number.NEGATIVE_INFINITY;
      this.#session = new ClientSession(result.ok);
      this.#state = "open";
      this.#tellOpen();
      this.#seatWaiting();
    } else {
      // However long that is: a server asks for seconds.
      this.#none(Math.min(result.retryAfter, askAgainMs));
    }
  }

  #notOpened(error: RpcError): void {
    if (this.#state !== "opening") return;
    switch (error.code) {
      case "closed":
        this.#state = "idle";
        return this.#tellOpen();
      case "deadline-exceeded":
        // Silence about a program that it does not have, or the silence of a server that is not there: then too, what
        // waits had better be sent, so that its own failure says what is wrong.
        if (error.transmissions === 0 || this.#hasSessions) return this.#openAgain();
        return this.#none(askAgainMs * 2 ** Math.min(this.#unanswered++, 10));
      case "unavailable":
      case "not-found":
      case "busy":
      case "server-error":
        // Also one that has sessions and is in trouble: that says nothing about the next time.
        if (error.transmissions === 0) return this.#unreached(error);
        // A datagram is lost without a word; this is the system's, that nobody listens there.
        // And where nothing may be made plainly, nothing is won by not asking again.
        if (this.#hasSessions || this.#port.doubles || this.#needed !== undefined) {
          this.#openAt = this.#port.now + Math.min(pollMs.first * 2 ** this.#unanswered++, pollMs.most);
          return this.#unreached(error);
        }
        // The connection was lost. Once may be chance; a server that hangs up whenever it is asked should not be asked.
        return this.#none(this.#unanswered++ === 0 ? 0 : askAgainMs * 2 ** Math.min(this.#unanswered, 10));
      case "bad-reply":
      case "bad-arguments":
        // The question or its answer was damaged on the way: that is no refusal, but the silence of another kind.
        if (!this.#hasSessions && this.#needed === undefined)
          return this.#none(askAgainMs * 2 ** Math.min(this.#unanswered++, 10));
        this.#openAt = this.#port.now + Math.min(pollMs.first * 2 ** this.#unanswered++, pollMs.most);
        return this.#openAgain();
      default:
        this.#options.onRefused();
        this.#none(Number.POSITIVE_INFINITY);
    }
  }

  /** The server has no session for us, for now: what waits is called plainly. */
  #none(forMs: number): void {
    this.#state = "none";
    this.#noneUntil = this.#port.now + forMs;
    this.#tellOpen();
    for (const call of [...this.#waiting]) {
      this.#waitNoMore(call);
      if (!this.#refusesPlain(call)) this.#port.transmit(call);
    }
  }

  /** Nobody was there to be asked. */
  #unreached(error: RpcError): void {
    const { code, message, cause, status, peer = "" } = error;
    const own = message.slice(message.indexOf(peer) + peer.length).replace(/^[:\s]+/, "");
    const failure: AttemptFailure = { code, message: own, details: { cause, status }, repeat: "connection-lost" };
    for (const call of [...this.#waiting]) this.#port.unreached(call, failure);
    this.#openAgain();
  }

  /** Whoever waits goes on waiting, for its own deadline at most. */
  #openAgain(): void {
    this.#state = "idle";
    if (this.#waiting.size > 0) this.#open();
    else this.#tellOpen();
  }

  /**
   * Resolves when it is known whether the server has sessions.
   *
   * @param start starts the call that asks, where nobody has asked yet
   */
  known(now: number, start: (open: ClientCall) => void): Promise<void> {
    const open = this.#state === "idle" ? this.#openCall(now) : undefined;
    if (this.#state !== "opening") return Promise.resolve();
    return new Promise((resolve) => {
      this.#onOpen.push(resolve);
      if (open !== undefined) start(open);
    });
  }

  #tellOpen(): void {
    for (const tell of this.#onOpen.splice(0)) tell();
  }

  /** Whether calls fail until the user says that losing the server's state is all right. */
  get isStale(): boolean {
    return this.#state === "stale";
  }

  renew(): void {
    if (this.#state === "stale") this.#state = this.#session === undefined ? "idle" : "open";
  }

  // --- time

  #wakeAt(due: number): void {
    if (due < this.#port.deadline) this.#port.deadline = due;
  }

  /** Does what is due; the engine's deadline is the next. */
  tick(): void {
    const { now } = this.#port;
    if (this.#acknowledgeAt <= now) this.#acknowledge();
    else this.#wakeAt(this.#acknowledgeAt);
    for (const [call, question] of this.#questions) {
      if (question.due <= now) this.#question(call);
      else this.#wakeAt(question.due);
    }
    if (this.#state === "idle" && this.#waiting.size > 0) this.#open();
  }

  #acknowledge(): void {
    this.#acknowledgeAt = Number.POSITIVE_INFINITY;
    const session = this.#session;
    if (session === undefined || this.#state !== "open") return;
    const acknowledged = session
      .untold(acknowledgedMax)
      .map((lane) => ({ lane: lane.number, sequence: lane.acknowledged }));
    if (acknowledged.length > 0) this.#port.post(targets.ack, [{ session: session.facts.session, acknowledged }]);
  }
}

/** What is never made in a session: the session program itself, and what nobody waits for an answer to. */
function isPlain({ program, procedure, oneWay }: CallTarget): boolean {
  return procedure === 0 || program === SESSION_PROGRAM || oneWay === true;
}

/** Whether the server keeps what becomes of the call. */
function isFiltered({ semantics }: ClientCall, session: ClientSession): boolean {
  return session.filters && isOnce(semantics);
}

function numberOf({ lane, sequence }: ClientSeat): { lane: number; sequence: number } {
  return { lane: lane.number, sequence };
}

/** What is left until a deadline, as the wire has it: at least a millisecond, or the call would be void. */
export function remainingMs(deadline: number, now: number): number {
  return Math.min(Math.max(1, Math.ceil(deadline - now)), 0xffff_ffff);
}

const stale: CallFailure = {
  code: "stale",
  message: "the session has ended, and with it the state that the server kept for it; connect again, or call $renew()",
};

function refusal(message: string): CallFailure {
  return { code: "unimplemented", message, details: { status: clntStatus(ClntStat.RPC_FAILED) } };
}

/** Whether it has sessions is not known: it may give one later. */
function unopened(message: string): CallFailure {
  return { code: "unavailable", message, details: { status: clntStatus(ClntStat.RPC_CANTRECV) } };
}

/**
 * Reads a kept outcome.
 *
 * @throws RpcError `bad-reply` when it does not say what became of the call
 */
function settle(r: XdrReader, target: CallTarget, peer: string): Settlement<unknown> {
  let failure: OutcomeFailure | undefined;
  try {
    failure = settledFailure(r, target);
  } catch (error) {
    const message = `${target.name} to ${peer}: what became of the call cannot be decoded: ${text(error)}`;
    throw new RpcError("bad-reply", message, { executed: "unknown", peer, cause: error });
  }
  if (failure === undefined) {
    try {
      const value = target.result.decode(r);
      r.finish();
      return { executed: "yes", ok: true, value };
    } catch (error) {
      const message = `the result cannot be decoded: ${text(error)}`;
      return { executed: "yes", ok: false, error: outcomeError("bad-reply", message, target, peer) };
    }
  }
  const { executed, code, message } = failure;
  if (executed === "unknown") return { executed, reason: message };
  if (executed === "no") return { executed };
  return { executed, ok: false, error: outcomeError(code, message, target, peer) };
}

/** Reads a kept outcome up to its result; gives the failure of a call that has none. */
function settledFailure(r: XdrReader, target: CallTarget): OutcomeFailure | undefined {
  const status = r.uint() as CallStatus;
  if (status !== CallStatus.CALL_DONE && status !== CallStatus.CALL_EXPLAINED) {
    const failure = readFailure(r, status, target);
    r.finish();
    return failure;
  }
  // Its times, and its flags.
  for (let skip = status === CallStatus.CALL_EXPLAINED ? 5 : 1; skip > 0; skip--) r.uint();
  checkLength(r);
  return undefined;
}

/** Reads the length of a result, which is all that is left. */
function checkLength(r: XdrReader): void {
  const length = r.uint();
  if (length !== r.remaining) r.fail(`${r.remaining} bytes of result are not the ${length} that are announced`);
}

/** Whether a failure to ask leaves the question open: nothing came back, or what came back cannot be read. */
function isNoAnswer({ code }: RpcError): boolean {
  return code === "deadline-exceeded" || code === "bad-reply" || code === "bad-arguments";
}

function outcomeError(code: RpcErrorCode, message: string, { name }: CallTarget, peer: string): RpcError {
  return new RpcError(code, `${name} to ${peer}: ${message}`, { executed: "yes", peer });
}

/** What STATUS says of a call that nobody can tell more about. */
const fateTexts: Readonly<
  Record<
    Exclude<CallFate, typeof CallFate.FATE_DONE | typeof CallFate.FATE_FENCED>,
    { readonly executed: Executed; readonly message: string }
  >
> = {
  [CallFate.FATE_TOO_LARGE]: { executed: "yes", message: "it ran, and its reply was too large to be kept" },
  [CallFate.FATE_LOST]: { executed: "unknown", message: "the server died while it ran the call" },
  [CallFate.FATE_FORGOTTEN]: { executed: "unknown", message: "the call is older than what the server remembers" },
  [CallFate.FATE_ELSEWHERE]: {
    executed: "unknown",
    message: "the server that may have run the call is gone, and with it what it remembered",
  },
  [CallFate.FATE_DENIED]: { executed: "unknown", message: "the session belongs to somebody else" },
  [CallFate.FATE_RUNNING]: { executed: "unknown", message: "the call is still running" },
  [CallFate.FATE_UNSEEN]: { executed: "unknown", message: "the call has not arrived yet" },
  [CallFate.FATE_NO_STORE]: { executed: "unknown", message: "the server cannot reach its store of replies" },
};

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

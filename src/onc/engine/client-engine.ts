import { PendingTable } from "../../call/pending.js";
import { mayPass, type NoRetry, noRetryText, type Pause, RetryPolicy } from "../../call/retry.js";
import { coarseTimeline } from "../../call/steps.js";
import {
  type ClientStats,
  type ReachTimes,
  RpcError,
  type RpcErrorCode,
  type RpcErrorDetails,
  type Timeline,
} from "../../model/index.js";
import { explainDecode, XdrReader, XdrWriter } from "../../xdr/index.js";
import { explainArgs } from "../args.js";
import type { ClientAuth } from "../auth/index.js";
import { type Refusal, ReplyHeader, writeCallHeader, writeOpaqueAuth } from "../message.js";
import { authStatName, ClntStat, clntStatus, contradictsItself } from "../status.js";
import { type AttemptFailure, type CallTarget, ClientCall, inOrder, type RepeatReason } from "./client-call.js";
import { remainingMs, SessionClient, type SessionClientOptions, sessionCallTarget } from "./session-client.js";
import { damagedRefusal } from "./session-outcome.js";

/** Most calls of one client that may wait for an answer at once, unless a user says otherwise. */
export const pendingCallsMax = 65_536;

/** Most bytes of calls that wait for the connection, or for the peer to read, unless a user says otherwise: 16 MiB. */
export const queueBytesMax: number = 16 * 1024 * 1024;

export interface ClientEngineOptions {
  readonly auth: ClientAuth;
  /** The first xid. */
  readonly firstXid: number;
  /** The peer's address, for messages. */
  readonly peer: string;
  /** Most pending calls; default {@link pendingCallsMax}. */
  readonly pendingCallsMax?: number | undefined;
  /** Most bytes that wait to be sent; default {@link queueBytesMax}. */
  readonly queueBytesMax?: number | undefined;
  /** How calls are tried again; default: a policy with all its defaults. */
  readonly retryPolicy?: RetryPolicy | undefined;
}

/**
 * What stream and datagram clients share: the pending table, deadlines, authentication, and how a reply or the lack of
 * one becomes the end of a call. It owns no socket and no timer; times are milliseconds of the caller's clock.
 */
export abstract class ClientEngine {
  /** When `tick` wants to be called next; infinite when nothing waits. */
  deadline: number = Number.POSITIVE_INFINITY;
  readonly auth: ClientAuth;
  /** How long it took to find and reach the peer, for time-lines. */
  reach: ReachTimes = {};
  peer: string;
  /** The time as of the last event, in milliseconds of the caller's clock. */
  now = 0;

  /** Is told of a call that is about to be sent again. */
  onRepeat: ((call: ClientCall, reason: RepeatReason) => void) | undefined = undefined;

  protected readonly pending: PendingTable<ClientCall>;
  protected readonly reader: XdrReader = new XdrReader();
  protected calls = 0;
  protected retransmissions = 0;
  protected strayReplies = 0;
  protected readonly retry: RetryPolicy;
  protected readonly queueBytesMax: number;
  /** Bytes of calls that wait for the connection, or for the peer to read; and of the arguments of those for a session. */
  protected queueBytes = 0;
  protected heldBytes = 0;
  /** When the first of the calls that are to be sent again is due. */
  #wakeDue = Number.POSITIVE_INFINITY;
  readonly #header = new ReplyHeader();
  readonly #pendingMax: number;
  /** What makes calls in a session; undefined where all are made plainly. */
  #session: SessionClient | undefined;
  /** What it asks on its own account, without an answer yet. */
  readonly #sessionCalls = new Set<ClientCall>();

  constructor(options: ClientEngineOptions) {
    this.auth = options.auth;
    this.peer = options.peer;
    this.pending = new PendingTable(options.firstXid);
    this.#pendingMax = options.pendingCallsMax ?? pendingCallsMax;
    this.queueBytesMax = options.queueBytesMax ?? queueBytesMax;
    this.retry = options.retryPolicy ?? new RetryPolicy();
  }

  /** How many calls have not ended; what the session itself asks is nobody's call. */
  get pendingCalls(): number {
    return this.pending.size - this.#sessionCalls.size;
  }

  /** Calls that wait for the session to be opened, or for places in it. */
  protected get heldCalls(): number {
    return this.#session?.waiting ?? 0;
  }

  /** Whether calls wait for the session to be opened, or for places in it. */
  protected get sessionFull(): boolean {
    return this.#session?.full === true;
  }

  /** The session's server is to know the connection that is there now. */
  protected greet(): void {
    this.#session?.hello();
  }

  /** Whether a producer should wait before it calls again. */
  abstract get full(): boolean;

  abstract get stats(): Pick<
    ClientStats,
    "calls" | "pending" | "queued" | "queuedBytes" | "retransmissions" | "strayReplies" | "roundTripMs"
  >;

  /** Starts a call. It ends by its `resolve` or `reject`, possibly before this returns. */
  start(call: ClientCall): void {
    this.calls++;
    call.record?.enter("stub");
    this.retry.budget?.refill();
    if (this.pendingCalls >= this.#pendingMax) {
      call.release?.();
      call.reject(
        this.failure(call, "busy", `${this.#pendingMax} calls are pending already (pendingCallsMax)`, {
          executed: "no",
          status: clntStatus(ClntStat.RPC_CANTSEND),
          timeline: this.#timelineOf(call, call.startedAt),
        }),
      );
      return;
    }
    this.#admit(call);
  }

  #admit(call: ClientCall): void {
    this.now = call.startedAt;
    this.pending.add(call);
    if (call.deadline < this.deadline) this.deadline = call.deadline;
    if (this.#session?.takes(call) !== true) this.#transmit(call);
  }

  #transmit(call: ClientCall): void {
    try {
      this.submit(call);
      // One copy of the arguments is enough.
      if (call.body !== undefined && call.message !== undefined) call.body = undefined;
    } catch (error) {
      this.#refuseArguments(call, error);
    }
  }

  /** Makes calls in a session from now on, where the server has sessions. */
  useSession(options: SessionClientOptions): SessionClient {
    const engine = this;
    this.#session = new SessionClient(options, {
      get deadline() {
        return engine.deadline;
      },
      set deadline(due) {
        engine.deadline = due;
      },
      get now() {
        return engine.now;
      },
      doubles: this.doubles,
      // Neither is it the user's call, nor may the user's calls leave no room for it.
      start: (call) => {
        this.#sessionCalls.add(call);
        this.#admit(call);
      },
      transmit: (call) => this.#transmit(call),
      hold: (call) => this.#hold(call),
      release: ({ body }) => {
        this.heldBytes -= body?.length ?? 0;
      },
      post: (target, args) => this.#post(target, args),
      detach: (call) => this.#detach(call),
      renumber: (call) => {
        this.pending.remove(call);
        this.pending.add(call);
      },
      fail: (call, { code, message, details }) => this.fail(call, this.now, code, message, details),
      attemptFailed: (call, failure, pause) => this.attemptFailed(call, this.now, failure, pause),
      unreached: (call, failure) => this.unreached(call, this.now, failure),
      succeed: (call, r) => this.#decode(call, r, this.now),
    });
    return this.#session;
  }

  /** The call is not to be found where it was queued or sent any more, but goes on. */
  #detach(call: ClientCall): void {
    this.forget(call);
    // Whatever its owner did with the arguments since: a protected message alone cannot be read again.
    if (call.message !== undefined && this.auth.wrapArgs === undefined)
      call.body ??= call.message.subarray(call.argsAt + call.headSize);
    call.link = undefined;
    call.message = undefined;
    call.retransmitAt = Number.POSITIVE_INFINITY;
  }

  /** A call waits for a session: its arguments are kept as they are now, within the bound of what may wait. */
  #hold(call: ClientCall): boolean {
    if (call.body === undefined && call.target.args.shapes.length > 0) {
      const w = new XdrWriter();
      try {
        call.target.args.encode(w, call.args);
      } catch (error) {
        this.#refuseArguments(call, error);
        return false;
      }
      call.body = w.take();
    }
    const size = call.body?.length ?? 0;
    if (this.queueBytes + this.heldBytes + size > this.queueBytesMax) {
      this.refuseQueued(call);
      return false;
    }
    this.heldBytes += size;
    return true;
  }

  /** No more may wait. */
  protected refuseQueued(call: ClientCall): void {
    const waiting = this.queueBytes + this.heldBytes;
    this.fail(call, this.now, "busy", `${waiting} bytes wait to be sent already (queueBytesMax)`, {
      status: clntStatus(ClntStat.RPC_CANTSEND),
    });
  }

  /** Makes a one-way call, if it can be sent at once. */
  #post(target: CallTarget, args: readonly unknown[]): void {
    const life = { semantics: "maybe", startedAt: this.now, deadline: this.now } as const;
    const call = new ClientCall(target, args, life, ignore, ignore);
    this.pending.add(call);
    this.pending.remove(call);
    this.post(call);
  }

  /** Encodes a call and sends it at once, or not at all. */
  protected abstract post(call: ClientCall): void;

  /** Whether the network may deliver what was sent once twice. */
  protected abstract readonly doubles: boolean;

  /** A call waits in vain for a connection: says whether it goes on waiting; otherwise it has ended. */
  protected unreached(call: ClientCall, now: number, failure: AttemptFailure, forGood = false): boolean {
    call.attempts++;
    const passing = !forGood && mayPass(failure.code) && !forgets(call, failure);
    const why = passing ? (call.retry ?? this.retry).obstacle(call) : "forbidden";
    if (why === undefined) call.failed = failure;
    else this.giveUp(call, now, failure, why);
    return why === undefined;
  }

  /** Sends the call or queues it. Throws EncodeError when its arguments cannot be encoded. */
  protected abstract submit(call: ClientCall): void;

  /** Sends the call again, with a new credential. */
  protected abstract resubmit(call: ClientCall): void;

  /** Sends a call that waited for its time, or whose answer is overdue. */
  protected abstract again(call: ClientCall, now: number): void;

  /** The call has ended, or its attempt has: forget where it was queued, and what it was sent over. */
  protected abstract forget(call: ClientCall): void;

  /** The call's caller does not want it any more. */
  cancel(call: ClientCall, reason: unknown, now: number): void {
    this.now = now;
    this.#session?.cancelled(call);
    this.fail(call, now, "cancelled", "cancelled by its caller", {
      cause: reason,
      status: clntStatus(ClntStat.RPC_FAILED),
    });
  }

  /** Ends every call: the client is being closed. */
  close(now: number): void {
    this.now = now;
    this.#session?.close();
    this.pending.forEach((call) => {
      this.fail(call, now, "closed", "the client was closed", { status: clntStatus(ClntStat.RPC_FAILED) });
    });
  }

  /** Ends the calls whose deadline has passed. Subclasses add what else is due; they set `deadline` anew. */
  protected expire(now: number): void {
    this.now = now;
    let next = Number.POSITIVE_INFINITY;
    this.pending.forEach((call) => {
      if (call.deadline <= now) this.#timeOut(call, now);
      else if (call.deadline < next) next = call.deadline;
    });
    this.deadline = next;
  }

  #timeOut(call: ClientCall, now: number): void {
    const waited = Math.round(call.deadline - call.startedAt);
    const where = call.sentAt < 0 ? "it was never sent" : `no answer came`;
    const { failed, attempts } = call;
    const last = failed === undefined ? "" : `; the last failure of ${attempts} attempts: ${failed.message}`;
    this.fail(call, now, "deadline-exceeded", `${where} within ${waited} ms${last}`, {
      cause: failed?.details?.cause,
      status: clntStatus(ClntStat.RPC_TIMEDOUT),
    });
  }

  // --- attempts

  /** One attempt of a call has failed. It is tried again where its guarantee and its policy allow that, or ends. */
  protected attemptFailed(call: ClientCall, now: number, failure: AttemptFailure, pause: Pause): void {
    this.now = now;
    const { semantics, executed, filtered, attempts, transmissions, deadline } = call;
    // Asking a server that remembers what became of a call costs it next to nothing.
    const free = filtered && executed === "unknown" ? { ...pause, charged: false } : pause;
    const next =
      this.kept(call) === undefined
        ? "forbidden"
        : (call.retry ?? this.retry).next(
            { semantics, executed, filtered, attempts, transmissions, now, deadline },
            free,
          );
    if (typeof next !== "number") return this.giveUp(call, now, failure, next);
    call.failed = failure;
    call.record?.enter("send");
    this.onRepeat?.(call, failure.repeat);
    this.forget(call);
    call.link = undefined;
    call.retransmitAt = Number.POSITIVE_INFINITY;
    if (next <= now) this.again(call, now);
    else this.wakeAt(call, next);
  }

  protected giveUp(call: ClientCall, now: number, failure: AttemptFailure, why: NoRetry): void {
    const { code, message, details } = failure;
    this.fail(call, now, code, `${message}${noRetryText(why)}`, details);
  }

  /** Whether a call whose answer is overdue may be sent again beside. What all calls may repeat together bounds it. */
  protected mayHedge({ hedge, retry = this.retry }: ClientCall): boolean {
    if (hedge === undefined || hedge.left === 0) return false;
    const paid = retry.budget?.take() !== false;
    hedge.left = paid ? hedge.left - 1 : 0;
    return paid;
  }

  /** Has a call sent again at a time, unless it ends before. */
  protected wakeAt(call: ClientCall, due: number): void {
    call.retransmitAt = due;
    if (due < this.#wakeDue) this.#wakeDue = due;
    if (due < this.deadline) this.deadline = due;
  }

  /** Sends the calls again whose time has come. */
  protected wake(now: number): void {
    if (this.#wakeDue <= now) {
      this.#wakeDue = Number.POSITIVE_INFINITY;
      const due: ClientCall[] = [];
      this.pending.forEach((call) => {
        if (call.retransmitAt <= now) due.push(call);
        else if (call.retransmitAt < this.#wakeDue) this.#wakeDue = call.retransmitAt;
      });
      for (const call of due.sort(inOrder)) {
        call.retransmitAt = Number.POSITIVE_INFINITY;
        this.again(call, now);
      }
    }
    if (this.#wakeDue < this.deadline) this.deadline = this.#wakeDue;
    this.#session?.tick();
  }

  /** A one-way call is the transport's now: nothing more will be heard of it. */
  protected handedOver(call: ClientCall, now: number): void {
    if (!this.#end(call)) return;
    call.sentAt = now;
    call.transmissions++;
    call.record?.end(call.transmissions, this.reach);
    call.resolve(undefined);
  }

  // --- encoding

  /** Writes the whole call message: RFC 5531, section 9. `start` is where it begins in the writer. */
  protected encodeCall(w: XdrWriter, call: ClientCall): void {
    call.record?.enter("marshal");
    this.#encodeHeader(w, call);
    call.argsAt = w.position;
    if (this.auth.wrapArgs === undefined) this.#encodeBody(w, call);
    else this.auth.wrapArgs(w, (inner) => this.#encodeBody(inner, call));
    call.record?.enter("send");
  }

  #encodeBody(w: XdrWriter, call: ClientCall): void {
    if (call.seat === undefined) call.writeArgs(w);
    else this.#session?.writeCall(w, call, call.seat);
  }

  /** Brings a message up to date that was encoded a while ago: less time is left. */
  protected refresh(call: ClientCall, message: Uint8Array): void {
    if (call.seat === undefined || this.auth.wrapArgs !== undefined) return;
    const { buffer, byteOffset } = message;
    const at = byteOffset + call.argsAt + remainingOffset;
    new DataView(buffer).setUint32(at, remainingMs(call.deadline, this.now));
  }

  #encodeHeader(w: XdrWriter, call: ClientCall): void {
    const start = w.position;
    writeCallHeader(w, call.id, call.seat === undefined ? call.target : sessionCallTarget);
    const { auth } = this;
    writeOpaqueAuth(w, call.target.oneWay === true && auth.lasting !== undefined ? auth.lasting() : auth.credential());
    writeOpaqueAuth(w, this.auth.verifier(this.auth.constant ? noHeader : w.view().subarray(start)));
  }

  /** The call's kept message with a fresh header: another credential, the same xid and the same arguments. */
  protected reencode(w: XdrWriter, call: ClientCall, message: Uint8Array): Uint8Array {
    w.reset();
    this.#encodeHeader(w, call);
    const argsAt = w.position;
    w.bytes(message.subarray(call.argsAt));
    call.argsAt = argsAt;
    return w.take();
  }

  /**
   * Whether the message must be kept after it was sent, because it may have to be sent again. What has no arguments is
   * not: it can be written again, where arguments may have been changed by their owner meanwhile.
   */
  protected keeps(call: ClientCall): boolean {
    const { repeatable, seat, target } = call;
    return (repeatable || seat !== undefined || this.auth.epoch > 0) && target.args.shapes.length > 0;
  }

  /** The message of a call that was sent, if it can be sent again. */
  protected kept(call: ClientCall): Uint8Array | undefined {
    if (call.message === undefined && call.target.args.shapes.length === 0) {
      const w = new XdrWriter();
      this.encodeCall(w, call);
      call.message = w.take();
    }
    return call.message;
  }

  #refuseArguments(call: ClientCall, error: unknown): void {
    if (!this.#end(call)) return;
    const explained = explainArgs(error, call.target.args, call.args);
    call.reject(
      this.failure(call, "invalid-argument", text(explained), {
        executed: "no",
        cause: explained,
        status: clntStatus(ClntStat.RPC_CANTENCODEARGS),
        timeline: this.#timelineOf(call, call.startedAt),
      }),
    );
  }

  // --- replies

  /** Takes one message from the peer. */
  protected receive(buffer: Uint8Array, start: number, end: number, now: number): ClientCall | undefined {
    const r = this.reader;
    r.reset(buffer, start, end);
    const header = this.#header;
    const call = header.readXid(r) ? this.pending.find(header.xid) : undefined;
    // A call that is queued was not sent under this xid, so whatever this is does not answer it.
    this.now = now;
    if (call === undefined || call.sentAt < 0) {
      this.strayReplies++;
      return undefined;
    }
    call.record?.enter("return");
    try {
      header.readBody(r);
    } catch (error) {
      this.fail(call, now, "bad-reply", `the reply is malformed: ${text(error)}`, {
        cause: error,
        status: clntStatus(ClntStat.RPC_CANTDECODERES),
      });
      return call;
    }
    if (header.refusal === undefined) this.#succeed(call, r, now);
    else this.#refused(call, header.refusal, now);
    return call;
  }

  #succeed(call: ClientCall, r: XdrReader, now: number): void {
    if (!this.auth.accepted(this.#header.verifier)) {
      this.fail(call, now, "denied", "the reply's verifier is not the server's", {
        status: authStatus(7 /* AUTH_FAILED */),
      });
      return;
    }
    const { unwrapResult } = this.auth;
    let plain = r;
    if (unwrapResult !== undefined) {
      try {
        plain = unwrapResult(r);
      } catch (error) {
        call.add("yes");
        return this.#undecodable(call, error, now);
      }
    }
    this.#decode(call, plain, now);
  }

  /** Takes what an accepted reply carries, or what STATUS tells of it. */
  #decode(call: ClientCall, r: XdrReader, now: number): void {
    if (call.seat !== undefined) {
      try {
        if (this.#session?.reads(r, call) !== true) return;
      } catch (error) {
        // It may say that the procedure ran, and it may not.
        return this.#undecodable(call, error, now);
      }
    }
    const from = r.position;
    const end = from + r.remaining;
    let value: unknown;
    try {
      value = call.target.result.decode(r);
      r.finish();
    } catch (error) {
      call.add("yes");
      const bytes = r.viewOf(from, end);
      return this.#undecodable(call, explainDecode(error, call.target.result.shape, bytes, 0, bytes.length), now);
    }
    if (!this.#end(call)) return;
    call.record?.end(call.transmissions, this.reach);
    call.resolve(value);
  }

  #undecodable(call: ClientCall, error: unknown, now: number): void {
    this.fail(call, now, "bad-reply", `the result cannot be decoded: ${text(error)}`, {
      cause: error,
      status: clntStatus(ClntStat.RPC_CANTDECODERES),
    });
  }

  #refused(call: ClientCall, refusal: Refusal, now: number): void {
    const { version } = call.target;
    if (refusal.stat === "PROG_MISMATCH" && contradictsItself(refusal.low, refusal.high, version)) {
      call.add("unknown");
      return this.fail(call, now, "bad-reply", damagedRefusal(refusal.low, refusal.high, version), {
        status: clntStatus(ClntStat.RPC_CANTDECODERES),
      });
    }
    // SYSTEM_ERR says that something failed, not whether the procedure had run.
    call.add(refusal.stat === "SYSTEM_ERR" ? "unknown" : "no");
    switch (refusal.stat) {
      case "PROG_UNAVAIL":
        return this.fail(call, now, "unimplemented", `the server does not serve program ${call.target.program}`, {
          status: clntStatus(ClntStat.RPC_PROGUNAVAIL),
        });
      case "PROG_MISMATCH":
        return this.fail(
          call,
          now,
          "unimplemented",
          `the server serves versions ${refusal.low} to ${refusal.high} of program ${call.target.program}, not version ${call.target.version}`,
          { status: clntStatus(ClntStat.RPC_PROGVERSMISMATCH, { low: refusal.low, high: refusal.high }) },
        );
      case "PROC_UNAVAIL":
        return this.fail(call, now, "unimplemented", `the server has no procedure ${call.target.procedure}`, {
          status: clntStatus(ClntStat.RPC_PROCUNAVAIL),
        });
      case "GARBAGE_ARGS":
        return this.fail(call, now, "bad-arguments", "the server could not decode the arguments", {
          status: clntStatus(ClntStat.RPC_CANTDECODEARGS),
        });
      case "SYSTEM_ERR":
        return this.fail(call, now, "server-error", "the server failed while it handled the call", {
          status: clntStatus(ClntStat.RPC_SYSTEMERROR),
        });
      case "RPC_MISMATCH":
        return this.fail(
          call,
          now,
          "unimplemented",
          `the server speaks versions ${refusal.low} to ${refusal.high} of the RPC protocol`,
          { status: clntStatus(ClntStat.RPC_VERSMISMATCH, { low: refusal.low, high: refusal.high }) },
        );
      case "AUTH_ERROR":
        return this.#denied(call, refusal.why, now);
    }
  }

  #denied(call: ClientCall, why: number, now: number): void {
    if (!call.refreshed && this.kept(call) !== undefined && this.auth.refused(why)) {
      call.refreshed = true;
      this.onRepeat?.(call, "credential");
      this.resubmit(call);
      return;
    }
    this.fail(call, now, "denied", `the server denied the call: ${authStatName(why)}`, { status: authStatus(why) });
  }

  // --- ends

  /** Ends a call that failed. What is known about its execution is in the call. */
  protected fail(
    call: ClientCall,
    now: number,
    code: RpcErrorCode,
    message: string,
    details: Omit<RpcErrorDetails, "executed"> = {},
  ): void {
    if (!this.#end(call)) return;
    const timeline = this.#timelineOf(call, now);
    const error = this.failure(call, code, message, { ...details, executed: call.executed, timeline });
    this.#session?.failed(call, error);
    call.reject(error);
  }

  protected failure(call: ClientCall, code: RpcErrorCode, message: string, details: RpcErrorDetails): RpcError {
    return new RpcError(code, `${call.target.name} to ${this.peer}: ${message}`, {
      ...details,
      attempts: call.attempts,
      transmissions: call.transmissions,
      peer: this.peer,
    });
  }

  /** @returns whether the call had not ended before */
  #end(call: ClientCall): boolean {
    if (!this.pending.remove(call)) return false;
    if (this.#sessionCalls.size > 0) this.#sessionCalls.delete(call);
    this.forget(call);
    call.message = undefined;
    call.release?.();
    this.#session?.ended(call);
    return true;
  }

  #timelineOf(call: ClientCall, now: number): Timeline {
    return call.record?.end(call.transmissions, this.reach) ?? coarseTimeline(call, now, this.reach);
  }
}

/**
 * Whether the only server that could say what became of a call is gone: it kept its replies in memory, and nobody listens
 * any more where it did.
 */
function forgets({ filtered, executed, seat }: ClientCall, { details }: AttemptFailure): boolean {
  if (!filtered || executed === "no" || seat?.session.facts.durable === true) return false;
  const code = (details?.cause as { readonly code?: unknown } | undefined)?.code;
  return code === "ECONNREFUSED" || code === "ENOENT";
}

const noHeader = new Uint8Array(0);
const ignore = (): void => {};

/** Where `call_head` has the time that remains: behind the session's id, the call's number, and what is acknowledged. */
const remainingOffset = 20 + 8 + 4;

function authStatus(why: number): ReturnType<typeof clntStatus> {
  return clntStatus(ClntStat.RPC_AUTHERROR, { why: { number: why, text: authStatName(why) } });
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

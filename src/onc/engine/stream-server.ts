import type { Caller, LocalPeer, TlsPeer } from "../../model/index.js";
import { RecordReader } from "../record.js";
import {
  type Admitted,
  type Running,
  reservedCallSizeMax,
  StreamAdmission,
  type StreamAdmissionLimits,
} from "./admission.js";
import { Outbox } from "./outbox.js";
import { type CallingBack, isReply } from "./reverse.js";
import type { Aborter, DeferredAnswer, ServerLink } from "./server-call.js";
import type { ServerEngine } from "./server-engine.js";

/** Most calls of one connection that run at once, unless a user says otherwise; the connection is not read meanwhile. */
export const runningPerConnectionMax = 1_024;

/**
 * Bytes of calls that a connection puts aside while it looks for the answers to callbacks behind them; above that nothing more
 * is read. The last call may exceed it.
 */
const asideBytesMax = 1_048_576;

export interface StreamServerLimits extends StreamAdmissionLimits {
  readonly recordSizeMax?: number | undefined;
  readonly fragmentsMax?: number | undefined;
  readonly runningPerConnectionMax?: number | undefined;
}

/** One connection of a server: bytes in, calls to the engine, replies gathered to go out. */
export class StreamServerLink implements ServerLink, Admitted {
  readonly peer: string;
  readonly session: { readonly objects: Map<object, object> } = { objects: new Map() };
  readonly replies: Outbox;
  running = 0;
  readonly share: Running;
  readonly host: Running;
  readonly reserve: Running;
  /** What the next call counts in: the share or the reserve. */
  counted: Running;
  gone = false;
  /** Set when it is gone and its last call has ended. */
  over = false;
  aborters: Set<Aborter> | undefined = undefined;
  caller: Caller | undefined = undefined;
  /** Set to take no more calls: the server is closing. */
  draining = false;
  /** A call was answered that asks for an upgrade: nothing more is read before it is done. */
  upgrading = false;
  upgradable = false;
  filtered = false;
  tls: TlsPeer | undefined = undefined;
  credentials: LocalPeer | undefined = undefined;
  full = false;
  readonly deferred: DeferredAnswer[] = [];
  local: string | undefined = undefined;
  heardAt: number | undefined = undefined;
  /** How many records were taken. */
  taken = 0;
  /** Bytes of it in the sum of all connections. */
  buffered = 0;
  readonly #engine: ServerEngine;
  readonly #records: RecordReader;
  readonly #runningMax: number;
  readonly #admission: StreamAdmission;
  /** What calls the peer back over this connection; undefined where nothing ever has. */
  callingBack: CallingBack | undefined = undefined;
  /** Whether the peer leaves what was written to it. */
  congested = false;
  /** Is told that what this link has to send or to read may have changed. */
  onChange: (() => void) | undefined = undefined;
  /** Calls that could not start, and stood before answers to callbacks. */
  readonly #aside: Uint8Array[] = [];
  /** Bytes of them. */
  aside = 0;
  readonly #reservedSizeMax: number;

  /** @param admission that of all connections of the server */
  constructor(
    engine: ServerEngine,
    peer: string,
    limits: StreamServerLimits,
    admission: StreamAdmission = new StreamAdmission(limits),
  ) {
    this.#engine = engine;
    this.peer = peer;
    this.replies = new Outbox();
    this.#records = new RecordReader(limits);
    this.#runningMax = limits.runningPerConnectionMax ?? runningPerConnectionMax;
    this.#reservedSizeMax = limits.reservedCallSizeMax ?? reservedCallSizeMax;
    this.#admission = admission;
    ({ share: this.share, host: this.host, reserve: this.reserve } = admission.join(peer));
    this.counted = this.share;
  }

  /** Whether no further call may start, whatever the others do. */
  get #busy(): boolean {
    return this.draining || this.upgrading || this.running >= this.#runningMax + this.#callbacks;
  }

  /** How many answers to callbacks are awaited. */
  get #callbacks(): number {
    return this.callingBack === undefined ? 0 : this.callingBack.waiting;
  }

  /** Whether answers to callbacks are looked for behind calls that cannot start. */
  get #looksBehind(): boolean {
    return this.#callbacks > 0 && !this.upgrading && this.aside < asideBytesMax;
  }

  /** The most bytes that the next call may have; -1 for no call. */
  get #sizeMax(): number {
    if (this.#busy) return -1;
    const sizeMax = this.#admission.sizeMax(this);
    // Where every call that runs may be waiting for its callback, one that the callback makes must be able to run.
    const nested = this.#callbacks > 0 && this.running <= this.#callbacks;
    return nested ? Math.max(sizeMax, this.#reservedSizeMax) : sizeMax;
  }

  /** Whether no further call may start now: what arrives is not to be read. */
  get held(): boolean {
    if (this.#looksBehind) return false;
    const sizeMax = this.#sizeMax;
    return this.#aside.length === 0 ? this.#records.claimed > sizeMax : this.#fitting(sizeMax) === this.#aside.length;
  }

  /** Bytes that have arrived and that no call was made of; a record's mark counts too. */
  get unread(): number {
    const { held, partial } = this.#records;
    return held === 0 && partial ? 1 : held;
  }

  /** The stream was upgraded: whoever calls from now on may be known better. */
  upgraded(tls: TlsPeer | undefined): void {
    this.upgrading = false;
    this.upgradable = false;
    this.tls = tls;
    this.caller = undefined;
  }

  /** Answers the next call whose answer had to wait for the peer; says whether there was one. */
  answerDeferred(): boolean {
    return this.#engine.answerDeferred(this);
  }

  /** Takes the next chunk. */
  push(chunk: Uint8Array): void {
    this.#records.push(chunk);
  }

  /**
   * Starts the calls that have arrived, until the link is held, wants more bytes, or has a batch of replies to send.
   *
   * @returns whether there may be more to start at once
   * @throws RecordError when the peer breaks record marking or a limit, Error when it sends what is no call
   */
  pump(): boolean {
    while (!this.gone) {
      if (this.replies.full) return true;
      const sizeMax = this.#sizeMax;
      const [call] = this.#aside.splice(this.#fitting(sizeMax), 1);
      if (call !== undefined) {
        this.aside -= call.length;
        this.#start(call, 0, call.length, sizeMax);
      } else if (!this.#next(sizeMax)) return false;
    }
    return false;
  }

  /**
   * Where the first call stands that was put aside and can start; behind the last one when none can. What stands before it is too
   * large for the reserve, so there is not much of it.
   */
  #fitting(sizeMax: number): number {
    const at = sizeMax < 0 ? -1 : this.#aside.findIndex(({ length }) => length <= sizeMax);
    return at < 0 ? this.#aside.length : at;
  }

  /** Takes the next record; says whether there was one to take. */
  #next(sizeMax: number): boolean {
    const records = this.#records;
    const behind = this.#looksBehind;
    if (!behind && (this.#busy || this.#aside.length > 0)) {
      if (!this.#busy) this.#admission.wait(this);
      return false;
    }
    if (!records.next(behind ? Number.POSITIVE_INFINITY : sizeMax)) {
      if (this.#aside.length > 0 || records.claimed > sizeMax) this.#admission.wait(this);
      return false;
    }
    const { buffer, start, end } = records;
    this.taken++;
    if (this.callingBack !== undefined && isReply(buffer, start, end)) this.callingBack.reply(buffer, start, end);
    else if (end - start <= sizeMax) this.#start(buffer, start, end, sizeMax);
    else {
      // A copy: the chunk that it lies in may be large.
      this.#aside.push(buffer.slice(start, end));
      this.aside += end - start;
    }
    return true;
  }

  #start(buffer: Uint8Array, start: number, end: number, sizeMax: number): void {
    this.counted = sizeMax === Number.POSITIVE_INFINITY ? this.share : this.reserve;
    if (!this.#engine.receive(this, buffer, start, end)) throw new Error("the peer sent a message that is no call");
  }
}

import type { Caller, LocalPeer, TlsPeer } from "../../model/index.js";
import { RecordReader } from "../record.js";
import { type Admitted, type Running, StreamAdmission, type StreamAdmissionLimits } from "./admission.js";
import { Outbox, outboxFlushBytes } from "./outbox.js";
import type { Aborter, DeferredAnswer, ServerLink } from "./server-call.js";
import type { ServerEngine } from "./server-engine.js";

/** Most calls of one connection that run at once, unless a user says otherwise; the connection is not read meanwhile. */
export const runningPerConnectionMax = 1_024;

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
    this.#admission = admission;
    ({ share: this.share, host: this.host, reserve: this.reserve } = admission.join(peer));
    this.counted = this.share;
  }

  /** Whether no further call may start, whatever the others do. */
  get #busy(): boolean {
    return this.draining || this.upgrading || this.running >= this.#runningMax;
  }

  /** Whether no further call may start now: what arrives is not to be read. */
  get held(): boolean {
    return this.#busy || this.#records.claimed > this.#admission.sizeMax(this);
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
    const records = this.#records;
    while (!this.gone && !this.#busy) {
      if (this.replies.size >= outboxFlushBytes) return true;
      const sizeMax = this.#admission.sizeMax(this);
      if (!records.next(sizeMax)) {
        if (records.claimed > sizeMax) this.#admission.wait(this);
        return false;
      }
      this.counted = sizeMax === Number.POSITIVE_INFINITY ? this.share : this.reserve;
      this.taken++;
      if (!this.#engine.receive(this, records.buffer, records.start, records.end)) {
        throw new Error("the peer sent a message that is no call");
      }
    }
    return false;
  }
}

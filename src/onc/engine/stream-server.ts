import type { Caller, TlsPeer } from "../../model/index.js";
import { RecordReader } from "../record.js";
import { Outbox, outboxFlushBytes } from "./outbox.js";
import type { Aborter, DeferredAnswer, ServerLink } from "./server-call.js";
import type { ServerEngine } from "./server-engine.js";

/** Most calls of one connection that run at once, unless a user says otherwise; the connection is not read meanwhile. */
export const runningPerConnectionMax = 1_024;

/** Most calls of all connections that run at once, unless a user says otherwise. */
export const runningCallsMax = 16_384;

export interface StreamServerLimits {
  readonly recordSizeMax?: number | undefined;
  readonly fragmentsMax?: number | undefined;
  readonly runningPerConnectionMax?: number | undefined;
  readonly runningCallsMax?: number | undefined;
  readonly runningBytesMax?: number | undefined;
}

/**
 * Most bytes of the calls that run, of all connections, unless a user says otherwise: 256 MiB. A call keeps its message
 * while it runs, so the count of calls alone would not hold the memory that they take.
 */
export const runningBytesMax: number = 256 * 1024 * 1024;

/** One connection of a server: bytes in, calls to the engine, replies gathered to go out. */
export class StreamServerLink implements ServerLink {
  readonly peer: string;
  readonly session: { readonly objects: Map<object, object> } = { objects: new Map() };
  readonly replies: Outbox;
  running = 0;
  gone = false;
  aborters: Set<Aborter> | undefined = undefined;
  caller: Caller | undefined = undefined;
  /** Set to take no more calls: the server is closing. */
  draining = false;
  /** A call was answered that asks for an upgrade: nothing more is read before it is done. */
  upgrading = false;
  upgradable = false;
  filtered = false;
  tls: TlsPeer | undefined = undefined;
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
  readonly #runningAllMax: number;
  readonly #runningBytesMax: number;

  constructor(engine: ServerEngine, peer: string, limits: StreamServerLimits) {
    this.#engine = engine;
    this.peer = peer;
    this.replies = new Outbox();
    this.#records = new RecordReader(limits);
    this.#runningMax = limits.runningPerConnectionMax ?? runningPerConnectionMax;
    this.#runningAllMax = limits.runningCallsMax ?? runningCallsMax;
    this.#runningBytesMax = limits.runningBytesMax ?? runningBytesMax;
  }

  /** Whether no further call may start now. */
  get held(): boolean {
    return (
      this.draining ||
      this.upgrading ||
      this.running >= this.#runningMax ||
      this.#engine.running >= this.#runningAllMax ||
      this.#engine.runningBytes >= this.#runningBytesMax
    );
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
    while (!this.held && !this.gone) {
      if (this.replies.size >= outboxFlushBytes) return true;
      if (!records.next()) return false;
      this.taken++;
      if (!this.#engine.receive(this, records.buffer, records.start, records.end)) {
        throw new Error("the peer sent a message that is no call");
      }
    }
    return false;
  }
}

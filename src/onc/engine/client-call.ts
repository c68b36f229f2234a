import { Evidence } from "../../call/executed.js";
import { Hedge } from "../../call/hedge.js";
import type { Identified } from "../../call/pending.js";
import type { RetryPolicy } from "../../call/retry.js";
import type { CallRecord } from "../../call/steps.js";
import type { HedgeOptions, RpcError, RpcErrorCode, RpcErrorDetails, Semantics } from "../../model/index.js";
import { nothing, type XdrCodec, type XdrWriter } from "../../xdr/index.js";
import { type ArgsCodec, argsCodec } from "../args.js";
import type { Target } from "../message.js";
import type { ClientSeat } from "../session/client-session.js";
import type { KeptBatch } from "./outbox.js";

/** A procedure as a client calls it: what goes into the header, and the codecs. One serves all calls of it. */
export interface CallTarget extends Target {
  /** For messages, such as `CALC_PROG.add`. */
  readonly name: string;
  /** All arguments as one list. */
  readonly args: ArgsCodec;
  readonly result: XdrCodec<unknown>;
  readonly semantics: Semantics;
  /** Whether the client asked for it, where the contract declares something wider. */
  readonly narrowed?: boolean | undefined;
  /** Whether no reply comes: its calls end when they are handed to the transport. */
  readonly oneWay?: boolean | undefined;
  /** How its calls are tried again; default: as the engine's others. */
  readonly retry?: RetryPolicy | undefined;
  /** How its calls are hedged. */
  readonly hedge?: HedgeOptions | undefined;
}

/** The NULL procedure of a program: RFC 5531, section 12.1 reserves number 0 for it. It may always be repeated. */
export function nullTarget(program: number, version: number, name: string): CallTarget {
  return { name, program, version, procedure: 0, args: noArgs, result: nothing, semantics: "at-least-once" };
}

const noArgs: ArgsCodec = argsCodec([]);

/** What a call takes with it besides its target and arguments. */
export interface CallLife {
  /** What it promises about repetition. */
  readonly semantics: Semantics;
  /** When it starts and when it ends at the latest, in milliseconds of the engine's clock. */
  readonly startedAt: number;
  readonly deadline: number;
  /** Measures its steps; absent where nobody asks. */
  readonly record?: CallRecord | undefined;
  /** The trace that it is part of, to be carried where the wire has a place for it. */
  readonly traceparent?: string | undefined;
  /** How it is tried again; default: as its target says. */
  readonly retry?: RetryPolicy | undefined;
  /** How it is hedged; default: as its target says. */
  readonly hedge?: HedgeOptions | false | undefined;
  /** Whether it is made by a callback: the server's call that it belongs to waits for that. */
  readonly nested?: boolean | undefined;
}

/**
 * Why a call is sent again: no answer came in time, its connection was lost, nobody listened where it came to, it has a
 * fresh credential, it is hedged, or the server was busy.
 */
export type RepeatReason = "no-answer" | "connection-lost" | "refused" | "credential" | "hedge" | "busy";

/** How a call failed. */
export interface CallFailure {
  readonly code: RpcErrorCode;
  readonly message: string;
  readonly details?: Omit<RpcErrorDetails, "executed"> | undefined;
}

/** How an attempt failed, after which there may be another. */
export interface AttemptFailure extends CallFailure {
  /** What the next transmission is for, if there is one. */
  readonly repeat: RepeatReason;
}

/**
 * One call and its one end. It is made by the client's face, lives in the engine's pending table, and ends exactly
 * once, by `ClientEngine.end`.
 */
export class ClientCall extends Evidence implements Identified {
  /** The xid; given by the pending table. */
  id = 0;
  readonly target: CallTarget;
  readonly args: readonly unknown[];
  readonly semantics: Semantics;
  readonly startedAt: number;
  readonly deadline: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: RpcError) => void;
  /** When it was first handed to the transport; -1 while it is queued. */
  sentAt = -1;
  /** What it was sent over, or undefined while it is queued. */
  link: object | undefined = undefined;
  #message: Uint8Array | undefined = undefined;
  /** The batch that it was sent in, and where it lies there: what makes the message when that is asked for. */
  #batch: KeptBatch | undefined = undefined;
  #batchFrom = 0;
  #batchTo = 0;
  /** Where the arguments begin in `message`; in a session, what the session says of the call comes first, so long. */
  argsAt = 0;
  headSize = 0;
  /** Its own arguments as they were when it was made, where it waited for a session or moves to another one. */
  body: Uint8Array | undefined = undefined;
  /** How often it was tried: sent anew, or found without a connection. */
  attempts = 0;
  /** How the last attempt failed, of a call that is tried again. */
  failed: AttemptFailure | undefined = undefined;
  readonly nested: boolean;
  readonly retry: RetryPolicy | undefined;
  /** Undefined where it is not hedged. */
  readonly hedge: Hedge | undefined;
  /** Its place in a session; undefined for a call that is made plainly, or has none yet. */
  seat: ClientSeat | undefined = undefined;
  /** Whether the server has said for good what became of it. */
  answered = false;
  /** When to send it again, in milliseconds of the engine's clock. */
  retransmitAt: number = Number.POSITIVE_INFINITY;
  /** Whether it was already sent again with a fresh credential. */
  refreshed = false;
  /** Takes the listener of the caller's signal away. */
  release: (() => void) | undefined = undefined;
  readonly record: CallRecord | undefined;
  readonly traceparent: string | undefined;

  constructor(
    target: CallTarget,
    args: readonly unknown[],
    life: CallLife,
    resolve: (value: unknown) => void,
    reject: (error: RpcError) => void,
  ) {
    super();
    this.target = target;
    this.args = args;
    this.semantics = life.semantics;
    this.startedAt = life.startedAt;
    this.deadline = life.deadline;
    this.record = life.record;
    this.traceparent = life.traceparent;
    this.retry = life.retry ?? target.retry;
    this.nested = life.nested === true;
    const { hedge = target.hedge } = life;
    this.hedge = hedge === undefined || hedge === false || !this.repeatable ? undefined : new Hedge(hedge);
    this.resolve = resolve;
    this.reject = reject;
  }

  /** Writes its own arguments. */
  writeArgs(w: XdrWriter): void {
    if (this.body === undefined) this.target.args.encode(w, this.args);
    else w.bytes(this.body);
  }

  /** The encoded message, where the call is queued or may be sent again. */
  get message(): Uint8Array | undefined {
    if (this.#message === undefined) this.#message = this.#batch?.slice(this.#batchFrom, this.#batchTo);
    return this.#message;
  }

  set message(message: Uint8Array | undefined) {
    this.#message = message;
    this.#batch?.release();
    this.#batch = undefined;
  }

  /** The message stands in a batch, from one position to another. */
  keepIn(batch: KeptBatch, from: number, to: number): void {
    this.#batch = batch;
    this.#batchFrom = from;
    this.#batchTo = to;
  }

  /** Whether the guarantee lets the client send it again although it may have run. */
  get repeatable(): boolean {
    return this.semantics === "at-least-once" || this.filtered;
  }

  /** Whether the server remembers it: sent again, it does not run again. */
  get filtered(): boolean {
    return this.seat?.session.filters === true && isOnce(this.semantics);
  }
}

/** Whether a guarantee keeps a call from running twice. */
export function isOnce(semantics: Semantics): boolean {
  return semantics === "at-most-once" || semantics === "exactly-once";
}

/** In the order in which calls were made: where they are sent again, they are sent again in it. */
export function inOrder(a: ClientCall, b: ClientCall): number {
  return a.startedAt - b.startedAt || (a.seat?.sequence ?? 0) - (b.seat?.sequence ?? 0);
}

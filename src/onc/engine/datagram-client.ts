import type { Pause } from "../../call/retry.js";
import { type RetransmitOptions, RoundTrip } from "../../call/round-trip.js";
import { XdrWriter } from "../../xdr/index.js";
import { ClntStat, clntStatus } from "../status.js";
import type { AttemptFailure, ClientCall } from "./client-call.js";
import { ClientEngine, type ClientEngineOptions } from "./client-engine.js";

/** The largest message sent in a datagram unless a user says otherwise: what UDP over IPv4 can carry. */
export const datagramSizeMax = 65_507;

/**
 * How many datagrams, and how many of their bytes, may be on their way without an answer; further calls wait. A socket's
 * buffer holds about this much by default, and what exceeds it is lost without a word.
 */
export const datagramWindow: { readonly calls: number; readonly bytes: number } = { calls: 128, bytes: 65_536 };

export interface DatagramClientOptions extends ClientEngineOptions {
  readonly datagramSizeMax?: number | undefined;
  readonly retransmit?: RetransmitOptions | undefined;
  /** Most calls on their way at once; default {@link datagramWindow}. */
  readonly datagramWindow?: number | undefined;
}

/**
 * The client's half of ONC RPC over datagrams. A call whose guarantee allows it is sent again, under the same xid,
 * after a time that follows the measured round trip and doubles; every other call is sent once.
 */
export class DatagramClientEngine extends ClientEngine {
  /** Datagrams to send; whoever drives the engine empties it. */
  readonly outbox: Uint8Array[] = [];

  readonly #writer: XdrWriter;
  readonly #window: number;
  /** Calls that wait for the window, with their messages. */
  readonly #queue = new Set<ClientCall>();
  /** Calls on their way, and the bytes of the message of each. */
  readonly #flying = new Map<ClientCall, number>();
  #flyingBytes = 0;
  readonly #roundTrip: RoundTrip;

  constructor(options: DatagramClientOptions) {
    super(options);
    this.#writer = new XdrWriter({ sizeMax: options.datagramSizeMax ?? datagramSizeMax });
    this.#roundTrip = new RoundTrip(options.retransmit);
    this.#window = options.datagramWindow ?? datagramWindow.calls;
  }

  /** Whether a producer should wait before it calls again. */
  get full(): boolean {
    return (this.queueBytes + this.heldBytes) * 2 > this.queueBytesMax || this.sessionFull;
  }

  get stats(): ClientEngine["stats"] {
    return {
      calls: this.calls,
      pending: this.pendingCalls,
      queued: this.#queue.size + this.heldCalls,
      queuedBytes: this.queueBytes + this.heldBytes,
      retransmissions: this.retransmissions,
      strayReplies: this.strayReplies,
      roundTripMs: this.#roundTrip.smoothedMs,
    };
  }

  protected submit(call: ClientCall): void {
    this.#writer.reset();
    this.encodeCall(this.#writer, call);
    const message = this.#writer.take();
    if (call.target.oneWay === true) {
      call.attempts++;
      this.outbox.push(message);
      return this.handedOver(call, call.startedAt);
    }
    if (this.#queue.size === 0 && this.#hasRoom(message.length)) {
      if (call.repeatable || this.keeps(call)) call.message = message;
      this.#send(call, message, this.now);
    } else if (this.queueBytes + message.length > this.queueBytesMax) {
      this.refuseQueued(call);
    } else {
      call.message = message;
      this.#queue.add(call);
      this.queueBytes += message.length;
    }
  }

  protected readonly doubles = true;

  protected post(call: ClientCall): void {
    this.#writer.reset();
    this.encodeCall(this.#writer, call);
    this.outbox.push(this.#writer.take());
  }

  /** Whether a message fits into the window; one alone always does. */
  #hasRoom(size: number): boolean {
    const flying = this.#flying.size;
    return flying === 0 || (flying < this.#window && this.#flyingBytes + size <= datagramWindow.bytes);
  }

  #sendQueued(now: number): void {
    for (const call of this.#queue) {
      const message = call.message as Uint8Array;
      if (!this.#hasRoom(message.length)) return;
      this.#queue.delete(call);
      this.queueBytes -= message.length;
      if (!call.repeatable && !this.keeps(call)) call.message = undefined;
      this.#send(call, message, now);
    }
  }

  #send(call: ClientCall, message: Uint8Array, now: number): void {
    if (call.sentAt < 0) call.sentAt = now;
    if (!this.#flying.has(call)) {
      this.#flying.set(call, message.length);
      this.#flyingBytes += message.length;
      call.attempts++;
    }
    if (call.transmissions > 0 || call.startedAt < now) this.refresh(call, message);
    call.transmissions++;
    call.record?.enter("network");
    if (call.transmissions > 1) this.retransmissions++;
    this.outbox.push(message);
    if (call.repeatable) this.wakeAt(call, now + Math.min(this.#timeoutMs(call), hedgeMs(call)));
  }

  /** How long the last transmission of a call is waited for. */
  #timeoutMs(call: ClientCall): number {
    return this.#roundTrip.timeoutMs(call.transmissions);
  }

  protected resubmit(call: ClientCall): void {
    if (call.message === undefined) return;
    call.attempts++;
    call.message = this.reencode(this.#writer, call, call.message);
    this.#send(call, call.message, call.sentAt);
  }

  protected again(call: ClientCall, now: number): void {
    const message = call.message as Uint8Array;
    if (this.#flying.has(call)) {
      const early = this.#timeoutMs(call) - hedgeMs(call);
      // A hedge that is not to be sent waits for its time, as any other datagram does.
      if (early > 0 && !this.mayHedge(call)) return this.wakeAt(call, now + early);
      this.onRepeat?.(call, early > 0 ? "hedge" : "no-answer");
      return this.#send(call, message, now);
    }
    if (this.#queue.size === 0 && this.#hasRoom(message.length)) return this.#send(call, message, now);
    this.#queue.add(call);
    this.queueBytes += message.length;
  }

  protected forget(call: ClientCall): void {
    const size = this.#flying.get(call);
    if (size !== undefined) {
      this.#flying.delete(call);
      this.#flyingBytes -= size;
    } else if (this.#queue.delete(call)) {
      this.queueBytes -= call.message?.length ?? 0;
    }
  }

  /** A datagram came from the peer. Whoever drives the engine has checked the source. */
  datagram(bytes: Uint8Array, now: number): void {
    const call = this.receive(bytes, 0, bytes.length, now);
    // An answer to a call that was sent twice does not say which transmission it answers (Karn's algorithm).
    if (call?.transmissions === 1) this.#roundTrip.measure(now - call.sentAt);
    if (this.#queue.size > 0) this.#sendQueued(now);
  }

  /**
   * The peer's host said that nobody listens on the port. That proves nothing about calls that were sent: the network
   * may have doubled a datagram, whose other copy ran before the server ended, or will when it is back. Those that may
   * run twice are tried again after a pause, others end, since waiting is in vain.
   */
  refused(error: Error, now: number): void {
    const failure: AttemptFailure = {
      code: "unavailable",
      message: `nobody listens on the port: ${error.message}`,
      details: { cause: error, status: clntStatus(ClntStat.RPC_CANTRECV) },
      repeat: "refused",
    };
    this.pending.forEach((call) => {
      if (this.#queue.has(call)) call.attempts++;
      else if (!this.#flying.has(call)) return; // it waits for its next attempt already
      this.attemptFailed(call, now, failure, retried);
    });
  }

  /** A datagram could not be sent; a call that waits for its answer will be sent again or end by its deadline. */
  unsendable(error: Error, now: number): void {
    this.pending.forEach((call) => {
      if (call.repeatable) return;
      this.fail(call, now, "unavailable", `a datagram could not be sent: ${error.message}`, {
        cause: error,
        status: clntStatus(ClntStat.RPC_CANTSEND),
      });
    });
  }

  /** Ends what is overdue and sends again what is due. Call it at `deadline`, or whenever. */
  tick(now: number): void {
    this.expire(now);
    this.#sendQueued(now);
    this.wake(now);
  }

  override cancel(call: ClientCall, reason: unknown, now: number): void {
    super.cancel(call, reason, now);
    this.#sendQueued(now);
  }
}

/** A port where nobody listens has nobody to be spared. */
const retried: Pause = { charged: false };

/** How soon a call is to be hedged; infinity where it is not. */
function hedgeMs({ hedge }: ClientCall): number {
  return hedge === undefined || hedge.left === 0 ? Number.POSITIVE_INFINITY : hedge.afterMs;
}

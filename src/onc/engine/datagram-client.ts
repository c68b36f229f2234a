import { RoundTrip, type RetransmitOptions } from "../../call/round-trip.js";
import { XdrWriter } from "../../xdr/index.js";
import { ClntStat, clntStatus } from "../status.js";
import type { ClientCall } from "./client-call.js";
import { ClientEngine, type ClientEngineOptions } from "./client-engine.js";

/** The largest message sent in a datagram unless a user says otherwise: what UDP over IPv4 can carry. */
export const datagramSizeMax = 65_507;

/** For how long a call that ended without an answer keeps a refusal from proving anything about another call. */
const doubtMs = 60_000;

export interface DatagramClientOptions extends ClientEngineOptions {
  readonly datagramSizeMax?: number | undefined;
  readonly retransmit?: RetransmitOptions | undefined;
}

/**
 * The client's half of ONC RPC over datagrams. A call whose guarantee allows it is sent again, under the same xid,
 * after a time that follows the measured round trip and doubles; every other call is sent once.
 */
export class DatagramClientEngine extends ClientEngine {
  /** Datagrams to send; whoever drives the engine empties it. */
  readonly outbox: Uint8Array[] = [];

  readonly #link = {};
  readonly #writer: XdrWriter;
  readonly #roundTrip: RoundTrip;
  /** When a call last ended without an answer, so that a refusal that comes now may be meant for it. */
  #doubtUntil = Number.NEGATIVE_INFINITY;

  constructor(options: DatagramClientOptions) {
    super(options);
    this.#writer = new XdrWriter({ sizeMax: options.datagramSizeMax ?? datagramSizeMax });
    this.#roundTrip = new RoundTrip(options.retransmit);
  }

  get stats(): ClientEngine["stats"] {
    return {
      calls: this.calls,
      pending: this.pending.size,
      queued: 0,
      queuedBytes: 0,
      retransmissions: this.retransmissions,
      strayReplies: this.strayReplies,
      roundTripMs: this.#roundTrip.smoothedMs,
    };
  }

  protected submit(call: ClientCall): void {
    this.#writer.reset();
    this.encodeCall(this.#writer, call);
    const message = this.#writer.take();
    if (this.keeps(call)) call.message = message;
    this.#send(call, message, call.startedAt);
  }

  #send(call: ClientCall, message: Uint8Array, now: number): void {
    if (call.sentAt < 0) call.sentAt = now;
    call.link = this.#link;
    call.transmissions++;
    if (call.transmissions > 1) this.retransmissions++;
    this.outbox.push(message);
    if (call.repeatable) {
      call.retransmitAt = now + this.#roundTrip.timeoutMs(call.transmissions);
      if (call.retransmitAt < this.deadline) this.deadline = call.retransmitAt;
    }
  }

  protected resubmit(call: ClientCall): void {
    if (call.message === undefined) return;
    call.message = this.reencode(this.#writer, call, call.message);
    this.#send(call, call.message, call.sentAt);
  }

  protected forget(call: ClientCall): void {
    call.link = undefined;
  }

  /** A datagram came from the peer. Whoever drives the engine has checked the source. */
  datagram(bytes: Uint8Array, now: number): void {
    const call = this.receive(bytes, 0, bytes.length, now);
    // An answer to a call that was sent twice does not say which transmission it answers (Karn's algorithm).
    if (call !== undefined && call.transmissions === 1) this.#roundTrip.measure(now - call.sentAt);
  }

  /**
   * The peer's host said that nobody listens on the port. That proves that a call did not run only where no other
   * datagram can be meant: with one call, sent once, and no earlier one without an answer.
   */
  refused(error: Error, now: number): void {
    const certain = this.pending.size === 1 && now >= this.#doubtUntil;
    this.pending.forEach((call) => {
      if (certain && call.transmissions === 1) call.add("no");
      this.fail(call, now, "unavailable", `nobody listens on the port: ${error.message}`, {
        cause: error,
        status: clntStatus(ClntStat.RPC_CANTRECV),
      });
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
    const before = this.pending.size;
    this.expire(now);
    if (this.pending.size < before) this.#doubtUntil = now + doubtMs;
    this.pending.forEach((call) => {
      if (call.retransmitAt <= now && call.message !== undefined) this.#send(call, call.message, now);
      if (call.retransmitAt < this.deadline) this.deadline = call.retransmitAt;
    });
  }

  override cancel(call: ClientCall, reason: unknown, now: number): void {
    this.#doubtUntil = now + doubtMs;
    super.cancel(call, reason, now);
  }
}

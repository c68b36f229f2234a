import type { Pause } from "../../call/retry.js";
import type { RpcError } from "../../model/index.js";
import { XdrWriter } from "../../xdr/index.js";
import { RecordReader } from "../record.js";
import { ClntStat, clntStatus } from "../status.js";
import { type AttemptFailure, type CallTarget, ClientCall, inOrder, nullTarget } from "./client-call.js";
import { ClientEngine, type ClientEngineOptions } from "./client-engine.js";
import { Outbox } from "./outbox.js";
import { isCall, refuseCall } from "./reverse.js";

/** How long a connection may be silent while calls wait before the peer is asked whether it is there: 5 s. */
export const probeAfterMs = 5_000;

/** How long the peer may take to answer that. A single-threaded server answers only after the call before: 10 s. */
export const probeTimeoutMs = 10_000;

export interface StreamClientOptions extends ClientEngineOptions {
  readonly recordSizeMax?: number | undefined;
  readonly fragmentsMax?: number | undefined;
  readonly probeAfterMs?: number | undefined;
  readonly probeTimeoutMs?: number | undefined;
}

/** Up to this size, messages that may be sent again are kept together with others of their batch. */
const keptTogetherMax = 1_024;

/** One connection of a stream client, from its opening to its loss. */
export class StreamLink {
  readonly records: RecordReader;
  readonly outbox: Outbox;
  /** The transport has a backlog: calls wait in the queue. */
  congested = false;
  /** The peer did not answer a probe: it gets no new calls, and ends when no call waits on it any more. */
  suspect = false;
  /** Calls that were sent over it and have not ended. */
  waiting = 0;
  /** When it last showed that the peer is there. */
  heardAt: number;
  /** Whether a reply ever came: only then was connecting worth more than the connection. */
  answered = false;
  probe: ClientCall | undefined = undefined;
  /** What was last called: the peer serves that program, where another might confuse it. */
  lastTarget: CallTarget | undefined = undefined;

  constructor(
    now: number,
    limits: { readonly recordSizeMax?: number | undefined; readonly fragmentsMax?: number | undefined },
    outbox: Outbox = new Outbox(),
  ) {
    this.outbox = outbox;
    this.records = new RecordReader(limits);
    this.heardAt = now;
  }
}

/**
 * The client's half of ONC RPC over a stream: calls go in; records to send, ended calls and the next deadline come
 * out.
 *
 * Calls are encoded straight into the current link's outbox. Without a link, or while it is congested, they wait
 * encoded in a bounded queue, from which they leave when they end. When a link is lost, the calls that were sent over
 * it end as `unavailable`; those that may run twice are tried again over the next one.
 */
export class StreamClientEngine extends ClientEngine {
  /** The connection that new calls go to. */
  link: StreamLink | undefined;

  readonly #queue = new Set<ClientCall>();
  readonly #scratch = new XdrWriter();
  readonly #options: StreamClientOptions;
  readonly #probeAfter: number;
  readonly #probeTimeout: number;
  #probeDue = Number.POSITIVE_INFINITY;

  constructor(options: StreamClientOptions) {
    super(options);
    this.#options = options;
    this.#probeAfter = options.probeAfterMs ?? probeAfterMs;
    this.#probeTimeout = options.probeTimeoutMs ?? probeTimeoutMs;
  }

  get queuedCalls(): number {
    return this.#queue.size;
  }

  get queuedBytes(): number {
    return this.queueBytes;
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
      roundTripMs: undefined,
    };
  }

  /** TCP delivers nothing twice. */
  protected readonly doubles = false;

  protected post(call: ClientCall): void {
    const { link } = this;
    if (link === undefined || link.congested) return;
    const at = link.outbox.size;
    this.encodeCall(link.outbox.begin(), call);
    link.outbox.commit(at);
  }

  protected submit(call: ClientCall): void {
    const { link } = this;
    // Calls that waited for a session come many at once, with nobody writing between them.
    const loaded = link?.outbox.full === true;
    if (link === undefined || link.congested || loaded || this.#queue.size > 0) {
      this.#enqueue(call);
      return;
    }
    const { outbox } = link;
    const at = outbox.size;
    const w = outbox.begin();
    try {
      this.encodeCall(w, call);
    } catch (error) {
      outbox.abort(at);
      throw error;
    }
    outbox.commit(at);
    if (this.keeps(call)) {
      // A large one would keep the small ones of its batch company for longer than they are wanted.
      if (w.position - at > keptTogetherMax) call.message = w.copy(at + 4);
      else call.keepIn(outbox.keep(), at + 4, w.position);
      call.argsAt -= at + 4;
    }
    this.#sent(link, call, this.now);
  }

  #enqueue(call: ClientCall): void {
    const scratch = this.#scratch;
    scratch.reset();
    this.encodeCall(scratch, call);
    const size = scratch.position;
    if (this.queueBytes + size > this.queueBytesMax) {
      // Not an encoding error: the call is refused as busy, by way of the same door.
      this.refuseQueued(call);
      return;
    }
    call.message = scratch.take();
    this.queueBytes += size;
    this.#queue.add(call);
  }

  #sent(link: StreamLink, call: ClientCall, now: number): void {
    if (call.target.oneWay === true) {
      call.link = link;
      call.attempts++;
      link.outbox.whenTaken(() => this.handedOver(call, now));
      return;
    }
    if (call.sentAt < 0) call.sentAt = now;
    call.link = link;
    call.transmissions++;
    call.attempts++;
    if (call.record !== undefined) link.outbox.measure(call.record);
    link.lastTarget = call.target;
    if (call.hedge !== undefined && call.hedge.left > 0) this.wakeAt(call, now + call.hedge.afterMs);
    if (link.waiting++ === 0) {
      link.heardAt = now;
      if (this.#probeDue === Number.POSITIVE_INFINITY) this.#probeAt(now + this.#probeAfter);
    }
  }

  protected resubmit(call: ClientCall): void {
    if (call.message === undefined) return;
    (call.link as StreamLink | undefined)!.waiting--;
    call.link = undefined;
    call.message = this.reencode(this.#scratch, call, call.message);
    this.queueBytes += call.message.length;
    this.#queue.add(call);
  }

  protected again(call: ClientCall, now: number): void {
    if (call.link !== undefined) return this.#hedge(call.link as StreamLink, call, now);
    if (this.#queue.has(call)) return;
    this.queueBytes += call.message?.length ?? 0;
    this.#queue.add(call);
    this.sendQueued(now);
  }

  /**
   * The answer to a call is overdue. It is sent again over the same connection, since order, per-session objects and the
   * server's limits hang on it: what helps is that the procedure runs a second time. A connection that stands still is
   * what probes are for.
   */
  #hedge(link: StreamLink, call: ClientCall, now: number): void {
    const { hedge, message } = call;
    if (hedge === undefined || hedge.left === 0) return;
    // A peer that does not read would get to the second as late as to the first.
    const stuck = link.congested || link !== this.link;
    const again = stuck ? undefined : (message ?? this.kept(call));
    if (again !== undefined && this.mayHedge(call)) {
      this.onRepeat?.(call, "hedge");
      link.outbox.append(again);
      call.transmissions++;
      this.retransmissions++;
    }
    if (hedge.left > 0) this.wakeAt(call, now + hedge.afterMs);
  }

  protected forget(call: ClientCall): void {
    if (this.#queue.delete(call)) this.queueBytes -= call.message?.length ?? 0;
    const link = call.link as StreamLink | undefined;
    if (link === undefined || call.target.oneWay === true) return;
    link.waiting--;
    if (link.probe === call) link.probe = undefined;
  }

  // --- the connection's life

  /**
   * A connection is there; what is queued goes to its outbox.
   *
   * @param outbox where messages to the peer go besides; default: one of the connection's own
   */
  opened(now: number, outbox?: Outbox): StreamLink {
    this.now = now;
    const link = new StreamLink(now, this.#options, outbox);
    this.link = link;
    if (this.onCall !== undefined) this.greet();
    this.sendQueued(now);
    return link;
  }

  /** Moves what is queued to the outbox, as far as it takes it. */
  sendQueued(now: number): void {
    const { link } = this;
    if (link === undefined || link.congested) return;
    this.now = now;
    for (const call of this.#queue) {
      if (link.outbox.full) return;
      this.#queue.delete(call);
      const message = call.message as Uint8Array;
      this.queueBytes -= message.length;
      this.refresh(call, message);
      link.outbox.append(message);
      if (call.sentAt >= 0) this.retransmissions++;
      if (!this.keeps(call)) call.message = undefined;
      this.#sent(link, call, now);
    }
  }

  /** Takes the calls that the server makes. Without it they are refused: the client serves no program. */
  onCall: ((link: StreamLink, buffer: Uint8Array, start: number, end: number) => void) | undefined = undefined;

  /** Is told of a connection that is gone. */
  onLost: ((reason: Error | undefined) => void) | undefined = undefined;

  /** The connection is gone. Calls that may run twice are tried over the next one; all others sent over it end. */
  lost(link: StreamLink, reason: Error | undefined, now: number): void {
    if (this.link === link) this.link = undefined;
    this.onLost?.(reason);
    const failure: AttemptFailure = {
      code: "unavailable",
      message: `the connection was lost before the answer${because(reason)}`,
      details: { cause: reason, status: clntStatus(ClntStat.RPC_CANTRECV) },
      repeat: "connection-lost",
    };
    const unwritten = { ...failure, message: `the connection was lost before the call was written${because(reason)}` };
    const sent: ClientCall[] = [];
    this.pending.forEach((call) => {
      if (call.link === link) sent.push(call);
    });
    for (const call of sent.sort(inOrder)) {
      this.attemptFailed(call, now, call.target.oneWay === true ? unwritten : failure, resent);
    }
  }

  /**
   * No connection could be made. Of the calls that wait for one, those that may be tried again stay: whoever connects
   * makes the pause. For good, all end.
   */
  unreachable(error: RpcError, now: number, forGood = false): void {
    // The peer is named once.
    const { message, peer = "" } = error;
    const failure: AttemptFailure = {
      code: error.code,
      message: message.startsWith(peer) ? message.slice(peer.length).trim() : message,
      details: { cause: error.cause ?? error, status: error.status },
      repeat: "connection-lost",
    };
    this.now = now;
    // Who waits for a session asks for it again, which is one more call in the queue.
    for (const call of [...this.#queue]) this.unreached(call, now, failure, forGood);
  }

  /**
   * Bytes came in on a link.
   *
   * @throws RecordError when the peer breaks record marking or a limit: end the link
   */
  data(link: StreamLink, chunk: Uint8Array, now: number): void {
    this.#heard(link, now);
    const { records } = link;
    records.push(chunk);
    while (records.next()) {
      const { buffer, start, end } = records;
      if (isCall(buffer, start, end)) this.#called(link, buffer, start, end);
      else if (this.receive(buffer, start, end, now) !== undefined) link.answered = true;
    }
    this.#goOn(now);
  }

  /** A message that is no call came in on a link whose records somebody else reads. */
  message(link: StreamLink, buffer: Uint8Array, start: number, end: number, now: number): void {
    this.#heard(link, now);
    if (this.receive(buffer, start, end, now) !== undefined) link.answered = true;
    this.#goOn(now);
  }

  #heard(link: StreamLink, now: number): void {
    link.heardAt = now;
    if (link.suspect && this.link === undefined) {
      link.suspect = false;
      this.link = link;
    }
  }

  #called(link: StreamLink, buffer: Uint8Array, start: number, end: number): void {
    if (this.onCall !== undefined) this.onCall(link, buffer, start, end);
    // Who does not even read the refusals gets none.
    else if (!link.congested) refuseCall(link.outbox, buffer, start, end);
  }

  #goOn(now: number): void {
    // A call that was refused for its credential waits to be sent again; so does what came while no link was trusted.
    if (this.#queue.size > 0) this.sendQueued(now);
  }

  // --- time

  /** Ends what is overdue, sends again what is due, and probes silent peers. Call it at `deadline`, or whenever. */
  tick(now: number): void {
    this.expire(now);
    this.wake(now);
    if (this.#probeDue <= now) this.#probe(now);
    if (this.#probeDue < this.deadline) this.deadline = this.#probeDue;
  }

  #probeAt(due: number): void {
    this.#probeDue = due;
    if (due < this.deadline) this.deadline = due;
  }

  #probe(now: number): void {
    this.#probeDue = Number.POSITIVE_INFINITY;
    const { link } = this;
    if (link === undefined || link.waiting === 0) return;
    const due = link.heardAt + this.#probeAfter;
    if (due > now) {
      this.#probeDue = due;
      return;
    }
    if (link.probe !== undefined || link.congested || link.lastTarget === undefined) return;
    const { program, version } = link.lastTarget;
    const askedAt = now;
    link.probe = new ClientCall(
      nullTarget(program, version, "probe"),
      [],
      { semantics: "maybe", startedAt: now, deadline: now + this.#probeTimeout },
      () => this.#probeAt(now + this.#probeAfter),
      ({ code }) => {
        const silent = code === "deadline-exceeded" && link.heardAt <= askedAt;
        if (silent) this.#suspect(link);
        else this.#probeAt(link.heardAt + this.#probeAfter);
      },
    );
    this.start(link.probe);
    this.calls--; // it is not the user's
  }

  /** Is told of a connection whose peer owes answers and keeps silent; new calls go to another. */
  onSilent: (() => void) | undefined = undefined;

  #suspect(link: StreamLink): void {
    link.suspect = true;
    if (this.link === link) this.link = undefined;
    this.onSilent?.();
  }
}

/** The next connection makes the first pause, by its own backoff. What was sent and is sent again costs the server work. */
const resent: Pause = { paced: true, charged: true };

function because(reason: Error | undefined): string {
  return reason === undefined ? "" : `: ${reason.message}`;
}

import type { OpenOk } from "./session.js";

/** The place of a call in a session: what stays the same however often it is sent. */
export interface ClientSeat {
  readonly session: ClientSession;
  readonly lane: ClientLane;
  readonly sequence: number;
}

/** The most that a sequence number can be; then the lane is used up. */
const sequenceMax = 0xffff_ffff;

/**
 * How many of a lane's windows the server is to keep for calls that ended without an answer, and for what was answered
 * behind those. Whoever would ask about an earlier one is told that it is forgotten: a caller that gives up again and
 * again would otherwise fill the server's memory of replies, which others need too.
 */
const unansweredWindows = 4;

/** Calls that are numbered, and acknowledged, together. */
export class ClientLane {
  readonly number: number;
  /** All calls up to this one have been answered, or were never sent. */
  acknowledged = 0;
  /** What the server was told of that. */
  told = 0;
  #next = 1;
  readonly #last: number;
  /** Calls that ended without an answer: while they may be asked about, what comes behind them is not acknowledged. */
  #unanswered = 0;
  /** Answered before one that was made earlier. */
  readonly #early = new Set<number>();

  constructor(number: number, last: number) {
    this.number = number;
    this.#last = last;
  }

  /** Whether one more call may be numbered, if its numbers may run ahead so far. */
  hasRoom(window: number): boolean {
    return this.#unanswered === 0 && this.#next - this.acknowledged <= window && this.#next <= this.#last;
  }

  /** Whether calls of it are under way. */
  get busy(): boolean {
    return this.#next - 1 > this.acknowledged + this.#early.size + this.#unanswered;
  }

  /** Calls that the server cannot forget. */
  get kept(): number {
    return this.#next - 1 - this.told;
  }

  /** The next call's number. */
  take(): number {
    return this.#next++;
  }

  /** A call has its answer, or was never sent. */
  answered(sequence: number): void {
    if (sequence !== this.acknowledged + 1) {
      this.#early.add(sequence);
      return;
    }
    this.acknowledged = sequence;
    while (this.#early.size > 0 && this.#early.delete(this.acknowledged + 1)) this.acknowledged++;
  }

  /** A call has ended without an answer, and may be asked about. The lane takes no more calls. */
  abandoned(): void {
    this.#unanswered++;
  }

  /** All its calls have ended, and nobody will be told what became of those without an answer. */
  giveUp(): void {
    this.acknowledged = this.#next - 1;
    this.#unanswered = 0;
    this.#early.clear();
  }
}

/** A session as its client keeps it. */
export class ClientSession {
  readonly facts: OpenOk;
  /** Whether the server keeps replies, so that no call of it runs twice. */
  readonly filters: boolean;
  /** Whether state at the server hangs on it, which a new session would not find. */
  stateful = false;
  #lane: ClientLane;
  readonly #sequenceMax: number;
  /** Earlier lanes that calls are under way in, or whose acknowledgements the server has not been told. */
  readonly #others = new Set<ClientLane>();
  /** Lanes without calls under way, some of which ended without an answer; the oldest first. */
  readonly #abandoned = new Set<ClientLane>();
  /** Calls that the server keeps for the sake of those. */
  #kept = 0;

  /** Its id, `session_id` of session.x, as five words: writing these is faster than copying twenty bytes. */
  readonly id: readonly [number, number, number, number, number];

  constructor(facts: OpenOk, last: number = sequenceMax) {
    this.facts = facts;
    this.#sequenceMax = last;
    this.#lane = new ClientLane(0, last);
    const id = new DataView(facts.session.buffer, facts.session.byteOffset, facts.session.byteLength);
    this.id = [id.getUint32(0), id.getUint32(4), id.getUint32(8), id.getUint32(12), id.getUint32(16)];
    this.filters = facts.store !== "";
  }

  /**
   * A place for one more call.
   *
   * @returns undefined when as many calls are under way as the server lets be
   */
  seat(): ClientSeat | undefined {
    const { window, lanes } = this.facts;
    if (!this.#lane.hasRoom(window)) {
      this.#tidy();
      if (this.#others.size + 1 >= lanes && this.#busy() + (this.#lane.busy ? 1 : 0) >= lanes) return undefined;
      this.#others.add(this.#lane);
      this.#lane = new ClientLane(this.#lane.number + 1, this.#sequenceMax);
    }
    const lane = this.#lane;
    return { session: this, lane, sequence: lane.take() };
  }

  /** Lanes are let go of whose calls have all ended. */
  #tidy(): void {
    for (const lane of this.#others) {
      if (lane.busy || lane.told < lane.acknowledged) continue;
      this.#others.delete(lane);
      if (lane.kept === 0) continue;
      this.#abandoned.add(lane);
      this.#kept += lane.kept;
    }
    for (const lane of this.#abandoned) {
      if (this.#kept <= unansweredWindows * this.facts.window) return;
      this.#abandoned.delete(lane);
      this.#kept -= lane.kept;
      lane.giveUp();
      this.#others.add(lane);
    }
  }

  #busy(): number {
    let busy = 0;
    for (const lane of this.#others) if (lane.busy) busy++;
    return busy;
  }

  /** At most so many lanes with acknowledgements that the server has not been told; it counts as told of them from now on. */
  untold(most: number): ClientLane[] {
    const lanes = [this.#lane, ...this.#others].filter((lane) => lane.told < lane.acknowledged).slice(0, most);
    for (const lane of lanes) lane.told = lane.acknowledged;
    return lanes;
  }
}

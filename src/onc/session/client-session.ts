import type { OpenOk } from "./session.js";

/** The place of a call in a session: what stays the same however often it is sent. */
export interface ClientSeat {
  readonly session: ClientSession;
  readonly lane: ClientLane;
  readonly sequence: number;
}

/** The most that a sequence number can be; then the lane is used up. */
const sequenceMax = 0xffff_ffff;

/** Calls that are numbered, and acknowledged, together. */
export class ClientLane {
  readonly number: number;
  /** All calls up to this one have been answered, or were never sent. */
  acknowledged = 0;
  /** What the server was told of that. */
  told = 0;
  /** Set when a call has ended without an answer: what comes behind it can never be acknowledged. */
  broken = false;
  #next = 1;
  /** Answered before one that was made earlier. */
  readonly #early = new Set<number>();

  constructor(number: number) {
    this.number = number;
  }

  /** Whether one more call may be numbered, if its numbers may run ahead so far. */
  hasRoom(window: number): boolean {
    return !this.broken && this.#next - this.acknowledged <= window && this.#next <= sequenceMax;
  }

  /** Whether calls of it are under way. */
  get busy(): boolean {
    return this.#next - 1 > this.acknowledged + this.#early.size;
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
}

/** A session as its client keeps it. */
export class ClientSession {
  readonly facts: OpenOk;
  /** Whether the server keeps replies, so that no call of it runs twice. */
  readonly filters: boolean;
  /** Whether state at the server hangs on it, which a new session would not find. */
  stateful = false;
  #lane = new ClientLane(0);
  /** Lanes that calls are still under way in, or whose acknowledgements the server has not been told. */
  readonly #others = new Set<ClientLane>();

  constructor(facts: OpenOk) {
    this.facts = facts;
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
      for (const lane of this.#others) if (!lane.busy && lane.told === lane.acknowledged) this.#others.delete(lane);
      if (this.#others.size + 1 >= lanes && this.#oldBusy() + 1 >= lanes) return undefined;
      this.#others.add(this.#lane);
      this.#lane = new ClientLane(this.#lane.number + 1);
    }
    const lane = this.#lane;
    return { session: this, lane, sequence: lane.take() };
  }

  #oldBusy(): number {
    let busy = 0;
    for (const lane of this.#others) if (lane.busy) busy++;
    return busy;
  }

  /** Lanes with acknowledgements that the server has not been told; it counts as told of them from now on. */
  untold(): ClientLane[] {
    const lanes = [this.#lane, ...this.#others].filter((lane) => lane.told < lane.acknowledged);
    for (const lane of lanes) lane.told = lane.acknowledged;
    return lanes;
  }
}

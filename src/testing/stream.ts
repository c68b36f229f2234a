import type { Stream, StreamEvents } from "../net/stream.js";
import type { Program } from "./program.js";

/** What a stream asks of its network. */
export interface StreamCarrier {
  /** When what is sent now arrives, at the earliest. */
  arrival(from: SimulatedStream): number;
  /** Arranges that the next of what is under way from this end arrives. */
  carry(from: SimulatedStream, at: number): void;
  /** A program writes: false when it died before the bytes left. */
  sending(from: SimulatedStream, bytes: Uint8Array): boolean;
  sent(from: SimulatedStream): void;
  /** Does something soon, as an event of its own. */
  soon(task: () => void): void;
}

/** What is under way: bytes, the end of the stream, or its violent end. */
export type Parcel = Uint8Array | "end" | "reset";

/** One end of a stream between two programs of a simulated world. */
export class SimulatedStream implements Stream {
  readonly peer: string;
  readonly local: string;
  readonly program: Program;
  other!: SimulatedStream;
  backlog = 0;
  /** What this end has sent and has not arrived, in order. */
  readonly underWay: Parcel[] = [];
  /** When the last of it arrives. */
  arrivesAt = 0;
  /** Bytes arrived for a program that died with its host: nobody said so yet. */
  unheard = false;
  closed = false;
  readonly #carrier: StreamCarrier;
  readonly #highWaterMark: number;
  #events: StreamEvents | undefined;
  /** What has arrived and was not taken. */
  readonly #inbox: Parcel[] = [];
  #paused = false;
  #ended = false;

  constructor(carrier: StreamCarrier, program: Program, local: string, peer: string, highWaterMark: number) {
    this.#carrier = carrier;
    this.program = program;
    this.local = local;
    this.peer = peer;
    this.#highWaterMark = highWaterMark;
  }

  start(events: StreamEvents): void {
    this.#events = events;
    if (this.#inbox.length > 0) this.#carrier.soon(() => this.#take());
  }

  write(bytes: Uint8Array, written?: () => void): boolean {
    const chunk = new Uint8Array(bytes);
    written?.();
    if (this.#ended || this.closed || !this.program.alive || !this.#carrier.sending(this, chunk)) return true;
    this.backlog += chunk.length;
    this.#send(chunk);
    this.#carrier.sent(this);
    return this.backlog <= this.#highWaterMark;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#carrier.soon(() => this.#take());
  }

  end(): void {
    if (this.#ended || this.closed || !this.program.alive) return;
    this.#ended = true;
    this.#send("end");
    this.#carrier.soon(() => this.close(undefined));
  }

  destroy(error?: Error): void {
    if (this.closed || !this.program.alive) return;
    this.#ended = true;
    this.#inbox.length = 0;
    this.#send("reset");
    this.#carrier.soon(() => this.close(error));
  }

  ref(): void {}

  unref(): void {}

  detach(): { below: Stream } {
    this.#events = undefined;
    return { below: this };
  }

  /** The program died, and its host's kernel says so to the other end. */
  abandon(how: "end" | "reset"): void {
    this.closed = true;
    this.#send(how);
  }

  /** The connection is cut: what is under way is lost, and both ends learn it. */
  cut(error: Error): void {
    this.underWay.length = 0;
    this.other.underWay.length = 0;
    this.#carrier.soon(() => this.close(error));
    this.#send("reset");
  }

  /** The next of what this end sent has arrived at the other. */
  arrive(): void {
    const parcel = this.underWay.shift();
    if (parcel !== undefined) this.other.receive(parcel);
  }

  receive(parcel: Parcel): void {
    if (!this.program.alive) {
      if (parcel instanceof Uint8Array) this.unheard = true;
      return;
    }
    if (this.closed) {
      // A kernel answers what comes for a closed socket with a reset.
      if (parcel instanceof Uint8Array) this.#send("reset");
      return;
    }
    if (parcel === "reset") {
      this.#inbox.length = 0;
      this.close(connectionReset(this.peer));
      return;
    }
    this.#inbox.push(parcel);
    this.#take();
  }

  #send(parcel: Parcel): void {
    this.underWay.push(parcel);
    this.#carrier.carry(this, this.#carrier.arrival(this));
  }

  #take(): void {
    while (this.#events !== undefined && !this.#paused && this.program.alive) {
      const parcel = this.#inbox.shift();
      if (parcel === undefined) return;
      if (!(parcel instanceof Uint8Array)) {
        this.close(undefined);
        return;
      }
      this.#events.onData(parcel);
      this.other.taken(parcel.length);
    }
  }

  /** The other end has taken so many bytes. */
  taken(bytes: number): void {
    const wasFull = this.backlog > this.#highWaterMark;
    this.backlog -= bytes;
    if (wasFull && this.backlog <= this.#highWaterMark && this.program.alive) this.#events?.onDrain();
  }

  close(error: Error | undefined): void {
    if (this.closed) return;
    this.closed = true;
    this.#ended = true;
    const events = this.#events;
    this.#events = undefined;
    if (this.program.alive) events?.onClose(error);
  }
}

export function connectionReset(peer: string): Error {
  return Object.assign(new Error(`read ECONNRESET (${peer})`), { code: "ECONNRESET" });
}

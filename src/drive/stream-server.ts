import type { TlsPeer } from "../model/index.js";
import type { Stream, StreamEvents, StreamLayer } from "../net/stream.js";
import { type Clock, realClock } from "./clock.js";

/** How many bytes of replies do not wait for the end of the turn. */
const flushBytes = 65_536;

/** What the drive needs of a server's protocol engine: one connection of it. */
export interface StreamServerSide {
  readonly replies: {
    readonly size: number;
    take(): { readonly bytes: Uint8Array; readonly written: () => void } | undefined;
  };
  /** Calls of this connection that run. */
  readonly running: number;
  /** Whether no further call may start now. */
  readonly held: boolean;
  draining: boolean;
  /** When bytes last arrived, in the clock's milliseconds. */
  heardAt: number | undefined;
  /** Nobody is there any more to answer: what ends from now on is not encoded. */
  gone: boolean;
  /** Set when the stream is to be upgraded, once what was answered is written. */
  upgrading: boolean;
  /** Bytes that have arrived and are not part of a call that was started. */
  readonly unread: number;
  /** Bytes of calls that were put aside for want of room. */
  readonly aside: number;
  /** How many records were taken, so that each has its own time. */
  readonly taken: number;
  /** The stream is another one now. */
  upgraded(tls: TlsPeer | undefined): void;
  push(chunk: Uint8Array): void;
  /** Set while the peer leaves more unread than it may; then answers wait. */
  full: boolean;
  /** Gives the next answer that waited; says whether there was one. */
  answerDeferred(): boolean;
  /** Starts what has arrived, a batch at a time; says whether there may be more. Throws when the peer is to be cut off. */
  pump(): boolean;
}

export interface StreamServerDriveEvents {
  /** The connection is over: the engine's side of it is to be ended. */
  readonly onClose: (reason: Error | undefined) => void;
  /** How many bytes of an unfinished record, or of calls that cannot start yet, are kept. */
  readonly onBuffered?: ((bytes: number) => void) | undefined;
  /** Whether the peer leaves what was written to it. */
  readonly onCongested?: ((congested: boolean) => void) | undefined;
  /** What waits to be written may be added now; says whether anything was. */
  readonly onFlushed?: (() => boolean) | undefined;
  /** Bytes of replies that the peer has not taken, from which on answers wait. */
  readonly writeBacklogMax?: number | undefined;
  /** What an upgrade puts between the stream and its use; without it none is possible. */
  readonly layer?: StreamLayer | undefined;
}

/**
 * Runs one connection of a server: hands bytes to the engine, writes each turn's replies at once, and stops reading
 * while the engine is held or the peer does not take its replies.
 */
export class StreamServerDrive {
  readonly #side: StreamServerSide;
  #stream: Stream;
  readonly #layer: StreamLayer | undefined;
  readonly #events: StreamEvents;
  readonly #clock: Clock;
  #paused = false;
  #congested = false;
  #buffered = 0;
  #taken = 0;
  readonly #onBuffered: (bytes: number) => void;
  readonly #onCongested: (congested: boolean) => void;
  readonly #onFlushed: () => boolean;
  readonly #writeBacklogMax: number;
  /** When the peer last sent anything, in the clock's milliseconds. */
  heardAt: number;
  /** Since when the peer owes the rest of a record; undefined when it owes none, or is not being read. */
  recordSince: number | undefined = undefined;
  /** The backlog when it was last looked at, and when the peer was last seen to take some of it. */
  #backlog = 0;
  #takenAt = 0;
  #scheduled = false;
  #closed = false;
  #upgrading = false;

  constructor(side: StreamServerSide, stream: Stream, events: StreamServerDriveEvents, clock: Clock = realClock) {
    this.#side = side;
    this.#stream = stream;
    this.#clock = clock;
    this.#layer = events.layer;
    this.#onBuffered = events.onBuffered ?? (() => {});
    this.#onCongested = events.onCongested ?? (() => {});
    this.#onFlushed = events.onFlushed ?? (() => false);
    this.#writeBacklogMax = events.writeBacklogMax ?? Number.POSITIVE_INFINITY;
    this.heardAt = clock.now();
    this.#events = {
      onData: (chunk) => {
        this.heardAt = clock.now();
        side.heardAt = this.heardAt;
        side.push(chunk);
        this.#run();
      },
      onDrain: () => {
        this.#congested = false;
        this.#onCongested(false);
        side.full = false;
        while (!side.full && side.answerDeferred()) if (side.replies.size >= flushBytes) this.#flush();
        this.#run();
      },
      onClose: (error) => {
        this.#closed = true;
        events.onClose(error);
      },
    };
    stream.start(this.#events);
  }

  /** A call of this connection has ended in a later turn than it began in. */
  ended(): void {
    // Many large replies of one turn would otherwise be in memory together before anybody counts them.
    if (this.#side.replies.size >= flushBytes && !this.#closed && !this.#upgrading) this.#flush();
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.soon(this.#runSoon);
  }

  readonly #runSoon = (): void => {
    this.#scheduled = false;
    this.#run();
  };

  /** The engine may no longer be held. */
  resume(): void {
    this.#run();
  }

  /** Takes no more calls; ends the connection when those that run have been answered. */
  drain(): void {
    this.#side.draining = true;
    this.#run();
  }

  /** Whether the peer has taken nothing of what waits for it for that long. Asked from time to time. */
  isStalled(now: number, ms: number): boolean {
    const { backlog } = this.#stream;
    if (!this.#congested || backlog < this.#backlog) this.#takenAt = now;
    this.#backlog = backlog;
    return this.#congested && now - this.#takenAt > ms;
  }

  destroy(reason: Error): void {
    this.#side.gone = true;
    this.#stream.destroy(reason);
  }

  /** Notes what is left unfinished, whenever that may have changed. */
  #watch(): void {
    const { unread, taken, aside } = this.#side;
    if (unread + aside === 0 && this.#buffered === 0) {
      this.recordSince = undefined;
      return;
    }
    // What waits for us is not the peer's delay. And a peer that streams is always in the middle of some record.
    if (unread === 0 || this.#congested || this.#side.held) this.recordSince = undefined;
    else if (this.recordSince === undefined || taken !== this.#taken) this.recordSince = this.#clock.now();
    this.#taken = taken;
    if (unread + aside === this.#buffered) return;
    this.#buffered = unread + aside;
    this.#onBuffered(this.#buffered);
  }

  /** Puts the layer between the stream and its use, in the middle of the connection's life. */
  async #upgrade(): Promise<void> {
    const layer = this.#layer;
    try {
      // RFC 9289, section 5.1.1: what came in clear text behind the request must not be taken for protected.
      if (this.#side.unread > 0) throw new Error("the peer sent more before the upgrade that it asked for");
      if (layer === undefined) throw new Error("this connection cannot be upgraded");
      this.#upgrading = true;
      const upgraded = await layer(this.#stream, "server");
      this.#upgrading = false;
      this.#side.upgraded(upgraded.tls);
      this.#stream = upgraded;
      this.#paused = false;
      this.#congested = false;
      upgraded.start(this.#events);
      this.#run();
    } catch (error) {
      const reason = error instanceof Error ? error : new Error(String(error));
      const lost = this.#upgrading;
      this.#upgrading = false;
      this.#stream.destroy(reason);
      // A stream that was taken over by the layer tells nobody any more.
      if (lost && !this.#closed) this.#events.onClose(reason);
    }
  }

  #run(): void {
    if (this.#closed || this.#upgrading) return;
    try {
      while (!this.#congested && this.#side.pump()) this.#flush();
    } catch (error) {
      this.#flush();
      this.destroy(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    this.#flush();
    this.#watch();
    if (this.#side.upgrading) {
      void this.#upgrade();
      return;
    }
    if (this.#side.draining && this.#side.running === 0) {
      this.#stream.end();
      return;
    }
    const pause = this.#congested || this.#side.held;
    if (pause === this.#paused) return;
    this.#paused = pause;
    if (pause) this.#stream.pause();
    else this.#stream.resume();
  }

  #flush(): void {
    for (;;) {
      const batch = this.#side.replies.take();
      if (batch === undefined) return;
      if (!this.#stream.write(batch.bytes, batch.written)) break;
      if (!this.#onFlushed()) return;
    }
    if (!this.#congested) this.#takenAt = this.#clock.now();
    this.#congested = true;
    this.#onCongested(true);
    this.#side.full = this.#stream.backlog > this.#writeBacklogMax;
  }
}

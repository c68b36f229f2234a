import type { Stream } from "../net/stream.js";
import { type Clock, realClock } from "./clock.js";

/** What the drive needs of a server's protocol engine: one connection of it. */
export interface StreamServerSide {
  readonly replies: { readonly size: number; take(): { readonly bytes: Uint8Array; readonly written: () => void } | undefined };
  /** Calls of this connection that run. */
  readonly running: number;
  /** Whether no further call may start now. */
  readonly held: boolean;
  draining: boolean;
  push(chunk: Uint8Array): void;
  /** Starts what has arrived, a batch at a time; says whether there may be more. Throws when the peer is to be cut off. */
  pump(): boolean;
}

export interface StreamServerDriveEvents {
  /** The connection is over: the engine's side of it is to be ended. */
  readonly onClose: (reason: Error | undefined) => void;
}

/**
 * Runs one connection of a server: hands bytes to the engine, writes each turn's replies at once, and stops reading
 * while the engine is held or the peer does not take its replies.
 */
export class StreamServerDrive {
  readonly #side: StreamServerSide;
  readonly #stream: Stream;
  readonly #clock: Clock;
  #paused = false;
  #congested = false;
  #scheduled = false;
  #closed = false;

  constructor(side: StreamServerSide, stream: Stream, events: StreamServerDriveEvents, clock: Clock = realClock) {
    this.#side = side;
    this.#stream = stream;
    this.#clock = clock;
    stream.start({
      onData: (chunk) => {
        side.push(chunk);
        this.#run();
      },
      onDrain: () => {
        this.#congested = false;
        this.#run();
      },
      onClose: (error) => {
        this.#closed = true;
        events.onClose(error);
      },
    });
  }

  /** A call of this connection has ended in a later turn than it began in. */
  ended(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.soon(this.#runSoon);
  }

  readonly #runSoon = (): void => {
    this.#scheduled = false;
    this.#run();
  };

  /** Takes no more calls; ends the connection when those that run have been answered. */
  drain(): void {
    this.#side.draining = true;
    this.#run();
  }

  destroy(reason: Error): void {
    this.#stream.destroy(reason);
  }

  #run(): void {
    if (this.#closed) return;
    try {
      while (!this.#congested && this.#side.pump()) this.#flush();
    } catch (error) {
      this.#flush();
      this.destroy(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    this.#flush();
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
    const batch = this.#side.replies.take();
    if (batch !== undefined && !this.#stream.write(batch.bytes, batch.written)) this.#congested = true;
  }
}

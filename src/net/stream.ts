import type { LocalPeer, TlsPeer } from "../model/index.js";

/**
 * A connected byte stream: TCP, Unix, memory, and whatever is layered on one. The contract that drives build on.
 *
 * Chunks that arrive are never written to again, so a decoder may keep views of them.
 */
export interface Stream {
  /** The other end, such as `tcp://127.0.0.1:2049`. */
  readonly peer: string;
  /** This end. */
  readonly local: string;
  /** What TLS proved about the other end; undefined in clear text. */
  readonly tls?: TlsPeer | undefined;
  /** What the kernel says of the other end of a Unix socket; undefined where nobody asked. */
  readonly credentials?: LocalPeer | undefined;
  /** Bytes accepted by `write` that the peer's side has not taken yet. */
  readonly backlog: number;
  /** Starts the flow of events. Call it once, in the turn in which the stream was obtained. */
  start(events: StreamEvents): void;
  /**
   * Sends bytes. They must not change until `written` is called.
   *
   * @returns false when the backlog is over the stream's high-water mark: stop until `onDrain`
   */
  write(bytes: Uint8Array, written?: () => void): boolean;
  /** Stops and resumes reading, so that the peer feels back-pressure. */
  pause(): void;
  resume(): void;
  /** Sends what was written, then ends the stream in both directions. */
  end(): void;
  /** Ends the stream now. `onClose` still follows. */
  destroy(error?: Error): void;
  /** Whether the stream keeps the process alive. */
  ref(): void;
  unref(): void;
  /**
   * Takes the transport below away from its events, so that a {@link StreamLayer} can stand in between. No event
   * reaches the old receiver afterwards. Returns what the transport is made of (a `Duplex` for TCP and Unix).
   */
  detach(): unknown;
}

/** What happens on a stream. `onClose` comes once, and nothing after it. */
export interface StreamEvents {
  onData(chunk: Uint8Array): void;
  onDrain(): void;
  /** The stream is over; `error` says why when it did not end in order. */
  onClose(error: Error | undefined): void;
}

/**
 * Something between a stream and its user, put in place while the stream is in use, as STARTTLS does: takes the
 * stream below over (`detach`) and gives the one above.
 */
export type StreamLayer = (below: Stream, side: "client" | "server") => Promise<Stream>;

/** Something that accepts streams. */
export interface StreamListener {
  /** Where it listens, with the port that it was given. */
  readonly address: string;
  /** Stops accepting; streams that were accepted live on. */
  close(): Promise<void>;
}

import { BufferPool } from "../../bytes/index.js";
import { XdrWriter } from "../../xdr/index.js";
import { recordMark } from "../record.js";

/** Big enough for some 1,000 small messages, small enough that 64 of them are nothing. */
const pool = new BufferPool(65_536, 64);

/**
 * How many bytes of messages gather before they are handed on without waiting for the turn to end: some 80 small ones.
 * So the peer begins on the first of many calls while the rest are still being encoded; measured with 128 calls
 * under way, this gives a third more calls a second than one write a turn.
 */
export const outboxFlushBytes = 4_096;

const nothing = new Uint8Array(0);

/** Bytes to send. They do not change until `written` is called. */
export interface Outgoing {
  readonly bytes: Uint8Array;
  readonly written: () => void;
}

/**
 * Messages on their way to a stream, each as a record of one fragment, gathered so that a batch goes out in one write.
 */
export class Outbox {
  readonly #writer: XdrWriter;
  #buffer: Uint8Array | undefined;

  constructor(sizeMax?: number) {
    this.#writer = new XdrWriter(sizeMax === undefined ? {} : { sizeMax: sizeMax + outboxFlushBytes });
  }

  /** Bytes that wait to be taken. */
  get size(): number {
    return this.#writer.position;
  }

  /** Begins a message. Write to what is returned, then `commit` or `abort` with the writer's `position` before. */
  begin(): XdrWriter {
    if (this.#buffer === undefined) {
      this.#buffer = pool.take();
      this.#writer.reset(this.#buffer);
    }
    this.#writer.reserve(4);
    return this.#writer;
  }

  /** Ends the message that began at `at`. */
  commit(at: number): void {
    this.#writer.patchUint32(at, recordMark(this.#writer.position - at - 4));
  }

  /** Takes the message that began at `at` back. */
  abort(at: number): void {
    this.#writer.truncate(at);
  }

  /** Appends a message that was encoded before. */
  append(message: Uint8Array): void {
    const at = this.size;
    this.begin().bytes(message);
    this.commit(at);
  }

  /** Takes what is there; undefined when nothing is. */
  take(): Outgoing | undefined {
    const pooled = this.#buffer;
    if (pooled === undefined || this.#writer.position === 0) return undefined;
    const bytes = this.#writer.view();
    this.#buffer = undefined;
    this.#writer.reset(nothing);
    // A batch that outgrew the pooled buffer went on in one of its own; the pooled one is free already.
    return {
      bytes,
      written: () => pool.give(pooled),
    };
  }
}

import type { CallRecord } from "../../call/steps.js";
import { XdrWriter } from "../../xdr/index.js";
import { recordMark } from "../record.js";

/** Room for some 1,000 small messages; a batch that needs more gets a larger buffer, which is not used again. */
const batchSize = 65_536;

/** How many writers wait for use: 64 of them hold 4 MiB. */
const writersMax = 64;

/**
 * Writers of batches, used again and again by all connections, so that a batch allocates nothing and an idle
 * connection holds nothing.
 */
const writers: XdrWriter[] = [];

/**
 * How many bytes of messages gather before they are handed on without waiting for the turn to end: some 80 small ones.
 * So the peer begins on the first of many calls while the rest are still being encoded; measured with 128 calls
 * under way, this gives a third more calls a second than one write a turn.
 */
export const outboxFlushBytes = 4_096;

/** Bytes to send. They do not change until `written` is called. */
export interface Outgoing {
  readonly bytes: Uint8Array;
  readonly written: () => void;
}

/**
 * Messages on their way to a stream, each as a record of one fragment, gathered so that a batch goes out in one write.
 */
export class Outbox {
  #writer: XdrWriter | undefined;
  /** Records of calls that wait to be taken. */
  #records: CallRecord[] | undefined;
  /** What is to be done when they are. */
  #tasks: (() => void)[] | undefined;

  /** Bytes that wait to be taken. */
  get size(): number {
    return this.#writer === undefined ? 0 : this.#writer.position;
  }

  /** Begins a message. Note `size` before, write to what is returned, then `commit` or `abort` with that. */
  begin(): XdrWriter {
    this.#writer ??= writers.pop() ?? new XdrWriter({ sizeInitial: batchSize });
    this.#writer.uint32(0); // the record mark, once the length is known
    return this.#writer;
  }

  /** Ends the message that began at `at`. */
  commit(at: number): void {
    const writer = this.#writer as XdrWriter;
    writer.patchUint32(at, recordMark(writer.position - at - 4));
  }

  /** Takes the message that began at `at` back. */
  abort(at: number): void {
    this.#writer?.truncate(at);
  }

  /** Appends a message that was encoded before. */
  append(message: Uint8Array): void {
    const at = this.size;
    this.begin().bytes(message);
    this.commit(at);
  }

  /** The message that was added last is of a call whose steps are measured. */
  measure(record: CallRecord): void {
    this.#records ??= [];
    this.#records.push(record);
  }

  /** Runs a task when what is there now is taken, to be written at once. */
  whenTaken(task: () => void): void {
    this.#tasks ??= [];
    this.#tasks.push(task);
  }

  /** Takes what is there; undefined when nothing is. */
  take(): Outgoing | undefined {
    const writer = this.#writer;
    if (writer === undefined || writer.position === 0) return undefined;
    this.#writer = undefined;
    if (this.#records !== undefined) this.#taken(this.#records);
    if (this.#tasks !== undefined) this.#run(this.#tasks);
    const bytes = writer.view();
    return { bytes, written: () => release(writer) };
  }

  #run(tasks: (() => void)[]): void {
    this.#tasks = undefined;
    for (const task of tasks) task();
  }

  #taken(records: CallRecord[]): void {
    for (const record of records) record.enter("network");
    this.#records = undefined;
  }
}

/** The bytes were written: the writer may be used again. */
function release(writer: XdrWriter): void {
  if (writer.position > batchSize || writers.length >= writersMax) return;
  writer.reset();
  writers.push(writer);
}

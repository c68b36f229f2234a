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
 * How many messages, or bytes of them, gather before they are handed on without waiting for the turn to end. So the peer
 * begins on the first of many calls while the rest are still being encoded; measured with 128 calls under way, this gives
 * a third more calls a second than one write a turn. A call in a session is twice as long as a plain one, and half as
 * many to a batch would be twice as many system calls: so it is messages that count, up to some size.
 */
const batchMessages = 64;
const batchBytes = 8_192;

/** Room for what is kept of a batch, but for batches that were gathered while nobody could be written to. */
const keptSize = batchBytes + 2_048;

/** Copies of batches that nobody asks for any more, to be used again: 64 of them hold 640 KiB. */
const copies: Uint8Array[] = [];
const copiesMax = 64;

/**
 * The messages of a batch that may have to be sent again: copied once the batch is handed on, all at once. A copy of each
 * would cost more than encoding it. It lives as long as any of its messages may be asked for.
 */
export class KeptBatch {
  #writer: XdrWriter | undefined;
  #bytes: Uint8Array | undefined;
  #end = 0;
  /** Messages that may be asked for. */
  #users = 0;
  /** Whether one was, so that its bytes are somewhere. */
  #lent = false;

  constructor(writer: XdrWriter) {
    this.#writer = writer;
  }

  /** What was written up to now is to be kept: one more message, until it is released. */
  extend(): void {
    this.#end = (this.#writer as XdrWriter).position;
    this.#users++;
  }

  /** One of the messages will not be asked for any more. */
  release(): void {
    this.#users--;
    if (this.#users > 0 || this.#lent || this.#bytes?.length !== keptSize || copies.length >= copiesMax) return;
    copies.push(this.#bytes);
    this.#bytes = undefined;
  }

  /** The batch is handed on, and its writer will write something else. */
  close(): void {
    const writer = this.#writer as XdrWriter;
    this.#writer = undefined;
    if (this.#users === 0) return;
    this.#bytes = this.#end > keptSize ? new Uint8Array(this.#end) : (copies.pop() ?? new Uint8Array(keptSize));
    this.#bytes.set(writer.view().subarray(0, this.#end));
  }

  /** The bytes from one position in the batch to another: the same memory each time, once the batch is handed on. */
  slice(from: number, to: number): Uint8Array {
    if (this.#bytes === undefined) return (this.#writer as XdrWriter).copy(from, to);
    this.#lent = true;
    return this.#bytes.subarray(from, to);
  }
}

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
  #kept: KeptBatch | undefined;
  #messages = 0;
  /** Records of calls that wait to be taken. */
  #records: CallRecord[] | undefined;
  /** What is to be done when they are. */
  #tasks: (() => void)[] | undefined;

  /** Bytes that wait to be taken. */
  get size(): number {
    return this.#writer === undefined ? 0 : this.#writer.position;
  }

  /** Whether there is enough for a batch. */
  get full(): boolean {
    return this.#messages >= batchMessages || this.size >= batchBytes;
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
    this.#messages++;
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

  /** The message that was added last may have to be sent again: it can be had from what is returned. */
  keep(): KeptBatch {
    this.#kept ??= new KeptBatch(this.#writer as XdrWriter);
    this.#kept.extend();
    return this.#kept;
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
    this.#messages = 0;
    if (this.#kept !== undefined) {
      this.#kept.close();
      this.#kept = undefined;
    }
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

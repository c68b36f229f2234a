/**
 * Reads bytes from a range of a buffer. Every read is checked against the bytes that are present, before anything is
 * allocated. What a wire format means lives in the subclasses (`XdrReader`).
 */

import { murmur3 } from "./murmur.js";
import { loadInt64, loadUint64 } from "./words.js";

/** What a reader may use. */
export interface ReaderOptions {
  /** Byte order; default false, the order of the network. */
  readonly littleEndian?: boolean | undefined;
}

/**
 * Bytes from this length on are views of the reader's buffer, which therefore must never be reused. Shorter ones are
 * copied: a view costs more than their copy, and a few bytes would keep a whole buffer alive. No bytes at all are one
 * array for all readers: one of their own would take 184 bytes of memory for the four that announce it.
 */
export const viewSizeMin = 1024;

/** Text up to this length is decoded by a loop while it is ASCII: below it, calling the engine's decoder costs more. */
const shortText = 48;

declare class TextDecoder {
  constructor(label: string, options: { fatal: boolean; ignoreBOM: boolean });
  decode(bytes: Uint8Array): string;
}

// "ignoreBOM" means: do not take the mark away. It is data.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const nothing: Uint8Array = Object.freeze(new Uint8Array(0));

export class Reader {
  readonly littleEndian: boolean;
  /** What `reset` was given: when it is given again, the views below still hold. */
  #source: Uint8Array = nothing;
  protected buffer: Uint8Array = nothing;
  protected data: DataView = new DataView(nothing.buffer);
  protected start = 0;
  protected at = 0;
  protected end = 0;

  constructor(options: ReaderOptions = {}) {
    this.littleEndian = options.littleEndian ?? false;
  }

  /** Reads from `start` to `end` of `buffer` from now on: one reader serves a connection's life. */
  reset(buffer: Uint8Array, start = 0, end: number = buffer.length): void {
    if (!(start >= 0 && start <= end && end <= buffer.length)) {
      throw new RangeError(`cannot read from ${start} to ${end} of ${buffer.length} bytes`);
    }
    if (buffer !== this.#source) {
      this.#source = buffer;
      this.buffer = buffer;
      this.data = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    }
    this.start = start;
    this.at = start;
    this.end = end;
  }

  /** The index of the next byte in the buffer. */
  get position(): number {
    return this.at;
  }

  /** How many bytes are left. */
  get remaining(): number {
    return this.end - this.at;
  }

  /** The bytes from the position `from` to `to`, as a view: valid for as long as the buffer is not reused. */
  viewOf(from: number, to: number): Uint8Array {
    return this.#plainView(from, to - from);
  }

  /** MurmurHash3 of the bytes from the position `from` to `to`: 32 bits that tell mistakes apart, not forgeries. */
  hash(from: number, to: number): number {
    return murmur3(this.data, from, to);
  }

  /** Throws what this format's users expect for bytes that cannot be read. Subclasses override it. */
  fail(message: string): never {
    throw new RangeError(`${message} (at byte ${this.at - this.start})`);
  }

  /** Checks that `size` bytes are present. */
  protected need(size: number): void {
    if (size > this.end - this.at) this.missing(size);
  }

  /** Fails for `size` bytes that are not all present. */
  protected missing(size: number): never {
    this.fail(`the bytes end early: ${size} are needed, ${this.end - this.at} are left`);
  }

  uint8(): number {
    this.need(1);
    return this.buffer[this.at++] as number;
  }

  uint16(): number {
    const at = this.at;
    const next = at + 2;
    if (next > this.end) this.missing(2);
    this.at = next;
    return this.data.getUint16(at, this.littleEndian);
  }

  int32(): number {
    const at = this.at;
    const next = at + 4;
    if (next > this.end) this.missing(4);
    this.at = next;
    return this.data.getInt32(at, this.littleEndian);
  }

  uint32(): number {
    const at = this.at;
    const next = at + 4;
    if (next > this.end) this.missing(4);
    this.at = next;
    return this.data.getUint32(at, this.littleEndian);
  }

  int64(): bigint {
    const at = this.at;
    const next = at + 8;
    if (next > this.end) this.missing(8);
    this.at = next;
    return loadInt64(this.data, at, this.littleEndian);
  }

  uint64(): bigint {
    const at = this.at;
    const next = at + 8;
    if (next > this.end) this.missing(8);
    this.at = next;
    return loadUint64(this.data, at, this.littleEndian);
  }

  float32(): number {
    const at = this.at;
    const next = at + 4;
    if (next > this.end) this.missing(4);
    this.at = next;
    return this.data.getFloat32(at, this.littleEndian);
  }

  float64(): number {
    const at = this.at;
    const next = at + 8;
    if (next > this.end) this.missing(8);
    this.at = next;
    return this.data.getFloat64(at, this.littleEndian);
  }

  /** The next `length` bytes: a view from {@link viewSizeMin} bytes on, a copy below. */
  bytes(length: number): Uint8Array {
    this.need(length);
    if (length === 0) return nothing;
    const from = this.at;
    this.at = from + length;
    if (length >= viewSizeMin) return this.#plainView(from, length);
    const copy = new Uint8Array(length);
    copy.set(this.#plainView(from, length));
    return copy;
  }

  /** The next `length` bytes as a view, whatever their length. */
  view(length: number): Uint8Array {
    this.need(length);
    const from = this.at;
    this.at = from + length;
    return this.#plainView(from, length);
  }

  /** Never of a subclass such as Node's Buffer, whose methods differ from those of the bytes that users expect. */
  #plainView(from: number, length: number): Uint8Array {
    return new Uint8Array(this.buffer.buffer, this.buffer.byteOffset + from, length);
  }

  /** The next `length` bytes as text. A byte order mark is data; bytes that are not UTF-8 are an error. */
  utf8(length: number): string {
    this.need(length);
    const { buffer, at } = this;
    const end = at + length;
    let text = "";
    if (length <= shortText) {
      let i = at;
      // Eight at a time, then one at a time, until the end or a byte that is not ASCII.
      for (; i + 8 <= end; i += 8) {
        const a = buffer[i] as number;
        const b = buffer[i + 1] as number;
        const c = buffer[i + 2] as number;
        const d = buffer[i + 3] as number;
        const e = buffer[i + 4] as number;
        const f = buffer[i + 5] as number;
        const g = buffer[i + 6] as number;
        const h = buffer[i + 7] as number;
        if ((a | b | c | d | e | f | g | h) > 0x7f) break;
        text += String.fromCharCode(a, b, c, d, e, f, g, h);
      }
      for (; i < end; i++) {
        const a = buffer[i] as number;
        if (a > 0x7f) break;
        text += String.fromCharCode(a);
      }
      if (i === end) {
        this.at = end;
        return text;
      }
    }
    try {
      text = decoder.decode(buffer.subarray(at, end));
    } catch {
      this.fail("the bytes of a string are not UTF-8");
    }
    this.at = end;
    return text;
  }

  /** Passes over `count` bytes. */
  skip(count: number): void {
    this.need(count);
    this.at += count;
  }

  /** Passes over `count` bytes that must be zero. */
  zeros(count: number): void {
    this.need(count);
    const end = this.at + count;
    for (let i = this.at; i < end; i++) {
      if (this.buffer[i] !== 0) this.fail("the padding is not zero");
    }
    this.at = end;
  }

  /** Checks that every byte was read. */
  finish(): void {
    if (this.at !== this.end) this.fail(`${this.end - this.at} bytes are left over after the value`);
  }
}

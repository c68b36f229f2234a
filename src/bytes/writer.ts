/**
 * Writes bytes into a buffer that grows. Bounds, growth, byte order and padding of what is sent live here and in
 * {@link Reader} only; what a wire format means lives in the subclasses (`XdrWriter`).
 *
 * The primitives (`uint32`, `int64`, ...) check room, never ranges: the format's own methods do, in the format's words.
 */

import { storeUint64 } from "./words.js";

/** What a writer may use. */
export interface WriterOptions {
  /** Most bytes that may be written; default {@link writerSizeMax}. */
  readonly sizeMax?: number | undefined;
  /** Bytes of the first buffer; default 256. */
  readonly sizeInitial?: number | undefined;
  /** Byte order; default false, the order of the network. */
  readonly littleEndian?: boolean | undefined;
}

/** 64 MiB: far above any usual message, and a cyclic list ends here within a second instead of in all the memory. */
export const writerSizeMax: number = 1 << 26;

/** A string up to this length is written by a loop: below it, calling the engine's encoder costs more than the work. */
const shortText = 48;

declare class TextEncoder {
  encodeInto(text: string, into: Uint8Array): { read: number; written: number };
}
/** ES2024, which Node has since version 20. */
interface WellFormed {
  isWellFormed(): boolean;
}

const encoder = new TextEncoder();
const nothing = new Uint8Array(0);

export class Writer {
  readonly littleEndian: boolean;
  readonly sizeMax: number;
  #sizeInitial: number;
  protected buffer: Uint8Array = nothing;
  protected data: DataView = new DataView(nothing.buffer);
  /** The end of what was written. */
  protected at = 0;
  /** How far the buffer may be written: its length or `sizeMax`, whichever is less. */
  protected capacity = 0;

  constructor(options: WriterOptions = {}) {
    this.littleEndian = options.littleEndian ?? false;
    this.sizeMax = options.sizeMax ?? writerSizeMax;
    this.#sizeInitial = options.sizeInitial ?? 256;
  }

  /** How many bytes were written. */
  get position(): number {
    return this.at;
  }

  /** Throws what this format's users expect for a value that cannot be written. Subclasses override it. */
  fail(message: string): never {
    throw new RangeError(message);
  }

  /** Makes room for `size` more bytes. */
  protected ensure(size: number): void {
    const end = this.at + size;
    if (end > this.capacity) this.grow(end);
  }

  /** Gets a larger buffer, so that `needed` bytes fit in all. */
  protected grow(needed: number): void {
    if (needed > this.sizeMax) {
      this.fail(`the value takes more than ${this.sizeMax} bytes, the most that may be written here`);
    }
    const grown = new Uint8Array(Math.min(Math.max(needed, this.buffer.length * 2, this.#sizeInitial), this.sizeMax));
    grown.set(this.buffer.subarray(0, this.at));
    this.#use(grown);
  }

  #use(buffer: Uint8Array): void {
    this.buffer = buffer;
    this.data = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    this.capacity = Math.min(buffer.length, this.sizeMax);
  }

  uint8(value: number): void {
    const at = this.at;
    if (at === this.capacity) this.grow(at + 1);
    this.buffer[at] = value;
    this.at = at + 1;
  }

  uint16(value: number): void {
    const at = this.at;
    const end = at + 2;
    if (end > this.capacity) this.grow(end);
    this.data.setUint16(at, value, this.littleEndian);
    this.at = end;
  }

  /** Four bytes, of a signed or unsigned number. */
  uint32(value: number): void {
    const at = this.at;
    const end = at + 4;
    if (end > this.capacity) this.grow(end);
    this.data.setUint32(at, value, this.littleEndian);
    this.at = end;
  }

  /** Four numbers of four bytes: one check of the room for all. */
  uint32x4(a: number, b: number, c: number, d: number): void {
    const at = this.at;
    const end = at + 16;
    if (end > this.capacity) this.grow(end);
    const { data, littleEndian } = this;
    data.setUint32(at, a, littleEndian);
    data.setUint32(at + 4, b, littleEndian);
    data.setUint32(at + 8, c, littleEndian);
    data.setUint32(at + 12, d, littleEndian);
    this.at = end;
  }

  /** Eight bytes, of a signed or unsigned number. */
  uint64(value: bigint): void {
    const at = this.at;
    const end = at + 8;
    if (end > this.capacity) this.grow(end);
    storeUint64(this.data, at, value, this.littleEndian);
    this.at = end;
  }

  float32(value: number): void {
    const at = this.at;
    const end = at + 4;
    if (end > this.capacity) this.grow(end);
    this.data.setFloat32(at, value, this.littleEndian);
    this.at = end;
  }

  float64(value: number): void {
    const at = this.at;
    const end = at + 8;
    if (end > this.capacity) this.grow(end);
    this.data.setFloat64(at, value, this.littleEndian);
    this.at = end;
  }

  /** Copies `source` to the end. */
  bytes(source: Uint8Array): void {
    this.ensure(source.length);
    this.buffer.set(source, this.at);
    this.at += source.length;
  }

  /**
   * Appends a string as UTF-8, and zeros to a multiple of four bytes.
   *
   * @returns how many bytes it took without the zeros
   * @throws whatever {@link fail} throws, for a string with a lone surrogate, which UTF-8 cannot carry
   */
  utf8Padded(text: string): number {
    const length = text.length;
    if (length <= shortText) {
      const { at } = this;
      const end = at + ((length + 3) & ~3);
      if (end > this.capacity) this.grow(end);
      const { data } = this;
      // Four units are one store; what turns out not to be ASCII is written again below.
      let all = 0;
      let i = 0;
      for (; i + 4 <= length; i += 4) {
        const a = text.charCodeAt(i);
        const b = text.charCodeAt(i + 1);
        const c = text.charCodeAt(i + 2);
        const d = text.charCodeAt(i + 3);
        all |= a | b | c | d;
        data.setUint32(at + i, (a << 24) | (b << 16) | (c << 8) | d);
      }
      if (i < length) {
        let word = 0;
        for (let shift = 24; i < length; shift -= 8) {
          const a = text.charCodeAt(i++);
          all |= a;
          word |= a << shift;
        }
        data.setUint32(end - 4, word);
      }
      if (all <= 0x7f) {
        this.at = end;
        return length;
      }
    }
    const written = this.#utf8Any(text);
    this.zeros(-written & 3);
    return written;
  }

  #utf8Any(text: string): number {
    // Room for ASCII first: three bytes per unit at once would claim three times what most strings need.
    const start = this.at;
    this.ensure(text.length);
    let { read, written } = encoder.encodeInto(text, this.buffer.subarray(start, start + text.length));
    this.at += written;
    if (written === text.length && read === text.length) return written;
    if (!(text as unknown as WellFormed).isWellFormed()) {
      this.at = start;
      this.fail("expected text, got a string with half of a surrogate pair, which UTF-8 cannot carry");
    }
    while (read < text.length) {
      // The encoder never splits a character, so what is left begins with a whole one. Three bytes per unit suffice
      // for any rest; near the limit the rest gets what there is, and the next round fails if that was too little.
      const rest = text.slice(read);
      const room = Math.max(Math.min(rest.length * 3, this.sizeMax - this.at), rest.length);
      this.ensure(room);
      const step = encoder.encodeInto(rest, this.buffer.subarray(this.at, this.at + room));
      if (step.read === 0) this.ensure(room + 4);
      read += step.read;
      this.at += step.written;
    }
    return this.at - start;
  }

  zeros(count: number): void {
    this.ensure(count);
    const { buffer, at } = this;
    const end = at + count;
    // A buffer that is used again holds old bytes.
    for (let i = at; i < end; i++) buffer[i] = 0;
    this.at = end;
  }

  /** Zeros up to the next multiple of `size`, a power of two, from the writer's start. */
  align(size: number): void {
    this.zeros(-this.at & (size - 1));
  }

  /**
   * Leaves `size` bytes to be patched later.
   *
   * @returns where they stand
   */
  reserve(size: number): number {
    const at = this.at;
    this.zeros(size);
    return at;
  }

  /** Overwrites the four bytes at `position`, which were written or reserved before. */
  patchUint32(position: number, value: number): void {
    if (position < 0 || position + 4 > this.at)
      this.fail(`cannot patch at ${position}: only ${this.at} bytes are written`);
    this.data.setUint32(position, value, this.littleEndian);
  }

  /** What was written, as a view that the next write or reset may change. */
  view(): Uint8Array {
    return this.buffer.subarray(0, this.at);
  }

  /** What is written to, for a look at it without a view: another one once it has grown. */
  get memory(): Uint8Array {
    return this.buffer;
  }

  /** A copy of what was written from `from` to `to`. */
  copy(from: number, to: number = this.at): Uint8Array {
    return this.buffer.slice(from, to);
  }

  /** What was written, as bytes that no later write touches; the writer starts again at 0. */
  take(): Uint8Array {
    // A buffer mostly empty is copied from and kept; a full one is given away.
    const { at } = this;
    if (at * 2 <= this.buffer.length) {
      const taken = this.buffer.slice(0, at);
      this.reset();
      return taken;
    }
    const taken = this.view();
    this.reset(nothing);
    return taken;
  }

  /** Starts again at 0, over the same buffer or another one. The buffer is written over; what outgrows it gets a new one. */
  reset(buffer?: Uint8Array | undefined): void {
    if (buffer !== undefined) this.#use(buffer);
    this.at = 0;
  }

  /** Takes back what was written after `position`. */
  truncate(position: number): void {
    if (position < 0 || position > this.at)
      this.fail(`cannot truncate to ${position}: only ${this.at} bytes are written`);
    this.at = position;
  }
}

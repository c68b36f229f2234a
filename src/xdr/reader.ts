import { Reader } from "../bytes/index.js";
import { DecodeError } from "../model/index.js";
import { depthMaxDefault, emptyElementsMax, lengthMax } from "./limits.js";
import { Quadruple } from "./quadruple.js";

/** What an XDR reader may use. */
export interface XdrReaderOptions {
  /** How deep recursive types may nest; default {@link depthMaxDefault}. */
  readonly depthMax?: number | undefined;
  /** Accepts padding bytes that are not zero, which some peers send; default false. */
  readonly anyPadding?: boolean | undefined;
}

/**
 * Reads the types of XDR (RFC 4506). Each method is one clause of the specification and throws a `DecodeError`, with
 * the offset, for bytes that are not one. What compiled stubs call.
 */
export class XdrReader extends Reader {
  readonly depthMax: number;
  readonly anyPadding: boolean;
  #depth = 0;
  #emptyElements = 0;

  constructor(buffer?: Uint8Array | undefined, options: XdrReaderOptions = {}) {
    super();
    this.depthMax = options.depthMax ?? depthMaxDefault;
    this.anyPadding = options.anyPadding ?? false;
    if (buffer !== undefined) this.reset(buffer);
  }

  override reset(buffer: Uint8Array, start?: number, end?: number): void {
    super.reset(buffer, start, end);
    this.#depth = 0;
    this.#emptyElements = 0;
  }

  override fail(message: string): never {
    const error = new DecodeError(message);
    error.offset = this.at - this.start;
    throw error;
  }

  /** Fails at `position`, where the item at fault began. */
  failAt(position: number, message: string): never {
    this.at = position;
    this.fail(message);
  }

  /** Fails at the item that began `size` bytes ago. */
  #refuse(size: number, message: string): never {
    this.failAt(this.at - size, message);
  }

  /** 4.1: a whole number from -2^31 to 2^31 - 1. */
  int(): number {
    return this.int32();
  }

  /** 4.2: a whole number from 0 to 2^32 - 1. */
  uint(): number {
    return this.uint32();
  }

  /** The dialect's `char`: an int from -128 to 127. */
  char(): number {
    const value = this.int32();
    if ((value << 24) >> 24 !== value) this.#refuse(4, `expected a char from -128 to 127, got ${value}`);
    return value;
  }

  /** The dialect's `unsigned char`: an int from 0 to 255. */
  uchar(): number {
    const value = this.uint32();
    if (value > 0xff) this.#refuse(4, `expected an unsigned char from 0 to 255, got ${value}`);
    return value;
  }

  /** The dialect's `short`: an int from -32768 to 32767. */
  short(): number {
    const value = this.int32();
    if ((value << 16) >> 16 !== value) this.#refuse(4, `expected a short from -32768 to 32767, got ${value}`);
    return value;
  }

  /** The dialect's `unsigned short`: an int from 0 to 65535. */
  ushort(): number {
    const value = this.uint32();
    if (value > 0xffff) this.#refuse(4, `expected an unsigned short from 0 to 65535, got ${value}`);
    return value;
  }

  /** 4.3: one of the numbers in `members`; `name` is the enum's, for the message. */
  enumeration<T extends number>(members: ReadonlySet<T>, name: string): T {
    const value = this.int32() as T;
    if (!members.has(value)) this.#refuse(4, `${value} is not a member of enum ${name}`);
    return value;
  }

  /** 4.4: 1 or 0. */
  bool(): boolean {
    const value = this.uint32();
    if (value > 1) this.#refuse(4, `expected a bool, 0 or 1, got ${value}`);
    return value === 1;
  }

  /** 4.5: a bigint from -2^63 to 2^63 - 1. */
  hyper(): bigint {
    return this.int64();
  }

  /** 4.5: a bigint from 0 to 2^64 - 1. */
  uhyper(): bigint {
    return this.uint64();
  }

  /** 4.6: single precision. */
  float(): number {
    return this.float32();
  }

  /** 4.7: double precision. */
  double(): number {
    return this.float64();
  }

  /** 4.8: quadruple precision, all 16 bytes. */
  quadruple(): Quadruple {
    this.need(16);
    return new Quadruple(this.uint64(), this.uint64());
  }

  /** 4.9: exactly `length` bytes, and zeros to a multiple of four. */
  opaqueFixed(length: number): Uint8Array {
    this.need(length);
    const value = this.bytes(length);
    this.#pad(length);
    return value;
  }

  /** 4.10: at most `max` bytes, after their count. */
  opaque(max: number = lengthMax): Uint8Array {
    const length = this.#length(max, "opaque data");
    const value = this.bytes(length);
    this.#pad(length);
    return value;
  }

  /** 4.11: text as UTF-8, at most `max` bytes, after their count. */
  string(max: number = lengthMax): string {
    const length = this.#length(max, "a string");
    if (length === 0) return "";
    const value = this.utf8(length);
    this.#pad(length);
    return value;
  }

  #length(max: number, what: string): number {
    const length = this.uint32();
    if (length > max || length > this.end - this.at) this.#refuseLength(length, max, what);
    return length;
  }

  #refuseLength(length: number, max: number, what: string): never {
    if (length > max) this.#refuse(4, `expected ${what} of at most ${max} bytes, got ${length}`);
    this.#refuse(4, `${what} of ${length} bytes is announced, ${this.remaining} are left`);
  }

  #pad(length: number): void {
    const padding = -length & 3;
    if (padding === 0) return;
    if (this.anyPadding) this.skip(padding);
    else this.zeros(padding);
  }

  /**
   * 4.13: the count of a variable-length array, at most `max`. It is checked against the bytes that are present, so
   * that allocating for it is safe.
   *
   * @param elementSizeMin fewest bytes of one element on the wire, 0 for elements without bytes
   */
  count(max: number, elementSizeMin: number): number {
    const count = this.uint32();
    if (count > max) this.#refuse(4, `expected an array of at most ${max}, got ${count}`);
    this.countFixed(count, elementSizeMin);
    return count;
  }

  /** 4.12: checks a count, which is not on the wire, against the bytes that are present. */
  countFixed(count: number, elementSizeMin: number): void {
    if (elementSizeMin === 0) {
      this.#emptyElements += count;
      if (this.#emptyElements > emptyElementsMax) {
        this.fail(`more than ${emptyElementsMax} array elements without bytes in one message`);
      }
    } else if (count * elementSizeMin > this.end - this.at) {
      this.fail(`an array of ${count} needs at least ${count * elementSizeMin} bytes, ${this.end - this.at} are left`);
    }
  }

  /** Goes one level into a recursive type. */
  enter(): void {
    if (++this.#depth > this.depthMax) this.fail(`the value nests deeper than ${this.depthMax} levels`);
  }

  /** Leaves the level that {@link enter} began. */
  leave(): void {
    this.#depth--;
  }
}

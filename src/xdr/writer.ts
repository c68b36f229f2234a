import { Writer, type WriterOptions } from "../bytes/index.js";
import { describe } from "../model/describe.js";
import { EncodeError } from "../model/index.js";
import { depthMaxDefault, lengthMax } from "./limits.js";
import { Quadruple } from "./quadruple.js";

/** What an XDR writer may use. */
export interface XdrWriterOptions extends Omit<WriterOptions, "littleEndian"> {
  /** How deep recursive types may nest; default {@link depthMaxDefault}. */
  readonly depthMax?: number | undefined;
}

/**
 * Writes the types of XDR (RFC 4506). Each method is one clause of the specification and refuses, with an
 * `EncodeError`, every value that the wire cannot carry exactly. What compiled stubs call.
 */
export class XdrWriter extends Writer {
  readonly depthMax: number;
  #depth = 0;

  constructor(options: XdrWriterOptions = {}) {
    super({ sizeMax: options.sizeMax, sizeInitial: options.sizeInitial });
    this.depthMax = options.depthMax ?? depthMaxDefault;
  }

  override fail(message: string): never {
    throw new EncodeError(message);
  }

  #refuse(expected: string, value: unknown): never {
    this.fail(`expected ${expected}, got ${describe(value)}`);
  }

  /** 4.1: a whole number from -2^31 to 2^31 - 1. */
  int(value: number): void {
    if (typeof value !== "number" || (value | 0) !== value) {
      this.#refuse("an integer from -2147483648 to 2147483647", value);
    }
    this.uint32(value);
  }

  /** 4.2: a whole number from 0 to 2^32 - 1. */
  uint(value: number): void {
    if (typeof value !== "number" || value >>> 0 !== value) this.#refuse("an integer from 0 to 4294967295", value);
    this.uint32(value);
  }

  /** The dialect's `char`: an int from -128 to 127. */
  char(value: number): void {
    if (typeof value !== "number" || (value << 24) >> 24 !== value) this.#refuse("an integer from -128 to 127", value);
    this.uint32(value);
  }

  /** The dialect's `unsigned char`: an int from 0 to 255. */
  uchar(value: number): void {
    if (typeof value !== "number" || (value & 0xff) !== value) this.#refuse("an integer from 0 to 255", value);
    this.uint32(value);
  }

  /** The dialect's `short`: an int from -32768 to 32767. */
  short(value: number): void {
    if (typeof value !== "number" || (value << 16) >> 16 !== value) {
      this.#refuse("an integer from -32768 to 32767", value);
    }
    this.uint32(value);
  }

  /** The dialect's `unsigned short`: an int from 0 to 65535. */
  ushort(value: number): void {
    if (typeof value !== "number" || (value & 0xffff) !== value) this.#refuse("an integer from 0 to 65535", value);
    this.uint32(value);
  }

  /** 4.3: one of the numbers in `members`; `name` is the enum's, for the message. */
  enumeration(value: number, members: ReadonlySet<number>, name: string): void {
    if (!members.has(value)) this.#refuse(`a member of enum ${name}`, value);
    this.int(value);
  }

  /** 4.4: 1 or 0. */
  bool(value: boolean): void {
    if (typeof value !== "boolean") this.#refuse("true or false", value);
    this.uint32(value ? 1 : 0);
  }

  /** 4.5: a bigint from -2^63 to 2^63 - 1. */
  hyper(value: bigint): void {
    if (typeof value !== "bigint" || BigInt.asIntN(64, value) !== value) {
      this.#refuse("a bigint from -9223372036854775808n to 9223372036854775807n", value);
    }
    this.uint64(value);
  }

  /** 4.5: a bigint from 0 to 2^64 - 1. */
  uhyper(value: bigint): void {
    if (typeof value !== "bigint" || BigInt.asUintN(64, value) !== value) {
      this.#refuse("a bigint from 0n to 18446744073709551615n", value);
    }
    this.uint64(value);
  }

  /**
   * 4.6: single precision. A number is rounded to the nearest float, as in C: that is what declaring a `float` asks
   * for, and 0.1 could not be sent otherwise. A finite number that would become infinite is refused. NaN and
   * the infinities are values.
   */
  float(value: number): void {
    if (typeof value !== "number") this.#refuse("a number", value);
    const rounded = Math.fround(value);
    if (rounded - rounded !== 0 && value - value === 0) {
      this.#refuse("a number within single precision, at most 3.4028234663852886e38", value);
    }
    this.float32(rounded);
  }

  /** 4.7: double precision; -0 keeps its sign. */
  double(value: number): void {
    if (typeof value !== "number") this.#refuse("a number", value);
    this.float64(value);
  }

  /** 4.8: quadruple precision, all 16 bytes. */
  quadruple(value: Quadruple): void {
    if (!(value instanceof Quadruple)) this.#refuse("a Quadruple", value);
    this.uint64(value.high);
    this.uint64(value.low);
  }

  /** 4.9: exactly `length` bytes, and zeros to a multiple of four. */
  opaqueFixed(value: Uint8Array, length: number): void {
    if (!(value instanceof Uint8Array) || value.length !== length)
      this.#refuse(`a Uint8Array of ${length} bytes`, value);
    this.bytes(value);
    this.zeros(-length & 3);
  }

  /** 4.10: at most `max` bytes, after their count. */
  opaque(value: Uint8Array, max: number = lengthMax): void {
    if (!(value instanceof Uint8Array) || value.length > max) {
      this.#refuse(max === lengthMax ? "a Uint8Array" : `a Uint8Array of at most ${max} bytes`, value);
    }
    this.uint32(value.length);
    this.bytes(value);
    this.zeros(-value.length & 3);
  }

  /** 4.11: text as UTF-8, at most `max` bytes (bytes, not characters), after their count. */
  string(value: string, max: number = lengthMax): void {
    // Text never has fewer bytes than code units, so a hopeless one is refused before it is written.
    if (typeof value !== "string" || value.length > max) this.#refuseText(value, max);
    const at = this.at;
    this.uint32(value.length);
    const length = this.utf8Padded(value);
    if (length !== value.length) this.#correctLength(at, length, max);
  }

  #correctLength(at: number, length: number, max: number): void {
    if (length > max) this.fail(`expected a string of at most ${max} bytes in UTF-8, got one of ${length} bytes`);
    this.patchUint32(at, length);
  }

  #refuseText(value: unknown, max: number): never {
    this.#refuse(max === lengthMax ? "a string" : `a string of at most ${max} bytes in UTF-8`, value);
  }

  /** 4.13: the count of a variable-length array, at most `max`; the elements follow. */
  count(count: number, max: number = lengthMax): void {
    if (typeof count !== "number") this.fail("expected an array");
    if (count > max) this.fail(`expected an array of at most ${max}, got one of ${count}`);
    this.uint(count);
  }

  /** 4.12: checks the count of a fixed-length array, which is not on the wire. */
  countFixed(count: number, expected: number): void {
    if (count !== expected) {
      this.fail(
        typeof count === "number" ? `expected an array of ${expected}, got one of ${count}` : "expected an array",
      );
    }
  }

  /** Goes one level into a recursive type. */
  enter(): void {
    if (++this.#depth > this.depthMax) {
      this.fail(`the value nests deeper than ${this.depthMax} levels; it may contain itself`);
    }
  }

  /** Leaves the level that {@link enter} began. */
  leave(): void {
    this.#depth--;
  }

  override reset(buffer?: Uint8Array | undefined): void {
    super.reset(buffer);
    this.#depth = 0;
  }

  /** Takes back what was written after `position`, where a value began: a value that failed left it half written. */
  override truncate(position: number): void {
    super.truncate(position);
    this.#depth = 0;
  }
}

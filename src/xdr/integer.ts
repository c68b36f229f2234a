import type { IntegerShape } from "../model/index.js";
import type { XdrCodec } from "./codec.js";

/** RFC 4506, section 4.1: a whole number from -2^31 to 2^31 - 1. */
export const int: XdrCodec<number> = {
  encode: (w, v) => w.int(v),
  decode: (r) => r.int(),
  shape: shape(32, true),
};

/** RFC 4506, section 4.2: a whole number from 0 to 2^32 - 1. */
export const uint: XdrCodec<number> = {
  encode: (w, v) => w.uint(v),
  decode: (r) => r.uint(),
  shape: shape(32, false),
};

/** RFC 4506, section 4.5: a bigint from -2^63 to 2^63 - 1. */
export const hyper: XdrCodec<bigint> = {
  encode: (w, v) => w.hyper(v),
  decode: (r) => r.hyper(),
  shape: shape(64, true),
};

/** RFC 4506, section 4.5: a bigint from 0 to 2^64 - 1. */
export const uhyper: XdrCodec<bigint> = {
  encode: (w, v) => w.uhyper(v),
  decode: (r) => r.uhyper(),
  shape: shape(64, false),
};

// The dialect of real `.x` files has C's small integers. Each takes four bytes, as an int.

/** A whole number from -128 to 127, four bytes on the wire. */
export const char: XdrCodec<number> = {
  encode: (w, v) => w.char(v),
  decode: (r) => r.char(),
  shape: shape(8, true),
};

/** A whole number from 0 to 255, four bytes on the wire. */
export const uchar: XdrCodec<number> = {
  encode: (w, v) => w.uchar(v),
  decode: (r) => r.uchar(),
  shape: shape(8, false),
};

/** A whole number from -32768 to 32767, four bytes on the wire. */
export const short: XdrCodec<number> = {
  encode: (w, v) => w.short(v),
  decode: (r) => r.short(),
  shape: shape(16, true),
};

/** A whole number from 0 to 65535, four bytes on the wire. */
export const ushort: XdrCodec<number> = {
  encode: (w, v) => w.ushort(v),
  decode: (r) => r.ushort(),
  shape: shape(16, false),
};

function shape(bits: IntegerShape["bits"], signed: boolean): IntegerShape {
  return { kind: "integer", bits, signed };
}

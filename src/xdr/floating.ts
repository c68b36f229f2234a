import type { XdrCodec } from "./codec.js";
import type { Quadruple } from "./quadruple.js";

/**
 * RFC 4506, section 4.6: single precision. A number is rounded to the nearest float, as in C; a finite number beyond
 * the largest one is refused.
 */
export const float: XdrCodec<number> = {
  encode: (w, v) => w.float(v),
  decode: (r) => r.float(),
  shape: { kind: "float", bits: 32 },
};

/** RFC 4506, section 4.7: double precision, JavaScript's own. */
export const double: XdrCodec<number> = {
  encode: (w, v) => w.double(v),
  decode: (r) => r.double(),
  shape: { kind: "float", bits: 64 },
};

/** RFC 4506, section 4.8: quadruple precision, kept as its 16 bytes. */
export const quadruple: XdrCodec<Quadruple> = {
  encode: (w, v) => w.quadruple(v),
  decode: (r) => r.quadruple(),
  shape: { kind: "float", bits: 128 },
};

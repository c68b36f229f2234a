import type { XdrCodec } from "./codec.js";
import { checkLength, lengthMax } from "./limits.js";

/** RFC 4506, section 4.9: exactly `length` bytes. */
export function opaqueFixed(length: number): XdrCodec<Uint8Array> {
  checkLength(length);
  return {
    encode: (w, v) => w.opaqueFixed(v, length),
    decode: (r) => r.opaqueFixed(length),
    shape: { kind: "opaque", length, fixed: true },
  };
}

/** RFC 4506, section 4.10: at most `max` bytes. From 1,024 bytes on, what is decoded is a view of the reader's buffer. */
export function opaque(max: number = lengthMax): XdrCodec<Uint8Array> {
  checkLength(max);
  return {
    encode: (w, v) => w.opaque(v, max),
    decode: (r) => r.opaque(max),
    shape: { kind: "opaque", length: max, fixed: false },
  };
}

/** RFC 4506, section 4.11: text, strict UTF-8, of at most `max` bytes (not characters). */
export function string(max: number = lengthMax): XdrCodec<string> {
  checkLength(max);
  return {
    encode: (w, v) => w.string(v, max),
    decode: (r) => r.string(max),
    shape: { kind: "string", max, as: "text" },
  };
}

/** RFC 4506, section 4.11, for peers whose strings are not UTF-8: a string on the wire, its bytes in JavaScript. */
export function bytesString(max: number = lengthMax): XdrCodec<Uint8Array> {
  checkLength(max);
  return {
    encode: (w, v) => w.opaque(v, max),
    decode: (r) => r.opaque(max),
    shape: { kind: "string", max, as: "bytes" },
  };
}

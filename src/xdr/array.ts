import { describe } from "../model/describe.js";
import type { ArrayShape } from "../model/index.js";
import type { XdrCodec } from "./codec.js";
import { checkLength, lengthMax } from "./limits.js";
import type { XdrReader } from "./reader.js";
import { sizeMin } from "./size.js";
import type { XdrWriter } from "./writer.js";

/** RFC 4506, section 4.12: exactly `length` elements. */
export function arrayFixed<T>(of: XdrCodec<T>, length: number): XdrCodec<T[]> {
  return codec(of, length, true);
}

/** RFC 4506, section 4.13: at most `max` elements. */
export function array<T>(of: XdrCodec<T>, max: number = lengthMax): XdrCodec<T[]> {
  return codec(of, max, false);
}

function codec<T>(of: XdrCodec<T>, length: number, fixed: boolean): XdrCodec<T[]> {
  checkLength(length);
  const shape: ArrayShape = { kind: "array", element: of.shape, length, fixed };
  // Found out at the first decode: the element may be a type that is not yet defined.
  let elementSizeMin: number | undefined;
  return {
    encode(w: XdrWriter, v: T[]) {
      if (!Array.isArray(v)) w.fail(`expected an array, got ${describe(v)}`);
      if (fixed) w.countFixed(v.length, length);
      else w.count(v.length, length);
      for (let i = 0; i < v.length; i++) of.encode(w, v[i] as T);
    },
    decode(r: XdrReader) {
      elementSizeMin ??= sizeMin(of.shape);
      let count = length;
      if (fixed) r.countFixed(length, elementSizeMin);
      else count = r.count(length, elementSizeMin);
      const v: T[] = [];
      for (let i = 0; i < count; i++) v.push(of.decode(r));
      return v;
    },
    shape,
  };
}

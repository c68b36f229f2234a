import type { Shape } from "../model/index.js";
import { explainEncode, type XdrCodec } from "../xdr/index.js";

/** A codec whose value is the list of a procedure's arguments, which follow one another on the wire. */
export interface ArgsCodec extends XdrCodec<readonly unknown[]> {
  /** The shape of each argument. */
  readonly shapes: readonly Shape[];
}

/** Makes one codec of a procedure's arguments. The usual counts are spelled out: every call passes through here. */
export function argsCodec(codecs: readonly XdrCodec<unknown>[]): ArgsCodec {
  const shapes = codecs.map((codec) => codec.shape);
  const shape: Shape = { kind: "struct", fields: shapes.map((shape, index) => ({ name: nameOf(index), shape })) };
  const [first] = codecs;
  if (first === undefined) return { encode: () => {}, decode: () => [], shape, shapes };
  if (codecs.length === 1) {
    return { encode: (w, values) => first.encode(w, values[0]), decode: (r) => [first.decode(r)], shape, shapes };
  }
  return {
    encode(w, values) {
      for (let i = 0; i < codecs.length; i++) codecs[i]?.encode(w, values[i]);
    },
    decode: (r) => codecs.map((codec) => codec.decode(r)),
    shape,
    shapes,
  };
}

const nameOf = (index: number): string => `args[${index}]`;

/** The error to report for arguments that could not be encoded: it names the field, and the argument if there are several. */
export function explainArgs(error: unknown, { shape, shapes }: ArgsCodec, values: readonly unknown[]): unknown {
  const [only] = shapes;
  if (shapes.length === 1 && only !== undefined) return explainEncode(error, only, values[0]);
  return explainEncode(error, shape, Object.fromEntries(shapes.map((_, index) => [nameOf(index), values[index]])));
}

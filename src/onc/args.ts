import type { Shape } from "../model/index.js";
import type { XdrCodec } from "../xdr/index.js";

/** A codec whose value is the list of a procedure's arguments, which follow one another on the wire. */
export type ArgsCodec = XdrCodec<readonly unknown[]>;

/** Makes one codec of a procedure's arguments. The usual counts are spelled out: every call passes through here. */
export function argsCodec(codecs: readonly XdrCodec<unknown>[]): ArgsCodec {
  const shape: Shape = {
    kind: "struct",
    fields: codecs.map((codec, index) => ({ name: codecs.length === 1 ? "" : `args[${index}]`, shape: codec.shape })),
  };
  const [first] = codecs;
  if (first === undefined) return { encode: () => {}, decode: () => [], shape };
  if (codecs.length === 1) {
    return { encode: (w, values) => first.encode(w, values[0]), decode: (r) => [first.decode(r)], shape };
  }
  return {
    encode(w, values) {
      for (let i = 0; i < codecs.length; i++) codecs[i]?.encode(w, values[i]);
    },
    decode: (r) => codecs.map((codec) => codec.decode(r)),
    shape,
  };
}

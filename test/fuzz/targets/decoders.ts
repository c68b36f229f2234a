// Whatever bytes a decoder is given: a value that is written as it came, or a DecodeError that can be explained.
import { NfsV3 } from "../../../examples/nfs-server/nfs.js";
import * as directory from "../../../src/binder/directory/directory.js";
import { weightOf } from "../../../src/call/weight.js";
import { DecodeError } from "../../../src/model/index.js";
import * as session from "../../../src/onc/session/session.js";
import { decode, encode, explainDecode, type XdrCodec } from "../../../src/xdr/index.js";
import { toHex } from "../../support/raw-messages.js";
import { byBool, byEnum, byInt, items, node, texts, tree } from "../../xdr/types.js";
import { damageBytes } from "../random.js";
import { corpusRandom, type Target, type Task } from "../target.js";
import { encodedOf, hasFloat } from "../values.js";
import { reply } from "./messages.js";

const corpusOf = (codec: XdrCodec<unknown>): Uint8Array[] =>
  Array.from({ length: 24 }, () => encodedOf(corpusRandom, codec));

function decoders(name: string, share: number, codecs: readonly XdrCodec<unknown>[]): Target {
  const corpora = codecs.map((codec) => ({ codec, corpus: corpusOf(codec) }));
  const floats = new Set(codecs.filter(({ shape }) => hasFloat(shape)));
  // What can be long at its end is; the rest stays as it is.
  const longer = codecs.map((codec) => ({ codec, corpus: [encodedOf(corpusRandom, codec, 500)] }));
  return {
    name,
    share,
    // The error with its stack, and the walk that explains it, some 1 KB for each level that the type is deep.
    allowance: 24_576,
    make(random, large) {
      const { codec, corpus } = random.pick(large ? longer : corpora);
      const bytes = damageBytes(random, random.pick(corpus), random.pick(random.pick(corpora).corpus));
      return { size: bytes.length, prepare: () => decoding(codec, floats.has(codec), bytes) };
    },
  };
}

function decoding(codec: XdrCodec<unknown>, hasFloats: boolean, bytes: Uint8Array): Task {
  let decoded: { readonly value: unknown } | undefined;
  return {
    work() {
      try {
        decoded = { value: decode(codec, bytes) };
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        explainDecode(error, codec.shape, bytes, 0, bytes.length);
      }
    },
    check() {
      if (decoded === undefined) return undefined;
      const { value } = decoded;
      const weight = weightOf(value);
      if (weight > 32 * bytes.length + 256) return `${bytes.length} bytes became a value of some ${weight}`;
      const again = encode(codec, value);
      // One value, one encoding; but a NaN has many, and JavaScript keeps only one of them.
      const same = again.length === bytes.length && (hasFloats || Buffer.compare(again, bytes) === 0);
      return same ? undefined : `the value of ${toHex(bytes)} is written as ${toHex(again)}`;
    },
  };
}

const nfsCodecs = Object.values(
  NfsV3.procedures as Record<string, { args: readonly XdrCodec<unknown>[]; result: XdrCodec<unknown> }>,
).flatMap(({ args, result }) => [...args, result]);

/** Of farcall's own programs. */
const ownCodecs = [...Object.entries(session), ...Object.entries(directory)]
  .filter(([name]) => name.startsWith("xdr"))
  .map(([, codec]) => codec as XdrCodec<unknown>);

/** Codecs that were put together, and those that the compiler wrote. */
export const decoderTargets: readonly Target[] = [
  decoders("combinators", 5, [items, texts, byInt, byEnum, byBool, tree, node, reply]),
  decoders("stubs", 5, [...nfsCodecs, ...ownCodecs]),
];

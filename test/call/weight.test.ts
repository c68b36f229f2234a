import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { weightOf } from "../../src/call/weight.js";
import {
  array,
  decode,
  double,
  hyper,
  int,
  opaque,
  optional,
  string,
  struct,
  type XdrCodec,
} from "../../src/xdr/index.js";
import { fromHex, opaqueHex, words } from "../support/raw-messages.js";
import { node } from "../xdr/types.js";

/** The weights are of V8's objects; another engine has others, and no collector that can be asked. */
const isV8 = process.versions["bun"] === undefined;
if (isV8) setFlagsFromString("--expose-gc");
const collect = (isV8 ? runInNewContext("gc") : () => {}) as () => void;

/** Bytes that so many decoded values take, by the heap; the least of three. */
function taken(codec: XdrCodec<unknown>, bytes: Uint8Array): number {
  const times = 300;
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 3; attempt++) {
    const values: unknown[] = new Array(times);
    // Twice: what the first leaves to finalizers, the second takes.
    collect();
    collect();
    const before = process.memoryUsage();
    for (let i = 0; i < times; i++) values[i] = decode(codec, bytes);
    collect();
    const after = process.memoryUsage();
    least = Math.min(least, after.heapUsed + after.external - before.heapUsed - before.external);
    values.length = 0;
  }
  return least / times;
}

const many = (element: string, count = 1_000): Uint8Array => fromHex(words(count) + element.repeat(count));

describe.skipIf(!isV8)("the weight of a decoded value, with its message", () => {
  it.each<[string, XdrCodec<unknown>, Uint8Array]>([
    ["single bytes", array(opaque()), many(opaqueHex(new Uint8Array(1)))],
    ["no bytes", array(opaque()), many(words(0))],
    ["bytes that are copied", array(opaque()), many(opaqueHex(new Uint8Array(500)), 200)],
    ["arrays of one", array(array(int)), many(words(1, 7))],
    ["arrays of none", array(array(int)), many(words(0))],
    ["short strings", array(string()), many(opaqueHex(fromHex("61626364")))],
    ["large integers", array(hyper), many(words(0x12345678, 0x9abcdef0))],
    ["small integers", array(int), many(words(5))],
    ["floating point", array(double), many(words(0x3ff80000, 0))],
    ["structs", array(struct({ a: int, b: int })), many(words(1, 2))],
    ["structs in structs", array(struct({ a: struct({ a: struct({ a: int }) }) })), many(words(1))],
    ["optionals", array(optional(int)), many(words(0))],
    ["a list", node, fromHex(`${words(7, 1).repeat(999)}${words(7, 0)}`)],
  ])("is about what %s take", (_name, codec, bytes) => {
    const weight = weightOf(decode(codec, bytes)) + bytes.length;
    const really = taken(codec, bytes);
    expect(weight).toBeGreaterThan(0.5 * really);
    // A message's bytes count whether or not they are kept.
    expect(weight).toBeLessThan(3 * really + bytes.length);
  });
});

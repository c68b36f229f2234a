import { describe, expect, it } from "vitest";
import { DecodeError, EncodeError } from "../../src/model/index.js";
import {
  array,
  arrayFixed,
  bool,
  bytesString,
  char,
  decode,
  depthMaxDefault,
  double,
  emptyElementsMax,
  encode,
  float,
  hyper,
  int,
  opaque,
  opaqueFixed,
  optional,
  quadruple,
  recursive,
  short,
  string,
  struct,
  uchar,
  uhyper,
  uint,
  ushort,
  type XdrCodec,
  XdrReader,
  XdrWriter,
} from "../../src/xdr/index.js";
import { byBool, byEnum, byInt, color, list, node, pair, type Tree, tree } from "./types.js";

const words = (...values: number[]) => {
  const bytes = new DataView(new ArrayBuffer(values.length * 4));
  for (const [i, value] of values.entries()) bytes.setInt32(i * 4, value);
  return new Uint8Array(bytes.buffer);
};

describe("values that the wire cannot carry", () => {
  const integers: [string, XdrCodec<unknown>, number, number][] = [
    ["int", int, -2147483648, 2147483647],
    ["uint", uint, 0, 4294967295],
    ["char", char, -128, 127],
    ["uchar", uchar, 0, 255],
    ["short", short, -32768, 32767],
    ["ushort", ushort, 0, 65535],
  ];
  it.each(integers)("%s takes whole numbers within its range only", (_, codec, least, most) => {
    const others = [
      least - 1,
      most + 1,
      1.5,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      2 ** 53,
      "5",
      5n,
      true,
      null,
      undefined,
    ];
    for (const value of [...others, {}, [], [5], Symbol("5"), () => 5, { valueOf: () => 5 }]) {
      expect(() => encode(codec, value)).toThrow(EncodeError);
      expect(() => encode(codec, value)).toThrow(`expected an integer from ${least} to ${most}, got `);
    }
  });

  it.each<[string, XdrCodec<unknown>, unknown, string]>([
    ["int", int, 1.5, "expected an integer from -2147483648 to 2147483647, got 1.5"],
    ["int", int, "5", 'expected an integer from -2147483648 to 2147483647, got "5"'],
    [
      "hyper",
      hyper,
      2n ** 63n,
      "expected a bigint from -9223372036854775808n to 9223372036854775807n, got 9223372036854775808n",
    ],
    ["hyper", hyper, -(2n ** 63n) - 1n, "got -9223372036854775809n"],
    ["hyper", hyper, 5, "got 5"],
    ["hyper", hyper, 2n ** 1000n, "got a bigint of more than 160 bits"],
    ["uhyper", uhyper, -1n, "expected a bigint from 0n to 18446744073709551615n, got -1n"],
    ["uhyper", uhyper, 2n ** 64n, "got 18446744073709551616n"],
    ["bool", bool, 1, "expected true or false, got 1"],
    ["bool", bool, undefined, "expected true or false, got undefined"],
    ["enum", color, 2, "expected a member of enum color, got 2"],
    ["enum", color, "RED", 'expected a member of enum color, got "RED"'],
    ["float", float, 3.5e38, "expected a number within single precision"],
    ["float", float, -1e300, "expected a number within single precision"],
    ["float", float, "1", 'expected a number, got "1"'],
    ["double", double, 1n, "expected a number, got 1n"],
    ["quadruple", quadruple, 1, "expected a Quadruple, got 1"],
    ["string", string(), 5, "expected a string, got 5"],
    ["string", string(3), "abcd", 'expected a string of at most 3 bytes in UTF-8, got "abcd"'],
    ["string", string(3), "\u00e9\u00e9", "expected a string of at most 3 bytes in UTF-8, got one of 4 bytes"],
    ["string", string(), "a\ud800", "half of a surrogate pair"],
    ["opaque", opaque(), "ab", 'expected a Uint8Array, got "ab"'],
    ["opaque", opaque(), [1], "expected a Uint8Array, got an array of 1"],
    ["opaque", opaque(2), new Uint8Array(3), "expected a Uint8Array of at most 2 bytes, got a Uint8Array of 3 bytes"],
    ["opaque", opaqueFixed(2), new Uint8Array(1), "expected a Uint8Array of 2 bytes, got a Uint8Array of 1 bytes"],
    ["bytes string", bytesString(2), new Uint8Array(3), "expected a Uint8Array of at most 2 bytes"],
    ["array", array(int, 2), [1, 2, 3], "expected an array of at most 2, got one of 3"],
    ["array", array(int), { length: 1 }, "expected an array, got an object"],
    ["array", arrayFixed(int, 2), [1], "expected an array of 2, got one of 1"],
    ["struct", pair, null, "expected an object, got null"],
    ["struct", pair, { a: 1 }, "b: expected an integer from -2147483648 to 2147483647, got undefined"],
    ["optional", optional(int), undefined, "got undefined"],
    [
      "union",
      byInt,
      { status: 7, code: 1n },
      'status: 7 is no case of union by_int; for others, say "default" and give the number in $kind',
    ],
    ["union", byInt, { status: "default", $kind: 1, code: 1n }, "$kind: 1 has an arm of its own"],
    ["union", byInt, { status: "default", $kind: 2 ** 31, code: 1n }, "$kind: expected an integer from"],
    ["union", byInt, { status: "other" }, 'status: "other" is no case'],
    ["union", byEnum, { paint: 3 }, "paint: expected a member of enum color, got 3"],
    ["union", byBool, { known: 1 }, "known: expected true or false, got 1"],
    ["union", byBool, 5, "expected an object, got 5"],
  ])("%s refuses %s", (_, codec, value, message) => {
    expect(() => encode(codec, value)).toThrow(EncodeError);
    expect(() => encode(codec, value)).toThrow(message);
  });

  it("a float rounds as in C, and what rounds down to the largest one is accepted", () => {
    expect(decode(float, encode(float, 0.1))).toBe(Math.fround(0.1));
    expect(decode(float, encode(float, 3.4028235e38))).toBe(3.4028234663852886e38);
  });

  it("-0 as an integer is 0, which has one zero only", () => {
    expect([...encode(int, -0), ...encode(uint, -0), ...encode(char, -0)]).toEqual(new Array(12).fill(0));
  });
});

describe("bytes that are no value", () => {
  it.each<[string, XdrCodec<unknown>, Uint8Array, string]>([
    ["a bool of 2", bool, words(2), "expected a bool, 0 or 1, got 2"],
    ["a pointer of 2", optional(int), words(2, 1), "expected a bool, 0 or 1, got 2"],
    ["an unassigned enum", color, words(2), "2 is not a member of enum color"],
    ["a char of 128", char, words(128), "expected a char from -128 to 127, got 128"],
    ["a char of -129", char, words(-129), "got -129"],
    ["an unsigned char of 256", uchar, words(256), "expected an unsigned char from 0 to 255, got 256"],
    ["an unsigned char of -1", uchar, words(-1), "got 4294967295"],
    ["a short of 32768", short, words(32768), "expected a short from -32768 to 32767, got 32768"],
    ["an unsigned short of 65536", ushort, words(65536), "expected an unsigned short from 0 to 65535, got 65536"],
    ["a string longer than declared", string(3), words(4, 0), "expected a string of at most 3 bytes, got 4"],
    ["a string longer than the bytes", string(), words(5, 0), "a string of 5 bytes is announced, 4 are left"],
    ["a string that is not UTF-8", string(), words(4, -1), "are not UTF-8"],
    ["opaque data longer than declared", opaque(3), words(4, 0), "expected opaque data of at most 3 bytes, got 4"],
    ["an array longer than declared", array(int, 1), words(2, 0, 0), "expected an array of at most 1, got 2"],
    ["an array longer than the bytes", array(int), words(3, 0, 0), "an array of 3 needs at least 12 bytes, 8 are left"],
    ["a discriminant without an arm", byBool, words(3), "expected a bool"],
  ])("%s", (_, codec, bytes, message) => {
    expect(() => decode(codec, bytes)).toThrow(DecodeError);
    expect(() => decode(codec, bytes)).toThrow(message);
  });
});

describe("limits", () => {
  it("a count is checked against the bytes before anything is allocated", () => {
    const arrays: XdrCodec<unknown>[] = [array(int), array(pair), array(string()), array(array(int)), array(byInt)];
    for (const codec of [...arrays, array(optional(pair)) as XdrCodec<unknown>]) {
      expect(() => decode(codec, words(-1, 0, 0))).toThrow("an array of 4294967295 needs at least");
    }
    const strings: XdrCodec<unknown>[] = [opaque(), string(), bytesString()];
    for (const codec of strings) {
      expect(() => decode(codec, words(-1, 0))).toThrow("4294967295 bytes is announced, 4 are left");
    }
    expect(() => decode(arrayFixed(int, 1 << 28), words(0))).toThrow("an array of 268435456 needs at least");
    expect(() => decode(opaqueFixed(1 << 28), words(0))).toThrow("268435456 are needed");
  });

  it("elements without bytes are counted over the whole message", () => {
    const empties = array(opaqueFixed(0));
    expect(decode(empties, words(emptyElementsMax))).toHaveLength(emptyElementsMax);
    expect(() => decode(empties, words(emptyElementsMax + 1))).toThrow("array elements without bytes");
    const half = emptyElementsMax / 2;
    expect(decode(array(empties), words(2, half, half))).toHaveLength(2);
    expect(() => decode(array(empties), words(3, half, half, 1))).toThrow("array elements without bytes");
    expect(() => decode(array(arrayFixed(opaqueFixed(0), half)), words(3))).toThrow("array elements without bytes");
    // Each message begins anew.
    const r = new XdrReader();
    for (let i = 0; i < 3; i++) {
      r.reset(words(half));
      expect(empties.decode(r)).toHaveLength(half);
    }
  });

  function deep(depth: number): Tree {
    let made: Tree = { value: 0, left: null, right: null };
    for (let i = 0; i < depth; i++) made = { value: 0, left: made, right: null };
    return made;
  }

  it("types nest as deep as depthMax, both ways", () => {
    const bytes = encode(tree, deep(depthMaxDefault));
    expect(encode(tree, decode(tree, bytes))).toEqual(bytes);
    expect(() => encode(tree, deep(depthMaxDefault + 1))).toThrow("nests deeper than 500 levels");
    const deeper = encode(tree, deep(depthMaxDefault + 1), { depthMax: 501 });
    expect(() => decode(tree, deeper)).toThrow("nests deeper than 500 levels");
    expect(encode(tree, decode(tree, deeper, { depthMax: 501 }), { depthMax: 501 })).toEqual(deeper);
  });

  it("depth starts anew after a reset or a truncation", () => {
    const w = new XdrWriter({ depthMax: 3 });
    for (let i = 0; i < 3; i++) {
      expect(() => tree.encode(w, deep(4))).toThrow("nests deeper");
      w.truncate(0);
    }
    tree.encode(w, deep(3));
    const r = new XdrReader(undefined, { depthMax: 3 });
    const deeper = encode(tree, deep(4));
    for (let i = 0; i < 3; i++) {
      r.reset(deeper);
      expect(() => tree.decode(r)).toThrow("nests deeper");
    }
    r.reset(w.view());
    tree.decode(r);
  });

  it("a value that contains itself is an error, as a tree and as a list", () => {
    const loop: Tree = { value: 1, left: null, right: null };
    loop.left = loop;
    expect(() => encode(tree, loop)).toThrow("it may contain itself");
    const ring = list(3);
    ring.next = ring;
    expect(() => encode(node, ring, { sizeMax: 1 << 16 })).toThrow("more than 65536 bytes");
  });

  it("a type that is nothing but itself ends in an error", () => {
    const never: XdrCodec<unknown> = recursive("never", () => never);
    expect(() => encode(never, 1)).toThrow("nests deeper");
    expect(() => decode(never, words(1))).toThrow("nests deeper");
  });

  it("lengths are integers from 0 to 2^32 - 1", () => {
    for (const length of [-1, 1.5, 2 ** 32, Number.NaN, "1" as never]) {
      for (const make of [string, opaque, opaqueFixed, bytesString]) expect(() => make(length)).toThrow(RangeError);
      expect(() => array(int, length)).toThrow(RangeError);
      expect(() => arrayFixed(int, length)).toThrow(RangeError);
    }
  });
});

describe("__proto__", () => {
  const named = struct({ ["__proto__"]: int, b: int });
  it("is a field like any other", () => {
    const value = decode(named, words(1, 2)) as object;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.entries(value)).toEqual([
      ["__proto__", 1],
      ["b", 2],
    ]);
    expect(encode(named, value as never)).toEqual(words(1, 2));
    expect(() => encode(named, { b: 1 } as never)).toThrow("__proto__: expected an integer");
  });
});

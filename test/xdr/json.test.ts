import { describe, expect, it } from "vitest";
import {
  array,
  bool,
  bytesString,
  double,
  encode,
  float,
  fromJson,
  hyper,
  int,
  nothing,
  opaque,
  optional,
  Quadruple,
  quadruple,
  string,
  struct,
  toJson,
  uhyper,
  union,
  type XdrCodec,
} from "../../src/xdr/index.js";
import { byBool, byEnum, byInt, Color, color, list, type Node, node, pair } from "./types.js";

describe("values as JSON", () => {
  it.each<[string, XdrCodec<unknown>, unknown]>([
    ["null", nothing, undefined],
    ["-5", int, -5],
    ['"9007199254740993"', hyper, 9007199254740993n],
    ['"18446744073709551615"', uhyper, 2n ** 64n - 1n],
    ["0.5", float, 0.5],
    ["-0", double, -0],
    ["1e+300", double, 1e300],
    ['"NaN"', double, Number.NaN],
    ['"Infinity"', float, Number.POSITIVE_INFINITY],
    ['"-Infinity"', double, Number.NEGATIVE_INFINITY],
    ['"0x3fff0000000000000000000000000000"', quadruple, Quadruple.fromNumber(1)],
    ["true", bool, true],
    ['"GREEN"', color, Color.GREEN],
    ['"a\\"b\\u0000\u20ac"', string(), 'a"b\0\u20ac'],
    ['"/wA="', bytesString(), Uint8Array.of(255, 0)],
    ['""', opaque(), new Uint8Array(0)],
    ['"AQ=="', opaque(), Uint8Array.of(1)],
    ['"AQID"', opaque(), Uint8Array.of(1, 2, 3)],
    ["[]", array(int), []],
    ["[1,2]", array(int), [1, 2]],
    ['{"a":1,"b":2}', pair, { a: 1, b: 2 }],
    ["{}", struct({}), {}],
    ["null", optional(pair), null],
    ['{"a":1,"b":2}', optional(pair), { a: 1, b: 2 }],
    ['{"status":0,"body":"CQ=="}', byInt, { status: 0, body: Uint8Array.of(9) }],
    ['{"status":"default","$kind":-3,"code":"-4"}', byInt, { status: "default", $kind: -3, code: -4n }],
    ['{"paint":"BLUE"}', byEnum, { paint: Color.BLUE }],
    ['{"known":true,"at":{"a":1,"b":2}}', byBool, { known: true, at: { a: 1, b: 2 } }],
    ['{"__proto__":1}', struct({ ["__proto__"]: int }), JSON.parse('{"__proto__":1}')],
    ['{"k":"7"}', union({ k: hyper }, { 7: null }), { k: 7n }],
  ])("%s", (json, { shape }, value) => {
    expect(toJson(shape, value)).toBe(json);
    expect(fromJson(shape, JSON.parse(json))).toEqual(value);
  });

  it.each<[string, XdrCodec<unknown>, unknown]>([
    ["5", hyper, 5n],
    ["-0", double, -0],
    ["1.5", quadruple, Quadruple.fromNumber(1.5)],
    ["-7", color, Color.BLUE],
    ['{"paint":0,"shade":1}', byEnum, { paint: Color.RED, shade: 1 }],
  ])("%s is read too", (json, { shape }, value) => {
    expect(fromJson(shape, JSON.parse(json))).toEqual(value);
  });
});

describe("JSON that is no value names the field", () => {
  it.each<[string, XdrCodec<unknown>, string]>([
    ["1.5", int, "expected an integer from -2147483648 to 2147483647, got 1.5"],
    ['"5"', int, 'got "5"'],
    ["9007199254740993", hyper, "expected a whole number in a string"],
    ['"5n"', hyper, "expected a whole number in a string"],
    ['"99999999999999999999"', uhyper, "got 99999999999999999999n"],
    ['"Infinit"', double, 'expected a number, got "Infinit"'],
    ['"0x12"', quadruple, 'expected 32 hexadecimal digits after "0x"'],
    ['"PURPLE"', color, 'expected a member of enum color, got "PURPLE"'],
    ['"toString"', color, "expected a member of enum color"],
    ['"A"', opaque(), "expected bytes as base64"],
    ['"AB=="', opaque(), "expected bytes as base64"],
    ['"A-_="', opaque(), "expected bytes as base64"],
    ["[1]", opaque(), "expected bytes as base64, got an array of 1"],
    ["0", nothing, "expected null, got 0"],
    ['{"a":1}', pair, "b: expected an integer"],
    ['{"a":1,"b":2,"c":3}', pair, "c: there is no field of this name here"],
    ['{"a":1,"b":2,"__proto__":3}', pair, "__proto__: there is no field"],
    ["[1,2]", pair, "expected an object, got an array of 2"],
    ["{}", array(int), "expected an array, got an object"],
    ["[1,2,3]", array(int, 2), "expected an array of at most 2, got one of 3"],
    ['[{"a":1,"b":2},{"a":1,"b":null}]', array(pair), "[1].b: expected an integer"],
    ['{"status":9}', byInt, "status: 9 is no case of union by_int"],
    ['{"status":0,"body":"","why":""}', byInt, "why: there is no field"],
    ['{"status":0,"body":"","$kind":1}', byInt, "$kind: there is no field"],
    ['{"status":"default","$kind":0,"code":"1"}', byInt, "$kind: 0 has an arm of its own"],
    ['{"known":"yes"}', byBool, "known: expected true or false"],
  ])("%s", (json, { shape }, message) => {
    expect(() => fromJson(shape, JSON.parse(json))).toThrow(message);
  });

  it("a value that is not of its shape is not printed", () => {
    expect(() => toJson(pair.shape, { a: 1, b: "2" })).toThrow(
      'b: expected an integer from -2147483648 to 2147483647, got "2"',
    );
  });
});

it("a list of 100,000 nodes goes to JSON and back", () => {
  const head = list(100_000);
  const parsed: unknown = JSON.parse(toJson(node.shape, head));
  // Not toEqual: on a megabyte it takes seconds.
  expect(Buffer.compare(encode(node, fromJson(node.shape, parsed) as Node), encode(node, head))).toBe(0);
});

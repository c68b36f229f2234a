import { describe, expect, expectTypeOf, it } from "vitest";
import {
  array,
  bool,
  decode,
  encode,
  enumeration,
  hyper,
  int,
  nothing,
  opaque,
  optional,
  recursive,
  string,
  struct,
  toJson,
  union,
  type ValueOf,
  type XdrCodec,
} from "../../src/xdr/index.js";
import { sizeMin } from "../../src/xdr/size.js";
import { type byBool, type byEnum, byInt, Color, list, type Node, node, pair } from "./types.js";

describe("types", () => {
  it("a struct is an object, a pointer may be null", () => {
    expectTypeOf<ValueOf<typeof pair>>().toEqualTypeOf<{ a: number; b: number }>();
    const nested = struct({ p: optional(pair), list: array(hyper), flag: bool, data: opaque(4) });
    expectTypeOf<ValueOf<typeof nested>>().toEqualTypeOf<{
      p: { a: number; b: number } | null;
      list: bigint[];
      flag: boolean;
      data: Uint8Array;
    }>();
    expectTypeOf(nothing).toEqualTypeOf<XdrCodec<void>>();
    const explicit: XdrCodec<{ a: number; b: number }> = pair;
    // @ts-expect-error: `a` is no string
    const wrong: XdrCodec<{ a: string; b: number }> = pair;
    expect(explicit).toBe(wrong);
  });

  it("a union narrows on its discriminant", () => {
    expectTypeOf<ValueOf<typeof byInt>>().toEqualTypeOf<
      | { status: 0; body: Uint8Array }
      | { status: 1; why: string }
      | { status: 2; why: string }
      | { status: "default"; $kind: number; code: bigint }
    >();
    expectTypeOf<ValueOf<typeof byEnum>>().toEqualTypeOf<
      { paint: 0; shade: number } | { paint: -7 } | { paint: 1; faded: boolean }
    >();
    expectTypeOf<ValueOf<typeof byBool>>().toEqualTypeOf<
      { known: true; at: { a: number; b: number } } | { known: false }
    >();
    const wide = union({ kind: hyper }, { 1: { a: int }, "9007199254740993": null, default: null });
    expectTypeOf<ValueOf<typeof wide>>().toEqualTypeOf<
      { kind: 1n; a: number } | { kind: 9007199254740993n } | { kind: "default"; $kind: bigint }
    >();
    const value: ValueOf<typeof byInt> = decode(byInt, encode(byInt, { status: 1, why: "" }));
    if (value.status === 0) expectTypeOf(value.body).toEqualTypeOf<Uint8Array>();
    else if (value.status === "default") expectTypeOf(value.$kind).toBeNumber();
    else expectTypeOf(value.why).toBeString();
  });

  it("an enum is its numbers", () => {
    expectTypeOf<ValueOf<ReturnType<typeof enumeration<typeof Color>>>>().toEqualTypeOf<0 | 1 | -7>();
    // @ts-expect-error: 3 is no color
    expect(() => encode(enumeration("Color", Color), 3)).toThrow("enum Color");
  });
});

describe("unions", () => {
  it("on a hyper, with an arm beyond 2^53", () => {
    const wide = union({ kind: hyper }, { "-1": { a: int }, "9007199254740993": null, default: { b: int } });
    const values: ValueOf<typeof wide>[] = [
      { kind: -1n, a: 1 },
      { kind: 9007199254740993n },
      { kind: "default", $kind: 9007199254740992n, b: 2 },
    ];
    for (const value of values) expect(decode(wide, encode(wide, value))).toEqual(value);
  });

  it("on a bool with a default, which is the other one", () => {
    const either = union({ on: bool }, { true: { a: int }, default: { b: int } });
    const off: ValueOf<typeof either> = { on: false, b: 2 };
    expect(decode(either, encode(either, off))).toEqual(off);
  });

  it("without a case for a number, that number is an error both ways", () => {
    const strict = union({ kind: int }, { 0: null }, "Strict");
    expect(() => encode(strict, { kind: 1 } as never)).toThrow("kind: 1 is no case of union Strict");
    expect(() => encode(strict, { kind: "default", $kind: 1 } as never)).toThrow('kind: "default" is no case');
    expect(() => decode(strict, Uint8Array.of(0, 0, 0, 1))).toThrow("kind 1 is no case of union Strict");
  });

  it.each<[string, () => unknown, string]>([
    ["two discriminants", () => union({ a: int, b: int } as never, {}), "one discriminant"],
    ["an arm of two fields", () => union({ a: int }, { 0: { b: int, c: int } }), "an arm is one field"],
    ["an arm of no field", () => union({ a: int }, { 0: {} }), "an arm is one field"],
    ["an arm named like the discriminant", () => union({ a: int }, { 0: { a: int } }), "cannot be named a"],
    ["an arm named $kind", () => union({ a: int }, { 0: { $kind: int } }), "cannot be named $kind"],
    ["a case beyond int", () => union({ a: int }, { 2147483648: null }), "2147483648 is no value"],
    ["a case that is no number", () => union({ a: int }, { x: null }), "x is no value"],
    ["a case that is no member", () => union({ a: enumeration("Color", Color) }, { 5: null }), "5 is no value"],
    ["a case of a bool that is none", () => union({ a: bool }, { 1: null }), "1 is no value"],
    ["a discriminant that cannot select", () => union({ a: string() as never }, { 1: null }), "1 is no value"],
    ["a pointer to a pointer", () => optional(optional(int)), "null would mean two things"],
    ["a field named like an index", () => struct({ b: int, 0: int }), "cannot be named 0"],
    ["an enum member that is no int", () => enumeration("E", { A: 1.5 }), "A must be an int"],
  ])("%s is refused when the codec is made", (_, make, message) => {
    expect(make).toThrow(RangeError);
    expect(make).toThrow(message);
  });
});

describe("lists", () => {
  const length = 100_000;
  const walk = (head: Node | null): number => {
    let count = 0;
    for (let at = head; at !== null; at = at.next) if (at.value === count) count++;
    return count;
  };

  it(`of ${length} nodes are written, read, and printed without recursion`, () => {
    const head = list(length);
    const bytes = encode(node, head);
    expect(bytes.length).toBe(length * 8);
    expect(walk(decode(node, bytes))).toBe(length);
    expect(toJson(node.shape, head)).toMatch(/^\{"value":0,"next":\{"value":1,.*,"next":null\}+$/);
  });

  it("behind a typedef of the pointer are lists too", () => {
    interface Entry {
      name: string;
      next: Entry | null;
    }
    const pointer: XdrCodec<Entry | null> = optional(recursive("entry", () => entry));
    const entry: XdrCodec<Entry> = struct({ name: string(), next: recursive("entryptr", () => pointer) });
    let head: Entry | null = null;
    for (let i = 0; i < length; i++) head = { name: "x", next: head };
    const bytes = encode(pointer, head);
    expect(bytes.length).toBe(4 + length * 12);
    // Not toEqual: on a megabyte it takes seconds.
    expect(Buffer.compare(encode(pointer, decode(pointer, bytes)), bytes)).toBe(0);
  });

  it("refuse a node that is no object", () => {
    expect(() => encode(node, { value: 1, next: undefined } as never)).toThrow(
      "next: expected an object, got undefined",
    );
  });
});

it("the least size of a recursive type is found", () => {
  expect(sizeMin(node.shape)).toBe(8);
  expect(sizeMin(byInt.shape)).toBe(8);
  const self: XdrCodec<unknown> = union({ more: bool }, { true: { rest: recursive("self", () => self) }, false: null });
  expect(sizeMin(self.shape)).toBe(4);
  const wide: XdrCodec<unknown> = struct({ a: int, more: array(recursive("wide", () => wide)) });
  expect(sizeMin(wide.shape)).toBe(8);
});

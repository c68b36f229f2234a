import { describe, expect, it } from "vitest";
import { DecodeError, EncodeError } from "../../src/model/index.js";
import {
  array,
  decode,
  encode,
  explainDecode,
  explainEncode,
  int,
  locateDecode,
  locateEncode,
  optional,
  recursive,
  string,
  struct,
  union,
  type XdrCodec,
} from "../../src/xdr/index.js";
import { byInt, list, node, pair } from "./types.js";

const reply = struct({
  pair,
  items: array(struct({ id: int, name: string(4) })),
  result: byInt,
  extra: optional(pair),
});
const good = {
  pair: { a: 1, b: 2 },
  items: [
    { id: 1, name: "one" },
    { id: 2, name: "two" },
  ],
  result: { status: 1 as const, why: "x" },
  extra: { a: 3, b: 4 },
};

function thrown(run: () => unknown): EncodeError | DecodeError {
  try {
    run();
  } catch (error) {
    if (error instanceof EncodeError || error instanceof DecodeError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("an encode error names the field", () => {
  it.each<[string, object]>([
    ["pair.b", { ...good, pair: { a: 1, b: 1.5 } }],
    ["pair", { ...good, pair: undefined }],
    ["items", { ...good, items: null }],
    ["items[1].id", { ...good, items: [good.items[0], { id: "2", name: "two" }] }],
    ["items[0].name", { ...good, items: [{ id: 1, name: "toolong" }] }],
    ["items[1]", { ...good, items: [good.items[0], 7] }],
    ["result.why", { ...good, result: { status: 1 } }],
    ["result.status", { ...good, result: { status: 9 } }],
    ["result.$kind", { ...good, result: { status: "default", $kind: 0, code: 1n } }],
    ["extra.a", { ...good, extra: { a: null, b: 4 } }],
  ])("%s", (path, value) => {
    const error = thrown(() => encode(reply, value as never));
    expect(error).toBeInstanceOf(EncodeError);
    expect(error.path).toBe(path);
    expect(error.message).toMatch(new RegExp(`^${path.replace(/[[\]$.]/g, "\\$&")}: `));
    expect(locateEncode(reply.shape, value)).toEqual({ path, message: error.message.slice(path.length + 2) });
  });

  it("a value without parts is named by its message alone", () => {
    expect(thrown(() => encode(int, 1.5))).toMatchObject({
      path: "",
      message: expect.stringMatching(/^expected an integer/),
    });
  });

  it("also where the codec only stumbles over something missing", () => {
    // As compiled stubs do: no check, straight to the property.
    const compiled: XdrCodec<{ pair: { a: number } }> = {
      encode: (w, v) => w.int(v.pair.a),
      decode: (r) => ({ pair: { a: r.int() } }),
      shape: struct({ pair: struct({ a: int }) }).shape,
    };
    const error = thrown(() => encode(compiled, {} as never));
    expect(error).toMatchObject({ path: "pair", message: "pair: expected an object, got undefined" });
    expect(error.cause).toBeInstanceOf(TypeError);
  });

  it("what the value's own code throws stays what it is", () => {
    const mine = new Error("mine");
    const value = {
      get a(): number {
        throw mine;
      },
      b: 1,
    };
    expect(() => encode(pair, value)).toThrow(mine);
    expect(locateEncode(pair.shape, value)).toBeUndefined();
    expect(explainEncode(mine, pair.shape, good.pair)).toBe(mine);
  });

  it("deep in a list, the path is shortened", () => {
    const head = list(100_000);
    let last = head;
    while (last.next !== null) last = last.next;
    last.value = 0.5;
    const path = thrown(() => encode(node, head)).path;
    expect(path).toMatch(/^(next\.){10}\(99980 more\)(\.next){9}\.value$/);
  });

  it("a value that contains itself ends the search", () => {
    const head = list(2);
    if (head.next !== null) head.next.next = head;
    expect(locateEncode(node.shape, head)).toBeUndefined();
  });

  it("a type that is nothing but itself ends the search", () => {
    const never: XdrCodec<unknown> = recursive("never", () => never);
    expect(locateEncode(never.shape, 1)).toBeUndefined();
    expect(locateDecode(never.shape, new Uint8Array(4))).toBeUndefined();
  });
});

describe("a decode error names the field and the offset", () => {
  const bytes = encode(reply, good);
  it.each<[string, number, number]>([
    ["pair.b", 4, 6],
    ["items", 8, 10],
    ["items[1].name", 28, 34],
    ["result.why", 45, 46],
    ["extra", 48, 50],
    ["extra.b", 56, 58],
  ])("%s, at byte %i, when %i are there", (path, offset, length) => {
    const error = thrown(() => decode(reply, bytes.subarray(0, length))) as DecodeError;
    expect(error.path).toBe(path);
    expect(error.offset).toBe(offset);
    expect(error.message.startsWith(`${path}: `)).toBe(true);
    expect(locateDecode(reply.shape, bytes, 0, length)?.path).toBe(path);
  });

  it("the offset is where the item at fault begins", () => {
    const broken = bytes.slice();
    broken[19] = 9; // the length of items[0].name
    const error = thrown(() => decode(reply, broken)) as DecodeError;
    expect(error).toMatchObject({
      path: "items[0].name",
      offset: 16,
      message: "items[0].name: expected a string of at most 4 bytes, got 9",
    });
  });

  it("padding that the reader accepts is not what the report finds", () => {
    const broken = bytes.slice();
    broken[23] = 1; // padding of items[0].name
    expect(thrown(() => decode(reply, broken)).path).toBe("items[0].name");
    const error = thrown(() => decode(reply, broken.subarray(0, 58), { anyPadding: true }));
    expect(error.path).toBe("extra.b");
  });

  it("bytes behind the value are nobody's", () => {
    const error = thrown(() => decode(int, new Uint8Array(8)));
    expect(error).toMatchObject({ path: "", offset: 4, message: "4 bytes are left over after the value" });
    expect(explainDecode(error, int.shape, new Uint8Array(8))).toBe(error);
  });

  it("a discriminant without an arm", () => {
    const strict = struct({ u: union({ kind: int }, { 0: null }) });
    expect(thrown(() => decode(strict, Uint8Array.of(0, 0, 0, 3)))).toMatchObject({ path: "u", offset: 0 });
  });

  it("what is no decode error stays what it is", () => {
    const mine = new TypeError("mine");
    expect(explainDecode(mine, int.shape, new Uint8Array(0))).toBe(mine);
  });
});

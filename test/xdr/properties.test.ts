import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DecodeError } from "../../src/model/index.js";
import {
  bool,
  decode,
  double,
  encode,
  enumeration,
  float,
  fromJson,
  hyper,
  int,
  locateDecode,
  opaque,
  string,
  struct,
  toJson,
  type XdrCodec,
  XdrReader,
  XdrWriter,
} from "../../src/xdr/index.js";
import { byBool, byEnum, byInt, Color, item, items, list, node, texts, tree } from "./types.js";
import { values } from "./values.js";

const types: [string, XdrCodec<unknown>, fc.Arbitrary<unknown>][] = [
  ["array of structs", items, values.items],
  ["array of strings", texts, fc.array(values.text)],
  ["union on int", byInt, values.byInt],
  ["union on enum", byEnum, values.byEnum],
  ["union on bool", byBool, values.byBool],
  ["tree", tree, values.tree],
  ["list", node, fc.integer({ min: 1, max: 200 }).map(list)],
];

describe.each(types)("any %s", (_, codec, any) => {
  it("comes back the same, from bytes and from JSON", () => {
    fc.assert(
      fc.property(any, (value) => {
        const bytes = encode(codec, value);
        expect(bytes.length % 4).toBe(0);
        expect(decode(codec, bytes)).toEqual(value);
        expect(fromJson(codec.shape, JSON.parse(toJson(codec.shape, value)))).toEqual(value);
      }),
    );
  });

  it("with bytes changed, cut or added is a value with exactly these bytes, or a DecodeError that the report explains", () => {
    const change = fc.record({
      at: fc.nat(),
      to: fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 1, 255)),
    });
    const input = fc.record({
      value: any,
      changes: fc.array(change, { minLength: 1, maxLength: 4 }),
      cut: fc.nat({ max: 8 }),
      more: fc.uint8Array({ maxLength: 8 }),
    });
    fc.assert(
      fc.property(input, ({ value, changes, cut, more }) => {
        const whole = encode(codec, value);
        const bytes = Uint8Array.from([...whole.subarray(0, Math.max(0, whole.length - cut)), ...more]);
        for (const { at, to } of changes) if (bytes.length > 0) bytes[at % bytes.length] = to;
        try {
          const decoded = decode(codec, bytes);
          // One value, one encoding: what is accepted is written again as it was. (A NaN has many.)
          expect(decode(codec, encode(codec, decoded))).toEqual(decoded);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
          const { offset, message } = error as DecodeError;
          expect(offset).toBeGreaterThanOrEqual(0);
          expect(offset).toBeLessThanOrEqual(bytes.length);
          if (!message.includes("left over")) expect(locateDecode(codec.shape, bytes)).toBeDefined();
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("straight-line code, as the compiler emits it", () => {
  const members: ReadonlySet<number> = new Set(Object.values(Color));
  const all = struct({
    i: int,
    s: string(100),
    d: double,
    f: float,
    h: hyper,
    b: bool,
    o: opaque(50),
    c: enumeration("color", Color),
    e: item,
  });
  const any = fc.record({
    i: values.int,
    s: fc.string({ maxLength: 100 }),
    d: fc.double(),
    f: fc.float(),
    h: values.hyper,
    b: fc.boolean(),
    o: fc.uint8Array({ maxLength: 50 }),
    c: fc.constantFrom(...Object.values(Color)),
    e: values.item,
  });

  it("writes and reads the same bytes as the combinators", () => {
    const w = new XdrWriter();
    const r = new XdrReader();
    fc.assert(
      fc.property(any, (v) => {
        w.reset();
        w.int(v.i);
        w.string(v.s, 100);
        w.double(v.d);
        w.float(v.f);
        w.hyper(v.h);
        w.bool(v.b);
        w.opaque(v.o, 50);
        w.enumeration(v.c, members, "color");
        w.int(v.e.id);
        w.string(v.e.name);
        w.double(v.e.score);
        w.hyper(v.e.when);
        const bytes = encode(all, v);
        expect(w.view()).toEqual(bytes);
        r.reset(bytes);
        expect({
          i: r.int(),
          s: r.string(100),
          d: r.double(),
          f: r.float(),
          h: r.hyper(),
          b: r.bool(),
          o: r.opaque(50),
          c: r.enumeration(members, "color"),
          e: { id: r.int(), name: r.string(), score: r.double(), when: r.hyper() },
        }).toEqual(v);
        r.finish();
      }),
    );
  });
});

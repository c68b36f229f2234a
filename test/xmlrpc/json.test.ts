// Values of XML-RPC as JSON, as the command line shows and takes them.
import { NaiveDateTime, type XmlRpcValue } from "farcall/xmlrpc";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromJson, toJson } from "../../src/xmlrpc/codec/json.js";
import { XmlRpcDouble } from "../../src/xmlrpc/codec/value.js";

const proto = JSON.parse('{"__proto__": 1, "a": 2}') as Record<string, number>;

describe("a value as JSON", () => {
  it.each([
    [14, "14"],
    [0.5, "0.5"],
    [-0, '{"$double":"-0"}'],
    [Number.NaN, '{"$double":"NaN"}'],
    [Number.NEGATIVE_INFINITY, '{"$double":"-Infinity"}'],
    [9_007_199_254_740_993n, '{"$bigint":"9007199254740993"}'],
    [true, "true"],
    ['a "b"', '"a \\"b\\""'],
    [null, "null"],
    [new Date("1998-07-17T14:08:55Z"), '{"$date":"1998-07-17T14:08:55Z"}'],
    [new Date("1998-07-17T14:08:55.250Z"), '{"$date":"1998-07-17T14:08:55.250Z"}'],
    [new NaiveDateTime({ year: 1998, month: 7, day: 17, hour: 14 }), '{"$date":"1998-07-17T14:00:00"}'],
    [Uint8Array.of(1, 2, 3), '{"$base64":"AQID"}'],
    [[1, [2]], "[1,[2]]"],
    [{ a: { b: 1 } }, '{"a":{"b":1}}'],
    [{}, "{}"],
    [{ $a: 1, b: 2 }, '{"$a":1,"b":2}'],
    [{ $a: 1 }, '{"$struct":{"$a":1}}'],
    [{ $struct: { $date: 1 } }, '{"$struct":{"$struct":{"$struct":{"$date":1}}}}'],
    [proto, '{"__proto__":1,"a":2}'],
  ] as [XmlRpcValue, string][])("is row %#, and the other way round", (value, json) => {
    expect(toJson(value)).toBe(json);
    const back = fromJson(JSON.parse(json));
    if (typeof value === "number" && !(Number.isFinite(value) && !Object.is(value, -0))) {
      expect(back).toEqual(new XmlRpcDouble(value));
    } else {
      expect(back).toEqual(value);
      expect(Object.keys(Object(back))).toEqual(Object.keys(Object(value)));
    }
  });

  it.each([
    ['{"$double": 21}', new XmlRpcDouble(21)],
    ['{"$double": "1e3"}', new XmlRpcDouble(1000)],
    ['{"$bigint": 5}', 5n],
    ['{"$bigint": "-5"}', -5n],
    [
      '{"$date": "19980717T14:08:55"}',
      new NaiveDateTime({ year: 1998, month: 7, day: 17, hour: 14, minute: 8, second: 55 }),
    ],
    ['{"$date": "1998-07-17T14:08:55+02:00"}', new Date("1998-07-17T12:08:55Z")],
  ])("%s is read too", (json, value) => {
    expect(fromJson(JSON.parse(json))).toEqual(value);
  });

  it.each([
    ["9007199254740993", /^a whole number of this size is not exact in JSON; write {"\$bigint"/],
    ['{"a": [1, {"$bigint": "x"}]}', /^a\[1\]: \$bigint takes a whole number in a string, such as "5", not "x"$/],
    ['{"$bigint": 0.5}', /\$bigint takes a whole number/],
    [`{"$bigint": "${"1".repeat(5000)}"}`, /not a string of 5000 characters/],
    ['{"$date": "yesterday"}', /^"yesterday" is no \$date$/],
    ['{"$date": "1998-02-30T00:00:00"}', /is no time: the day/],
    ['{"$date": 5}', /\$date takes a time/],
    ['{"$base64": "?"}', /\$base64 takes bytes as base64, not "\?"/],
    ['{"$double": "1.5.5"}', /"1\.5\.5" is no \$double/],
    ['{"$struct": [1]}', /\$struct takes an object, not an array of 1/],
    [
      '{"a": {"$oid": "5"}}',
      /^a: there is no \$oid; a struct whose only member begins with \$ is {"\$struct": {...}}$/,
    ],
    [`${"[".repeat(5000)}${"]".repeat(5000)}`, /more than 512 levels/],
  ])("is refused in row %#", (json, message) => {
    expect(() => fromJson(JSON.parse(json))).toThrow(message);
  });

  it("means the same when it is read again", () => {
    const leaf = fc.oneof(
      fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      fc.double({ noNaN: true }).filter((x) => Number.isFinite(x) && !Object.is(x, -0) && !Number.isInteger(x)),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.boolean(),
      fc.string({ unit: "binary" }),
      fc.constant(null),
      fc.date({ min: new Date(0), max: new Date("9999-12-31T23:59:59Z"), noInvalidDate: true }),
      fc.uint8Array(),
    );
    const names = fc.oneof(fc.string(), fc.constantFrom("__proto__", "$date", "$struct", "$x", "a"));
    const { value } = fc.letrec<{ value: XmlRpcValue }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4, withCrossShrink: true },
        leaf as fc.Arbitrary<XmlRpcValue>,
        fc.array(tie("value"), { maxLength: 4 }),
        fc.dictionary(names, tie("value"), { maxKeys: 3, noNullPrototype: true }) as fc.Arbitrary<XmlRpcValue>,
      ),
    }));
    fc.assert(
      fc.property(value, (one) => {
        expect(fromJson(JSON.parse(toJson(one)))).toEqual(one);
      }),
    );
  });
});

import fc from "fast-check";
import { expect, it } from "vitest";
import { Quadruple } from "../../src/xdr/index.js";
import { printed } from "./vectors.js";

const fromC = [...printed].filter(([name]) => name.startsWith("quadruple"));

it.each(fromC)("%s is as a number what C's cast makes of it", (_, [bytes = "", asDouble = ""]) => {
  const number = Quadruple.parse(`0x${bytes}`)?.toNumber();
  expect(number).toBe(Buffer.from(asDouble, "hex").readDoubleBE());
});

it("every number is exact in it", () => {
  fc.assert(
    fc.property(fc.double(), (value) => {
      expect(Quadruple.fromNumber(value).toNumber()).toBe(value);
    }),
    { numRuns: 2000 },
  );
  for (const value of [Number.MIN_VALUE, 2 ** -1022, 2 ** -1022 - 2 ** -1074, Number.MAX_VALUE, -0]) {
    expect(Quadruple.fromNumber(value).toNumber()).toBe(value);
  }
});

it("numbers have the bytes that C gives them", () => {
  const bytes = (name: string) => `0x${printed.get(`quadruple ${name}`)?.[0]}`;
  expect(Quadruple.fromNumber(1).toString()).toBe(bytes("1"));
  expect(Quadruple.fromNumber(-2.5).toString()).toBe(bytes("-2.5"));
  expect(Quadruple.fromNumber(-0).toString()).toBe(bytes("-0"));
  expect(Quadruple.fromNumber(0.1).toString()).toBe(bytes("0.1 of double"));
  expect(Quadruple.fromNumber(Number.MAX_VALUE).toString()).toBe(bytes("max of double"));
  expect(Quadruple.fromNumber(Number.MIN_VALUE).toString()).toBe(bytes("least of double"));
  expect(Quadruple.fromNumber(Number.NEGATIVE_INFINITY).toString()).toBe(bytes("-infinity"));
  expect(Quadruple.fromNumber(Number.NaN).toString()).toBe(bytes("NaN"));
});

it("numbers on either side of a half round to the nearest", () => {
  // A double, the bits below it, and where they lead: any value between two doubles goes to the nearer one.
  fc.assert(
    fc.property(
      fc.double({ min: 1, max: 2, maxExcluded: true }),
      fc.bigInt({ min: 0n, max: 2n ** 60n - 1n }),
      (low, rest) => {
        const exact = Quadruple.fromNumber(low);
        const number = new Quadruple(exact.high, exact.low + rest).toNumber();
        const odd = (exact.low >> 60n) % 2n === 1n;
        const up = rest > 2n ** 59n || (rest === 2n ** 59n && odd);
        expect(number).toBe(up ? low + Number.EPSILON : low);
      },
    ),
  );
});

it("equality is by bits, text is lossless", () => {
  const nan = Quadruple.fromNumber(Number.NaN);
  expect(nan.equals(Quadruple.fromNumber(Number.NaN))).toBe(true);
  expect(Quadruple.fromNumber(0).equals(Quadruple.fromNumber(-0))).toBe(false);
  expect(Quadruple.parse(nan.toString())).toEqual(nan);
  expect(JSON.stringify({ nan })).toBe('{"nan":"0x7fff8000000000000000000000000000"}');
  for (const text of ["", "0x", "1", `0x${"0".repeat(31)}`, `0x${"g".repeat(32)}`]) {
    expect(Quadruple.parse(text)).toBeUndefined();
  }
  expect(() => new Quadruple(-1n, 0n)).toThrow(RangeError);
  expect(() => new Quadruple(0n, 2n ** 64n)).toThrow(RangeError);
});

import {
  decodeResponse,
  double,
  encodeResponse,
  NaiveDateTime,
  type TextEncoding,
  type XmlRpcOptions,
} from "farcall/xmlrpc";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";

/** What is read of what is written. */
function again(value: unknown, options: XmlRpcOptions = {}): unknown {
  return decodeResponse(encodeResponse(value, options), options).value;
}

const text = fc
  .string({ unit: "binary" })
  // Characters that XML 1.0 does not have, and halves of pairs, are refused: encoding.test.ts.
  .filter((value) => !/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u.test(value));

describe("any", () => {
  it("number is written without an exponent, and read as it was", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const document = new TextDecoder().decode(encodeResponse(double(value)));
        expect(document).toMatch(/<double>-?\d+\.\d+<\/double>/);
        expect(again(double(value))).toBe(value);
      }),
    );
  });

  it("integer of 32 bits is read as it was, in either profile", () => {
    fc.assert(
      fc.property(fc.integer(), (value) => {
        expect(again(value, { profile: "strict" })).toBe(value);
      }),
    );
  });

  it("integer of 64 bits is read as it was", () => {
    const bigint = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    fc.assert(
      fc.property(bigint, (value) => {
        expect(again(value, { i8: "bigint" })).toBe(value);
      }),
    );
  });

  it.each<TextEncoding>(["utf-8", "utf-16", "us-ascii", "iso-8859-1", "windows-1252"])(
    "text is read as it was: %s",
    (encoding) => {
      fc.assert(
        fc.property(text, (value) => {
          expect(again([value, { [value]: value }], { encoding })).toEqual([value, { [value]: value }]);
        }),
      );
    },
  );

  it("bytes are read as they were", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (value) => {
        expect(again(value)).toEqual(value);
      }),
    );
  });

  it.each(["utc", "utc-z", "local"] as const)("instant is read as it was: %s", (dates) => {
    const instant = fc.date({ min: new Date("0001-01-02"), max: new Date("9999-12-30"), noInvalidDate: true });
    fc.assert(
      fc.property(instant, (value) => {
        expect(again(value, { dates, fractions: "write" })).toEqual(value);
        const whole = new Date(Math.floor(value.getTime() / 1000) * 1000);
        expect(again(value, { dates, fractions: "drop" })).toEqual(whole);
      }),
    );
  });

  it("time without a zone is read as it was", () => {
    const parts = fc.record({
      year: fc.nat(9999),
      month: fc.integer({ min: 1, max: 12 }),
      day: fc.integer({ min: 1, max: 28 }),
      hour: fc.nat(23),
      minute: fc.nat(59),
      second: fc.nat(59),
      millisecond: fc.nat(999),
      microsecond: fc.nat(999),
      nanosecond: fc.nat(999),
    });
    fc.assert(
      fc.property(parts, (given) => {
        const value = new NaiveDateTime(given);
        expect(again(value, { dates: "naive", fractions: "write" })).toEqual(value);
      }),
    );
  });
});

describe("every byte of an encoding of one byte", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i).filter(
    (byte) => byte >= 0x20 && byte !== 0x26 && byte !== 0x3c && byte !== 0x3e,
  );
  const documentOf = (encoding: string, content: Uint8Array): Buffer =>
    Buffer.concat([
      Buffer.from(`<?xml version="1.0" encoding="${encoding}"?><methodResponse><params><param><value>`),
      content,
      Buffer.from("</value></param></params></methodResponse>"),
    ]);

  it("is its own code in ISO-8859-1", () => {
    expect(decodeResponse(documentOf("ISO-8859-1", bytes)).value).toBe(Buffer.from(bytes).toString("latin1"));
  });

  // The runtime's own decoder is no help: Node 20's takes windows-1252 for ISO-8859-1.
  it("is what Unicode's table of windows-1252 says, but for its five holes", () => {
    const holes = [0x81, 0x8d, 0x8f, 0x90, 0x9d];
    const known = Uint8Array.from({ length: 32 }, (_, i) => 0x80 + i).filter((byte) => !holes.includes(byte));
    expect(decodeResponse(documentOf("windows-1252", known)).value).toBe("€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ");
    const latin = bytes.filter((byte) => byte < 0x80 || byte >= 0xa0);
    expect(decodeResponse(documentOf("windows-1252", latin)).value).toBe(Buffer.from(latin).toString("latin1"));
    for (const hole of holes) {
      expect(() => decodeResponse(documentOf("windows-1252", Uint8Array.of(hole)))).toThrow(/has no character 0x/);
    }
  });
});

describe("a time of a zone whose clocks change", () => {
  afterEach(() => vi.unstubAllEnvs());

  const read = (time: string): unknown =>
    decodeResponse(
      Buffer.from(
        `<methodResponse><params><param><value><dateTime.iso8601>${time}</dateTime.iso8601></value></param></params></methodResponse>`,
      ),
      { dates: "local" },
    ).value;

  it("is refused in the hour that is skipped, and the first of two in the one that is doubled", () => {
    vi.stubEnv("TZ", "Europe/Berlin");
    expect(read("20260329T01:59:59")).toEqual(new Date("2026-03-29T00:59:59Z"));
    expect(() => read("20260329T02:30:00")).toThrow(/does not exist in the zone of this process/);
    expect(read("20260329T03:00:00")).toEqual(new Date("2026-03-29T01:00:00Z"));
    expect(read("20261025T02:30:00")).toEqual(new Date("2026-10-25T00:30:00Z"));
  });
});

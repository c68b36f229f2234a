import { describe, expect, it } from "vitest";
import { DecodeError } from "../../src/model/index.js";
import { decode, encode, fromJson, locateDecode, locateEncode, toJson } from "../../src/xdr/index.js";
import { sizeMin } from "../../src/xdr/size.js";
import { printed, vectors } from "./vectors.js";

const ofHex = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

it("every vector that C printed is in the table", () => {
  expect(vectors.map(({ name }) => name)).toEqual(expect.arrayContaining([...printed.keys()]));
});

describe.each(vectors)("$name", ({ codec, value, hex, padding }) => {
  it("encodes to these bytes", () => {
    expect(toHex(encode(codec, value))).toBe(hex);
  });

  it("decodes from these bytes, wherever they lie in a buffer", () => {
    expect(decode(codec, ofHex(hex))).toEqual(value);
    // A Node Buffer at an odd offset, among other bytes.
    const buffer = Buffer.concat([Buffer.alloc(3, 0xee), ofHex(hex), Buffer.alloc(2, 0xee)]);
    expect(decode(codec, buffer.subarray(3, buffer.length - 2))).toEqual(value);
  });

  it("is refused at every shorter length, and the walk for the report agrees", () => {
    const bytes = ofHex(hex);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decode(codec, bytes.subarray(0, length)), `${length} bytes`).toThrow(DecodeError);
      expect(locateDecode(codec.shape, bytes, 0, length), `${length} bytes`).toBeDefined();
    }
    expect(locateDecode(codec.shape, bytes)).toBeUndefined();
    expect(locateEncode(codec.shape, value)).toBeUndefined();
  });

  it("is refused with bytes behind it", () => {
    expect(() => decode(codec, ofHex(`${hex}00000000`))).toThrow("4 bytes are left over after the value");
  });

  it("has padding of zeros, and other padding is accepted by option only", () => {
    for (const at of padding) {
      const bytes = ofHex(hex);
      expect(bytes[at]).toBe(0);
      bytes[at] = 1;
      expect(() => decode(codec, bytes), `byte ${at}`).toThrow("the padding is not zero");
      expect(decode(codec, bytes, { anyPadding: true })).toEqual(value);
    }
  });

  it("takes at least the bytes that its shape says", () => {
    expect(sizeMin(codec.shape)).toBeLessThanOrEqual(hex.length / 2);
  });

  it("survives JSON", () => {
    expect(fromJson(codec.shape, JSON.parse(toJson(codec.shape, value)))).toEqual(value);
  });
});

import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { expect, it } from "vitest";
import { crc32 } from "../../src/call/crc32.js";

it("gives the check value of the standard", () => {
  expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
});

it("is zlib's, for any bytes and any part of them", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(40), fc.nat(40), (bytes, from, less) => {
      const start = Math.min(from, bytes.length);
      const end = Math.max(start, bytes.length - less);
      const part = bytes.slice(start, end);
      // RFC 1952, section 2.3.1: the member ends with the CRC-32 and the length of what was compressed.
      const trailer = gzipSync(part).subarray(-8);
      expect(crc32(bytes, start, end)).toBe(trailer.readUInt32LE(0));
    }),
  );
});

import { expect, it } from "vitest";
import { murmur3 } from "../../src/bytes/index.js";

const of = (text: string, before = 0): number => {
  const bytes = new TextEncoder().encode("x".repeat(before) + text);
  return murmur3(new DataView(bytes.buffer), before, bytes.length);
};

// Computed by another implementation of MurmurHash3_x86_32, one for each length of the tail.
it.each([
  ["", 0],
  ["a", 0x3c2569b2],
  ["aa", 0x371091a9],
  ["hello", 0x248bfa47],
  ["hello, world", 0x149bbb7f],
  ["The quick brown fox jumps over the lazy dog", 0x2e4ff723],
])("hashes %j as the reference does", (text, hash) => {
  expect(of(text)).toBe(hash);
  expect(of(text, 3)).toBe(hash);
});

it("tells texts apart that differ in one bit, wherever that is", () => {
  const bytes = new Uint8Array(67);
  const hashes = new Set<number>();
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    bytes[bit >> 3] = 1 << (bit & 7);
    hashes.add(murmur3(new DataView(bytes.buffer), 0, bytes.length));
    bytes[bit >> 3] = 0;
  }
  expect(hashes.size).toBe(bytes.length * 8);
});

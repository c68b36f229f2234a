import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Numbered } from "../../src/call/numbered.js";

describe("things by their numbers", () => {
  it("are found, replaced and taken out as in a Map, whatever their numbers", () => {
    // Near one another, far apart, and alike in their low bits.
    const number = fc.oneof(
      fc.nat(40),
      fc.integer({ min: 0, max: 0xffff_ffff }),
      fc.nat(6).map((n) => n * 4_096),
    );
    const step = fc.record({ number, set: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const table = new Numbered<object>();
        const model = new Map<number, object>();
        for (const { number, set } of steps) {
          if (set) {
            const value = {};
            table.set(number, value);
            model.set(number, value);
          } else expect(table.delete(number)).toBe(model.delete(number));
          expect(table.size).toBe(model.size);
        }
        for (const { number } of steps) expect(table.get(number)).toBe(model.get(number));
        expect(new Set(table.values())).toEqual(new Set(model.values()));
      }),
    );
  });

  it("of a window that moves on stay few", () => {
    const table = new Numbered<number>();
    for (let n = 0; n < 100_000; n++) {
      table.set(n, n);
      if (n >= 512) expect(table.delete(n - 512)).toBe(true);
    }
    expect(table.size).toBe(512);
    expect(table.values().sort((a, b) => a - b)[0]).toBe(99_488);
  });

  it("take no more room than their count says, whatever numbers somebody chooses, and give it back", () => {
    const table = new Numbered<number>();
    for (const number of [1, 2_049, 4_097, 1 + 2 ** 31]) table.set(number, number);
    expect(table.slots).toBeLessThanOrEqual(16 * 4);
    expect(table.values().sort((a, b) => a - b)).toEqual([1, 2_049, 4_097, 1 + 2 ** 31]);
    for (const number of [1, 2_049, 4_097, 1 + 2 ** 31]) expect(table.delete(number)).toBe(true);

    for (let n = 0; n < 3_000; n++) table.set(n, n);
    expect(table.slots).toBe(4_096);
    for (let n = 0; n < 3_000; n++) table.delete(n);
    expect(table.slots).toBe(16);
  });
});

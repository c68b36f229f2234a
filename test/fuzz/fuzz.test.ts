import { describe, expect, it } from "vitest";
import { fuzz, targetNames } from "./fuzz.js";
import { Random } from "./random.js";
import { targets } from "./targets.js";

// A short run of `npm run fuzz`, with the same inputs every time and others beside them.

const seed = (Math.random() * 2 ** 32) >>> 0;
const counts: Record<string, number> = { compiler: 300, binder: 1_000 };

describe.each([20_260_725, seed])("any damaged input (seed %i)", (seed) => {
  it.each(targetNames)("is no crash, no hang and no waste: %s", (only) => {
    const inputs = counts[only] ?? 3_000;
    expect(fuzz({ inputs, seed, only })).toMatchObject({ inputs, failures: [] });
  });
});

describe("the fuzzer", () => {
  it.each(targetNames)("makes the same input of the same seed: %s", (name) => {
    const target = targets.find((one) => one.name === name);
    const sizes = (seed: number): number[] =>
      Array.from({ length: 50 }, (_, i) => target?.make(new Random(seed, 3, i), i % 10 === 0).size ?? 0);
    expect(sizes(1)).toEqual(sizes(1));
    expect(sizes(1)).not.toEqual(sizes(2));
  });
});

import { simulate } from "farcall/testing";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ledgerSimulation } from "./ledger.js";
import { plantedBugs } from "./planted.js";

describe("a planted bug is found where one looks for it", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it.each(plantedBugs)("$bug", async ({ plant, options, narrowed, breaks }) => {
    const simulation = { ...ledgerSimulation(), ...options, ...narrowed, histories: 2_000, seed: 1 };
    if (options === undefined) {
      const without = await simulate({ ...simulation, histories: 20 });
      expect(without.violation).toBeUndefined();
    }
    plant();
    const { violation } = await simulate(simulation);
    expect(breaks).toContain(violation?.broken[0]?.rule);
    // It is told in fewer than the history's 21 calls.
    expect(violation?.timeline.match(/ call #\d+ \w+\(/g)?.length).toBeLessThan(18);
  });
});

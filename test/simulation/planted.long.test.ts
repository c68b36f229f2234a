import { simulate } from "farcall/testing";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ledgerSimulation } from "./ledger.js";
import { plantedBugs } from "./planted.js";

describe("a planted bug is found within 20,000 histories in which anything may go wrong", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it.each(plantedBugs)(
    "$bug",
    async ({ plant, options, narrowed, rare, breaks }) => {
      plant();
      const place = rare === true ? narrowed : {};
      const { violation } = await simulate({ ...ledgerSimulation(), ...options, ...place, histories: 20_000, seed: 1 });
      expect(breaks).toContain(violation?.broken[0]?.rule);
      // 20,000 histories take a minute, and several times as long on a machine that does something else as well.
    },
    1_200_000,
  );
});

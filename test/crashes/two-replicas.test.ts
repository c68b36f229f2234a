import { describe, expect, it } from "vitest";
import { postgresMissing } from "../support/postgres.js";
import { experiment, variants } from "./two-replicas.js";

const reason = await postgresMissing();

describe("two replicas that are killed at every step, asked in turn until one answers", () => {
  for (const { memory, database } of variants) {
    const skipped = database === "postgres" ? reason : undefined;
    const name = `${memory}, ${database}${skipped === undefined ? "" : ` [skipped: ${skipped}]`}`;
    it.skipIf(skipped !== undefined)(name, { timeout: 120_000 }, async () => {
      const { double, indeterminate, wrong, kills, lostReplies } = await experiment({
        ...{ memory, database, calls: 60, seed: 4 },
      });
      const found = { double: double > 0, indeterminate: indeterminate > 0, wrong };
      // What the experiment is for: only where claim, effect and reply are one does neither happen.
      expect(found).toEqual({
        double: memory === "none" || memory === "process",
        indeterminate: memory === "claim-first",
        wrong: 0,
      });
      expect(Object.values(kills).reduce((sum, count) => sum + count)).toBeGreaterThan(3);
      expect(lostReplies).toBeGreaterThan(0);
    });
  }
});

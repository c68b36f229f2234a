import { describe, expect, it } from "vitest";
import { postgresMissing } from "../support/postgres.js";
import { plans, play } from "./histories.js";

const reason = await postgresMissing();

describe("real calls while clients, server and store are killed", () => {
  for (const { title, ...plan } of plans) {
    const skipped = plan.store === "postgres" ? reason : undefined;
    const name = `${title}: nothing twice, nothing lost${skipped === undefined ? "" : ` [skipped: ${skipped}]`}`;
    it.skipIf(skipped !== undefined)(name, { timeout: 180_000 }, async () => {
      const { violations, kills, endings } = await play({ ...plan, calls: 200, seed: 1 });
      expect(violations).toEqual([]);
      expect(kills.server, JSON.stringify(endings)).toBeGreaterThan(0);
      if (plan.store === "postgres") expect(kills.store).toBeGreaterThan(0);
    });
  }
});

import { describe, expect, it } from "vitest";
import { plans, play } from "./histories.js";

const callsOfAll = 100_000;

describe("100,000 real calls while clients, server and store are killed", () => {
  it.each(plans)("$title", { timeout: 7_200_000 }, async ({ title, ...plan }) => {
    const calls = callsOfAll / plans.length;
    const { violations, kills, endings } = await play({ ...plan, calls, window: 32, seed: 2 });
    // Into the report: what was survived.
    process.stderr.write(`${title}: ${JSON.stringify(kills)} ${JSON.stringify(endings)}\n`);
    expect(violations).toEqual([]);
    expect(kills.server).toBeGreaterThan(20);
    expect(kills.client).toBeGreaterThan(20);
    if (plan.store === "postgres") expect(kills.store).toBeGreaterThan(20);
  });
});

import { describe, expect, it } from "vitest";
import { plans, play } from "./histories.js";

const callsOfAll = 100_000;

describe("100,000 real calls while clients, server and store are killed", () => {
  it.each(plans)("$title", { timeout: 7_200_000 }, async ({ title, ...plan }) => {
    const calls = callsOfAll / plans.length;
    const { violations, kills, endings } = await play({
      ...plan,
      calls,
      window: 32,
      paceMs: 250,
      calmMs: 500,
      seed: 2,
    });
    // Into the report: what was survived.
    process.stderr.write(`${title}: ${JSON.stringify(kills)} ${JSON.stringify(endings)}\n`);
    expect(violations).toEqual([]);
    // Else little would have been under way that could go wrong.
    const answered = Object.entries(endings).filter(([end]) => end.endsWith("value"));
    expect(answered.reduce((sum, [, count]) => sum + count, 0)).toBeGreaterThan(calls / 4);
    expect(kills.server).toBeGreaterThan(20);
    expect(kills.client).toBeGreaterThan(20);
    if (plan.store === "postgres") expect(kills.store).toBeGreaterThan(20);
  });
});

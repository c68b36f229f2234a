import { describe, expect, it } from "vitest";
import { type Plan, play } from "./histories.js";

const procedures = ["hint", "often", "once"] as const;

describe("100,000 real calls while clients, server and store are killed", () => {
  it.each<Pick<Plan, "transport" | "store">>([
    { transport: "tcp", store: "memory" },
    { transport: "udp", store: "memory" },
    { transport: "tcp", store: "sqlite" },
    { transport: "tcp", store: "postgres" },
  ])(
    "25,000 over $transport, replies in $store",
    async (plan) => {
      const { violations, kills, endings } = await play({ ...plan, procedures, calls: 25_000, seed: 2 });
      // Into the report: what was survived.
      process.stderr.write(`${plan.transport}, ${plan.store}: ${JSON.stringify(kills)} ${JSON.stringify(endings)}\n`);
      expect(violations).toEqual([]);
      expect(kills.server).toBeGreaterThan(20);
      expect(kills.client).toBeGreaterThan(20);
      if (plan.store === "postgres") expect(kills.store).toBeGreaterThan(20);
    },
    3_600_000,
  );
});

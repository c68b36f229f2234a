import { describe, expect, it } from "vitest";
import { postgresMissing } from "../support/postgres.js";
import { type Plan, play } from "./histories.js";

const reason = await postgresMissing();
const procedures = ["hint", "often", "once"] as const;

describe("real calls while clients, server and store are killed", () => {
  it.each<Pick<Plan, "transport" | "store">>([
    { transport: "tcp", store: "memory" },
    { transport: "udp", store: "memory" },
    { transport: "tcp", store: "sqlite" },
  ])(
    "over $transport, replies in $store: nothing twice, nothing lost, everything settles",
    async (plan) => {
      const { violations, kills, endings } = await play({ ...plan, procedures, calls: 250, seed: 1 });
      expect(violations).toEqual([]);
      expect(kills.server, JSON.stringify(endings)).toBeGreaterThan(0);
    },
    120_000,
  );

  it.skipIf(reason !== undefined)(
    `the same with PostgreSQL${reason === undefined ? "" : ` [skipped: ${reason}]`}`,
    async () => {
      const { violations, kills } = await play({
        transport: "tcp",
        store: "postgres",
        procedures,
        calls: 400,
        seed: 1,
      });
      expect(violations).toEqual([]);
      expect(kills.store).toBeGreaterThan(0);
    },
    120_000,
  );
});

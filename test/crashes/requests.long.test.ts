import { describe, expect, it } from "vitest";
import { postgresMissing } from "../support/postgres.js";
import { playRequests } from "./requests.js";

const reason = await postgresMissing();

/** 10,000 in all. */
const shares = { sqlite: 7_000, postgres: 3_000 } as const;

describe("10,000 real asynchronous requests while clients, servers and workers are killed", () => {
  it.each([
    ["sqlite", undefined],
    ["postgres", reason],
  ] as const)(
    "in %s: each ends once, nothing is told twice or lost, and nobody else sees it",
    async (store, missing) => {
      if (missing !== undefined) return;
      const requests = shares[store];
      const { broken, kills, ...rest } = await playRequests({
        store,
        requests,
        window: 24,
        calmMs: 900,
        seed: Date.now(),
      });
      // biome-ignore lint/suspicious/noConsole: what a long run was made of
      console.log(store, requests, JSON.stringify({ kills, ...rest }));
      expect(broken).toEqual([]);
      expect(Math.min(kills.server, kills.worker, kills.client)).toBeGreaterThan(10);
    },
    3_600_000,
  );
});

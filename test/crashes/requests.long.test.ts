import { describe, expect, it } from "vitest";
import { postgresMissing } from "../support/postgres.js";
import { playRequests } from "./requests.js";

const reason = await postgresMissing();

/** 10,000 in all. */
const shares = { sqlite: 7_000, postgres: 3_000 } as const;

describe("10,000 real asynchronous requests while clients, servers and workers are killed", () => {
  for (const [store, missing] of [
    ["sqlite", undefined],
    ["postgres", reason],
  ] as const) {
    const skipped = missing === undefined ? "" : ` [skipped: ${missing}]`;
    const name = `in ${store}: each ends once, nothing is told twice or lost, and nobody else sees it${skipped}`;
    it.skipIf(missing !== undefined)(name, { timeout: 3_600_000 }, async () => {
      const requests = shares[store];
      const seed = Date.now();
      const { broken, kills, ...rest } = await playRequests({
        store,
        requests,
        window: 24,
        paceMs: 0,
        calmMs: 900,
        seed,
      });
      // biome-ignore lint/suspicious/noConsole: what a long run was made of
      console.log(store, requests, JSON.stringify({ kills, ...rest }));
      expect(broken).toEqual([]);
      expect(Math.min(kills.server, kills.worker, kills.client)).toBeGreaterThan(10);
    });
  }
});

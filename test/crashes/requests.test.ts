import { describe, expect, it } from "vitest";
import { postgresMissing } from "../support/postgres.js";
import { playRequests } from "./requests.js";

const reason = await postgresMissing();

describe("real asynchronous requests while clients, servers and workers are killed", () => {
  for (const [store, missing] of [
    ["sqlite", undefined],
    ["postgres", reason],
  ] as const) {
    const skipped = missing === undefined ? "" : ` [skipped: ${missing}]`;
    const name = `in ${store}: each ends once, nothing is told twice or lost, and nobody else sees it${skipped}`;
    it.skipIf(missing !== undefined)(name, { timeout: 240_000 }, async () => {
      // At a pace at which there is time to kill somebody, on however fast a machine.
      const outcome = await playRequests({ store, requests: 90, window: 6, paceMs: 600, calmMs: 400, seed: 1 });
      expect(outcome.broken).toEqual([]);
      const { kills } = outcome;
      expect(kills.server + kills.worker + kills.client, JSON.stringify(outcome)).toBeGreaterThan(0);
    });
  }
});

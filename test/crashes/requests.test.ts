import { describe, expect, it } from "vitest";
import { postgresMissing } from "../support/postgres.js";
import { playRequests } from "./requests.js";

const reason = await postgresMissing();

describe("real asynchronous requests while clients, servers and workers are killed", () => {
  it.each([
    ["sqlite", undefined],
    ["postgres", reason],
  ] as const)(
    "in %s: each ends once, nothing is told twice or lost, and nobody else sees it",
    async (store, missing) => {
      if (missing !== undefined) return;
      const outcome = await playRequests({ store, requests: 90, window: 6, calmMs: 400, seed: 1 });
      expect(outcome.broken).toEqual([]);
      const { kills } = outcome;
      expect(kills.server + kills.worker + kills.client, JSON.stringify(outcome)).toBeGreaterThan(0);
    },
    240_000,
  );
});

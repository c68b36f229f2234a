import { beforeAll, expect, it } from "vitest";
import { buildCli } from "../support/cli.js";
import { flood } from "./flood.js";

// A short form of flood.long.test.ts.
beforeAll(buildCli);

it("a binder under garbage neither ends nor grows, and answers", { timeout: 120_000 }, async () => {
  const { sent, answers, before, after, code } = await flood(20_000, (Math.random() * 2 ** 32) >>> 0);
  expect({ sent, answers, code }).toEqual({ sent: 20_000, answers: true, code: 0 });
  expect(after, `from ${before} MB`).toBeLessThan(256);
});

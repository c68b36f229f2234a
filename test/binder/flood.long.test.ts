import { beforeAll, expect, it } from "vitest";
import { buildCli } from "../support/cli.js";
import { flood } from "./flood.js";

beforeAll(buildCli);

it("a binder under a million damaged datagrams and records neither ends nor grows, and answers", {
  timeout: 1_800_000,
}, async () => {
  const { sent, answers, before, after, code } = await flood(1_000_000, 20_261_120);
  expect({ sent, answers, code }).toEqual({ sent: 1_000_000, answers: true, code: 0 });
  // A garbage collector's room: what is kept does not follow from what was sent.
  expect(after).toBeLessThan(Math.max(256, 2 * before));
});

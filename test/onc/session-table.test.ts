import { expect, it } from "vitest";
import { Session } from "../../src/onc/session/table.js";

it("keeps the lanes that have calls, and of the others a few", () => {
  const call = { abort: () => {} };
  const session = new Session<typeof call>(new Uint8Array(20), "none", "", "", false);
  const lanes = Array.from({ length: 64 }, (_, number) => session.lane(number, 64));
  for (const lane of lanes) lane?.running.set(1, call);
  expect(session.lane(64, 64)).toBeUndefined();
  for (const lane of lanes.slice(1)) {
    lane?.running.delete(1);
    if (lane !== undefined) session.left(lane);
  }
  expect(session.lanes).toBe(4);
  expect(session.find(0, 1)).toBe(call);
  // One that has gone is made anew, and is found from then on.
  session.lane(60, 64)?.running.set(7, call);
  expect(session.find(60, 7)).toBe(call);
  expect(session.running).toHaveLength(2);
});

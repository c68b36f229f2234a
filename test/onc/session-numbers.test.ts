import { describe, expect, it } from "vitest";
import { ClientSession } from "../../src/onc/session/client-session.js";
import type { OpenOk } from "../../src/onc/session/session.js";

// The numbers of calls have 32 bits, and are never used twice: a lane that has none left makes room for the next.

const facts: OpenOk = {
  session: new Uint8Array(20),
  boot: new Uint8Array(16),
  store: "store",
  durable: false,
  shared: false,
  transactional: false,
  window: 4,
  lanes: 2,
  lease: 60_000,
  kept: 120_000,
};

describe("the numbers of a session's calls", () => {
  it("go on in another lane when a lane has used up its own, and none comes twice", () => {
    const session = new ClientSession(facts, 5);
    const numbers: string[] = [];
    for (let i = 0; i < 12; i++) {
      const seat = session.seat();
      if (seat === undefined) throw new Error("no place");
      numbers.push(`${seat.lane.number}.${seat.sequence}`);
      seat.lane.answered(seat.sequence);
      seat.lane.told = seat.lane.acknowledged;
    }
    expect(numbers.slice(0, 6)).toEqual(["0.1", "0.2", "0.3", "0.4", "0.5", "1.1"]);
    expect(numbers.at(-1)).toBe("2.2");
    expect(new Set(numbers).size).toBe(12);
  });

  it("wait for room, where calls of the lane before are under way and there may be no more lanes", () => {
    const session = new ClientSession({ ...facts, lanes: 1 }, 2);
    const [first, second] = [session.seat(), session.seat()];
    expect(session.seat()).toBeUndefined();
    for (const seat of [first, second]) seat?.lane.answered(seat.sequence);
    expect(session.seat()).toMatchObject({ sequence: 1, lane: { number: 1 } });
  });
});

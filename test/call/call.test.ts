import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Backoff } from "../../src/call/backoff.js";
import { Evidence } from "../../src/call/executed.js";
import { PendingTable } from "../../src/call/pending.js";
import { RoundTrip } from "../../src/call/round-trip.js";
import { narrows, type Semantics } from "../../src/model/index.js";

describe("the pending table", () => {
  it("finds an entry by its identifier until it is removed", () => {
    const table = new PendingTable<{ id: number }>(7);
    const entry = { id: 0 };
    table.add(entry);
    expect(entry.id).toBe(7);
    expect(table.find(7)).toBe(entry);
    expect(table.remove(entry)).toBe(true);
    expect(table.remove(entry)).toBe(false);
    expect(table.find(7)).toBeUndefined();
    expect(table.size).toBe(0);
  });

  it("counts over the end of 32 bits", () => {
    const table = new PendingTable<{ id: number }>(0xffff_ffff);
    const [a, b] = [{ id: 0 }, { id: 0 }];
    table.add(a);
    table.add(b);
    expect([a.id, b.id]).toEqual([0xffff_ffff, 0]);
    expect(table.find(0xffff_ffff)).toBe(a);
  });

  it("never gives two pending entries one identifier, nor finds one by another's", () => {
    fc.assert(
      fc.property(
        fc.array(fc.boolean(), { maxLength: 300 }),
        fc.integer({ min: 0, max: 0xffff_ffff }),
        (steps, first) => {
          const table = new PendingTable<{ id: number }>(first, 4);
          const model = new Map<number, { id: number }>();
          for (const add of steps) {
            const [oldest] = model.values();
            if (add || oldest === undefined) {
              const entry = { id: -1 };
              table.add(entry);
              expect(model.has(entry.id)).toBe(false);
              model.set(entry.id, entry);
            } else {
              model.delete(oldest.id);
              expect(table.remove(oldest)).toBe(true);
            }
            expect(table.size).toBe(model.size);
          }
          for (const [id, entry] of model) expect(table.find(id)).toBe(entry);
          const seen: number[] = [];
          table.forEach(({ id }) => {
            seen.push(id);
          });
          expect(seen.sort()).toEqual([...model.keys()].sort());
        },
      ),
    );
  });

  it("skips an identifier whose place an older entry holds", () => {
    const table = new PendingTable<{ id: number }>(0, 4);
    const old = { id: 0 };
    table.add(old);
    for (let i = 0; i < 9; i++) {
      const entry = { id: 0 };
      table.add(entry);
      expect(entry.id).not.toBe(old.id);
      table.remove(entry);
    }
    expect(table.find(old.id)).toBe(old);
  });

  it("lets a visitor remove what it visits", () => {
    const table = new PendingTable<{ id: number }>(0, 4);
    for (let i = 0; i < 10; i++) table.add({ id: 0 });
    table.forEach((entry) => {
      table.remove(entry);
    });
    expect(table.size).toBe(0);
  });
});

describe("the evidence of execution", () => {
  it.each([
    ["never sent", 0, [], "no"],
    ["sent, nothing heard", 1, [], "unknown"],
    ["sent, disproved", 1, ["no"], "no"],
    ["sent, proved", 1, ["yes"], "yes"],
    ["sent, an answer that proves nothing", 1, ["unknown"], "unknown"],
    ["sent twice, one disproved", 2, ["no"], "unknown"],
    ["sent twice, both disproved", 2, ["no", "no"], "no"],
    ["sent twice, one proved", 2, ["no", "yes"], "yes"],
    ["sent twice, proved first", 2, ["yes", "no"], "yes"],
  ] as const)("%s", (_name, transmissions, answers, executed) => {
    const evidence = new Evidence();
    evidence.transmissions = transmissions;
    for (const answer of answers) evidence.add(answer);
    expect(evidence.executed).toBe(executed);
  });
});

describe("backoff", () => {
  it("doubles to its maximum, within the upper half of each step, and starts over", () => {
    const low = new Backoff({ initialMs: 100, maxMs: 500 }, () => 0);
    expect([low.next(), low.next(), low.next(), low.next()]).toEqual([50, 100, 200, 250]);
    const high = new Backoff({ initialMs: 100, maxMs: 500 }, () => 1);
    expect([high.next(), high.next(), high.next(), high.next()]).toEqual([100, 200, 400, 500]);
    high.reset();
    expect(high.next()).toBe(100);
  });
});

describe("the round trip estimate", () => {
  it("waits the initial time before the first measurement, and doubles it", () => {
    const trip = new RoundTrip({ initialMs: 500, maxMs: 3_000 });
    expect(trip.smoothedMs).toBeUndefined();
    expect([1, 2, 3, 4].map((n) => trip.timeoutMs(n))).toEqual([500, 1_000, 2_000, 3_000]);
  });

  // RFC 6298, section 2: SRTT = R, RTTVAR = R/2, RTO = SRTT + 4 RTTVAR; then alpha 1/8 and beta 1/4.
  it("follows RFC 6298", () => {
    const trip = new RoundTrip({ minMs: 1 });
    trip.measure(100);
    expect(trip.timeoutMs(1)).toBe(300);
    trip.measure(200);
    expect(trip.smoothedMs).toBe(112.5);
    expect(trip.timeoutMs(1)).toBe(112.5 + 4 * (37.5 + 25));
  });

  it("never waits less than the minimum", () => {
    const trip = new RoundTrip({ minMs: 50 });
    for (let i = 0; i < 50; i++) trip.measure(0.1);
    expect(trip.timeoutMs(1)).toBe(50);
  });
});

describe("narrowing a guarantee", () => {
  const all: Semantics[] = ["maybe", "at-least-once", "at-most-once", "exactly-once"];
  it.each<[Semantics, Semantics[]]>([
    ["at-least-once", all],
    ["maybe", ["maybe", "at-most-once", "exactly-once"]],
    ["at-most-once", ["at-most-once", "exactly-once"]],
    ["exactly-once", ["exactly-once"]],
  ])("%s may be narrowed to exactly these", (declared, allowed) => {
    expect(all.filter((asked) => narrows(declared, asked))).toEqual(allowed);
  });
});

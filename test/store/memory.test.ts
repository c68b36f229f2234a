import { describe, expect, it } from "vitest";
import { MemoryReplyStore } from "../../src/store/index.js";
import { replyStoreContract } from "./contract.js";

describe("the store in memory", () => {
  replyStoreContract(async (options) => new MemoryReplyStore(options), {
    durable: false,
    shared: false,
    transactional: false,
  });

  it("holds nothing once everything is too old", () => {
    let now = 0;
    const store = new MemoryReplyStore({ replyWindowMs: 1_000, now: () => now });
    const ask = (call: number | string) =>
      store.claim({ key: { caller: `c${call}`, call }, fingerprint: "", owner: "o", boot: "b", leaseMs: 1 });
    for (let i = 0; i < 1_000; i++) {
      for (const call of [i, `n${i}`]) {
        const claim = ask(call);
        if (claim.state === "fresh") void claim.complete(new Uint8Array(10));
      }
    }
    expect(store.size.entries).toBe(2_000);
    now += 1_000;
    store.forget("nobody", 1);
    // The numbered callers' floors are left, which are as old once more.
    expect(store.size.entries).toBe(1_000);
    now += 1_000;
    store.forget("nobody", 1);
    expect(store.size).toEqual({ entries: 0, bytes: 0, callers: 0 });
  });

  it.each([
    ["entries", { replyEntriesMax: 12 }, 10],
    ["bytes", { replyBytesMax: 12 * 1_900 }, 1_400],
  ])("leaves every address room among its %s, whatever another one takes", (_what, limits, size) => {
    let now = 0;
    const store = new MemoryReplyStore({ ...limits, replyWindowMs: 1_000, now: () => now });
    const ask = (from: string, call: number | string) => {
      const key = { caller: `${from} ${call}`, call };
      const claim = store.claim({ key, from, fingerprint: "", owner: "o", boot: "b", leaseMs: 1 });
      if (claim.state === "fresh") void claim.complete(new Uint8Array(size));
      return claim.state;
    };
    /** How many calls are kept of those that an address makes from as many ports. */
    const taken = (host: string): number => {
      let count = 0;
      while (count < 100 && ask(`udp://${host}:${count}`, count % 2 === 0 ? count : `n${count}`) === "fresh") count++;
      return count;
    };
    expect(taken("10.0.0.1")).toBe(6);
    expect(taken("10.0.0.1")).toBe(0);
    expect(taken("10.0.0.2")).toBe(3);
    expect(taken("10.0.0.3")).toBeGreaterThan(0);
    const key = { caller: "udp://10.0.0.1:99", call: 99 };
    expect(store.look({ key, from: "udp://10.0.0.1:99", owner: "o", boot: "b", fence: true })).toEqual({
      state: "busy",
    });
    // What has gone counts no more.
    for (let i = 0; i < 2; i++) {
      now += 1_000;
      store.forget("nobody", 1);
    }
    expect(store.size).toEqual({ entries: 0, bytes: 0, callers: 0 });
    expect(taken("10.0.0.2")).toBe(6);
  });

  it.each([
    ["replyEntriesMax", Number.NaN],
    ["replyWindowMs", Number.POSITIVE_INFINITY],
    ["replyBytesMax", -1],
  ])("refuses %s = %d, which bounds nothing", (name, value) => {
    expect(() => new MemoryReplyStore({ [name]: value })).toThrow(RangeError);
  });
});

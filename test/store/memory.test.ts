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
    ["replyEntriesMax", Number.NaN],
    ["replyWindowMs", Number.POSITIVE_INFINITY],
    ["replyBytesMax", -1],
  ])("refuses %s = %d, which bounds nothing", (name, value) => {
    expect(() => new MemoryReplyStore({ [name]: value })).toThrow(RangeError);
  });
});

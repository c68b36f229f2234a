// What every store of the reply cache does. It runs over each of them, with the real thing behind it.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type Claim,
  type ClaimRequest,
  type FreshClaim,
  type ReplyStore,
  type ReplyStoreLimits,
  replyEntryOverhead,
} from "../../src/call/reply-cache.js";

export interface StoreOptions extends ReplyStoreLimits {
  readonly now: () => number;
}

/** Opens a store that knows nothing yet; or, `again`, one more on what the last one left. */
export type OpenStore = (options: StoreOptions, again?: boolean) => Promise<ReplyStore>;

export interface StoreFacts {
  readonly durable: boolean;
  readonly shared: boolean;
  readonly transactional: boolean;
}

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

const request = (call: number | string, more: Partial<ClaimRequest> & { caller?: string } = {}): ClaimRequest => ({
  key: { caller: more.caller ?? "alice", call },
  fingerprint: "f",
  owner: "server",
  boot: "boot-1",
  leaseMs: 1_000,
  ...more,
});

export function replyStoreContract(open: OpenStore, facts: StoreFacts): void {
  let now = 0;
  let store: ReplyStore;
  const opened: ReplyStore[] = [];
  const openOne = async (limits: ReplyStoreLimits = {}, again = false): Promise<ReplyStore> => {
    store = await open({ ...limits, now: () => now }, again);
    opened.push(store);
    return store;
  };
  const claim = async (call: number | string, more: Parameters<typeof request>[1] = {}): Promise<Claim> =>
    store.claim(request(call, more));
  const fresh = async (call: number | string, more: Parameters<typeof request>[1] = {}): Promise<FreshClaim> => {
    const outcome = await claim(call, more);
    expect(outcome.state).toBe("fresh");
    return outcome as FreshClaim;
  };
  const run = async (call: number | string, reply = `reply to ${call}`, more = {}): Promise<void> => {
    await (await fresh(call, more)).complete(bytes(reply));
  };
  const look = async (call: number | string, more: { fence?: boolean; boot?: string; owner?: string } = {}) =>
    store.look({ key: { caller: "alice", call }, owner: "server", boot: "boot-1", ...more });

  beforeEach(() => {
    now = 1_800_000_000_000;
  });
  afterEach(async () => {
    for (const each of opened.splice(0)) await each.close();
  });

  it("says what it is", async () => {
    await openOne();
    const { durable, shared, transactional } = store;
    expect({ durable, shared, transactional }).toEqual(facts);
  });

  describe.each([
    ["numbered", 7],
    ["named", "seven"],
  ])("a %s call", (_kind, call) => {
    it("is granted once; while it runs, it runs", async () => {
      await openOne();
      await fresh(call);
      expect(await claim(call)).toEqual({ state: "running" });
      expect(await look(call)).toEqual({ state: "running" });
    });

    it("is answered with its reply, byte for byte, once it is done", async () => {
      await openOne();
      const reply = new Uint8Array([0, 255, 1, 254, 0]);
      await (await fresh(call)).complete(reply);
      for (const answer of [await claim(call), await look(call)]) {
        expect(answer.state).toBe("done");
        expect([...(answer as { reply: Uint8Array }).reply]).toEqual([0, 255, 1, 254, 0]);
      }
    });

    it("keeps an empty reply too", async () => {
      await openOne();
      await (await fresh(call)).complete(new Uint8Array());
      expect(await claim(call)).toMatchObject({ state: "done", reply: { length: 0 } });
    });

    it("is free again once it is abandoned", async () => {
      await openOne();
      await (await fresh(call)).abandon();
      expect(await look(call)).toEqual({ state: "unseen" });
      await fresh(call);
    });

    it("is completed once: what comes later changes nothing", async () => {
      await openOne();
      const first = await fresh(call);
      await first.complete(bytes("first"));
      await expect((async () => first.complete(bytes("second")))()).rejects.toThrow();
      await first.abandon();
      expect(await claim(call)).toEqual({ state: "done", reply: bytes("first") });
    });

    it("cannot be completed after it was abandoned", async () => {
      await openOne();
      const first = await fresh(call);
      await first.abandon();
      await expect((async () => first.complete(bytes("late")))()).rejects.toThrow();
      expect(await look(call)).toEqual({ state: "unseen" });
    });

    it("with other arguments is a mismatch, while it runs and when it is done", async () => {
      await openOne();
      const first = await fresh(call);
      expect(await claim(call, { fingerprint: "g" })).toEqual({ state: "mismatch" });
      await first.complete(bytes("r"));
      expect(await claim(call, { fingerprint: "g" })).toEqual({ state: "mismatch" });
      expect(await claim(call)).toMatchObject({ state: "done" });
    });

    it("is another caller's own, whoever has the same", async () => {
      await openOne();
      await run(call, "for alice");
      const bobs = await fresh(call, { caller: "bob" });
      await bobs.complete(bytes("for bob"));
      expect(await claim(call)).toEqual({ state: "done", reply: bytes("for alice") });
      expect(await claim(call, { caller: "bob" })).toEqual({ state: "done", reply: bytes("for bob") });
    });

    it("that nobody claimed is unseen, and may be claimed after a look", async () => {
      await openOne();
      expect(await look(call)).toEqual({ state: "unseen" });
      await fresh(call);
    });

    it("that was fenced is refused for good", async () => {
      await openOne();
      expect(await look(call, { fence: true })).toEqual({ state: "fenced" });
      expect(await claim(call)).toEqual({ state: "fenced" });
      expect(await claim(call, { fingerprint: "g" })).toEqual({ state: "fenced" });
      expect(await look(call)).toEqual({ state: "fenced" });
    });

    it("that runs or is done cannot be fenced any more", async () => {
      await openOne();
      const first = await fresh(call);
      expect(await look(call, { fence: true })).toEqual({ state: "running" });
      await first.complete(bytes("r"));
      expect(await look(call, { fence: true })).toMatchObject({ state: "done" });
    });

    it("whose reply is too large is known to have run", async () => {
      await openOne({ replySizeMax: 4 });
      await run(call, "12345");
      expect(await claim(call)).toEqual({ state: "too-large" });
      expect(await look(call)).toEqual({ state: "too-large" });
    });

    it("of an earlier boot of the same server is lost, at once and for good", async () => {
      await openOne();
      await fresh(call);
      expect(await claim(call, { boot: "boot-2" })).toEqual({ state: "lost" });
      expect(await look(call, { boot: "boot-2", fence: true })).toEqual({ state: "lost" });
    });

    it("of another server runs until its lease is over, and is lost then", async () => {
      await openOne();
      await fresh(call, { leaseMs: 500 });
      const other = { owner: "other", boot: "boot-9" };
      expect(await claim(call, other)).toEqual({ state: "running" });
      now += 499;
      expect(await look(call, other)).toEqual({ state: "running" });
      now += 1;
      expect(await claim(call, other)).toEqual({ state: "lost" });
      // Its own server knows better.
      expect(await claim(call)).toEqual({ state: "running" });
    });

    it("that was taken for lost is done when its server completes it after all", async () => {
      await openOne();
      const slow = await fresh(call, { leaseMs: 500 });
      now += 500;
      expect(await claim(call, { owner: "other", boot: "boot-9" })).toEqual({ state: "lost" });
      await slow.complete(bytes("late"));
      expect(await claim(call, { owner: "other", boot: "boot-9" })).toEqual({ state: "done", reply: bytes("late") });
    });

    it("is granted to one of many that ask at once", async () => {
      await openOne();
      const outcomes = await Promise.all(Array.from({ length: 20 }, () => claim(call)));
      const states = outcomes.map(({ state }) => state).sort();
      expect(states).toEqual(["fresh", ...Array.from({ length: 19 }, () => "running")]);
    });
  });

  it("keeps a reply for its window, from the end of the call", async () => {
    await openOne({ replyWindowMs: 10_000 });
    const first = await fresh("a");
    now += 60_000;
    await first.complete(bytes("r"));
    now += 9_999;
    expect(await claim("a")).toMatchObject({ state: "done" });
    now += 1;
    await fresh("a");
  });

  it("knows a call that runs for longer than anything is kept", async () => {
    await openOne({ replyWindowMs: 1_000 });
    const slow = await fresh("slow");
    now += 3_600_000;
    await run("other");
    expect(await claim("slow")).toEqual({ state: "running" });
    await slow.complete(bytes("at last"));
    expect(await claim("slow")).toMatchObject({ state: "done" });
  });

  it("keeps nothing for less long when the clock is set back, and takes new calls", async () => {
    await openOne({ replyWindowMs: 10_000 });
    await run("before");
    const slow = await fresh("slow");
    now -= 86_400_000;
    await run("after");
    now += 9_999;
    for (const call of ["before", "after"]) expect(await claim(call)).toMatchObject({ state: "done" });
    expect(await claim("slow")).toEqual({ state: "running" });
    await slow.complete(bytes("r"));
    expect(await claim("slow")).toMatchObject({ state: "done" });
  });

  it("lets no numbered call run again when the clock is set ahead, and none end that runs", async () => {
    await openOne({ replyWindowMs: 10_000 });
    await run(1);
    await look(2, { fence: true });
    const slow = await fresh(3);
    now += 86_400_000;
    expect(await claim(1)).toEqual({ state: "forgotten" });
    expect(["fenced", "forgotten"]).toContain((await claim(2)).state);
    expect(await claim(3)).toEqual({ state: "running" });
    await slow.complete(bytes("r"));
    expect(await claim(3)).toEqual({ state: "done", reply: bytes("r") });
  });

  it("takes no number for a text, and no text for a number", async () => {
    await openOne();
    await run(1, "number");
    for (const call of ["1", "#1", "=1"]) await run(call, `text ${call}`);
    expect(await claim(1)).toEqual({ state: "done", reply: bytes("number") });
    expect(await claim("1")).toEqual({ state: "done", reply: bytes("text 1") });
  });

  it("refuses a numbered call whose time is up, and every one before it that was never seen", async () => {
    await openOne({ replyWindowMs: 10_000 });
    await run(7);
    now += 10_000;
    expect(await claim(7)).toEqual({ state: "forgotten" });
    await fresh(8);
    expect(await claim(6)).toEqual({ state: "forgotten" });
  });

  it("forgets what is acknowledged, and keeps it refused", async () => {
    await openOne();
    for (const call of [1, 2, 3]) await run(call);
    await store.forget("alice", 2);
    for (const call of [1, 2]) expect(await claim(call)).toEqual({ state: "forgotten" });
    expect(await look(2)).toEqual({ state: "forgotten" });
    expect(await claim(3)).toMatchObject({ state: "done" });
    await fresh(4);
    // An acknowledgement that comes late takes nothing back.
    await store.forget("alice", 1);
    expect(await claim(2)).toEqual({ state: "forgotten" });
  });

  it("forgets nothing of other callers, nothing that runs, and no fence", async () => {
    await openOne();
    await run(1, "bob's", { caller: "bob" });
    await fresh(1);
    await look(2, { fence: true });
    await store.forget("alice", 5);
    expect(await claim(1)).toEqual({ state: "running" });
    expect(await claim(2)).toEqual({ state: "fenced" });
    expect(await claim(1, { caller: "bob" })).toMatchObject({ state: "done" });
  });

  it("refuses new calls at its bound of entries, and keeps its promises", async () => {
    await openOne({ replyEntriesMax: 3 });
    for (const call of ["a", "b"]) await run(call);
    await fresh("c");
    expect(await claim("d", { caller: "bob" })).toEqual({ state: "busy" });
    expect(await look("e", { fence: true })).toEqual({ state: "busy" });
    expect(await claim("a")).toMatchObject({ state: "done" });
    expect(await claim("c")).toEqual({ state: "running" });
  });

  it("takes new calls again when old ones have gone", async () => {
    await openOne({ replyEntriesMax: 2, replyWindowMs: 1_000 });
    await run("a");
    const b = await fresh("b");
    expect(await claim("c")).toEqual({ state: "busy" });
    await b.abandon();
    await run("c");
    expect(await claim("d")).toEqual({ state: "busy" });
    now += 1_000;
    await run("d");
    await run("e");
  });

  it("refuses new calls at its bound of bytes", async () => {
    await openOne({ replyBytesMax: 3 * (replyEntryOverhead + 100) });
    await run(1, "x".repeat(900));
    await run(2, "x".repeat(300));
    expect(await claim(3)).toEqual({ state: "busy" });
    expect(await claim(1)).toMatchObject({ state: "done", reply: { length: 900 } });
    await store.forget("alice", 1);
    await fresh(3);
  });

  it("gives up a reply, not the promise, when it would exceed the bound of bytes", async () => {
    await openOne({ replyBytesMax: 4_000 });
    await run("a", "x".repeat(5_000));
    expect(await claim("a")).toEqual({ state: "too-large" });
  });

  it("keeps so many replies of a foreign caller: its oldest go, nobody else's", async () => {
    await openOne({ replyEntriesPerCallerMax: 3 });
    await run("x", "bob's", { caller: "bob" });
    for (const call of ["a", "b", "c", "d"]) {
      await run(call);
      now += 10;
    }
    for (const call of ["b", "c", "d"]) expect(await claim(call)).toMatchObject({ state: "done" });
    expect(await claim("x", { caller: "bob" })).toMatchObject({ state: "done" });
    await fresh("a");
  });

  it("never drops what a caller has running", async () => {
    await openOne({ replyEntriesPerCallerMax: 2 });
    await fresh("slow");
    for (const call of ["a", "b", "c", "d"]) await run(call);
    expect(await claim("slow")).toEqual({ state: "running" });
  });

  it("refuses a session's new calls instead, until it acknowledges", async () => {
    await openOne({ replyEntriesPerCallerMax: 2 });
    await run(1);
    await run(2);
    expect(await claim(3)).toEqual({ state: "busy" });
    expect(await claim(1)).toMatchObject({ state: "done" });
    await store.forget("alice", 1);
    await fresh(3);
  });

  it("forgets many calls at once, wherever the acknowledgements begin", async () => {
    await openOne();
    for (const call of [1, 2, 3, 5, 8]) await run(call);
    await store.forget("alice", 2);
    await store.forget("alice", 4_000_000_000);
    for (const call of [1, 3, 4, 8, 9]) expect(await claim(call)).toEqual({ state: "forgotten" });
    await fresh(4_000_000_001);
  });

  it("tells arguments apart by a number as well as by text", async () => {
    await openOne();
    await (await fresh(1, { fingerprint: 4_503_599_627_370_497 })).complete(bytes("r"));
    expect(await claim(1, { fingerprint: 4_503_599_627_370_496 })).toEqual({ state: "mismatch" });
    expect(await claim(1, { fingerprint: 4_503_599_627_370_497 })).toMatchObject({ state: "done" });
  });

  it("has a name that lasts as long as what it keeps", async () => {
    const { id } = await openOne();
    expect(id).not.toBe("");
    const again = await openOne({}, facts.shared);
    expect(again.id === id).toBe(facts.shared);
  });

  if (facts.shared) {
    it("shows what it keeps to another store on the same database", async () => {
      const one = await openOne();
      await run("done", "r");
      const pending = await fresh("running");
      const two = await openOne({}, true);
      const other = { owner: "other", boot: "boot-9" };
      expect(await two.claim(request("done", other))).toEqual({ state: "done", reply: bytes("r") });
      expect(await two.claim(request("running", other))).toEqual({ state: "running" });
      expect(await two.look({ key: { caller: "alice", call: "late" }, ...other, fence: true })).toEqual({
        state: "fenced",
      });
      expect(await one.claim(request("late"))).toEqual({ state: "fenced" });
      await pending.complete(bytes("p"));
      expect(await two.claim(request("running", other))).toEqual({ state: "done", reply: bytes("p") });
    });

    it("grants a call to one of two stores on the same database", async () => {
      const stores = [await openOne(), await openOne({}, true)];
      for (let round = 0; round < 10; round++) {
        const asked = stores.map(async (each, i) =>
          each.claim(request(`r${round}`, { owner: `o${i}`, boot: `b${i}` })),
        );
        const states = (await Promise.all(asked)).map(({ state }) => state).sort();
        expect(states).toEqual(["fresh", "running"]);
      }
    });
  }

  if (facts.durable) {
    it("knows its calls again after a new start: done, lost, fenced, forgotten", async () => {
      await openOne();
      await run(1, "r");
      await run(2, "s");
      await fresh(3);
      await look(4, { fence: true });
      await store.forget("alice", 1);
      await store.close();
      await openOne({}, true);
      const boot = { boot: "boot-2" };
      expect(await claim(1, boot)).toEqual({ state: "forgotten" });
      expect(await claim(2, boot)).toEqual({ state: "done", reply: bytes("s") });
      expect(await claim(3, boot)).toEqual({ state: "lost" });
      expect(await claim(4, boot)).toEqual({ state: "fenced" });
    });
  }
}

// What every store of the directory does. It runs over each of them, with the real thing behind it.
import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type DirectoryEntry, type DirectoryStore, entryKey } from "../../src/store/directory/contract.js";

export interface DirectoryStoreFacts {
  readonly durable: boolean;
  readonly shared: boolean;
  /** The shortest lease that it can tell from none. */
  readonly leaseMs: number;
}

/** Opens a store that is empty; or, `again`, one more on what the last one left or holds. */
export type OpenDirectoryStore = (again?: boolean) => Promise<DirectoryStore>;

/** Waits, on a machine that may be busy, for what is to come about by itself. */
export const eventually = (check: () => Promise<void> | void): Promise<void> =>
  vi.waitFor(check, { timeout: 15_000, interval: 20 });

export const entry = (more: Partial<DirectoryEntry> = {}): DirectoryEntry => ({
  id: randomBytes(16).toString("hex"),
  name: "calc",
  version: 1,
  address: "tcp://127.0.0.1:1001",
  interface: "",
  owner: "alice",
  leaseMs: 60_000,
  priority: 0,
  weight: 1,
  ...more,
});

export function directoryStoreContract(
  open: OpenDirectoryStore,
  { durable, shared, leaseMs }: DirectoryStoreFacts,
): void {
  const opened: DirectoryStore[] = [];
  const openOne = async (again = false): Promise<DirectoryStore> => {
    const store = await open(again);
    opened.push(store);
    return store;
  };
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close();
  });
  const addresses = async (store: DirectoryStore, name = "calc", version?: number): Promise<string[]> =>
    (await store.find(name, version)).entries.map(({ address }) => address);

  it("says what it is", async () => {
    expect(await openOne()).toMatchObject({ writable: true, durable, shared });
  });

  it("finds what was put into it, by name and version, whole and in the order of the keys", async () => {
    const store = await openOne();
    expect(await store.find("calc")).toEqual({ entries: [], complete: true });
    const entries = [
      entry({ address: "tcp://127.0.0.1:1002", interface: "struct é { int a; };" }),
      entry({ address: "tcp://[::1]:1001", priority: 3, weight: 7 }),
      entry({ version: 2, address: "unix:/run/a b.sock", owner: "sys:0" }),
      entry({ version: 10, address: "udp://127.0.0.1:9" }),
      entry({ name: "calc/of.Zoë-1", version: 4_294_967_294 }),
    ];
    for (const each of [...entries].reverse()) await store.put(each);
    expect(await store.find("calc")).toEqual({ entries: entries.slice(0, 4), complete: true });
    expect(await store.find("calc", 2)).toEqual({ entries: [entries[2]], complete: true });
    expect(await store.find("calc/of.Zoë-1", 4_294_967_294)).toEqual({ entries: [entries[4]], complete: true });
    expect(await addresses(store, "cal")).toEqual([]);
  });

  it("keeps one entry for a name, version and address: the last", async () => {
    const store = await openOne();
    const [first, second] = [entry({ interface: "old" }), entry({ interface: "new" })];
    await store.put(first);
    await store.put(second);
    expect((await store.find("calc")).entries).toEqual([second]);
    expect(await store.renew(first.id)).toBe(false);
    expect(await store.remove(first.id)).toBe(false);
    expect(await store.renew(second.id)).toBe(true);
    expect((await store.usage("alice")).entries).toBe(1);
  });

  it("takes an entry out, once", async () => {
    const store = await openOne();
    const [one, other] = [entry(), entry({ address: "tcp://127.0.0.1:1002" })];
    await store.put(one);
    await store.put(other);
    expect(await store.remove(one.id)).toBe(true);
    expect(await store.remove(one.id)).toBe(false);
    expect(await addresses(store)).toEqual([other.address]);
  });

  it("lists all in the order of their keys, some at a time", async () => {
    const store = await openOne();
    const entries = ["b", "a.x", "a", "c"].flatMap((name) => [
      entry({ name, version: 11 }),
      entry({ name, version: 2 }),
    ]);
    for (const each of entries) await store.put(each);
    const keys: string[] = [];
    for (;;) {
      const page = (await store.list(keys.at(-1) ?? "", 3)).entries;
      keys.push(...page.map(entryKey));
      if (page.length < 3) break;
    }
    expect(keys).toEqual(entries.map(entryKey).sort());
  });

  it("counts its entries, an owner's, and the bytes that they take", async () => {
    const store = await openOne();
    const empty = await store.usage("alice");
    expect(empty).toEqual({ entries: 0, ofOwner: 0, bytes: 0 });
    const ours = entry({ interface: "x".repeat(10_000) });
    await store.put(ours);
    await store.put(entry({ address: "tcp://127.0.0.1:1002", owner: "bob" }));
    const usage = await store.usage("alice");
    expect(usage).toMatchObject({ entries: 2, ofOwner: 1 });
    expect(usage.bytes).toBeGreaterThan(20_000);
    await store.remove(ours.id);
    expect(await store.usage("alice")).toMatchObject({ entries: 1, ofOwner: 0 });
    expect((await store.usage("alice")).bytes).toBeLessThan(5_000);
  });

  it("drops an entry when its lease is over, and keeps one that is renewed", async () => {
    const store = await openOne();
    const [dead, alive] = [entry({ leaseMs }), entry({ address: "tcp://127.0.0.1:1002", leaseMs })];
    await store.put(dead);
    await store.put(alive);
    const renewing = setInterval(() => void store.renew(alive.id), leaseMs / 8);
    try {
      await eventually(async () => expect(await addresses(store)).toEqual([alive.address]));
      expect(await store.renew(dead.id)).toBe(false);
      expect(await store.renew(alive.id)).toBe(true);
    } finally {
      clearInterval(renewing);
    }
    await eventually(async () => expect(await addresses(store)).toEqual([]));
  });

  it("tells of what comes, changes and goes, by name, until nobody listens", async () => {
    const store = await openOne();
    const told: string[] = [];
    const stop = store.watch((name) => told.push(name));
    const one = entry();
    await store.put(one);
    await eventually(() => expect(told).toContain("calc"));
    told.length = 0;
    await store.renew(one.id);
    const changed = entry({ interface: "new" });
    await store.put(changed);
    await eventually(() => expect(told).toEqual(["calc"]));
    await store.remove(changed.id);
    await eventually(() => expect(told).toEqual(["calc", "calc"]));
    stop();
    await store.put(entry({ name: "other" }));
    await eventually(async () => expect((await store.find("other")).entries).toHaveLength(1));
    expect(told).toEqual(["calc", "calc"]);
  });

  const describeIf = (holds: boolean, what: string, body: () => void): void => {
    if (holds) describe(what, body);
  };

  describeIf(durable, "what is put into it", () => {
    it("is there when it is opened again, and its lease begins anew", async () => {
      const first = await openOne();
      const one = entry({ interface: "text", leaseMs });
      await first.put(one);
      await first.close();
      const second = await openOne(true);
      expect((await second.find("calc")).entries).toEqual([one]);
      expect(await second.renew(one.id)).toBe(true);
      await eventually(async () => expect(await addresses(second)).toEqual([]));
    });
  });

  describeIf(shared, "another process's store on the same", () => {
    it("sees what comes and goes", async () => {
      const [here, there] = [await openOne(), await openOne(true)];
      const told: string[] = [];
      there.watch((name) => told.push(name));
      const [one, other] = [entry(), entry({ address: "tcp://127.0.0.1:1002" })];
      await here.put(one);
      await there.put(other);
      await eventually(async () => expect((await there.find("calc")).entries).toEqual([one, other]));
      await eventually(async () => expect((await here.find("calc")).entries).toEqual([one, other]));
      expect(told).toContain("calc");
      await here.remove(one.id);
      await eventually(async () => expect((await there.find("calc")).entries).toEqual([other]));
    });

    it("renews and removes what was put there", async () => {
      const [here, there] = [await openOne(), await openOne(true)];
      const one = entry({ leaseMs });
      await here.put(one);
      await eventually(async () => expect(await addresses(there)).toHaveLength(1));
      // Renewed there alone for longer than the lease, it is still here.
      const renewing = setInterval(() => void there.renew(one.id), leaseMs / 8);
      try {
        const told: string[] = [];
        here.watch((name) => told.push(name));
        const short = entry({ address: "tcp://127.0.0.1:1002", leaseMs: 1.75 * leaseMs });
        await here.put(short);
        await eventually(async () => expect(await addresses(here)).toEqual([one.address]));
        // The other came and went; this one was there all the time.
        expect(told).toEqual(["calc", "calc"]);
      } finally {
        clearInterval(renewing);
      }
      expect(await there.renew(one.id)).toBe(true);
      expect(await there.remove(one.id)).toBe(true);
      await eventually(async () => expect(await addresses(here)).toEqual([]));
    });

    it("drops what was put here by a process that is gone", async () => {
      const [here, there] = [await openOne(), await openOne(true)];
      await here.put(entry({ leaseMs }));
      await eventually(async () => expect(await addresses(there)).toHaveLength(1));
      await here.close();
      await eventually(async () => expect(await addresses(there)).toEqual([]));
    });
  });
}

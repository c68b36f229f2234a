// What every store does that runs calls in its transactions: effect and reply commit together, or neither.
import { describe, expect, it } from "vitest";
import type { ClaimRequest, FreshClaim, ReplyStore } from "../../src/call/reply-cache.js";

export interface TransactionSetup<Tx> {
  /** Opens a store on a new database; or, `again`, one more on the same. */
  open(again?: boolean): Promise<ReplyStore<Tx>>;
  /** Runs SQL outside any store. */
  prepare(sql: string): Promise<void>;
  /** The first row of a query outside any store. */
  read(sql: string): Promise<object>;
  /** Runs SQL in a call's transaction. */
  write(transaction: Tx, sql: string): Promise<void>;
}

const request = (call: number, boot = "boot-1"): ClaimRequest => ({
  key: { caller: "alice", call },
  fingerprint: "",
  owner: "server",
  boot,
  leaseMs: 60_000,
  transactional: true,
});
const reply = new Uint8Array([1, 2, 3]);

export function transactionContract<Tx>(setup: TransactionSetup<Tx>): void {
  const start = async (): Promise<ReplyStore<Tx>> => {
    const store = await setup.open();
    await setup.prepare("CREATE TABLE accounts (balance INTEGER)");
    await setup.prepare("INSERT INTO accounts VALUES (100)");
    return store;
  };
  const begin = async (store: ReplyStore<Tx>, call: number, boot?: string): Promise<FreshClaim<Tx>> => {
    const claim = await store.claim(request(call, boot));
    expect(claim.state).toBe("fresh");
    return claim as FreshClaim<Tx>;
  };
  const take10 = (claim: FreshClaim<Tx>): Promise<void> =>
    setup.write(claim.transaction as Tx, "UPDATE accounts SET balance = balance - 10");
  const balance = async (): Promise<number> =>
    Number(((await setup.read("SELECT balance FROM accounts")) as { balance: unknown }).balance);

  describe("a call in the store's transaction", () => {
    it("shows its effect to others when it is completed, not before", async () => {
      const store = await start();
      const claim = await begin(store, 1);
      await take10(claim);
      expect(await balance()).toBe(100);
      await claim.complete(reply);
      expect(await balance()).toBe(90);
      const again = await store.claim(request(1));
      expect(again).toEqual({ state: "done", reply });
      await store.close();
    });

    it("leaves nothing when it is abandoned, and may run again", async () => {
      const store = await start();
      const first = await begin(store, 1);
      await take10(first);
      await first.abandon();
      expect(await balance()).toBe(100);
      const second = await begin(store, 1);
      await take10(second);
      await second.complete(reply);
      expect(await balance()).toBe(90);
      await store.close();
    });

    it("is kept by whoever opens the database next", async () => {
      const store = await start();
      const claim = await begin(store, 1);
      await take10(claim);
      await claim.complete(reply);
      await store.close();
      const next = await setup.open(true);
      expect(await next.claim(request(1, "boot-2"))).toEqual({ state: "done", reply });
      await next.close();
    });

    it("whose duplicate comes while it runs takes effect once", async () => {
      const store = await start();
      const claim = await begin(store, 1);
      const duplicate = store.claim(request(1));
      await take10(claim);
      await claim.complete(reply);
      expect(["running", "done"]).toContain((await duplicate).state);
      expect(await balance()).toBe(90);
      await store.close();
    });

    it("does not take others with it when it is rolled back", async () => {
      const store = await start();
      const first = await begin(store, 1);
      await take10(first);
      const plain = store.claim({ ...request(2), transactional: false });
      await first.abandon();
      const claim = (await plain) as FreshClaim<Tx>;
      expect(claim.state).toBe("fresh");
      await claim.complete(reply);
      expect(await store.claim(request(2))).toEqual({ state: "done", reply });
      expect(await balance()).toBe(100);
      await store.close();
    });
  });
}

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ClaimRequest, FreshClaim } from "../../src/call/reply-cache.js";
import { openSqliteReplyStore, type SqliteDriver, type SqliteTransaction } from "../../src/store/index.js";
import { openSqlite, type SqliteConnection } from "../../src/store/sqlite-driver.js";
import { replyStoreContract } from "./contract.js";
import { transactionContract } from "./transactions.js";

const folder = mkdtempSync(join(tmpdir(), "farcall-store-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const newFile = (): string => join(folder, `${files++}.db`);

/** Why a driver cannot be used here; undefined when it can. */
async function missing(driver: SqliteDriver): Promise<string | undefined> {
  try {
    (await openSqlite(":memory:", driver)).close();
    return undefined;
  } catch (error) {
    return String(error);
  }
}

const drivers: readonly SqliteDriver[] = ["node:sqlite", "better-sqlite3", "libsql"];
const reasons = new Map(await Promise.all(drivers.map(async (driver) => [driver, await missing(driver)] as const)));

const request = (call: number, more: Partial<ClaimRequest> = {}): ClaimRequest => ({
  key: { caller: "alice", call },
  fingerprint: "",
  owner: "server",
  boot: "boot-1",
  leaseMs: 60_000,
  ...more,
});

describe.each(drivers)("the store in SQLite by %s", (driver) => {
  const reason = reasons.get(driver);
  describe.skipIf(reason !== undefined)(reason === undefined ? "in a file" : `[skipped: ${driver} is missing]`, () => {
    let path = "";
    replyStoreContract(
      async (options, again) => {
        if (again !== true) path = newFile();
        return openSqliteReplyStore({ ...options, path, driver });
      },
      { durable: true, shared: true, transactional: true },
    );

    transactionContract<SqliteTransaction>({
      open: async (again) => {
        if (again !== true) path = newFile();
        return openSqliteReplyStore({ path, driver });
      },
      prepare: (sql) => withConnection(path, driver, (connection) => void connection.exec(sql)),
      read: (sql) => withConnection(path, driver, (connection) => connection.prepare(sql).get() as object),
      write: async (transaction, sql) => void transaction.run(sql),
    });

    it("is neither durable nor shared in memory", async () => {
      const store = await openSqliteReplyStore({ path: ":memory:", driver });
      expect(store).toMatchObject({ durable: false, shared: false });
      await store.close();
    });

    describe("beside another process that has locked the database", () => {
      let other: SqliteConnection;
      beforeEach(async () => {
        path = newFile();
      });

      it("waits without stopping the event loop, and goes on when the lock is gone", async () => {
        const store = await openSqliteReplyStore({ path, driver });
        other = await openSqlite(path, driver);
        other.exec("BEGIN IMMEDIATE");
        let turns = 0;
        // A loop that stands still would never come to the turn in which the lock goes.
        const ticking = setInterval(() => {
          if (++turns === 20) other.exec("COMMIT");
        }, 1);
        expect((await store.claim(request(1))).state).toBe("fresh");
        clearInterval(ticking);
        expect(turns).toBeGreaterThanOrEqual(20);
        other.close();
        await store.close();
      });

      it("fails when the lock does not go away in time, and works again afterwards", async () => {
        const store = await openSqliteReplyStore({ path, driver, lockTimeoutMs: 50 });
        other = await openSqlite(path, driver);
        other.exec("BEGIN IMMEDIATE");
        await expect(store.claim(request(1))).rejects.toThrow(/locked the database for more than 50 ms/);
        other.exec("COMMIT");
        expect((await store.claim(request(1))).state).toBe("fresh");
        other.close();
        await store.close();
      });
    });

    it("ends a handler's transaction that takes too long, and says so to the handler", async () => {
      const store = await openSqliteReplyStore({ path: newFile(), driver, transactionTimeoutMs: 30 });
      const slow = (await store.claim(request(1, { transactional: true }))) as FreshClaim<SqliteTransaction>;
      // Who waits for the turn gets it then.
      expect((await store.claim(request(2))).state).toBe("fresh");
      expect(() => slow.transaction?.run("SELECT 1")).toThrow(/transactionTimeoutMs/);
      await expect(async () => slow.complete(new Uint8Array())).rejects.toThrow(/transactionTimeoutMs/);
      expect((await store.claim(request(1))).state).toBe("fresh");
      await store.close();
    });

    it("has room again when a transaction is rolled back", async () => {
      const store = await openSqliteReplyStore({ path: newFile(), driver, replyEntriesMax: 1 });
      const first = (await store.claim(request(1, { transactional: true }))) as FreshClaim<SqliteTransaction>;
      await first.abandon();
      expect((await store.claim(request(2))).state).toBe("fresh");
      expect((await store.claim(request(3))).state).toBe("busy");
      await store.close();
    });

    it.each(["COMMIT", " rollback", "Begin", "END"])("refuses %s in a call's transaction", async (sql) => {
      const store = await openSqliteReplyStore({ path: newFile(), driver });
      const claim = (await store.claim(request(1, { transactional: true }))) as FreshClaim<SqliteTransaction>;
      expect(() => claim.transaction?.run(sql)).toThrow(/ended by its call/);
      await claim.abandon();
      await store.close();
    });
  });
});

describe("without any driver of SQLite", () => {
  beforeAll(() => {});

  it("says what to install", async () => {
    await expect(openSqlite(":memory:", "none" as SqliteDriver)).rejects.toThrow(/npm install libsql/);
  });
});

async function withConnection<T>(
  path: string,
  driver: SqliteDriver,
  use: (connection: SqliteConnection) => T,
): Promise<T> {
  const connection = await openSqlite(path, driver);
  try {
    return use(connection);
  } finally {
    connection.close();
  }
}

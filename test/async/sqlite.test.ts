import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RequestBook } from "../../src/async/core/book.js";
import { resolveRequestLimits } from "../../src/async/core/limits.js";
import { openSqliteRequestEngine } from "../../src/store/index.js";
import { openSqlite } from "../../src/store/sqlite-driver.js";
import { requestEngineContract } from "./contract.js";

describe("requests in SQLite", () => {
  let folder = "";
  let files = 0;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "farcall-async-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  requestEngineContract(
    async (options, again) => {
      if (again !== true) files++;
      return openSqliteRequestEngine({ ...options, path: join(folder, `${files}.db`) });
    },
    { durable: true, shared: true },
  );

  it("that are in memory only are neither durable nor shared", async () => {
    const engine = await openSqliteRequestEngine({ path: ":memory:" });
    expect({ durable: engine.durable, shared: engine.shared }).toEqual({ durable: false, shared: false });
    await engine.close();
  });

  it("says that nothing was done while another process holds the lock, and goes on when it is free", async () => {
    const path = join(folder, "locked.db");
    const book = new RequestBook(await openSqliteRequestEngine({ path, lockTimeoutMs: 50 }), resolveRequestLimits({}));
    const other = await openSqlite(path);
    other.exec("BEGIN IMMEDIATE");
    await expect(book.list("alice", 1)).rejects.toMatchObject({ name: "EngineError", executed: "no" });
    other.exec("ROLLBACK");
    expect(await book.list("alice", 1)).toEqual([]);
    other.close();
    await book.close();
    await expect(book.list("alice", 1)).rejects.toMatchObject({ name: "EngineError", executed: "no" });
  });
});

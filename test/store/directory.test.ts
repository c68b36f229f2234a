import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { memoryDirectoryStore, openEtcdDirectoryStore, openSqliteDirectoryStore } from "../../src/store/index.js";
import { type Etcd, startEtcd } from "../support/etcd.js";
import { describeWith } from "../support/requirements.js";
import { directoryStoreContract } from "./directory-contract.js";

describe("a directory in memory", () => {
  directoryStoreContract(async () => memoryDirectoryStore(), { durable: false, shared: false, leaseMs: 300 });
});

describe("a directory in an SQLite file", () => {
  const folder = mkdtempSync(join(tmpdir(), "farcall-directory-"));
  let count = 0;
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  directoryStoreContract(
    (again) => openSqliteDirectoryStore({ path: join(folder, `${again === true ? count : ++count}.db`), pollMs: 20 }),
    { durable: true, shared: true, leaseMs: 600 },
  );
});

describe("a directory in SQLite's memory", () => {
  directoryStoreContract(() => openSqliteDirectoryStore({ path: ":memory:" }), {
    durable: false,
    shared: false,
    leaseMs: 300,
  });
});

describeWith(["etcd"], "a directory in etcd", () => {
  let etcd: Etcd;
  let count = 0;
  beforeAll(async () => {
    etcd = await startEtcd(3);
  });
  afterAll(() => etcd[Symbol.asyncDispose]());
  const open = (again?: boolean) =>
    openEtcdDirectoryStore({
      endpoints: etcd.endpoints,
      prefix: `/test/${again === true ? count : ++count}/`,
      checkMs: 100,
    });
  // etcd counts in seconds, and has none of less than two.
  directoryStoreContract(open, { durable: true, shared: true, leaseMs: 2_000 });
});

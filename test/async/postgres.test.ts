import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RequestBook } from "../../src/async/core/book.js";
import { resolveRequestLimits } from "../../src/async/core/limits.js";
import { openPostgresRequestEngine } from "../../src/store/index.js";
import { type Postgres, postgresMissing, startPostgres } from "../support/postgres.js";
import { requestEngineContract } from "./contract.js";

const reason = await postgresMissing();
const named = (name: string): string => (reason === undefined ? name : `${name} [skipped: ${reason}]`);

describe.skipIf(reason !== undefined)(named("requests in PostgreSQL"), () => {
  let server: Postgres;
  let schemas = 0;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const newSchema = async (): Promise<void> => {
    schemas++;
    const client = new pg.Client(server.connection);
    await client.connect();
    await client.query(`CREATE SCHEMA r${schemas}`);
    await client.end();
  };
  const connection = () => ({ ...server.connection, options: `-c search_path=r${schemas}` });

  requestEngineContract(
    async (options, again) => {
      if (again !== true) await newSchema();
      return openPostgresRequestEngine({ ...options, connection: connection() });
    },
    { durable: true, shared: true },
  );

  it("says that nothing was done while the server is dead, and goes on when it is back", async () => {
    await newSchema();
    const options = { connection: connection(), lockTimeoutMs: 2_000 };
    const book = new RequestBook(await openPostgresRequestEngine(options), resolveRequestLimits({}));
    const heard: unknown[] = [];
    book.listen((news) => heard.push(news));
    expect(await book.list("alice", 1)).toEqual([]);
    await server.kill();
    await expect(book.list("alice", 1)).rejects.toMatchObject({ name: "EngineError", executed: "no" });
    await server.start();
    expect(await book.list("alice", 1)).toEqual([]);
    await book.close();
  });

  it("wakes those who wait in other processes", async () => {
    await newSchema();
    const open = async () =>
      new RequestBook(await openPostgresRequestEngine({ connection: connection() }), resolveRequestLimits({}));
    const one = await open();
    const two = await open();
    let wake = (): void => {};
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    // Once it listens, it says that it does not know what was before.
    await new Promise<void>((resolve) =>
      two.listen((news) => (news === undefined ? resolve() : news.waiting && wake())),
    );
    await one.submit({
      id: "f".repeat(32),
      owner: "alice",
      key: "k",
      digest: "",
      procedure: "p",
      args: new Uint8Array(),
      restart: "fail",
      ttlMs: 1_000,
    });
    await woken;
    await Promise.all([one.close(), two.close()]);
  });
});

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type Procedure, Server } from "farcall";
import { type OncService, oncProgram } from "farcall/onc";
import { openPostgresReplyStore, openSqliteReplyStore, type ReplyStore } from "farcall/store";
import { uint } from "farcall/xdr";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openSqlite, type SqliteConnection } from "../../src/store/sqlite-driver.js";
import { until } from "../support/faults.js";
import { type Postgres, postgresMissing, startPostgres } from "../support/postgres.js";
import { Port, words } from "../support/raw-messages.js";

// Real stores of a real server that are slow, or killed: what its foreign callers get is what docs/reply-cache.md says.

interface Service {
  once: Procedure<[n: number], number>;
  often: Procedure<[n: number], number, "at-least-once">;
}
const ServiceV1: OncService<Service> = oncProgram<Service>({
  name: "STORED",
  program: 0x2000_0e27,
  version: 1,
  procedures: {
    once: { number: 1, name: "ONCE", args: [uint], result: uint },
    often: { number: 2, name: "OFTEN", args: [uint], result: uint, semantics: "at-least-once" },
  },
});

const lockTimeoutMs = 300;

/** A store on a real database, and what can happen to that. */
interface Setup extends AsyncDisposable {
  readonly store: ReplyStore<unknown>;
  /** Makes every write wait, until it is told to go on. */
  block(): Promise<void>;
  unblock(): Promise<void>;
  /** The database's processes, where it has some. */
  readonly database: Postgres | undefined;
}

async function sqlite(): Promise<Setup> {
  const folder = mkdtempSync(join(tmpdir(), "farcall-stores-"));
  const path = join(folder, "replies.db");
  const store = await openSqliteReplyStore({ path, lockTimeoutMs });
  const other: SqliteConnection = await openSqlite(path);
  return {
    store,
    block: async () => void other.exec("BEGIN IMMEDIATE"),
    unblock: async () => void other.exec("COMMIT"),
    database: undefined,
    async [Symbol.asyncDispose]() {
      await store.close();
      other.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function postgres(): Promise<Setup> {
  const database = await startPostgres();
  const store = await openPostgresReplyStore({ connection: database.connection, lockTimeoutMs });
  let other: pg.Client | undefined;
  return {
    store,
    async block() {
      other = new pg.Client(database.connection);
      await other.connect();
      await other.query("BEGIN");
      await other.query("LOCK TABLE farcall_replies IN ACCESS EXCLUSIVE MODE");
    },
    async unblock() {
      await other?.query("COMMIT");
      await other?.end();
      other = undefined;
    },
    database,
    async [Symbol.asyncDispose]() {
      await other?.end();
      await store.close();
      await database[Symbol.asyncDispose]();
    },
  };
}

const missing = await postgresMissing();
const stores = [
  ["SQLite", sqlite, undefined],
  ["PostgreSQL", postgres, missing],
] as const;

for (const [name, open, reason] of stores) {
  describe.skipIf(reason !== undefined)(reason === undefined ? name : `${name} [skipped: ${reason}]`, () => {
    let setup: Setup;
    let server: Server<unknown>;
    let caller: Port;
    let errors: unknown[] = [];
    let ran: number[] = [];
    let whileItRuns: () => Promise<void> | void = () => {};
    beforeEach(async () => {
      [errors, ran, whileItRuns] = [[], [], () => {}];
      setup = await open();
      server = new Server({ replyCache: { store: setup.store }, onError: (error) => void errors.push(error) });
      server.export(ServiceV1, {
        async once(n) {
          ran.push(n);
          await whileItRuns();
          return 2 * n;
        },
        often: (n) => 2 * n,
      });
      caller = await Port.open(await server.listen("udp://127.0.0.1:0"));
    });
    afterEach(async () => {
      await caller[Symbol.asyncDispose]();
      await server.close({ drainMs: 0 });
      await setup[Symbol.asyncDispose]();
    });

    it("that does not answer in time: SYSTEM_ERR, and the handler does not run; what needs no store is served", async () => {
      await setup.block();
      expect(await caller.ask(ServiceV1, 1, 1)).toBe(systemError(1));
      expect(errors).toHaveLength(1);
      expect(await caller.ask(ServiceV1, 2, 2)).toBe(done(2));
      await setup.unblock();
      expect(ran).toEqual([]);
      // The refusal was no answer for good.
      expect(await caller.ask(ServiceV1, 1, 1)).toBe(done(1));
      expect(ran).toEqual([1]);
    });

    it("that does not take the reply in time: the reply leaves, and the call never runs again", async () => {
      whileItRuns = () => setup.block();
      expect(await caller.ask(ServiceV1, 1, 1)).toBe(done(1));
      expect(errors).toHaveLength(1);
      await setup.unblock();
      whileItRuns = () => {};
      // To the store it still runs, so a datagram that comes again is not answered.
      caller.send(ServiceV1, 1, 1);
      expect(await caller.ask(ServiceV1, 1, 2)).toBe(done(2));
      expect(ran).toEqual([1, 2]);
    });

    it("that does not answer in time: a call in a session has not run, and its caller is told so", async () => {
      const address = await server.listen("tcp://127.0.0.1:0");
      await using client = await connect(ServiceV1, address, { session: "require", retry: false });
      expect(await client.once(1)).toBe(2);
      await setup.block();
      const error = await client.once(2).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: "unavailable", executed: "no" });
      expect(await client.often(3)).toBe(6);
      await setup.unblock();
      expect(await client.once(4)).toBe(8);
      expect(ran).toEqual([1, 4]);
    });

    if (name === "SQLite") return;

    it("that was killed: SYSTEM_ERR until it is there again", async () => {
      expect(await caller.ask(ServiceV1, 1, 1)).toBe(done(1));
      await setup.database?.kill();
      expect(await caller.ask(ServiceV1, 1, 2)).toBe(systemError(2));
      expect(await caller.ask(ServiceV1, 1, 1)).toBe(systemError(1));
      expect(await caller.ask(ServiceV1, 2, 3)).toBe(done(3));
      expect(ran).toEqual([1]);
      expect(errors).toHaveLength(2);
      await setup.database?.start();
      // What was kept before is answered again, what was refused runs.
      expect(await caller.ask(ServiceV1, 1, 1)).toBe(done(1));
      expect(await caller.ask(ServiceV1, 1, 2)).toBe(done(2));
      expect(ran).toEqual([1, 2]);
    });

    it("that is killed while a call runs: the reply leaves, and it never runs again", async () => {
      whileItRuns = () => setup.database?.kill();
      expect(await caller.ask(ServiceV1, 1, 1)).toBe(done(1));
      expect(errors).toHaveLength(1);
      whileItRuns = () => {};
      await setup.database?.start();
      caller.send(ServiceV1, 1, 1);
      expect(await caller.ask(ServiceV1, 1, 2)).toBe(done(2));
      expect(ran).toEqual([1, 2]);
    });
  });
}

describe("a store that is full", () => {
  it("refuses a session's new call as busy, and it has not run; what needs no store is served", async () => {
    const server = new Server({ replyCache: { replyEntriesMax: 1 }, onError: () => {} });
    const ran: number[] = [];
    let finish = (): void => {};
    server.export(ServiceV1, {
      once(n) {
        ran.push(n);
        return new Promise((resolve) => {
          finish = () => resolve(2 * n);
        });
      },
      often: (n) => 2 * n,
    });
    const address = await server.listen("tcp://127.0.0.1:0");
    await using client = await connect(ServiceV1, address, { session: "require", retry: false });
    const first = client.once(1);
    await until(() => ran.length === 1);
    const error = await client.once(2).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "busy", executed: "no" });
    expect(await client.often(3)).toBe(6);
    finish();
    expect(await first).toBe(2);
    expect(ran).toEqual([1]);
    await server.close({ drainMs: 0 });
  });
});

const done = (n: number): string => words(n, 1, 0, 0, 0, 0, 2 * n);
const systemError = (n: number): string => words(n, 1, 0, 0, 0, 5);

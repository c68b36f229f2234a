import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ClaimRequest, FreshClaim } from "../../src/call/reply-cache.js";
import { openPostgresReplyStore, type PostgresTransaction } from "../../src/store/index.js";
import { type Postgres, postgresMissing, startPostgres } from "../support/postgres.js";
import { replyStoreContract } from "./contract.js";
import { transactionContract } from "./transactions.js";

const reason = await postgresMissing();
const named = (name: string): string => (reason === undefined ? name : `${name} [skipped: ${reason}]`);

const request = (call: number, more: Partial<ClaimRequest> = {}): ClaimRequest => ({
  key: { caller: "alice", call },
  fingerprint: "",
  owner: "server",
  boot: "boot-1",
  leaseMs: 60_000,
  ...more,
});

describe.skipIf(reason !== undefined)(named("the store in PostgreSQL"), () => {
  let server: Postgres;
  /** A schema is as good as a database of its own, and made in a tenth of the time. */
  let schema = "";
  let schemas = 0;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const connection = (settings = "") => ({
    ...server.connection,
    options: `-c search_path=${schema} ${settings}`,
  });
  const query = async (sql: string): Promise<object> => {
    const client = new pg.Client(connection());
    await client.connect();
    try {
      return ((await client.query(sql)).rows[0] as object) ?? {};
    } finally {
      await client.end();
    }
  };
  const newDatabase = async (): Promise<void> => {
    schema = `s${schemas++}`;
    await query(`CREATE SCHEMA ${schema}`);
  };

  replyStoreContract(
    async (options, again) => {
      if (again !== true) await newDatabase();
      return openPostgresReplyStore({ ...options, connection: connection() });
    },
    { durable: true, shared: true, transactional: true },
  );

  transactionContract<PostgresTransaction>({
    open: async (again) => {
      if (again !== true) await newDatabase();
      return openPostgresReplyStore({ connection: connection() });
    },
    prepare: async (sql) => void (await query(sql)),
    read: query,
    write: async (transaction, sql) => void (await transaction.query(sql)),
  });

  it.each([
    ["synchronous_commit", "off", false],
    ["synchronous_commit", "local", true],
  ])("with %s = %s says durable: %s", async (name, value, durable) => {
    await newDatabase();
    const store = await openPostgresReplyStore({ connection: connection(`-c ${name}=${value}`) });
    expect(store.durable).toBe(durable);
    await store.close();
  });

  it("runs transactions of different calls at once, and answers a call that runs elsewhere without waiting", async () => {
    await newDatabase();
    const stores = [await openPostgresReplyStore({ connection: connection() })];
    stores.push(await openPostgresReplyStore({ connection: connection() }));
    const [one, two] = stores;
    const first = (await one?.claim(request(1, { transactional: true }))) as FreshClaim<PostgresTransaction>;
    const second = (await two?.claim(request(2, { transactional: true }))) as FreshClaim<PostgresTransaction>;
    expect([first.state, second.state]).toEqual(["fresh", "fresh"]);
    expect(await two?.claim(request(1, { owner: "other", boot: "boot-9" }))).toEqual({ state: "running" });
    await first.complete(new Uint8Array([1]));
    await second.abandon();
    expect(await two?.claim(request(1))).toMatchObject({ state: "done" });
    for (const store of stores) await store.close();
  });

  it("does not take a commit for done whose transaction a failed statement had ended", async () => {
    await newDatabase();
    const store = await openPostgresReplyStore({ connection: connection() });
    const claim = (await store.claim(request(1, { transactional: true }))) as FreshClaim<PostgresTransaction>;
    await expect(claim.transaction?.query("SELECT 1/0")).rejects.toThrow(/zero/);
    await expect((async () => claim.complete(new Uint8Array([1])))()).rejects.toThrow();
    expect((await store.claim(request(1))).state).toBe("fresh");
    await store.close();
  });

  it("fails a call whose connection breaks before the commit, and the call may run again", async () => {
    await newDatabase();
    const store = await openPostgresReplyStore({ connection: connection() });
    const claim = (await store.claim(request(1, { transactional: true }))) as FreshClaim<PostgresTransaction>;
    const asked = await claim.transaction?.query("SELECT pg_backend_pid() AS pid");
    await query(`SELECT pg_terminate_backend(${Number(asked?.rows[0]?.["pid"])})`);
    await expect((async () => claim.complete(new Uint8Array([1])))()).rejects.toThrow();
    expect((await store.claim(request(1))).state).toBe("fresh");
    await store.close();
  });

  it.each([
    ["reached the database", true],
    ["was lost itself", false],
  ])("reads by its key what became of a COMMIT that got no answer and %s", async (_what, arrives) => {
    await newDatabase();
    await using proxy = await startProxy(`${server.connection.host}/.s.PGSQL.5432`, arrives);
    const store = await openPostgresReplyStore({
      connection: { ...connection(), host: "127.0.0.1", port: proxy.port },
    });
    const claim = (await store.claim(request(1, { transactional: true }))) as FreshClaim<PostgresTransaction>;
    proxy.armed = true;
    const completed = (async () => claim.complete(new Uint8Array([1])))();
    if (arrives) await completed;
    else await expect(completed).rejects.toThrow();
    expect((await store.claim(request(1))).state).toBe(arrives ? "done" : "fresh");
    expect(proxy.cuts).toBe(1);
    await store.close();
  });

  it("ends a handler's transaction that takes too long, and says so to the handler", async () => {
    await newDatabase();
    const store = await openPostgresReplyStore({ connection: connection(), transactionTimeoutMs: 30 });
    const slow = (await store.claim(request(1, { transactional: true }))) as FreshClaim<PostgresTransaction>;
    await new Promise((resolve) => setTimeout(resolve, 60));
    await expect(slow.transaction?.query("SELECT 1")).rejects.toThrow(/transactionTimeoutMs/);
    await expect((async () => slow.complete(new Uint8Array()))()).rejects.toThrow(/transactionTimeoutMs/);
    expect((await store.claim(request(1))).state).toBe("fresh");
    await store.close();
  });

  it("cannot be opened, nor asked, when the server is gone", async () => {
    await newDatabase();
    const nowhere = { ...connection(), host: "/nonexistent" };
    await expect(openPostgresReplyStore({ connection: nowhere })).rejects.toThrow();
  });
});

/** Stands before the database. Once armed, it cuts the connection at the next COMMIT, which arrives or does not. */
async function startProxy(path: string, arrives: boolean) {
  const sockets = new Set<Socket>();
  const proxy = { port: 0, armed: false, cuts: 0 };
  const listener = createServer((client) => {
    const server = connect(path);
    let cut = false;
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on("error", () => {});
    }
    client.on("data", (bytes) => {
      cut ||= proxy.armed && bytes.includes("COMMIT");
      if (!cut || arrives) server.write(bytes);
      if (!cut) return;
      proxy.armed = false;
      proxy.cuts++;
      if (!arrives) server.destroy();
      client.destroy();
    });
    server.on("data", (bytes) => {
      if (!cut) client.write(bytes);
    });
    client.on("close", () => {
      if (!cut) server.destroy();
    });
    server.on("close", () => client.destroy());
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as { port: number };
  return Object.assign(proxy, {
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, "close");
    },
  });
}

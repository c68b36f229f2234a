import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectTcp, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, Server, type ServerOptions } from "farcall";
import { openSqliteReplyStore, type SqliteTransaction } from "farcall/store";
import { encodeCall, int, method, serverAuthBasic, XmlRpcFault, xmlRpcService } from "farcall/xmlrpc";
import { afterAll, describe, expect, it } from "vitest";
import { openSqlite } from "../../src/store/sqlite-driver.js";
import { failureOf } from "../support/failure.js";
import { until } from "../support/faults.js";

// A call that is sent again under its Idempotency-Key is answered as the first time and does not run again.

const Bank = xmlRpcService({
  pay: method("bank.pay", { params: [int], result: int }),
  slow: method("bank.slow", { params: [int], result: int }),
  refuse: method("bank.refuse", { params: [int], result: int }),
});

async function bank(options: ServerOptions["xmlRpc"] = {}, address = "http://127.0.0.1:0/RPC2") {
  let paid = 0;
  const waiting: (() => void)[] = [];
  const server = new Server({ xmlRpc: { onError: () => {}, ...options } });
  server.export(Bank, {
    pay: (amount) => {
      paid += amount;
      return paid;
    },
    slow: async (amount) => {
      paid += amount;
      await new Promise<void>((resolve) => waiting.push(resolve));
      return paid;
    },
    refuse: (amount) => {
      paid += amount;
      throw new XmlRpcFault(7, `no money for ${amount}`);
    },
  });
  const url = await server.listen(address);
  return {
    url,
    waiting,
    paid: () => paid,
    async post(key: string | undefined, name: string, amount: number, headers: Record<string, string> = {}) {
      const keyed = key === undefined ? {} : { "Idempotency-Key": key };
      const response = await fetch(url, {
        method: "POST",
        headers: { "Content-Type": "text/xml", ...keyed, ...headers },
        body: encodeCall(name, [amount]),
      });
      return { status: response.status, farcall: response.headers.get("farcall"), text: await response.text() };
    },
    [Symbol.asyncDispose]: () => server.close({ drainMs: 0 }),
  };
}

/** A relay to a server that can lose what comes back. */
async function relay(url: string) {
  const to = Number(new URL(url).port);
  let lose = 0;
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connectTcp({ port: to, host: "127.0.0.1" });
    for (const socket of [near, far]) sockets.add(socket.on("error", () => {}));
    near.on("data", (chunk) => far.write(chunk));
    far.on("data", (chunk) => {
      if (lose > 0) {
        lose--;
        near.destroy();
      } else near.write(chunk);
    });
    near.on("close", () => far.destroy());
    far.on("close", () => near.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    url: url.replace(`:${to}`, `:${typeof address === "object" ? address?.port : 0}`),
    loseNext: (count: number) => {
      lose = count;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe("a key", () => {
  it("makes a call run once, and gives its answer again, byte for byte", async () => {
    await using here = await bank();
    const first = await here.post('"k1"', "bank.pay", 5);
    const again = await here.post('"k1"', "bank.pay", 5);
    expect(again).toEqual(first);
    expect(here.paid()).toBe(5);
    await here.post('"k2"', "bank.pay", 5);
    await here.post(undefined, "bank.pay", 5);
    expect(here.paid()).toBe(15);
  });

  it("keeps faults of handlers, with what they say of the execution", async () => {
    await using here = await bank();
    const first = await here.post("k1", "bank.refuse", 5);
    expect(first.farcall).toMatch(/^executed=yes/);
    expect(await here.post("k1", "bank.refuse", 5)).toEqual(first);
    expect(here.paid()).toBe(5);
  });

  it("is not used up by what did not run", async () => {
    await using here = await bank();
    expect((await here.post("k1", "bank.nothing", 5)).farcall).toMatch(/^executed=no/);
    await here.post("k1", "bank.pay", 5);
    expect(here.paid()).toBe(5);
  });

  it("belongs to one request: with another it is a mistake", async () => {
    await using here = await bank();
    await here.post("k1", "bank.pay", 5);
    const other = await here.post("k1", "bank.pay", 6);
    expect(other).toMatchObject({ status: 422, farcall: expect.stringMatching(/^executed=no\b/) });
    expect(here.paid()).toBe(5);
  });

  it("belongs to one caller", async () => {
    const auth = [serverAuthBasic((_user, password) => password === "x")];
    await using here = await bank({ auth });
    const as = (user: string) => ({ Authorization: `Basic ${Buffer.from(`${user}:x`).toString("base64")}` });
    await here.post("k1", "bank.pay", 5, as("alice"));
    await here.post("k1", "bank.pay", 5, as("bob"));
    expect(here.paid()).toBe(10);
    await here.post("k1", "bank.pay", 5, as("alice"));
    expect(here.paid()).toBe(10);
  });

  it("makes a call that comes twice at once wait for the first", async () => {
    await using here = await bank();
    const both = [here.post("k1", "bank.slow", 5), here.post("k1", "bank.slow", 5)];
    await until(() => here.waiting.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(here.waiting).toHaveLength(1);
    here.waiting[0]?.();
    const [first, second] = await Promise.all(both);
    expect(second).toEqual(first);
    expect(here.paid()).toBe(5);
  });

  it("is not looked at where the server keeps nothing", async () => {
    await using here = await bank({ replyCache: false });
    const first = await here.post("k1", "bank.pay", 5);
    expect(first.farcall).toBeNull();
    await here.post("k1", "bank.pay", 5);
    expect(here.paid()).toBe(10);
  });

  it("that was sent to another memory runs nothing", async () => {
    await using here = await bank();
    const refused = await here.post("k1", "bank.pay", 5, { Farcall: 'store="other"' });
    expect(refused).toMatchObject({ status: 412, farcall: expect.stringMatching(/^executed=no\b/) });
    expect(here.paid()).toBe(0);
  });

  it("is refused when no more answers can be kept, and nothing runs", async () => {
    await using here = await bank({ replyCache: { replyEntriesMax: 1 } });
    await here.post("k1", "bank.pay", 5);
    expect(await here.post("k2", "bank.pay", 5)).toMatchObject({
      status: 503,
      farcall: expect.stringMatching(/^executed=no\b/),
    });
    expect(here.paid()).toBe(5);
  });
});

describe("a farcall client with a farcall server", () => {
  it("asks again after a lost answer, and the call has run once", async () => {
    await using here = await bank();
    await using between = await relay(here.url);
    await using client = await connect(Bank, between.url);
    expect(await client.pay(1)).toBe(1);
    between.loseNext(2);
    expect(await client.pay(5)).toBe(6);
    expect(here.paid()).toBe(6);
    expect(client.$stats().retransmissions).toBe(2);
  });

  it("learns of the memory with the first answer: before, a lost answer is unknown", async () => {
    await using here = await bank();
    await using between = await relay(here.url);
    await using client = await connect(Bank, between.url);
    between.loseNext(1);
    expect(await failureOf(client.pay(5))).toMatchObject({ code: "unavailable", executed: "unknown", attempts: 1 });
    expect(here.paid()).toBe(5);
  });

  it("does not ask where it is told not to", async () => {
    await using here = await bank();
    await using between = await relay(here.url);
    await using client = await connect(Bank, between.url, { idempotencyKeys: "never" });
    await client.pay(1);
    between.loseNext(1);
    expect(await failureOf(client.pay(5))).toMatchObject({ executed: "unknown", attempts: 1 });
  });

  it("does not run a call again at a server that has lost its memory", async () => {
    const first = await bank();
    const port = new URL(first.url).port;
    await using between = await relay(first.url);
    await using client = await connect(Bank, between.url);
    await client.pay(1);
    const call = failureOf(client.slow(5));
    await until(() => first.waiting.length === 1);
    await first[Symbol.asyncDispose]();
    await using second = await bank({}, `http://127.0.0.1:${port}/RPC2`);
    const error = await call;
    expect(error).toMatchObject({ code: "unavailable", executed: "unknown" });
    expect(second.paid()).toBe(0);
    // What surely did not run may go to the new one.
    expect(await client.pay(2)).toBe(2);
  });

  it("finds the answer in a store that outlives the server", async () => {
    const folder = mkdtempSync(join(tmpdir(), "farcall-"));
    try {
      const path = join(folder, "replies.db");
      const cache = async () => ({ store: (await openSqliteReplyStore({ path })) as never, owner: "bank" });
      const first = await bank({ replyCache: await cache() });
      const key = '"kept"';
      const answer = await first.post(key, "bank.pay", 5);
      await first[Symbol.asyncDispose]();
      await using second = await bank({ replyCache: await cache() });
      expect(await second.post(key, "bank.pay", 5, { Farcall: answer.farcall ?? "" })).toEqual(answer);
      expect(second.paid()).toBe(0);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("exactly once", () => {
  const folder = mkdtempSync(join(tmpdir(), "farcall-once-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  let files = 0;

  const Ledger = xmlRpcService({
    add: method("ledger.add", { params: [int], result: int, semantics: "exactly-once" }),
    fail: method("ledger.fail", { params: [int], result: int, semantics: "exactly-once" }),
  });

  async function ledger() {
    const path = join(folder, `${files++}.db`);
    const store = await openSqliteReplyStore({ path });
    const database = await openSqlite(path);
    database.exec("CREATE TABLE IF NOT EXISTS entries (amount INTEGER)");
    const server = new Server({ replyCache: { store }, onError: () => {} });
    const add = (amount: number, transaction: SqliteTransaction): number => {
      transaction.run("INSERT INTO entries VALUES (?)", amount);
      return Number(transaction.get("SELECT sum(amount) AS sum FROM entries")?.["sum"]);
    };
    server.export(Ledger, {
      add: async (amount, { transaction }) => add(amount, transaction),
      fail: (amount, { transaction }) => {
        add(amount, transaction);
        throw new Error("after the effect");
      },
    });
    const url = await server.listen("http://127.0.0.1:0/RPC2");
    return {
      url,
      sum: () =>
        Number((database.prepare("SELECT coalesce(sum(amount), 0) AS sum FROM entries").get() as { sum: number }).sum),
      async [Symbol.asyncDispose]() {
        await server.close({ drainMs: 0 });
        database.close();
        await store.close();
      },
    };
  }

  it("keeps effect and answer together, also when the answer is lost", async () => {
    await using here = await ledger();
    await using between = await relay(here.url);
    await using client = await connect(Ledger, between.url);
    expect(await client.add(1)).toBe(1);
    between.loseNext(1);
    expect(await client.add(5)).toBe(6);
    expect(here.sum()).toBe(6);
  });

  it("takes back what a handler did that failed: it is as if it had not run", async () => {
    await using here = await ledger();
    await using client = await connect(Ledger, here.url);
    expect(await failureOf(client.fail(5))).toMatchObject({ code: "server-error", executed: "no" });
    expect(here.sum()).toBe(0);
  });

  it("is refused by the client where the server cannot give it", async () => {
    await using server = new Server();
    server.export(Ledger, { add: () => 1, fail: () => 1 });
    await using client = await connect(Ledger, await server.listen("http://127.0.0.1:0/RPC2"));
    const error = await failureOf(client.add(1));
    expect(error).toMatchObject({ code: "invalid-argument", executed: "no" });
    expect(error.message).toMatch(/cannot give exactly-once/);
  });
});

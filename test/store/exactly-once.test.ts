import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type Procedure, RpcError, Server } from "farcall";
import { type OncService, oncProgram } from "farcall/onc";
import { openSqliteReplyStore, type SqliteTransaction } from "farcall/store";
import { nothing, uint } from "farcall/xdr";
import { afterAll, describe, expect, it } from "vitest";
import { openSqlite } from "../../src/store/sqlite-driver.js";
import { askUdp, callMessage, words } from "../support/raw-messages.js";

interface Bank {
  pay: Procedure<[amount: number], number, "exactly-once">;
  fail: Procedure<[amount: number], void, "exactly-once">;
}
const BankV1: OncService<Bank> = oncProgram<Bank>({
  name: "BANK",
  program: 0x2000_0e23,
  version: 1,
  procedures: {
    pay: { number: 1, name: "PAY", args: [uint], result: uint, semantics: "exactly-once" },
    fail: { number: 2, name: "FAIL", args: [uint], result: nothing, semantics: "exactly-once" },
  },
});

/** The same program as a foreign client sees it, which knows nothing of guarantees: farcall's own asks for a session. */
const ForeignBank = oncProgram<{ pay: Procedure<[amount: number], number>; fail: Procedure<[amount: number], void> }>({
  name: "BANK",
  program: BankV1.program,
  version: 1,
  procedures: {
    pay: { number: 1, name: "PAY", args: [uint], result: uint },
    fail: { number: 2, name: "FAIL", args: [uint], result: nothing },
  },
});

const folder = mkdtempSync(join(tmpdir(), "farcall-once-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

async function bank(path = join(folder, `${files++}.db`)) {
  const store = await openSqliteReplyStore({ path });
  const database = await openSqlite(path);
  database.exec("CREATE TABLE IF NOT EXISTS payments (amount INTEGER)");
  const server = new Server({ replyCache: { store, owner: "bank" }, onError: () => {} });
  const pay = (amount: number, transaction: SqliteTransaction): number => {
    transaction.run("INSERT INTO payments VALUES (?)", amount);
    return Number(transaction.get("SELECT sum(amount) AS sum FROM payments")?.["sum"]);
  };
  server.export(BankV1, {
    pay: async (amount, { transaction }) => {
      await Promise.resolve();
      return pay(amount, transaction);
    },
    fail: (amount, { transaction }) => {
      pay(amount, transaction);
      throw new Error("after the effect");
    },
  });
  return {
    path,
    server,
    /** Every payment, as seen from outside. */
    payments: () =>
      database
        .prepare("SELECT amount FROM payments")
        .all()
        .map((row) => (row as { amount: number }).amount),
    async [Symbol.asyncDispose]() {
      await server.close({ drainMs: 0 });
      await store.close();
      database.close();
    },
  };
}

const message = (procedure: number, xid: number): Uint8Array =>
  callMessage({ xid, program: BankV1.program, version: 1, procedure, args: words(10) });

describe("an exactly-once procedure over SQLite", () => {
  it.each(["udp://127.0.0.1:0", "tcp://127.0.0.1:0"])("commits its effect with its reply: %s", async (address) => {
    await using it = await bank();
    await using client = await connect(ForeignBank, await it.server.listen(address));
    expect(await Promise.all([client.pay(1), client.pay(2), client.pay(3)])).toEqual([1, 3, 6]);
    expect(it.payments()).toEqual([1, 2, 3]);
  });

  it("leaves no effect when its handler fails, as if it had not run", async () => {
    await using it = await bank();
    await using client = await connect(ForeignBank, await it.server.listen("tcp://127.0.0.1:0"));
    await expect(client.fail(5)).rejects.toBeInstanceOf(RpcError);
    expect(it.payments()).toEqual([]);
    expect(await client.pay(7)).toBe(7);
  });

  it("says that its store is durable and shared", async () => {
    await using it = await bank();
    expect(await it.server.duplicateFiltering()).toEqual({
      datagrams: true,
      streams: false,
      durable: true,
      shared: true,
    });
  });

  it("answers a datagram that comes again after the server's restart, and pays once", async () => {
    let path: string;
    let first: string;
    // One socket for both: the system gave it a port, which is what tells its caller from others.
    const client = createSocket("udp4");
    {
      await using it = await bank();
      ({ path } = it);
      first = await askFrom(client, await it.server.listen("udp://127.0.0.1:0"), message(1, 9));
    }
    await using again = await bank(path);
    const second = await askFrom(client, await again.server.listen("udp://127.0.0.1:0"), message(1, 9));
    client.close();
    expect(second).toBe(first);
    expect(again.payments()).toEqual([10]);
    // Another port is another caller.
    await askUdp(again.server.addresses[0] as string, message(1, 9));
    expect(again.payments()).toEqual([10, 10]);
  });
});

async function askFrom(socket: Socket, address: string, bytes: Uint8Array): Promise<string> {
  socket.send(bytes, Number(address.slice(address.lastIndexOf(":") + 1)), "127.0.0.1");
  const [answer] = (await once(socket, "message")) as [Buffer];
  return answer.toString("hex");
}

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type RpcError, Server, type ServerOptions } from "farcall";
import { openSqliteReplyStore } from "farcall/store";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { realMachine } from "../../src/drive/machine.js";
import { until } from "../support/faults.js";
import { LedgerV1 } from "../support/ledger.js";
import { Port } from "../support/raw-messages.js";

// The wall clock is set while calls are under way, and identifiers come to the end of their 32 bits.

const day = 86_400_000;
const folder = mkdtempSync(join(tmpdir(), "farcall-clocks-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Serves the ledger; calls of `hang` wait until they are let go. */
async function serve(address: string, options: ServerOptions<unknown> = {}) {
  const server = new Server<unknown>(options);
  const ran: number[] = [];
  const waiting: (() => void)[] = [];
  const run = (id: number): number => {
    ran.push(id);
    return 2 * id;
  };
  const wait = (id: number): Promise<number> =>
    new Promise((resolve) => {
      waiting.push(() => resolve(2 * id));
    });
  server.export(LedgerV1, { add: run, read: run, hang: wait, hangRead: wait, crash: () => {} });
  return {
    server,
    ran,
    waiting,
    address: await server.listen(address),
    [Symbol.asyncDispose]: () => server.close({ drainMs: 0 }),
  };
}

describe.each([
  ["ahead", day],
  ["back", -day],
])("a wall clock that is set %s by a day", (_where, jump) => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["Date"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  const setClock = (): void => void vi.setSystemTime(Date.now() + jump);

  it.each(["tcp", "udp"])("ends no call over %s early and none late", async (transport) => {
    await using it = await serve(`${transport}://127.0.0.1:0`);
    await using client = await connect(LedgerV1, it.address);
    const call = client.hang(7);
    await until(() => it.waiting.length === 1);
    setClock();
    const late = client.hang(8, { timeoutMs: 100 }).catch((error: RpcError) => error);
    expect(await late).toMatchObject({ code: "deadline-exceeded", executed: "unknown" });
    it.waiting[0]?.();
    expect(await call).toBe(14);
  });

  it("takes no reply from the cache in memory, whose time nobody sets", async () => {
    await using it = await serve("udp://127.0.0.1:0");
    await using port = await Port.open(it.address);
    const first = await port.ask(LedgerV1, 1, 5);
    setClock();
    expect(await port.ask(LedgerV1, 1, 5)).toBe(first);
    expect(it.ran).toEqual([5]);
  });

  it("is what an SQLite file's times are by: a foreign client's call that comes again may be a new one", async () => {
    const store = await openSqliteReplyStore({ path: join(folder, `${jump}.db`) });
    await using it = await serve("udp://127.0.0.1:0", { replyCache: { store } });
    await using port = await Port.open(it.address);
    await port.ask(LedgerV1, 1, 5);
    setClock();
    await port.ask(LedgerV1, 1, 5);
    expect(it.ran).toEqual(jump > 0 ? [5, 5] : [5]);
    await store.close();
  });
});

describe("xids that come to the end of 32 bits", () => {
  const machine = { ...realMachine, randomBytes: (size: number) => new Uint8Array(size).fill(0xff) };

  it.each(["tcp", "udp"])("go on from 0 over %s: each call gets its own answer", async (transport) => {
    await using it = await serve(`${transport}://127.0.0.1:0`);
    await using client = await connect(LedgerV1, it.address, { machine });
    // The last xid there is, until all others have been used.
    const slow = client.hang(1);
    await until(() => it.waiting.length === 1);
    const ids = Array.from({ length: 50 }, (_, i) => i + 2);
    expect(await Promise.all(ids.map((id) => client.add(id)))).toEqual(ids.map((id) => 2 * id));
    it.waiting[0]?.();
    expect(await slow).toBe(2);
    expect([...it.ran].sort((a, b) => a - b)).toEqual(ids);
  });

  it("and come round to one that the server still remembers are new calls: what they say differs", async () => {
    await using it = await serve("udp://127.0.0.1:0");
    await using port = await Port.open(it.address);
    const before = await port.ask(LedgerV1, 1, 5, { xid: 0xffff_ffff });
    expect(await port.ask(LedgerV1, 1, 6, { xid: 0xffff_ffff })).not.toBe(before);
    // The same bytes from the same port within the window are the same call: nothing tells them apart.
    expect(await port.ask(LedgerV1, 1, 5, { xid: 0xffff_ffff })).toBe(before);
    expect(it.ran).toEqual([5, 6]);
  });
});

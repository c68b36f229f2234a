import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type RpcError } from "farcall";
import { afterAll, describe, expect, it } from "vitest";
import { startTcpPeer } from "../support/bare-peers.js";
import { startChild } from "../support/children.js";
import { later, until } from "../support/faults.js";
import { LedgerV1 } from "../support/ledger.js";
import type { Running } from "../support/processes.js";

// Real servers that are killed, frozen and started again while calls are under way.

const folder = mkdtempSync(join(tmpdir(), "farcall-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const transports = ["tcp", "udp", "unix"] as const;
const streams = ["tcp", "unix"] as const;
type Transport = (typeof transports)[number];

const free = (transport: Transport): string =>
  transport === "unix" ? `unix:${join(folder, "s")}` : `${transport}://127.0.0.1:0`;

async function startLedger(address: string): Promise<{ process: Running; address: string } & AsyncDisposable> {
  const process = await startChild("ledger-server", [address]);
  const [, bound = ""] = await process.line(/^READY (\S+)$/);
  return { process, address: bound, [Symbol.asyncDispose]: () => process.stop() };
}

const failure = (call: Promise<unknown>): Promise<RpcError> =>
  call.then(
    (value) => Promise.reject(new Error(`it gave ${String(value)}`)),
    (error: RpcError) => error,
  );
const backoff = { initialMs: 5, maxMs: 50 };

describe("a server that is killed (SIGKILL) in mid-call", () => {
  it.each(streams)(
    "ends each call over %s as unavailable, executed unknown; the next is executed no",
    async (transport) => {
      await using server = await startLedger(free(transport));
      await using client = await connect(LedgerV1, server.address, { session: "off", retry: { backoff } });
      expect(await client.add(1)).toBe(2);
      const calls = Promise.all([2, 3, 4].map((id) => failure(client.hang(id))));
      await server.process.line(/^ran 4$/);
      await server.process.stop();
      for (const error of await calls) {
        expect(error).toMatchObject({ code: "unavailable", executed: "unknown", attempts: 1, status: { number: 4 } });
      }
      const next = await failure(client.add(5));
      expect(next).toMatchObject({ code: "unavailable", executed: "no", attempts: 3, transmissions: 0 });
      expect(next.message).toContain(server.address);
    },
  );

  it("ends each call over udp by its deadline, executed unknown, and tells a later one that nobody listens", async () => {
    await using server = await startLedger(free("udp"));
    await using client = await connect(LedgerV1, server.address, { session: "off" });
    const calls = Promise.all([2, 3].map((id) => failure(client.hang(id, { timeoutMs: 600 }))));
    await server.process.line(/^ran 3$/);
    await server.process.stop();
    for (const error of await calls) expect(error).toMatchObject({ code: "deadline-exceeded", executed: "unknown" });
    // The refusal could be meant for one of the calls before, or for one copy of two: it proves nothing.
    expect(await failure(client.add(5))).toMatchObject({ code: "unavailable", executed: "unknown" });
  });

  it.each(streams)(
    "ends each call of a session over %s as unavailable, executed unknown, when its memory is gone; nothing runs again",
    async (transport) => {
      await using first = await startLedger(free(transport));
      await using client = await connect(LedgerV1, first.address, { session: "require", retry: { backoff } });
      expect(await client.add(1)).toBe(2);
      const calls = Promise.all([2, 3, 4].map((id) => failure(client.hang(id))));
      await first.process.line(/^ran 4$/);
      await first.process.stop();
      for (const error of await calls) expect(error).toMatchObject({ code: "unavailable", executed: "unknown" });
      expect(await failure(client.add(5))).toMatchObject({ code: "unavailable", executed: "no" });
      // Another run at the same address has another session.
      await using second = await startLedger(first.address);
      expect(await client.add(6)).toBe(12);
      expect(second.process.lines.filter((line) => /^ran [2-5]$/.test(line))).toEqual([]);
    },
  );

  it.each(streams)("by the call itself, over %s", async (transport) => {
    await using server = await startLedger(free(transport));
    await using client = await connect(LedgerV1, server.address, { session: "off" });
    expect(await failure(client.crash())).toMatchObject({ code: "unavailable", executed: "unknown" });
  });

  it.each(transports)("and started again is found again over %s", async (transport) => {
    await using first = await startLedger(free(transport));
    const { address } = first;
    await using client = await connect(LedgerV1, address, {
      session: "off",
      retry: { backoff },
      retransmit: { initialMs: 20, minMs: 20 },
    });
    const read = client.hangRead(1, { timeoutMs: 15_000 }).catch((error: unknown) => error);
    await first.process.line(/^ran 1$/);
    await first.process.stop();
    await using second = await startLedger(address);
    if (transport !== "udp") {
      // What may run twice went to the new server by itself.
      await second.process.line(/^ran 1$/);
    }
    expect(await client.add(7)).toBe(14);
    expect(await client.read(8)).toBe(16);
    if (transport !== "udp") expect(client.$stats()).toMatchObject({ connects: 2 });
    await client.$close();
    expect(await read).toMatchObject({ executed: "unknown" });
  });

  it("and away for a while costs one attempt after another, until it is back", async () => {
    await using first = await startLedger("tcp://127.0.0.1:0");
    await using client = await connect(LedgerV1, first.address, { session: "off", retry: { backoff } });
    await first.process.stop();
    const codes = new Set<string>();
    for (let i = 0; i < 5; i++) codes.add((await failure(client.add(i))).code);
    expect(codes).toEqual(new Set(["unavailable"]));
    const read = client.read(9, { timeoutMs: 15_000 });
    await using second = await startLedger(first.address);
    expect(await read).toBe(18);
    await second.process.line(/^ran 9$/);
  });
});

describe("a server that is frozen (SIGSTOP) in mid-call", () => {
  it.each(transports)("ends each call over %s by its deadline, and answers again when it thaws", async (transport) => {
    await using server = await startLedger(free(transport));
    await using client = await connect(LedgerV1, server.address, {
      session: "off",
      retransmit: { initialMs: 20, minMs: 20 },
    });
    expect(await client.add(1)).toBe(2);
    server.process.kill("SIGSTOP");
    const started = performance.now();
    const calls = [
      client.add(2, { timeoutMs: 150 }),
      client.read(3, { timeoutMs: 150 }),
      client.$ping({ timeoutMs: 150 }),
    ];
    for (const error of await Promise.all(calls.map(failure))) {
      expect(error).toMatchObject({ code: "deadline-exceeded", executed: "unknown", status: { number: 5 } });
    }
    expect(performance.now() - started).toBeGreaterThanOrEqual(149);
    server.process.kill("SIGCONT");
    // Late replies of the calls above may come first, and are nobody's.
    expect(await client.add(4)).toBe(8);
    expect(server.process.lines.filter((line) => line === "ran 2").length).toBeLessThanOrEqual(1);
    await until(() => client.$stats().strayReplies > 0);
  });

  it.each(transports)("loses no call of a session over %s that is still wanted when it thaws", async (transport) => {
    await using server = await startLedger(free(transport));
    await using client = await connect(LedgerV1, server.address, {
      session: "require",
      retransmit: { initialMs: 20, minMs: 20 },
      probeAfterMs: 30,
      probeTimeoutMs: 60,
      retry: { backoff },
    });
    expect(await client.add(1)).toBe(2);
    server.process.kill("SIGSTOP");
    const calls = Promise.all([client.add(2), client.read(3)]);
    await later(300);
    server.process.kill("SIGCONT");
    expect(await calls).toEqual([4, 6]);
    expect(server.process.lines.filter((line) => line === "ran 2")).toHaveLength(1);
  });

  it("lets a signal end a call before its deadline", async () => {
    await using server = await startLedger("tcp://127.0.0.1:0");
    await using client = await connect(LedgerV1, server.address, { session: "off" });
    server.process.kill("SIGSTOP");
    const reason = new Error("the user went away");
    const aborter = new AbortController();
    const call = failure(client.add(2, { signal: aborter.signal }));
    await later(20);
    aborter.abort(reason);
    expect(await call).toMatchObject({ code: "cancelled", executed: "unknown", cause: reason });
    expect(await failure(client.add(3, { signal: aborter.signal }))).toMatchObject({
      code: "cancelled",
      executed: "no",
    });
  });

  it("is asked by a NULL call whether it is there, and gets no new calls when it is not", async () => {
    await using server = await startLedger("tcp://127.0.0.1:0");
    await using client = await connect(LedgerV1, server.address, {
      session: "off",
      probeAfterMs: 30,
      probeTimeoutMs: 60,
      retry: { backoff },
    });
    const before = failure(client.hang(1, { timeoutMs: 2_000 }));
    await server.process.line(/^ran 1$/);
    server.process.kill("SIGSTOP");
    await later(300);
    // The new call goes over a new connection, which the kernel accepts for the frozen process.
    const next = failure(client.add(2, { timeoutMs: 500 }));
    await until(() => client.$stats().connects === 2);
    expect(await next).toMatchObject({ code: "deadline-exceeded", executed: "unknown" });
    expect(await before).toMatchObject({ code: "deadline-exceeded", executed: "unknown" });
  });

  it("is waited for while it answers, however long a call takes", async () => {
    await using server = await startLedger("tcp://127.0.0.1:0");
    await using client = await connect(LedgerV1, server.address, {
      session: "off",
      probeAfterMs: 20,
      probeTimeoutMs: 10_000,
    });
    const call = failure(client.hang(1, { timeoutMs: 600 }));
    await call;
    expect(client.$stats()).toMatchObject({ connects: 1, calls: 1 });
    expect(await client.add(2)).toBe(4);
  });
});

describe("a client's process", () => {
  it.each(
    transports
      .flatMap((transport) => [
        [transport, "idle", []] as const,
        [transport, "used", ["42"]] as const,
        [transport, "pending", ["deadline-exceeded unknown"]] as const,
        [transport, "cancelled", ["cancelled unknown"]] as const,
        [transport, "closed", ["closed unknown"]] as const,
        [transport, "one-way", []] as const,
      ])
      .flatMap((row) => (["off", "auto"] as const).map((session) => [...row, session] as const)),
  )(
    "over %s, %s, ends by itself, when its calls have ended (%o, session: %s)",
    async (transport, what, told, session) => {
      await using server = await startLedger(free(transport));
      await using client = await startChild("ledger-client", [what, server.address, session]);
      expect(await client.ended, client.describe()).toBe(0);
      expect([...client.lines].sort()).toEqual([...told, "end of program"].sort());
    },
  );

  it.each(streams)("over %s ends by itself when its server is gone", async (transport) => {
    await using server = await startLedger(free(transport));
    await using client = await startChild("ledger-client", ["crash", server.address, "off"]);
    expect(await client.ended, client.describe()).toBe(0);
    expect(client.lines).toEqual(["unavailable unknown", "end of program"]);
  });
});

describe("a peer that accepts and says nothing", () => {
  it("costs a call its deadline and no more", async () => {
    await using peer = await startTcpPeer(() => {});
    await using client = await connect(LedgerV1, peer.address, { session: "off" });
    expect(await failure(client.add(1, { timeoutMs: 100 }))).toMatchObject({
      code: "deadline-exceeded",
      executed: "unknown",
    });
  });

  it("and one that accepts and hangs up at once is not asked in a tight loop", async () => {
    await using peer = await startTcpPeer(
      () => {},
      (socket) => void socket.destroy(),
    );
    await using client = await connect(LedgerV1, peer.address, {
      session: "off",
      retry: { backoff: { initialMs: 20, maxMs: 1_000, factor: 4 } },
    });
    const { code, executed } = await failure(client.read(1, { timeoutMs: 500 }));
    // It ends when the next pause would outlast it, or by its deadline, when that pause is before the next connection.
    expect(["unavailable", "deadline-exceeded"]).toContain(code);
    expect(executed).toBe("unknown");
    expect(peer.count).toBeLessThanOrEqual(7);
  });
});

import type { Socket } from "node:net";
import { connect, MemoryNetwork, type Procedure, type RpcError, Server } from "farcall";
import { type OncService, oncProgram } from "farcall/onc";
import { nothing, opaque, uint } from "farcall/xdr";
import { describe, expect, it } from "vitest";
import { startTcpPeer, startUdpPeer } from "../support/bare-peers.js";
import { later, until } from "../support/faults.js";
import { LedgerV1 } from "../support/ledger.js";
import { fragment, fromHex, words } from "../support/raw-messages.js";

// Peers that do not read, or read slowly: what waits is bounded at both ends, and leaves when it is not wanted any more.

interface Sink {
  take: Procedure<[bytes: Uint8Array], number>;
  give: Procedure<[size: number], Uint8Array>;
  wait: Procedure<[], void>;
}
const SinkV1: OncService<Sink> = oncProgram<Sink>({
  name: "SINK",
  program: 0x20000e1a,
  version: 1,
  procedures: {
    take: { number: 1, name: "TAKE", args: [opaque()], result: uint },
    give: { number: 2, name: "GIVE", args: [uint], result: opaque() },
    wait: { number: 3, name: "WAIT", args: [], result: nothing },
  },
});

const KB = 1024;
const MB = 1024 * KB;
const failure = (call: Promise<unknown>): Promise<RpcError> =>
  call.then(
    (value) => Promise.reject(new Error(`it gave ${String(value)}`)),
    (error: RpcError) => error,
  );

/** A TCP peer that does not read before it is told to; then it answers each call with 0. */
async function startSilent(): ReturnType<typeof startTcpPeer> {
  return await startTcpPeer(
    () => {},
    (socket) => {
      // No further reads, so the kernel's buffers fill up.
      socket.pause();
    },
  );
}

/** Reads on, and answers every call with 0. */
function readOn(socket: Socket): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.removeAllListeners("data");
  socket.on("data", (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4 && rest.length >= 4 + (rest.readUInt32BE() & 0x7fff_ffff)) {
      const length = rest.readUInt32BE() & 0x7fff_ffff;
      socket.write(fragment(fromHex(words(rest.readUInt32BE(4), 1, 0, 0, 0, 0, 0)), true));
      rest = rest.subarray(4 + length);
    }
  });
  socket.resume();
}

describe("a server that does not read", () => {
  it("makes calls queue, up to a bound, beyond which they are busy: executed no", async () => {
    await using peer = await startSilent();
    await using client = await connect(SinkV1, peer.address, { session: "off", queueBytesMax: MB, timeoutMs: 10_000 });
    const bytes = new Uint8Array(64 * KB);
    let busy: RpcError | undefined;
    const calls: Promise<unknown>[] = [];
    for (let i = 0; i < 2_000 && busy === undefined; i++) {
      const call = client.take(bytes);
      calls.push(call.catch(() => {}));
      call.catch((error: RpcError) => {
        busy = error;
      });
      await later(0);
    }
    expect(busy).toMatchObject({ code: "busy", executed: "no", attempts: 0, status: { number: 3 } });
    expect(busy?.message).toMatch(/queueBytesMax/);
    const { queued, queuedBytes, pending } = client.$stats();
    expect(queuedBytes).toBeLessThanOrEqual(MB);
    expect(queued).toBeGreaterThanOrEqual(15);
    expect(pending).toBeGreaterThan(queued);
    await client.$close();
    await Promise.all(calls);
  });

  it("makes memory no fuller than the bound says, however many calls are tried", async () => {
    await using peer = await startSilent();
    await using client = await connect(SinkV1, peer.address, { session: "off", queueBytesMax: 4 * MB });
    const bytes = new Uint8Array(256 * KB);
    const before = process.memoryUsage().arrayBuffers;
    let busy = 0;
    for (let i = 0; i < 4_000; i++) {
      client.take(bytes).catch((error: RpcError) => {
        if (error.code === "busy") busy++;
      });
      if (i % 50 === 0) await later(0);
    }
    await later(10);
    // 1,000 MB were offered. What is kept: the queue, the socket's own backlog, and what was not collected yet.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(200 * MB);
    expect(client.$stats().queuedBytes).toBeLessThanOrEqual(4 * MB);
    expect(busy).toBeGreaterThan(3_500);
  });

  it("lets calls that time out, or are cancelled, leave the queue: executed no", async () => {
    await using peer = await startSilent();
    await using client = await connect(SinkV1, peer.address, {
      session: "off",
      queueBytesMax: 8 * MB,
      timeoutMs: 10_000,
    });
    const filler: Promise<unknown>[] = [];
    while (client.$stats().queued === 0) {
      filler.push(client.take(new Uint8Array(256 * KB)).catch(() => {}));
      await later(0);
    }
    const { queued, queuedBytes } = client.$stats();
    const aborter = new AbortController();
    const late = [1, 2, 3].map(() => failure(client.take(new Uint8Array(100 * KB), { timeoutMs: 50 })));
    const dropped = failure(client.take(new Uint8Array(100 * KB), { signal: aborter.signal }));
    expect(client.$stats()).toMatchObject({ queued: queued + 4 });
    expect(client.$stats().queuedBytes).toBeGreaterThan(queuedBytes + 400 * KB);
    aborter.abort();
    expect(await dropped).toMatchObject({ code: "cancelled", executed: "no", attempts: 0 });
    for (const error of await Promise.all(late)) {
      expect(error).toMatchObject({ code: "deadline-exceeded", executed: "no", attempts: 0 });
      expect(error.message).toMatch(/never sent/);
    }
    expect(client.$stats()).toMatchObject({ queued, queuedBytes });
    await client.$close();
    await Promise.all(filler);
  });

  it("and then reads on gets every call that still waits, in order", async () => {
    await using peer = await startSilent();
    await using client = await connect(SinkV1, peer.address, { session: "off", queueBytesMax: 32 * MB });
    const calls = Array.from({ length: 100 }, () => client.take(new Uint8Array(128 * KB)));
    await until(() => client.$stats().queued > 0);
    for (const socket of peer.sockets) readOn(socket);
    expect(await Promise.all(calls)).toEqual(Array(100).fill(0));
    expect(client.$stats()).toMatchObject({ pending: 0, queued: 0, queuedBytes: 0, connects: 1 });
  });

  it("makes $ready wait until there is room", async () => {
    await using peer = await startSilent();
    await using client = await connect(SinkV1, peer.address, { session: "off", queueBytesMax: MB, timeoutMs: 15_000 });
    await client.$ready();
    const calls: Promise<number>[] = [];
    let waits = false;
    // A producer that waits for room is never refused as busy.
    const producer = (async (): Promise<void> => {
      for (let i = 0; i < 400; i++) {
        calls.push(client.take(new Uint8Array(64 * KB)));
        waits = true;
        await client.$ready();
        waits = false;
      }
    })();
    await until(() => waits && client.$stats().queuedBytes * 2 > MB);
    const stuckAt = calls.length;
    await later(50);
    expect(calls.length).toBe(stuckAt);
    for (const socket of peer.sockets) readOn(socket);
    await producer;
    expect(await Promise.all(calls)).toEqual(Array(400).fill(0));
  });

  it("makes $ready wait until it has said whether it has sessions, where calls wait for that", async () => {
    await using peer = await startSilent();
    await using client = await connect(SinkV1, peer.address);
    await client.$ready();
    const abort = new AbortController();
    const call = failure(client.take(new Uint8Array(1), { signal: abort.signal }));
    let ready = false;
    const waiting = client.$ready().then(() => {
      ready = true;
    });
    await later(10);
    expect(ready).toBe(false);
    abort.abort();
    // Nothing was sent of what waits, and when it has ended there is room.
    expect(await call).toMatchObject({ code: "cancelled", executed: "no", transmissions: 0 });
    await waiting;
  });

  it("lets $ready end when the client does", async () => {
    await using peer = await startSilent();
    const client = await connect(SinkV1, peer.address, { session: "off", queueBytesMax: MB });
    const calls: Promise<unknown>[] = [];
    while (client.$stats().queuedBytes * 2 <= MB) {
      calls.push(client.take(new Uint8Array(64 * KB)).catch((error: RpcError) => error.code));
      await later(0);
    }
    const ready = client.$ready();
    await client.$close();
    await ready;
    expect(new Set(await Promise.all(calls))).toEqual(new Set(["closed"]));
  });
});

describe("a client with many calls", () => {
  it("sends those that waited for its session as the connection takes them, or refuses them as busy", async () => {
    const network = new MemoryNetwork();
    await using server = new Server({ network });
    server.export(SinkV1, { take: (bytes) => bytes.length, give: (size) => new Uint8Array(size), wait: () => {} });
    await server.listen("memory://sink");
    const bytes = new Uint8Array(256 * KB);
    const count = 400;
    for (const queueBytesMax of [2 * count * bytes.length, 8 * MB]) {
      // On a slow machine this takes longer than a peer is trusted without being asked.
      const options = { network, session: "require", queueBytesMax, probeAfterMs: 600_000 } as const;
      await using client = await connect(SinkV1, "memory://sink", options);
      const ends = await Promise.all(
        Array.from({ length: count }, () =>
          client.take(bytes).catch(({ code, executed }: RpcError) => `${code} ${executed}`),
        ),
      );
      const kinds = new Set(ends);
      expect(kinds).toEqual(new Set(queueBytesMax > 8 * MB ? [bytes.length] : [bytes.length, "busy no"]));
      expect(client.$stats()).toMatchObject({ pending: 0, queued: 0, queuedBytes: 0, connects: 1 });
    }
  });

  it("holds no more of what waits for its session than the bound says, and keeps it as it was", async () => {
    await using peer = await startSilent();
    await using client = await connect(SinkV1, peer.address, { timeoutMs: 1_500, queueBytesMax: MB });
    const bytes = new Uint8Array(256 * KB);
    const held = [1, 2, 3].map(() => failure(client.take(bytes)));
    const refused = await Promise.all([failure(client.take(bytes)), failure(client.take("x" as never))]);
    expect(refused.map(({ code, executed }) => `${code} ${executed}`)).toEqual(["busy no", "invalid-argument no"]);
    const { queued, queuedBytes } = client.$stats();
    expect({ queued, queuedBytes }).toEqual({ queued: 3, queuedBytes: 3 * (bytes.length + 4) });
    expect((await Promise.all(held)).map(({ code }) => code)).toEqual(Array(3).fill("deadline-exceeded"));
    expect(client.$stats()).toMatchObject({ queued: 0, queuedBytes: 0 });
  });

  it("refuses as busy what exceeds its pending calls: executed no", async () => {
    await using peer = await startSilent();
    await using client = await connect(LedgerV1, peer.address, { session: "off", pendingCallsMax: 3, timeoutMs: 100 });
    const ends = await Promise.all([1, 2, 3, 4, 5].map((id) => failure(client.add(id))));
    expect(ends.map(({ code, executed }) => `${code} ${executed}`)).toEqual([
      ...Array<string>(3).fill("deadline-exceeded unknown"),
      ...Array<string>(2).fill("busy no"),
    ]);
  });

  it("over udp sends no more at once than the window holds, and queues the rest up to a bound", async () => {
    const answers: (() => void)[] = [];
    await using peer = await startUdpPeer((message, _from, reply) => {
      answers.push(() => reply(fromHex(words(message.readUInt32BE(), 1, 0, 0, 0, 0, 7))));
    });
    await using client = await connect(LedgerV1, peer.address, {
      session: "off",
      datagramWindow: 4,
      queueBytesMax: 44 * 6,
    });
    const calls = Array.from({ length: 12 }, (_, id) =>
      client.add(id).catch(({ code, executed }: RpcError) => `${code} ${executed}`),
    );
    expect(client.$stats()).toMatchObject({ queued: 6, queuedBytes: 44 * 6 });
    await until(() => answers.length === 4);
    await later(20);
    expect(answers).toHaveLength(4);
    for (let i = 0; i < 10; i++) {
      await until(() => answers.length > 0);
      answers.shift()?.();
    }
    expect(await Promise.all(calls)).toEqual([...Array<number>(10).fill(7), "busy no", "busy no"]);
    expect(peer.count).toBe(10);
  });
});

describe("a client that does not read", () => {
  it("makes the server stop reading, and hold no more replies than fit", async () => {
    const network = new MemoryNetwork();
    const server = new Server({ network });
    let given = 0;
    server.export(SinkV1, {
      take: (bytes) => bytes.length,
      give(size) {
        given++;
        return new Uint8Array(size);
      },
      wait: () => {},
    });
    await server.listen("memory://sink");
    const stream = await network.connect("memory://sink".slice("memory://".length));
    stream.start({ onData: () => {}, onDrain: () => {}, onClose: () => {} });
    stream.pause();
    const call = (xid: number): Uint8Array =>
      fragment(fromHex(words(xid, 0, 2, SinkV1.program, 1, 2, 0, 0, 0, 0, 64 * KB)), true);
    for (let xid = 0; xid < 500; xid++) {
      stream.write(call(xid));
      if (xid % 10 === 0) await later(0);
    }
    await later(20);
    const stuckAt = given;
    expect(stuckAt).toBeLessThan(20);
    await later(20);
    expect(given).toBe(stuckAt);
    stream.resume();
    await until(() => given === 500);
    stream.destroy();
    await server.close({ drainMs: 0 });
  });
});

describe("a server with calls that run", () => {
  it("holds a connection at runningPerConnectionMax, and goes on as they end", async () => {
    const network = new MemoryNetwork();
    const server = new Server({ network, runningPerConnectionMax: 3 });
    const ends: (() => void)[] = [];
    let most = 0;
    let running = 0;
    server.export(SinkV1, {
      take: (bytes) => bytes.length,
      give: (size) => new Uint8Array(size),
      async wait() {
        most = Math.max(most, ++running);
        await new Promise<void>((resolve) => ends.push(resolve));
        running--;
      },
    });
    await server.listen("memory://sink");
    await using client = await connect(SinkV1, "memory://sink", { network });
    await using other = await connect(SinkV1, "memory://sink", { network });
    const calls = Promise.all(Array.from({ length: 20 }, () => client.wait()));
    await until(() => running === 3);
    // The connection is held, others are not.
    expect(await other.take(new Uint8Array(5))).toBe(5);
    await later(20);
    expect(running).toBe(3);
    for (let done = 0; done < 20; done++) {
      await until(() => ends.length > 0);
      ends.shift()?.();
    }
    await calls;
    expect(most).toBe(3);
    await server.close({ drainMs: 0 });
  });

  it("holds a connection at its share of runningCallsMax, but no other, and no datagrams", async () => {
    const network = new MemoryNetwork();
    const server = new Server({ network, runningCallsMax: 6, reservedCallSizeMax: 0 });
    const ends: (() => void)[] = [];
    server.export(SinkV1, {
      take: (bytes) => bytes.length,
      give: (size) => new Uint8Array(size),
      wait: () => new Promise<void>((resolve) => void ends.push(resolve)),
    });
    await server.listen("memory://sink");
    await server.listen("memory+datagram://sink");
    await using first = await connect(SinkV1, "memory://sink", { network });
    await using second = await connect(SinkV1, "memory://sink", { network });
    await using third = await connect(SinkV1, "memory+datagram://sink", { network });
    const waits = [first.wait(), first.wait(), first.wait()];
    await until(() => ends.length === 2);
    expect(await second.take(new Uint8Array(5))).toBe(5);
    expect(await third.take(new Uint8Array(1))).toBe(1);
    await later(30);
    expect(ends.length).toBe(2);
    ends.shift()?.();
    await until(() => ends.length === 2);
    for (const end of ends) end();
    await Promise.all(waits);
    await server.close({ drainMs: 0 });
  });
});

import type { Socket } from "node:net";
import { connect, type RpcError } from "farcall";
import { describe, expect, it } from "vitest";
import { startTcpPeer, startUdpPeer } from "../support/bare-peers.js";
import { later, until } from "../support/faults.js";
import { fragment, fromHex, words } from "../support/raw-messages.js";
import { failure, SinkV1, startSink } from "./support.js";

// docs/limits.md lists the client's limits. Here each is reached: what it says happens, and the next call is made.

const KB = 1024;
const mark = (length: number, last = true): Uint8Array => fromHex(words((last ? 0x8000_0000 : 0) + length));
const outcome = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "done",
    ({ code, executed }: RpcError) => `${code} ${executed}`,
  );

/** Answers every call with 0 on the connections after the first; that one does what the test says. */
async function startOnceHostile(hostile: (socket: Socket) => void): ReturnType<typeof startTcpPeer> {
  let first: Socket | undefined;
  return await startTcpPeer((received, socket) => {
    first ??= socket;
    if (socket === first) return hostile(socket);
    const xid = received.readUInt32BE(received.length - record + 4);
    socket.write(fragment(fromHex(words(xid, 1, 0, 0, 0, 0, 0)), true));
  });
}
/** A call of `take` with four bytes: mark, header, length, bytes. */
const record = 4 + 40 + 4 + 4;
const four = new Uint8Array(4);

describe("pendingCallsMax", () => {
  it("refuses one more as busy, executed no, and takes it when another has ended", async () => {
    await using server = await startSink({});
    await using client = await connect(SinkV1, server.tcp, { session: "off", pendingCallsMax: 2 });
    const calls = [1, 2, 3].map(() => outcome(client.hold(four)));
    expect(await calls[2]).toBe("busy no");
    await until(() => server.held.length === 2);
    server.held[0]?.();
    expect(await calls[0]).toBe("done");
    expect(await client.take(four)).toBe(4);
    server.held[1]?.();
    expect(await calls[1]).toBe("done");
  });
});

describe("queueBytesMax", () => {
  it("refuses what the connection does not take in time as busy, executed no", async () => {
    await using peer = await startTcpPeer(
      () => {},
      (socket) => void socket.pause(),
    );
    await using client = await connect(SinkV1, peer.address, {
      session: "off",
      queueBytesMax: 1_000 * KB,
      timeoutMs: 300,
    });
    const ends: Promise<string>[] = [];
    for (let i = 0; i < 100; i++) {
      ends.push(outcome(client.take(new Uint8Array(400 * KB))));
      await later(0);
    }
    expect(client.$stats().queuedBytes).toBeLessThanOrEqual(1_000 * KB);
    const counts = new Map<string, number>();
    for (const end of await Promise.all(ends)) counts.set(end, (counts.get(end) ?? 0) + 1);
    // Two fit into the queue; what was written before is the kernel's. A kernel that takes more later lets others in.
    expect(counts.get("deadline-exceeded no")).toBeGreaterThanOrEqual(2);
    expect(counts.get("busy no")).toBeGreaterThan(50);
    expect(client.$stats()).toMatchObject({ pending: 0, queued: 0, queuedBytes: 0 });
  });

  it("holds for datagrams too", async () => {
    await using peer = await startUdpPeer(() => {});
    await using client = await connect(SinkV1, peer.address, {
      session: "off",
      datagramWindow: 1,
      queueBytesMax: 2 * 52,
    });
    // The first is under way until the others have ended.
    const ends = await Promise.all([600, 200, 200, 200].map((timeoutMs) => outcome(client.take(four, { timeoutMs }))));
    expect(ends).toEqual(["deadline-exceeded unknown", "deadline-exceeded no", "deadline-exceeded no", "busy no"]);
  });
});

describe("datagramWindow", () => {
  it("lets calls wait until those under way have been answered", async () => {
    const waiting: (() => void)[] = [];
    await using peer = await startUdpPeer((message, _from, reply) => {
      waiting.push(() => reply(fromHex(words(message.readUInt32BE(), 1, 0, 0, 0, 0, 4))));
    });
    await using client = await connect(SinkV1, peer.address, { session: "off", datagramWindow: 2 });
    const calls = Promise.all([1, 2, 3, 4, 5].map(() => client.take(four)));
    for (let sent = 2; sent <= 5; sent++) {
      await until(() => peer.count === sent);
      await later(20);
      expect(peer.count).toBe(sent);
      waiting.shift()?.();
    }
    for (const answer of waiting) answer();
    expect(await calls).toEqual([4, 4, 4, 4, 4]);
  });
});

describe("datagramSizeMax", () => {
  it("refuses a larger call as invalid, executed no", async () => {
    await using server = await startSink({});
    await using client = await connect(SinkV1, server.udp, { session: "off", datagramSizeMax: 1_000 });
    expect(await client.take(new Uint8Array(956))).toBe(956);
    const error = await failure(client.take(new Uint8Array(957)));
    expect(error).toMatchObject({ code: "invalid-argument", executed: "no", attempts: 0 });
    expect(error.message).toMatch(/more than 1000 bytes/);
  });
});

describe("recordSizeMax", () => {
  it.each([
    ["a record over it", 1_000, (): Uint8Array => mark(1_001)],
    ["a record of gigabytes", undefined, (): Uint8Array => mark(0x7fff_ffff)],
    ["fragments that exceed it together", 1_000, () => Buffer.concat([fragment(new Uint8Array(999), false), mark(2)])],
    ["fragments without end", undefined, () => new Uint8Array(4 * 4_100)],
  ])(
    "ends a connection whose server sends %s: executed unknown, and the next call is made",
    async (_what, recordSizeMax, bytes) => {
      await using peer = await startOnceHostile((socket) => socket.write(bytes()));
      await using client = await connect(SinkV1, peer.address, {
        session: "off",
        recordSizeMax,
        retry: { backoff: { initialMs: 5 } },
      });
      const error = await failure(client.take(four));
      expect(error).toMatchObject({ code: "unavailable", executed: "unknown" });
      expect(error.message).toMatch(/recordSizeMax|fragmentsMax/);
      await later(10);
      expect(await client.take(four)).toBe(0);
      expect(client.$stats()).toMatchObject({ pending: 0, connects: 2 });
    },
  );

  it("lets a reply of exactly that size through", async () => {
    await using server = await startSink({});
    await using client = await connect(SinkV1, server.tcp, { session: "off", recordSizeMax: 1_024 });
    expect((await client.give(1_024 - 28)).length).toBe(1_024 - 28);
    expect(await failure(client.give(1_024 - 27))).toMatchObject({ code: "unavailable", executed: "unknown" });
  });
});

describe("fragmentsMax", () => {
  it("ends a connection whose server sends a reply in more fragments, and lets as many through", async () => {
    const reply = fromHex(words(0, 1, 0, 0, 0, 0, 4));
    await using peer = await startTcpPeer((received, socket) => {
      const xid = received.subarray(received.length - record + 4, received.length - record + 8);
      const pieces = 2 + (received.length / record - 1);
      const whole = Buffer.concat([xid, reply.subarray(4)]);
      for (let i = 1; i < pieces; i++) socket.write(fragment(new Uint8Array(0), false));
      socket.write(fragment(whole, true));
    });
    await using client = await connect(SinkV1, peer.address, { fragmentsMax: 2, session: "off" });
    expect(await client.take(four)).toBe(4);
    const error = await failure(client.take(four));
    expect(error).toMatchObject({ code: "unavailable", executed: "unknown" });
    expect(error.message).toMatch(/more than 2 fragments is over the limit \(fragmentsMax\)/);
  });
});

describe("a limit that is none", () => {
  it.each([
    ["pendingCallsMax", 0],
    ["queueBytesMax", Number.NaN],
    ["recordSizeMax", -1],
    ["fragmentsMax", "many" as unknown as number],
    ["datagramWindow", 0],
    ["datagramSizeMax", 0],
    ["probeAfterMs", 0],
    ["probeTimeoutMs", -1],
  ])("is refused by its name: %s %s", async (name, value) => {
    const error = await failure(connect(SinkV1, "tcp://127.0.0.1:1", { [name]: value }));
    expect(error).toMatchObject({ code: "invalid-argument", executed: "no" });
    expect(error.message).toContain(`${name} must be a number of at least 1, not ${value}`);
  });
});

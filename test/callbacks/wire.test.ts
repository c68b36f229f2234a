import { once } from "node:events";
import { connect as connectSocket, type Socket } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { connect, Server, serve } from "../../src/index.js";
import { StreamServerLink } from "../../src/onc/engine/index.js";
import { startTcpPeer } from "../support/bare-peers.js";
import { JobV1, ProgressV1 } from "../support/progress.js";
import { callMessage, fragment, fromHex, toHex, words } from "../support/raw-messages.js";

// What goes over the wire, against peers that are no farcall: bare sockets that write and read RFC 5531's messages.

const progress = { report: (done: number) => `${done}!`, peek: () => 7, note: () => {} };
const call = (xid: number, procedure: number, args = ""): Uint8Array =>
  callMessage({ xid, program: ProgressV1.program, version: 1, procedure, args });
const record = (message: Uint8Array): Uint8Array => fragment(message, true);

/** The records in some bytes, in hex. */
function recordsIn(bytes: Uint8Array): string[] {
  const records: string[] = [];
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(at) & 0x7fff_ffff;
    if (at + 4 + length > bytes.length) break;
    records.push(toHex(bytes.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return records;
}

/** Xid and type of a message. */
const headOf = (message: string): string => message.slice(0, 16);
const isCall = (message: string): boolean => message.slice(8, 16) === words(0);
const xidOf = (message: string): number => Number.parseInt(message.slice(0, 8), 16);

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** A server of bare bytes that answers each call of PLAIN with its own argument, after it has sent something of its own. */
async function bareServer(before: (xid: number) => readonly Uint8Array[]) {
  const seen: string[] = [];
  const peer = await startTcpPeer((received, socket) => {
    const all = recordsIn(received);
    for (const message of all.slice(seen.length)) {
      seen.push(message);
      if (!isCall(message)) continue;
      const xid = xidOf(message);
      const ownWords = before(xid);
      // In one write, so that the client finds them in one chunk.
      const result = message.slice(words(0, 0, 0, 0, 0, 0, 0, 0, 0, 0).length);
      const reply = record(fromHex(words(xid, 1, 0, 0, 0, 0) + result));
      socket.write(Buffer.concat([...ownWords, reply]));
    }
  });
  cleanups.push(() => peer[Symbol.asyncDispose]());
  return { peer, seen };
}

describe("a client that offers no callbacks", () => {
  it("answers calls of a foreign server with PROG_UNAVAIL, byte for byte, and its own call is answered", async () => {
    const { peer, seen } = await bareServer((xid) => [
      // The very xid of the client's own call: each direction has its own.
      record(call(xid, 1, words(5))),
      record(call(99, 0)),
    ]);
    await using client = await connect(JobV1, peer.address, { session: "off" });
    expect(await client.plain("text")).toBe("text");
    await vi.waitUntil(() => seen.length === 3);
    const [mine, first, second] = seen as [string, string, string];
    // REPLY, MSG_ACCEPTED, AUTH_NONE, PROG_UNAVAIL: RFC 5531, section 9.
    expect(first).toBe(words(xidOf(mine), 1, 0, 0, 0, 1));
    expect(second).toBe(words(99, 1, 0, 0, 0, 1));
    expect(client.$stats().strayReplies).toBe(0);
  });

  it.each([
    ["another version of the protocol", words(7, 0, 3), words(7, 1, 1, 0, 2, 2)],
    ["a credential that it cannot read", words(7, 0, 2, 1, 1, 1, 1, 0xffff_ffff), words(7, 1, 0, 0, 0, 1)],
    ["arguments without an end", words(7, 0, 2, 1, 1, 1, 0, 0, 0, 0, 0xffff_ffff), words(7, 1, 0, 0, 0, 1)],
    ["a call that stops in its header", words(7, 0, 2, 1), undefined],
    ["a type that there is not", words(7, 2), undefined],
    ["nothing", "", undefined],
  ])("is not harmed by %s", async (_name, message, answer) => {
    const { peer, seen } = await bareServer(() => [record(fromHex(message))]);
    await using client = await connect(JobV1, peer.address, { session: "off" });
    expect(await client.plain("one")).toBe("one");
    expect(await client.plain("two")).toBe("two");
    const answers = seen.filter((one) => !isCall(one));
    if (answer === undefined) expect(answers).toEqual([]);
    else expect(answers[0]).toBe(answer);
    expect(client.$stats().connects).toBe(1);
  });

  it("keeps no answers for a server that calls without end and reads nothing", async () => {
    const flood = Buffer.concat(Array.from({ length: 20_000 }, (_, i) => record(call(i, 1, words(1)))));
    let socket: Socket | undefined;
    const peer = await startTcpPeer(
      () => {},
      (accepted) => {
        socket = accepted;
        accepted.pause();
      },
    );
    cleanups.push(() => peer[Symbol.asyncDispose]());
    await using client = await connect(JobV1, peer.address, { session: "off" });
    await vi.waitUntil(() => socket !== undefined);
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 40; i++) {
      await new Promise<void>((resolve) => (socket as Socket).write(flood, () => resolve()));
    }
    // 800,000 refusals would be 22 MB and as much again of what is around them.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(60_000_000);
    expect(client.$stats().connects).toBe(1);
  });
});

describe("a client that offers callbacks", () => {
  it("answers a foreign server's calls by the RFC, while its own call is under way under the same xid", async () => {
    const { peer, seen } = await bareServer((xid) => [
      record(call(xid, 1, words(5))),
      record(call(8, 2)),
      record(call(9, 0)),
      record(call(10, 77)),
      record(callMessage({ xid: 11, program: ProgressV1.program, version: 9, procedure: 1 })),
      record(call(12, 1, "00")),
      record(call(13, 3, `${words(2)}61620000`)),
    ]);
    const notes: string[] = [];
    const callbacks = [serve(ProgressV1, { ...progress, note: (text: string) => void notes.push(text) })];
    await using client = await connect(JobV1, peer.address, { session: "off", callbacks });
    expect(await client.plain("text")).toBe("text");
    await vi.waitUntil(() => seen.length >= 7);
    const [mine, ...answers] = seen as [string, ...string[]];
    expect(answers).toEqual([
      `${words(xidOf(mine), 1, 0, 0, 0, 0, 2)}35210000`, // "5!"
      words(8, 1, 0, 0, 0, 0, 7),
      words(9, 1, 0, 0, 0, 0),
      words(10, 1, 0, 0, 0, 3), // PROC_UNAVAIL
      words(11, 1, 0, 0, 0, 2, 1, 1), // PROG_MISMATCH 1..1
      words(12, 1, 0, 0, 0, 4), // GARBAGE_ARGS
    ]);
    expect(notes).toEqual(["ab"]); // one-way: no reply
  });

  it("hangs up on a server that calls for large answers and reads none", async () => {
    let socket: Socket | undefined;
    const peer = await startTcpPeer(
      () => {},
      (accepted) => {
        socket ??= accepted;
        accepted.pause();
      },
    );
    cleanups.push(() => peer[Symbol.asyncDispose]());
    const large = "x".repeat(1_000_000);
    const options = { session: "off", reconnect: false } as const;
    const callbacks = [serve(ProgressV1, { ...progress, report: () => large })];
    await using client = await connect(JobV1, peer.address, { ...options, callbacks });
    await vi.waitUntil(() => socket !== undefined);
    let ended = false;
    socket?.on("close", () => {
      ended = true;
    });
    for (let i = 0; i < 200 && !ended; i++) {
      socket?.write(record(call(i, 1, words(1))));
      await new Promise((resolve) => setImmediate(resolve));
    }
    // Reading is what finds out.
    socket?.resume();
    await vi.waitUntil(() => ended, { timeout: 15_000 });
    expect(client.$stats().pending).toBe(0);
  });
});

describe("a server whose client is no farcall", () => {
  /** A client of bare bytes, and a server whose RUN calls it back. */
  async function bareClient(timeoutMs = 10_000) {
    const outcomes: string[] = [];
    const server = new Server().export(JobV1, {
      async run(done, context) {
        const outcome = await context.callback(ProgressV1, { timeoutMs }).$try.report(done);
        outcomes.push(outcome.ok ? outcome.value : `${outcome.error.code} ${outcome.executed}`);
        return outcomes.join();
      },
      plain: (text) => text,
      nest: () => 0,
    });
    cleanups.push(() => server.close({ drainMs: 0 }));
    const address = await server.listen("tcp://127.0.0.1:0");
    const socket = connectSocket(Number(/\d+$/.exec(address)?.[0]), "127.0.0.1");
    cleanups.push(() => socket.destroy());
    await once(socket, "connect");
    let bytes: Buffer = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
    });
    socket.on("error", () => {});
    const got = (): string[] => recordsIn(bytes);
    socket.write(record(callMessage({ xid: 5, program: JobV1.program, version: 1, procedure: 1, args: words(3) })));
    await vi.waitUntil(() => got().length === 1);
    return { socket, got, outcomes, call: got()[0] as string };
  }

  it("calls it by the RFC, and takes its answer", async () => {
    const { socket, got, call: sent } = await bareClient();
    const xid = xidOf(sent);
    // CALL, version 2, program, version, procedure, AUTH_NONE twice, and the argument: no session, which it would not know.
    expect(sent).toBe(words(xid, 0, 2, ProgressV1.program, 1, 1, 0, 0, 0, 0, 3));
    socket.write(record(fromHex(`${words(xid, 1, 0, 0, 0, 0, 2)}68690000`)));
    await vi.waitUntil(() => got().length === 2);
    expect(got()[1]).toBe(`${words(5, 1, 0, 0, 0, 0, 2)}68690000`);
  });

  it.each([
    ["PROG_UNAVAIL", (xid: number) => words(xid, 1, 0, 0, 0, 1), "unimplemented no"],
    ["SYSTEM_ERR", (xid: number) => words(xid, 1, 0, 0, 0, 5), "server-error unknown"],
    ["AUTH_TOOWEAK", (xid: number) => words(xid, 1, 1, 1, 5), "denied no"],
    ["a result that is none", (xid: number) => words(xid, 1, 0, 0, 0, 0, 9), "bad-reply yes"],
  ])("says what %s means", async (_name, answer, outcome) => {
    const { socket, got, outcomes, call: sent } = await bareClient();
    socket.write(record(fromHex(answer(xidOf(sent)))));
    await vi.waitUntil(() => got().length === 2);
    expect(outcomes).toEqual([outcome]);
  });

  it("settles by the deadline when there is no answer, drops the late one, and serves on", async () => {
    const { socket, got, outcomes, call: sent } = await bareClient(200);
    await vi.waitUntil(() => got().length === 2);
    expect(outcomes).toEqual(["deadline-exceeded unknown"]);
    socket.write(record(fromHex(words(xidOf(sent), 1, 0, 0, 0, 0, 0))));
    // An answer to nothing.
    socket.write(record(fromHex(words(4_242, 1, 0, 0, 0, 0, 0))));
    socket.write(record(callMessage({ xid: 6, program: JobV1.program, version: 1, procedure: 0 })));
    await vi.waitUntil(() => got().length === 3);
    expect(headOf(got()[2] as string)).toBe(words(6, 1));
  });

  it("hangs up on one that answers without having been called", async () => {
    const server = new Server().export(JobV1, { run: () => "", plain: () => "", nest: () => 0 });
    cleanups.push(() => server.close({ drainMs: 0 }));
    const address = await server.listen("tcp://127.0.0.1:0");
    const socket = connectSocket(Number(/\d+$/.exec(address)?.[0]), "127.0.0.1");
    socket.on("error", () => {});
    socket.write(record(fromHex(words(4_242, 1, 0, 0, 0, 0, 0))));
    await once(socket, "close");
  });
});

describe("a connection that looks for answers behind calls that it has no room for", () => {
  const numbers = { program: JobV1.program, version: 1 };

  it("puts calls aside up to a mebibyte, and then reads no more until there is room", () => {
    const started: number[] = [];
    const replies: number[] = [];
    const link = new StreamServerLink(
      {
        receive: (_link: unknown, bytes: Uint8Array, start: number) => {
          started.push(new DataView(bytes.buffer, bytes.byteOffset).getUint32(start));
          return true;
        },
      } as never,
      "test:",
      { runningPerConnectionMax: 1 },
    );
    link.running = 3; // all of them, and what two callbacks allow besides
    let waiting = 2;
    link.callingBack = {
      get waiting() {
        return waiting;
      },
      reply: (bytes, start) => replies.push(new DataView(bytes.buffer, bytes.byteOffset).getUint32(start)),
    };
    const large = (xid: number): Uint8Array =>
      record(callMessage({ ...numbers, xid, procedure: 2, args: "00".repeat(400_000) }));
    const answer = (xid: number): Uint8Array => record(fromHex(words(xid, 1, 0, 0, 0, 0)));
    link.push(Buffer.concat([large(1), answer(50), large(2), answer(51), large(3), answer(52)]));
    expect(link.pump()).toBe(false);
    // Three are over a mebibyte: what is behind them is not looked at.
    expect([started, replies]).toEqual([[], [50, 51]]);
    expect(link.aside).toBeGreaterThan(1_200_000);
    expect(link.held).toBe(true);
    waiting = 0;
    link.running = 0;
    expect(link.held).toBe(false);
    link.pump();
    expect([started, replies]).toEqual([
      [1, 2, 3],
      [50, 51, 52],
    ]);
    expect(link.aside).toBe(0);
  });
});

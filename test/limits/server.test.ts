import { connect, type RpcError } from "farcall";
import { describe, expect, it } from "vitest";
import { later, until } from "../support/faults.js";
import { askTcp, askUdp, callMessage, fragment, fromHex, opaqueHex, words } from "../support/raw-messages.js";
import { failure, Raw, record, SinkV1, startSink } from "./support.js";

// docs/limits.md lists the server's limits. Here each is reached: what it says happens, and others are served on.

const KB = 1024;
const mark = (length: number, last = true): Uint8Array => fromHex(words((last ? 0x8000_0000 : 0) + length));

describe("recordSizeMax", () => {
  it("ends a connection that announces a larger record, at its mark", async () => {
    await using server = await startSink({ recordSizeMax: KB });
    using raw = new Raw(server.tcp).write(mark(KB + 1));
    await until(() => raw.closed);
    await server.serves();
  });

  it("counts what all fragments announce", async () => {
    await using server = await startSink({ recordSizeMax: KB });
    using raw = new Raw(server.tcp).write(fragment(new Uint8Array(KB), false)).write(mark(1));
    await until(() => raw.closed);
    await server.serves();
  });

  it("lets a record of exactly that size through", async () => {
    await using server = await startSink({ recordSizeMax: KB });
    await using client = await connect(SinkV1, server.tcp, { session: "off" });
    const size = KB - 44;
    expect(await client.take(new Uint8Array(size))).toBe(size);
    // The server cannot say why: the call's number may not have come.
    expect(await failure(client.take(new Uint8Array(size + 1)))).toMatchObject({
      code: "unavailable",
      executed: "unknown",
    });
    expect(await client.take(new Uint8Array(size))).toBe(size);
  });
});

describe("fragmentsMax", () => {
  it("ends a connection whose record has more, empty ones too", async () => {
    await using server = await startSink({ fragmentsMax: 3 });
    const call = record("take", new Uint8Array(8)).subarray(4);
    const pieces = (count: number): Uint8Array[] => [
      ...Array.from({ length: count - 1 }, () => mark(0, false)),
      fragment(call, true),
    ];
    using within = new Raw(server.tcp);
    for (const piece of pieces(3)) within.write(piece);
    await until(() => within.replies === 1);
    using over = new Raw(server.tcp);
    for (const piece of pieces(4)) over.write(piece);
    await until(() => over.closed);
    expect(over.received).toHaveLength(0);
    await server.serves();
  });
});

describe("connectionsMax", () => {
  it("closes one more at once, and takes another when one has left", async () => {
    // The good client is one of them.
    await using server = await startSink({ connectionsMax: 3 });
    using first = new Raw(server.tcp).write(record("take", new Uint8Array(1)));
    using second = new Raw(server.tcp).write(record("take", new Uint8Array(1)));
    await until(() => first.replies + second.replies === 2);
    using third = new Raw(server.tcp).write(record("take", new Uint8Array(1)));
    await until(() => third.closed);
    expect(third.received).toHaveLength(0);
    expect([first.closed, second.closed]).toEqual([false, false]);
    await server.serves();
    first[Symbol.dispose]();
    await until(() => first.closed);
    await expect
      .poll(async () => {
        using next = new Raw(server.tcp).write(record("take", new Uint8Array(1)));
        await until(() => next.closed || next.replies === 1);
        return next.replies;
      })
      .toBe(1);
  });
});

describe("connectionsPerPeerMax", () => {
  it("closes one more of the same address, and takes those of others", async () => {
    await using server = await startSink({ connectionsPerPeerMax: 2 });
    using first = new Raw(server.tcp).write(record("take", new Uint8Array(1)));
    using second = new Raw(server.tcp).write(record("take", new Uint8Array(1)));
    await until(() => first.replies + second.replies === 2);
    using third = new Raw(server.tcp);
    await until(() => third.closed);
    await using other = await connect(SinkV1, server.unix, { session: "off" });
    expect(await other.take(new Uint8Array(2))).toBe(2);
    // Everyone on a Unix socket is one peer too, and the good client is there already.
    await using over = await connect(SinkV1, server.unix, { session: "off" });
    expect(await failure(over.take(new Uint8Array(2)))).toMatchObject({ code: "unavailable" });
    await server.serves();
  });

  it("counts no connection that has left", async () => {
    await using server = await startSink({ connectionsPerPeerMax: 1 });
    for (let i = 0; i < 5; i++) {
      using raw = new Raw(server.tcp).write(record("take", new Uint8Array(1)));
      await until(() => raw.replies === 1);
      raw[Symbol.dispose]();
      await server.serves();
      await later(20);
    }
  });
});

describe("idleTimeoutMs", () => {
  it("ends a connection that is silent, not one whose call runs, and not one that talks", async () => {
    await using server = await startSink({ idleTimeoutMs: 600 });
    using silent = new Raw(server.tcp);
    using waits = new Raw(server.tcp).write(record("hold", new Uint8Array(1)));
    using talks = new Raw(server.tcp);
    await until(() => {
      talks.write(record("take", new Uint8Array(1)));
      return silent.closed;
    });
    for (let i = 0; i < 40; i++) {
      talks.write(record("take", new Uint8Array(1)));
      await later(20);
    }
    expect([waits.closed, talks.closed]).toEqual([false, false]);
    for (const end of server.held) end();
    await until(() => waits.replies === 1);
    // Its client was silent as well: it connects again.
    await server.serves();
  });
});

describe("recordTimeoutMs", () => {
  it("ends a connection that sends a record a byte at a time", async () => {
    await using server = await startSink({ recordTimeoutMs: 300 });
    using slow = new Raw(server.tcp).write(mark(100));
    using marks = new Raw(server.tcp);
    const bytes = Array.from({ length: 3 }, (_, i) => mark(9).subarray(i, i + 1));
    await until(() => {
      slow.write(new Uint8Array(1));
      // Not even the mark comes to its end.
      for (const byte of bytes.splice(0, 1)) marks.write(byte);
      return slow.closed && marks.closed;
    });
    await server.serves();
  });

  it("gives every record its own time: a peer that streams is always in the middle of one", async () => {
    await using server = await startSink({ recordTimeoutMs: 600 });
    const call = record("take", new Uint8Array(16));
    const [head, tail] = [call.subarray(0, 10), call.subarray(10)];
    const straddling = new Uint8Array([...tail, ...head]);
    using raw = new Raw(server.tcp).write(head);
    for (let i = 0; i < 50; i++) {
      await later(20);
      raw.write(straddling);
    }
    expect(raw.closed).toBe(false);
    raw.write(tail);
    await until(() => raw.replies === 51);
  });

  it("is not the peer's fault while its calls wait for their turn", async () => {
    await using server = await startSink({ recordTimeoutMs: 500, runningPerConnectionMax: 1 });
    // The first record comes in two halves, so that its time began; what follows has to wait for its end.
    const call = record("hold", new Uint8Array(16));
    using raw = new Raw(server.tcp).write(call.subarray(0, 10));
    await later(20);
    raw.write(new Uint8Array([...call.subarray(10), ...call, ...call.subarray(0, 10)]));
    await until(() => server.held.length === 1);
    await later(900);
    expect(raw.closed).toBe(false);
    server.held[0]?.();
    await until(() => server.held.length === 2);
    raw.write(call.subarray(10));
    server.held[1]?.();
    await until(() => server.held.length === 3);
    server.held[2]?.();
    await until(() => raw.replies === 3);
  });
});

describe("bufferedBytesMax", () => {
  const unfinished = (size: number): Uint8Array => fragment(new Uint8Array(size), false);

  it("ends the connection whose unfinished record is the oldest, so that who is quick is served", async () => {
    await using server = await startSink({ bufferedBytesMax: 1000 * KB });
    using first = new Raw(server.tcp).write(unfinished(400 * KB));
    await later(50);
    using second = new Raw(server.tcp).write(unfinished(400 * KB));
    await later(50);
    expect([first.closed, second.closed]).toEqual([false, false]);
    using third = new Raw(server.tcp).write(record("take", new Uint8Array(600 * KB)));
    await until(() => first.closed);
    await until(() => third.replies === 1);
    expect(second.closed).toBe(false);
    await server.serves();
  });

  it("ends a connection that exceeds it alone", async () => {
    await using server = await startSink({ bufferedBytesMax: 100 * KB });
    using raw = new Raw(server.tcp).write(unfinished(200 * KB));
    await until(() => raw.closed);
    await server.serves();
  });

  it("counts no more what was taken, or has left", async () => {
    await using server = await startSink({ bufferedBytesMax: 100 * KB, runningPerConnectionMax: 1 });
    for (let i = 0; i < 5; i++) {
      using raw = new Raw(server.tcp).write(unfinished(60 * KB));
      await later(20);
      raw[Symbol.dispose]();
      await later(20);
    }
    // Calls that wait for their turn are counted until they have it.
    const call = record("take", new Uint8Array(20 * KB));
    using pipelined = new Raw(server.tcp);
    pipelined.write(new Uint8Array([...record("hold", new Uint8Array(1)), ...call, ...call, ...call]));
    await until(() => server.held.length === 1);
    await later(50);
    server.held[0]?.();
    await until(() => pipelined.replies === 4);
    using last = new Raw(server.tcp).write(unfinished(80 * KB));
    await later(50);
    expect([last.closed, pipelined.closed]).toEqual([false, false]);
    await server.serves();
  });
});

describe("writeBacklogMax", () => {
  it("lets the answers wait of a peer that leaves more unread, and gives them when it reads", async () => {
    await using server = await startSink({ writeBacklogMax: 4_000 * KB });
    using raw = new Raw(server.tcp).pause();
    // All of them run before the first reply stays: together more than the kernel's buffers and the limit hold.
    const calls = Array.from({ length: 40 }, (_, xid) => [...record("give", 1_000 * KB, xid)]);
    raw.write(new Uint8Array(calls.flat()));
    await later(100);
    raw.resume();
    await until(() => raw.replies === 40);
    expect(raw.closed).toBe(false);
    await server.serves();
  });

  it("ends no connection of a peer whose many large answers come at once", async () => {
    await using server = await startSink({ writeBacklogMax: 1_000 * KB });
    await using client = await connect(SinkV1, server.tcp, { session: "off" });
    const gifts = await Promise.all(Array.from({ length: 60 }, () => client.give(500 * KB)));
    expect(gifts.every((gift) => gift.length === 500 * KB)).toBe(true);
  });

  it("is no limit for a peer that reads", async () => {
    await using server = await startSink({ writeBacklogMax: 1_000 * KB });
    await using client = await connect(SinkV1, server.tcp, { session: "off" });
    for (let i = 0; i < 20; i++) expect((await client.give(900 * KB)).length).toBe(900 * KB);
    await server.serves();
  });
});

describe("writeTimeoutMs", () => {
  it("ends the connection of a peer that takes nothing of its answers for that long", async () => {
    await using server = await startSink({ writeTimeoutMs: 100 });
    using raw = new Raw(server.tcp).pause();
    const calls = Array.from({ length: 40 }, (_, xid) => [...record("give", 1_000 * KB, xid)]);
    raw.write(new Uint8Array(calls.flat()));
    await later(500);
    raw.resume();
    await until(() => raw.closed);
    expect(raw.replies).toBeLessThan(40);
    await server.serves();
  });
});

describe("runningPerConnectionMax", () => {
  it("does not read a connection on whose calls run, and reads it on when they end", async () => {
    await using server = await startSink({ runningPerConnectionMax: 2 });
    using raw = new Raw(server.tcp);
    for (let xid = 0; xid < 5; xid++) raw.write(record("hold", new Uint8Array(1), xid));
    await until(() => server.held.length === 2);
    await server.serves();
    await later(30);
    expect(server.held.length).toBe(2);
    for (let i = 0; i < 5; i++) {
      await until(() => server.held.length > i);
      server.held[i]?.();
    }
    await until(() => raw.replies === 5);
  });
});

/** One call of so many bytes as a server counts it: message, arguments' array, bytes. */
const counted = (size: number): number => 44 + size + 196 + (size < 64 ? 200 : 96);

// What runs in all, of an address and of a connection counts together: 3 x 4 of the first connection, then
// 2 x 6 + 2 of the second, then 6 + 2 x 2 + 2 of another address reach 12.
describe.each([
  ["runningCallsMax", { runningCallsMax: 12, reservedCallSizeMax: 0 }, 4],
  ["runningBytesMax", { runningBytesMax: 11.5 * counted(100_000), reservedCallSizeMax: 0 }, 100_000],
] as const)("%s", (_name, options, size) => {
  it("does not read on who has taken his share, leaves others room, and goes on with all of them", async () => {
    await using server = await startSink(options);
    const hold = record("hold", new Uint8Array(size));
    const crowd = (): Raw => {
      const raw = new Raw(server.tcp);
      for (let i = 0; i < 10; i++) raw.write(hold);
      return raw;
    };
    using first = crowd();
    await until(() => server.held.length === 4);
    using second = crowd();
    await until(() => server.held.length === 6);
    const others = Promise.all(Array.from({ length: 10 }, () => server.good.hold(new Uint8Array(size))));
    await until(() => server.held.length === 8);
    await later(50);
    expect([server.held.length, first.closed, second.closed]).toEqual([8, false, false]);
    for (let ended = 0; ended < 30; ended++) {
      await until(() => server.held.length > ended);
      server.held[ended]?.();
    }
    expect(await others).toEqual(Array.from({ length: 10 }, () => size));
    await until(() => first.replies === 10 && second.replies === 10);
    await server.serves();
  });

  it("lets datagrams be", async () => {
    await using server = await startSink(options);
    using raw = new Raw(server.tcp);
    for (let i = 0; i < 10; i++) raw.write(record("hold", new Uint8Array(size)));
    await until(() => server.held.length === 4);
    await using datagrams = await connect(SinkV1, server.udp, { session: "off" });
    for (let i = 0; i < 10; i++) expect(await datagrams.take(new Uint8Array(1_000))).toBe(1_000);
  });

  it("counts the calls of connections that are gone until they end", async () => {
    await using server = await startSink(options);
    for (const running of [4, 6, 6]) {
      using raw = new Raw(server.tcp);
      for (let i = 0; i < 10; i++) raw.write(record("hold", new Uint8Array(size)));
      await until(() => server.held.length === running);
      await later(20);
      expect(server.held.length).toBe(running);
    }
    for (const end of server.held) end();
    await server.serves();
  });
});

describe("runningCallsMax", () => {
  it("counts no answer that waited for a peer who hung up instead of reading it", async () => {
    await using server = await startSink({ runningCallsMax: 30, reservedCallSizeMax: 0, writeBacklogMax: 100 * KB });
    for (let i = 0; i < 4; i++) {
      using raw = new Raw(server.tcp).pause();
      for (let xid = 0; xid < 40; xid++) raw.write(record("give", 2_000 * KB, xid));
      await later(100);
    }
    using raw = new Raw(server.tcp);
    for (let xid = 0; xid < 20; xid++) raw.write(record("hold", new Uint8Array(1), xid));
    await until(() => server.held.length === 10);
  });
});

describe("runningBytesMax", () => {
  it("counts what arguments take, not only what their message does", async () => {
    await using server = await startSink({ runningBytesMax: 1_000 * KB, reservedCallSizeMax: 0 });
    // 1,024 single bytes: 220 KB of memory for 8 KB.
    const pieces = fromHex(words(1_024) + opaqueHex(new Uint8Array(1)).repeat(1_024));
    using raw = new Raw(server.tcp);
    for (let xid = 0; xid < 10; xid++) raw.write(record("keep", pieces, xid));
    await until(() => server.held.length === 2);
    await later(50);
    expect(server.held.length).toBe(2);
    for (let i = 0; i < 10; i++) {
      await until(() => server.held.length > i);
      server.held[i]?.();
    }
    await until(() => raw.replies === 10);
  });
});

describe("reservedCallSizeMax", () => {
  const large = 40_000;

  it("lets a connection none of whose calls runs start one of that size, whatever the others have", async () => {
    await using server = await startSink({ runningBytesMax: 50_000 });
    using greedy = new Raw(server.tcp).write(record("hold", new Uint8Array(large)));
    await until(() => server.held.length === 1);
    using small = new Raw(server.tcp);
    const fits = new Uint8Array(16_384 - 44);
    for (let done = 1; done <= 3; done++) {
      small.write(record("take", fits, done));
      await until(() => small.replies === done);
    }
    small.write(record("hold", fits, 4)).write(record("take", fits, 5));
    await until(() => server.held.length === 2);
    using larger = new Raw(server.tcp).write(record("take", new Uint8Array(16_384 - 40)));
    await later(50);
    expect([small.replies, larger.replies]).toEqual([3, 0]);
    server.held[1]?.();
    await until(() => small.replies === 5);
    expect(larger.replies).toBe(0);
    server.held[0]?.();
    await until(() => greedy.replies === 1 && larger.replies === 1);
  });

  it("holds for connectionsMax calls: who hangs up and comes again does not get more and more", async () => {
    await using server = await startSink({ runningBytesMax: 50_000, connectionsMax: 5 });
    using greedy = new Raw(server.tcp).write(record("hold", new Uint8Array(large)));
    await until(() => server.held.length === 1);
    // Three of this address: 2 + 2 < 5 lets the third in.
    for (let running = 2; running <= 4; running++) {
      using _raw = new Raw(server.tcp).write(record("hold", new Uint8Array(1)));
      await until(() => server.held.length === running);
    }
    using over = new Raw(server.tcp).write(record("take", new Uint8Array(1)));
    await later(50);
    expect(over.replies).toBe(0);
    // Another address has room.
    await server.serves();
    server.held[1]?.();
    await until(() => over.replies === 1);
    for (const end of server.held) end();
    await until(() => greedy.replies === 1);
  });
});

describe.each([
  ["runningDatagramsMax", { runningDatagramsMax: 12 }, 1],
  ["runningDatagramBytesMax", { runningDatagramBytesMax: 11.5 * counted(5_000) }, 5_000],
] as const)("%s", (_name, options, size) => {
  it("drops the datagrams of a port that has taken its share, leaves other ports room, and streams be", async () => {
    await using server = await startSink(options);
    await using first = await connect(SinkV1, server.udp, { session: "off" });
    await using second = await connect(SinkV1, server.udp, { session: "off" });
    const bytes = new Uint8Array(size);
    const calls: Promise<string | number>[] = [];
    // What is dropped is not sent again, since it may not run twice: its call ends with its client.
    const start = (client: typeof first): void => {
      for (let i = 0; i < 6; i++) calls.push(client.hold(bytes).catch(({ code }: RpcError) => code));
    };
    start(first);
    await until(() => server.held.length === 4);
    expect(await second.take(bytes)).toBe(size);
    start(second);
    await until(() => server.held.length === 6);
    expect(await failure(second.take(bytes, { timeoutMs: 200 }))).toMatchObject({
      code: "deadline-exceeded",
      executed: "unknown",
    });
    await using stream = await connect(SinkV1, server.tcp, { session: "off" });
    expect(await stream.take(bytes)).toBe(size);
    expect(server.held.length).toBe(6);
    for (const end of server.held) end();
    expect(await Promise.all([...calls.slice(0, 4), ...calls.slice(6, 8)])).toEqual(Array(6).fill(size));
    expect(await second.take(bytes)).toBe(size);
  });
});

describe("datagramSizeMax", () => {
  it("drops a larger call, and answers SYSTEM_ERR instead of a larger reply", async () => {
    await using server = await startSink({ datagramSizeMax: 1_000 });
    await using client = await connect(SinkV1, server.udp, { session: "off" });
    expect(await client.take(new Uint8Array(956))).toBe(956);
    expect(await failure(client.take(new Uint8Array(957), { timeoutMs: 200 }))).toMatchObject({
      code: "deadline-exceeded",
      executed: "unknown",
    });
    expect((await client.give(972)).length).toBe(972);
    expect(await failure(client.give(973))).toMatchObject({ code: "server-error", executed: "unknown" });
    await server.serves();
  });
});

describe("credentialSizeMax", () => {
  const call = (credential: number, verifier: number): Uint8Array =>
    callMessage({
      program: SinkV1.program,
      version: 1,
      procedure: 0,
      credential: words(credential === 0 ? 0 : 99) + opaqueHex(new Uint8Array(credential)),
      verifier: words(0) + opaqueHex(new Uint8Array(verifier)),
    });
  // MSG_DENIED, AUTH_ERROR, and why: AUTH_BADCRED 1, AUTH_REJECTEDCRED 2 (read, but of no known flavor), AUTH_BADVERF 3.
  const denied = (why: number): string => words(7, 1, 1, 1, why);
  it.each([
    ["a credential of 400", 400, 0, denied(2)],
    ["a credential of 401", 401, 0, denied(1)],
    ["a verifier of 401", 0, 401, denied(3)],
    ["a credential that claims gigabytes", -1, 0, denied(1)],
  ])("is refused with the protocol's own answer: %s", async (_name, credential, verifier, answer) => {
    await using server = await startSink({});
    const message =
      credential >= 0
        ? call(credential, verifier)
        : callMessage({ program: SinkV1.program, version: 1, procedure: 0, credential: words(0, 0xffff_fffc) });
    expect(await askTcp(server.tcp, fragment(message, true))).toBe(answer);
    expect(await askUdp(server.udp, message)).toBe(answer);
    await server.serves();
  });

  it("may be less, and not more, than the 400 bytes of RFC 5531, section 8.2", async () => {
    await using server = await startSink({ credentialSizeMax: 100 });
    expect(await askUdp(server.udp, call(100, 0))).toBe(denied(2));
    expect(await askUdp(server.udp, call(101, 0))).toBe(denied(1));
    expect(await askUdp(server.udp, call(0, 101))).toBe(denied(3));
    await server.serves();
    await expect(startSink({ credentialSizeMax: 401 })).rejects.toThrow(
      "credentialSizeMax must be a number from 0 to 400, not 401",
    );
  });
});

describe("replyEntriesMax", () => {
  it("is shared by address: whoever fills half of it gets no more, and others are served", async () => {
    await using server = await startSink({ replyCache: { replyEntriesMax: 6 } });
    await using greedy = await connect(SinkV1, server.udp, { session: "off", timeoutMs: 500 });
    for (let i = 0; i < 3; i++) expect(await greedy.take(new Uint8Array(i))).toBe(i);
    expect(await failure(greedy.take(new Uint8Array(3)))).toMatchObject({ code: "deadline-exceeded" });
    // Another port is no other address.
    await using again = await connect(SinkV1, server.tcp, { session: "require", timeoutMs: 500 });
    expect(await failure(again.take(new Uint8Array(3)))).toMatchObject({ executed: "no" });
    await using other = await connect(SinkV1, server.unix, { session: "require" });
    expect(await other.take(new Uint8Array(4))).toBe(4);
    await server.serves();
  });
});

describe("a limit that is none", () => {
  it.each([
    [{ connectionsMax: 0 }, "connectionsMax must be a number of at least 1, not 0"],
    [{ runningCallsMax: Number.NaN }, "runningCallsMax must be a number of at least 1, not NaN"],
    [{ recordSizeMax: "16 MB" as unknown as number }, "recordSizeMax must be a number of at least 1, not 16 MB"],
    [{ idleTimeoutMs: -1 }, "idleTimeoutMs must be a number of at least 1, not -1"],
  ])("is refused by its name: %o", async (options, message) => {
    await expect(startSink(options)).rejects.toThrow(message);
  });
});

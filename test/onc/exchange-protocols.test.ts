import { connect, Server } from "farcall";
import { describe, expect, it } from "vitest";
import { SESSION_PROGRAM } from "../../src/onc/session/session.js";
import { until } from "../support/faults.js";
import { startMessageLog } from "../support/message-log.js";
import { NotesV1 } from "../support/notes.js";

// The three ways in which a call is acknowledged, by the messages that pass between a client and a server over TCP:
// R, the request alone; RR, where the reply is the acknowledgement; RRA, where the client acknowledges the reply.

// The session program, src/onc/session/session.x: a session's id is five words, then come lane and sequence.
const names = {
  [NotesV1.program]: { 1: "NOTE", 2: "COUNT" },
  [SESSION_PROGRAM]: {
    1: () => "OPEN()",
    2: (args: Buffer) => `CALL(${args.readUInt32BE(24)}, replies to ${args.readUInt32BE(28)} have arrived)`,
    4: (args: Buffer) => `ACK(replies to ${args.readUInt32BE(28)} have arrived)`,
  },
};

async function between(session: "off" | "require" = "off"): Promise<{
  readonly client: Awaited<ReturnType<typeof connect<NotesV1>>>;
  readonly messages: readonly string[];
  readonly notes: readonly number[];
  [Symbol.asyncDispose](): Promise<void>;
}> {
  const notes: number[] = [];
  const server = new Server().export(NotesV1, {
    note: (value) => void notes.push(value),
    count: () => notes.length,
  });
  const log = await startMessageLog(await server.listen("tcp://127.0.0.1:0"), names);
  const client = await connect(NotesV1, log.address, { session });
  return {
    client,
    messages: log.lines,
    notes,
    async [Symbol.asyncDispose]() {
      await client.$close();
      await server.close({ drainMs: 0 });
      await log[Symbol.asyncDispose]();
    },
  };
}

describe("the protocol R", () => {
  it("is the request alone: a one-way call ends when it was sent", async () => {
    await using both = await between();
    await both.client.note(7);
    // Whether it arrived, its caller does not learn; the test looks.
    await until(() => both.notes.length === 1);
    expect(both.messages).toEqual(["call NOTE(7)"]);
  });

  it("is a batch of requests, which a normal call flushes: when it is answered, all before it have arrived", async () => {
    await using both = await between();
    for (const value of [1, 2, 3]) void both.client.note(value);
    expect(await both.client.count()).toBe(3);
    expect(both.notes).toEqual([1, 2, 3]);
    expect(both.messages).toEqual(["call NOTE(1)", "call NOTE(2)", "call NOTE(3)", "call COUNT()", "reply COUNT = 3"]);
  });
});

describe("the protocol RR", () => {
  it("is a request and its reply, which acknowledges it", async () => {
    await using both = await between();
    expect([await both.client.count(), await both.client.count()]).toEqual([0, 0]);
    expect(both.messages).toEqual(["call COUNT()", "reply COUNT = 0", "call COUNT()", "reply COUNT = 0"]);
  });

  it("lets requests overtake each other's replies, which name their requests", async () => {
    await using both = await between();
    await Promise.all([both.client.count(), both.client.$ping(), both.client.count()]);
    expect([...both.messages].sort()).toEqual([
      "call COUNT()",
      "call COUNT()",
      "call NULL()",
      "reply COUNT = 0",
      "reply COUNT = 0",
      "reply NULL",
    ]);
  });
});

describe("the protocol RRA", () => {
  it("acknowledges a reply with the next call, or by itself when none follows: then the server need not keep it", async () => {
    await using both = await between("require");
    await both.client.count();
    await both.client.note(5);
    expect(await both.client.count()).toBe(1);
    await until(() => both.messages.some((line) => line.startsWith("call ACK")));
    expect(both.messages).toEqual([
      "call OPEN()",
      "reply OPEN = 0",
      "call CALL(1, replies to 0 have arrived)",
      "reply CALL = 0",
      // Nobody waits for a reply to it, so it needs no number.
      "call NOTE(5)",
      "call CALL(2, replies to 1 have arrived)",
      "reply CALL = 0",
      "call ACK(replies to 2 have arrived)",
    ]);
  });
});

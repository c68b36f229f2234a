import { connect, Server } from "farcall";
import { describe, expect, it } from "vitest";
import { until } from "../support/faults.js";
import { startMessageLog } from "../support/message-log.js";
import { NotesV1 } from "../support/notes.js";

// The three ways in which a call is acknowledged, by the messages that pass between a client and a server over TCP:
// R, the request alone; RR, where the reply is the acknowledgement; RRA, where the client acknowledges the reply.

const names = { 1: "NOTE", 2: "COUNT" };

async function between(): Promise<{
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
  const client = await connect(NotesV1, log.address);
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
      "call 0()",
      "call COUNT()",
      "call COUNT()",
      "reply 0",
      "reply COUNT = 0",
      "reply COUNT = 0",
    ]);
  });
});

import { describe, expect, it } from "vitest";
import { type CallOptions, connect, MemoryNetwork, type Procedure, Server } from "../../src/index.js";
import { argsCodec } from "../../src/onc/args.js";
import { clientAuthNone } from "../../src/onc/auth/none.js";
import { ClientCall, DatagramClientEngine, StreamClientEngine, type StreamLink } from "../../src/onc/engine/index.js";
import { AuthStat, OncClient, oncProgram } from "../../src/onc/index.js";
import { int, nothing, string, uint } from "../../src/xdr/index.js";
import { CuttableNetwork, later, until } from "../support/faults.js";
import { NotesV1 } from "../support/notes.js";
import { StoreV1 } from "../support/store.js";

// RFC 5531, section 8: a call without a reply. It ends when its bytes are given to the transport; until then a failure
// proves that it did not run.

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const target = {
  name: "NOTES.note",
  program: 0x20000e05,
  version: 1,
  procedure: 1,
  args: argsCodec([uint]),
  result: nothing,
  semantics: "maybe",
  oneWay: true,
} as const;
const common = { auth: clientAuthNone(), firstXid: 1, peer: "test:" };
const callBytes = (xid: number, arg: number): string =>
  [xid, 0, 2, 0x20000e05, 1, 1, 0, 0, 0, 0, arg].map((word) => word.toString(16).padStart(8, "0")).join("");
const record = (message: string): string => (0x80000000 + message.length / 2).toString(16) + message;
const takenOf = (link: StreamLink): string => hex(link.outbox.take()?.bytes ?? new Uint8Array(0));

interface Made {
  readonly call: ClientCall;
  ends: number;
  error?: unknown;
}

function start(
  engine: StreamClientEngine | DatagramClientEngine,
  arg: unknown,
  options: { oneWay?: boolean } = {},
): Made {
  const life = { semantics: "maybe", startedAt: 0, deadline: 1_000 } as const;
  const made: Made = {
    ends: 0,
    call: new ClientCall(
      { ...target, ...options },
      [arg],
      life,
      () => made.ends++,
      (error) => {
        made.error = error;
        made.ends++;
      },
    ),
  };
  engine.start(made.call);
  return made;
}

describe("a one-way call over a stream", () => {
  it("looks like any other call, and ends when it is taken to be written, not before", () => {
    const engine = new StreamClientEngine(common);
    const link = engine.opened(0);
    const made = [start(engine, 7), start(engine, 8)];
    expect(made.map(({ ends }) => ends)).toEqual([0, 0]);
    expect(takenOf(link)).toBe(record(callBytes(1, 7)) + record(callBytes(2, 8)));
    expect(made).toMatchObject(Array(2).fill({ ends: 1, call: { attempts: 1, transmissions: 1 } }));
    expect([engine.pendingCalls, link.waiting]).toEqual([0, 0]);
  });

  it("goes in its place among others, through the queue too", () => {
    const engine = new StreamClientEngine(common);
    const first = start(engine, 1);
    start(engine, 2, { oneWay: false });
    const third = start(engine, 3);
    expect([first.ends, third.ends, engine.queuedCalls]).toEqual([0, 0, 3]);
    expect(takenOf(engine.opened(5))).toBe([1, 2, 3].map((n) => record(callBytes(n, n))).join(""));
    expect([first.ends, third.ends, engine.pendingCalls]).toEqual([1, 1, 1]);
  });

  it("owes the client nothing: no probe is sent for it", () => {
    const engine = new StreamClientEngine({ ...common, probeAfterMs: 10 });
    const link = engine.opened(0);
    start(engine, 7);
    takenOf(link);
    engine.tick(500);
    expect(takenOf(link)).toBe("");
  });

  it("that was not taken did not run, whatever ends it", () => {
    const engine = new StreamClientEngine(common);
    const [late, cancelled] = [start(engine, 1), start(engine, 2)];
    engine.cancel(cancelled.call, undefined, 1);
    engine.tick(1_000);
    const link = engine.opened(1_000);
    const lost = start(engine, 3);
    engine.lost(link, new Error("reset"), 1_001);
    const closed = start(engine, 4);
    engine.close(1_002);
    expect([late, cancelled, lost, closed].map(({ error }) => error)).toMatchObject([
      { code: "deadline-exceeded", executed: "no", transmissions: 0 },
      { code: "cancelled", executed: "no" },
      { code: "unavailable", executed: "no", transmissions: 0, attempts: 1 },
      { code: "closed", executed: "no" },
    ]);
    expect(String(lost.error)).toMatch(/the connection was lost before the call was written: reset$/);
    // What is written after all is nobody's any more.
    expect([takenOf(link), lost.ends]).toEqual([record(callBytes(3, 3)), 1]);
  });

  it("is not tried again, and is refused like any other", () => {
    const engine = new StreamClientEngine({ ...common, pendingCallsMax: 1 });
    const first = start(engine, 1);
    const second = start(engine, 2);
    expect(second.error).toMatchObject({ code: "busy", executed: "no" });
    engine.cancel(first.call, undefined, 1);
    expect(start(engine, -1).error).toMatchObject({ code: "invalid-argument", executed: "no" });
    expect(engine.stats).toMatchObject({ pending: 0, queued: 0, queuedBytes: 0 });
  });
});

describe("a one-way call over datagrams", () => {
  it("is one datagram, ends at once, and takes no place in the window", () => {
    const engine = new DatagramClientEngine({ ...common, datagramWindow: 1 });
    const waiting = start(engine, 1, { oneWay: false });
    const made = [start(engine, 2), start(engine, 3)];
    expect(engine.outbox.splice(0).map(hex)).toEqual([callBytes(1, 1), callBytes(2, 2), callBytes(3, 3)]);
    expect(made).toMatchObject(Array(2).fill({ ends: 1, call: { transmissions: 1 } }));
    expect([waiting.ends, engine.pendingCalls]).toEqual([0, 1]);
    for (let now = 0; now < 900; now += 50) engine.tick(now);
    expect(engine.outbox).toEqual([]);
  });
});

describe("one-way calls", () => {
  async function serve(options: ConstructorParameters<typeof Server>[0] = {}) {
    const network = new MemoryNetwork();
    const notes: number[] = [];
    const errors: unknown[] = [];
    const server = new Server({ network, onError: (error) => errors.push(error), ...options });
    server.export(NotesV1, {
      note(value) {
        if (value === 13) throw new Error("unlucky");
        notes.push(value);
      },
      count: () => notes.length,
    });
    return { network, server, notes, errors, address: await server.listen("memory://notes") };
  }

  it("have arrived, in order, when a normal call behind them is answered", async () => {
    const { network, server, notes, address } = await serve();
    await using client = await connect(NotesV1, address, { network });
    const sent = Array.from({ length: 2_000 }, (_, i) => client.note(100 + i));
    expect(await client.count()).toBe(2_000);
    expect(notes).toEqual(Array.from({ length: 2_000 }, (_, i) => 100 + i));
    expect(await Promise.all(sent)).toEqual(Array(2_000).fill(undefined));
    expect(client.$stats()).toMatchObject({ calls: 2_001, pending: 0, strayReplies: 0 });
    await server.close();
  });

  it("get no reply when they fail, either: only the server knows", async () => {
    const { network, server, notes, errors, address } = await serve();
    await using client = await connect(NotesV1, address, { network });
    expect(await client.note(13)).toBeUndefined();
    expect(await client.$try.note(1)).toEqual({ ok: true, value: undefined });
    await using other = await OncClient.open(address, { network });
    const wrong = { program: NotesV1.program, version: 1, procedure: 1 };
    await other.call(wrong, string(), "no integer", nothing, { oneWay: true });
    await other.call({ ...wrong, procedure: 0 }, nothing, undefined, nothing);
    expect(await client.count()).toBe(1);
    expect([notes, errors]).toEqual([[1], [new Error("unlucky")]]);
    expect([client, other].map((each) => ("$stats" in each ? each.$stats().strayReplies : 0))).toEqual([0, 0]);
    await server.close();
  });

  it("that may not be made get no reply, and do not run", async () => {
    const { network, server, notes, address } = await serve({
      authorize: ({ procedure }) => (procedure === "note" ? AuthStat.AUTH_TOOWEAK : undefined),
    });
    await using client = await connect(NotesV1, address, { network });
    await client.note(1);
    expect([await client.count(), notes, client.$stats().strayReplies]).toEqual([0, [], 0]);
    await server.close();
  });

  it("count as running until their handlers end, and as nothing afterwards", async () => {
    const network = new MemoryNetwork();
    const ends: (() => void)[] = [];
    const server = new Server({ network, runningPerConnectionMax: 2 }).export(NotesV1, {
      note: () => new Promise<void>((resolve) => ends.push(resolve)),
      count: () => ends.length,
    });
    await using client = await connect(NotesV1, await server.listen("memory://notes"), { network });
    for (let i = 0; i < 3; i++) void client.note(i);
    const count = client.count();
    await until(() => ends.length === 2);
    await later(20);
    expect(ends).toHaveLength(2);
    for (const end of ends) end();
    expect(await count).toBe(3);
    ends[2]?.();
    await server.close({ drainMs: 60_000 });
  });

  it("fail as unavailable, executed no, when nobody is there", async () => {
    const network = new CuttableNetwork();
    const server = new Server({ network }).export(NotesV1, { note: () => {}, count: () => 0 });
    await server.listen("memory://notes");
    await using client = await connect(NotesV1, "memory://notes", { network });
    network.down = true;
    network.cut();
    await later(1);
    await expect(client.note(1)).rejects.toMatchObject({ code: "unavailable", executed: "no", attempts: 1 });
    await server.close({ drainMs: 0 });
  });

  it("are answered to a caller that has a session and does not know that they are one-way", async () => {
    const { network, server, notes, address } = await serve();
    const TwoWay = oncProgram<{ note: Procedure<[value: number], void, "maybe"> }>({
      name: "NOTES_PROG",
      program: NotesV1.program,
      version: 1,
      procedures: { note: { number: 1, name: "NOTE", args: [int], result: nothing, semantics: "maybe" } },
    });
    await using inSession = await connect(TwoWay, address, { network, session: "require" });
    await inSession.note(1);
    await using plain = await connect(TwoWay, address, { network, session: "off" });
    await expect(plain.note(2, { timeoutMs: 50 })).rejects.toMatchObject({ code: "deadline-exceeded" });
    expect(notes).toEqual([1, 2]);
    await server.close();
  });

  it("cannot promise more than maybe, for one call or for a client", async () => {
    const { network, server, address } = await serve();
    await using client = await connect(NotesV1, address, { network });
    const options = { semantics: "at-most-once" } as unknown as CallOptions;
    await expect(client.note(1, options)).rejects.toMatchObject({ code: "invalid-argument", executed: "no" });
    await expect(client.note(1, options)).rejects.toThrow(/one-way, so no reply will tell whether it ran/);
    const narrowed = connect(NotesV1, address, { network, semantics: { note: "at-most-once" as never } });
    await expect(narrowed).rejects.toThrow(/NOTES_PROG: semantics\.note: it is one-way/);
    await using dynamic = await OncClient.open(address, { network });
    const numbers = { program: NotesV1.program, version: 1, procedure: 1 };
    await expect(dynamic.call(numbers, int, 1, int, { oneWay: true })).rejects.toThrow(/a one-way call has no result/);
    const repeated = dynamic.call(numbers, int, 1, nothing, { oneWay: true, semantics: "at-least-once" });
    await expect(repeated).rejects.toThrow(/one-way, so no reply/);
    await server.close();
  });
});

describe("a contract", () => {
  it("declares a procedure one-way, or an overlay does for it", () => {
    const overlaid = StoreV1.with({ oneWay: ["log"] });
    expect(overlaid.procedures.log).toMatchObject({ oneWay: true, semantics: "maybe" });
    expect(StoreV1.procedures.log.oneWay).toBeUndefined();
  });

  it.each([
    [
      "a result",
      { number: 1, name: "A", args: [], result: int, oneWay: true },
      /A_PROG\.a cannot be one-way: it has a result/,
    ],
    [
      "another guarantee",
      { number: 1, name: "A", args: [], result: nothing, oneWay: true, semantics: "at-least-once" },
      /A_PROG\.a cannot be one-way: it is declared at-least-once/,
    ],
    ["number 0", { number: 0, name: "A", args: [], result: nothing, oneWay: true }, /cannot be one-way: procedure 0/],
  ])("refuses a one-way procedure with %s", (_what, procedure, message) => {
    const make = (): unknown =>
      oncProgram({ name: "A_PROG", program: 1, version: 1, procedures: { a: procedure } as never });
    expect(make).toThrow(message);
  });

  it("is not made one-way where it has a result, nor made to reply again", () => {
    expect(() => StoreV1.with({ oneWay: ["read" as "log"] })).toThrow(
      /STORE_PROG\.read cannot be one-way: it has a result/,
    );
    expect(() => NotesV1.with({ idempotent: ["note"] })).toThrow(
      /NOTES_PROG\.note is one-way, and cannot be at-least-once/,
    );
    expect(() => StoreV1.with({ oneWay: ["log"], maybe: ["log"] })).toThrow(/cannot be both maybe and one-way/);
  });
});

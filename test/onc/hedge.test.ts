import { describe, expect, it } from "vitest";
import { RetryPolicy } from "../../src/call/retry.js";
import { type CallOptions, connect, MemoryNetwork, Server } from "../../src/index.js";
import type { HedgeOptions } from "../../src/model/index.js";
import { argsCodec } from "../../src/onc/args.js";
import type { ClientAuth } from "../../src/onc/auth/auth.js";
import { clientAuthNone } from "../../src/onc/auth/none.js";
import { ClientCall, DatagramClientEngine, StreamClientEngine, type StreamLink } from "../../src/onc/engine/index.js";
import { OncClient } from "../../src/onc/index.js";
import { nothing, uint } from "../../src/xdr/index.js";
import { until } from "../support/faults.js";
import { StoreV1 } from "../support/store.js";

// A hedge is a second transmission while the first is awaited. The engines are fed by hand: times in, bytes out.

const target = {
  name: "TEST.twice",
  program: 0x20000101,
  version: 1,
  procedure: 2,
  args: argsCodec([uint]),
  result: uint,
  semantics: "at-least-once",
} as const;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const success = (xid: number, value: number): Uint8Array => {
  const words = [xid, 1, 0, 0, 0, 0, value];
  return Buffer.from(words.map((word) => word.toString(16).padStart(8, "0")).join(""), "hex");
};
const record = (message: Uint8Array): Uint8Array => Buffer.concat([Buffer.from([0x80, 0, 0, message.length]), message]);

interface Made {
  readonly call: ClientCall;
  value?: unknown;
  error?: unknown;
}

function start(engine: StreamClientEngine | DatagramClientEngine, now: number, hedge: HedgeOptions | false): Made {
  const made: { -readonly [K in keyof Made]?: Made[K] } = {};
  made.call = new ClientCall(
    target,
    [7],
    { semantics: "at-least-once", startedAt: now, deadline: now + 10_000, hedge },
    (value) => {
      made.value = value;
    },
    (error) => {
      made.error = error;
    },
  );
  engine.start(made.call);
  return made as Made;
}

const common = { auth: clientAuthNone(), firstXid: 1, peer: "test:" };
const takenOf = (link: StreamLink): string => hex(link.outbox.take()?.bytes ?? new Uint8Array(0));

describe("a hedged call over a stream", () => {
  it("is sent again over its connection, under its xid, and the first answer wins", () => {
    const engine = new StreamClientEngine(common);
    const link = engine.opened(0);
    const made = start(engine, 0, { afterMs: 20 });
    const first = takenOf(link);
    expect(engine.deadline).toBe(20);
    engine.tick(19);
    expect(takenOf(link)).toBe("");
    engine.tick(20);
    expect(takenOf(link)).toBe(first);
    engine.data(link, record(success(1, 14)), 25);
    expect(made.value).toBe(14);
    engine.data(link, record(success(1, 15)), 26);
    expect([made.value, link.waiting]).toEqual([14, 0]);
    expect(engine.stats).toMatchObject({ retransmissions: 1, strayReplies: 1, pending: 0 });
  });

  it("is sent again as often as it says, each time after the same silence, and counts as one attempt", () => {
    const engine = new StreamClientEngine(common);
    const link = engine.opened(0);
    const { call } = start(engine, 0, { afterMs: 20, max: 3 });
    takenOf(link);
    const times: number[] = [];
    for (let now = 1; now < 200; now++) {
      engine.tick(now);
      if (takenOf(link) !== "") times.push(now);
    }
    expect(times).toEqual([20, 40, 60]);
    expect(call).toMatchObject({ attempts: 1, transmissions: 4 });
  });

  it("takes each transmission out of the retry budget, and goes without when it is spent", () => {
    const engine = new StreamClientEngine({
      ...common,
      retryPolicy: new RetryPolicy({ budget: { tokens: 2, perCall: 0 } }),
    });
    const link = engine.opened(0);
    const made = Array.from({ length: 3 }, () => start(engine, 0, { afterMs: 20, max: 9 }));
    for (let now = 1; now < 200; now++) engine.tick(now);
    expect(made.map(({ call }) => call.transmissions)).toEqual([2, 2, 1]);
    expect(made.map(({ error }) => error)).toEqual([undefined, undefined, undefined]);
    engine.data(link, record(success(3, 1)), 200);
    expect(made[2]?.value).toBe(1);
  });

  it("is not sent to a peer that does not read, nor over a connection that is not trusted any more", () => {
    const engine = new StreamClientEngine(common);
    const link = engine.opened(0);
    const { call } = start(engine, 0, { afterMs: 20 });
    takenOf(link);
    link.congested = true;
    engine.tick(20);
    expect(takenOf(link)).toBe("");
    link.congested = false;
    engine.tick(40);
    expect(takenOf(link)).not.toBe("");
    expect(call.transmissions).toBe(2);
  });

  it("goes to the next connection once when it is lost, and is hedged there", () => {
    const engine = new StreamClientEngine(common);
    const { call } = start(engine, 0, { afterMs: 20, max: 2 });
    engine.lost(engine.opened(0), undefined, 10);
    expect(engine.stats).toMatchObject({ queued: 1, queuedBytes: 44 });
    // While it waits for the connection its time passes, which must not queue it twice.
    engine.tick(30);
    expect(engine.stats).toMatchObject({ queued: 1, queuedBytes: 44 });
    const link = engine.opened(100);
    expect(takenOf(link)).toHaveLength(2 * 48);
    engine.tick(120);
    expect(takenOf(link)).toHaveLength(2 * 48);
    expect(call).toMatchObject({ attempts: 2, transmissions: 3 });
    engine.data(link, record(success(1, 14)), 130);
    expect(engine.stats).toMatchObject({ pending: 0, queued: 0, queuedBytes: 0 });
  });

  it("that waits to be sent again with a fresh credential is not queued twice when its time comes", () => {
    const auth: ClientAuth = { ...clientAuthNone(), epoch: 1, refused: () => true };
    const engine = new StreamClientEngine({ ...common, auth });
    const link = engine.opened(0);
    start(engine, 0, { afterMs: 20 });
    takenOf(link);
    link.congested = true;
    const denied = Buffer.from("000000010000000100000001000000010000000200000000".slice(0, 40), "hex");
    engine.data(link, record(denied), 5);
    expect(engine.stats).toMatchObject({ queued: 1, queuedBytes: 44 });
    engine.tick(20);
    expect(engine.stats).toMatchObject({ queued: 1, queuedBytes: 44 });
    link.congested = false;
    engine.sendQueued(30);
    expect(takenOf(link)).toHaveLength(2 * 48);
    expect(engine.stats).toMatchObject({ queued: 0, queuedBytes: 0 });
  });

  it("that answers before its time is sent once", () => {
    const engine = new StreamClientEngine(common);
    const link = engine.opened(0);
    const made = start(engine, 0, { afterMs: 20 });
    takenOf(link);
    engine.data(link, record(success(1, 14)), 19);
    engine.tick(20);
    expect([made.value, takenOf(link), engine.stats.retransmissions]).toEqual([14, "", 0]);
  });
});

describe("a hedged call over datagrams", () => {
  it("is sent again earlier than its time, and after that in its time", () => {
    const engine = new DatagramClientEngine({ ...common, retransmit: { initialMs: 100 } });
    start(engine, 0, { afterMs: 20, max: 2 });
    const times: number[] = [];
    for (let now = 0; now < 1_000; now++) {
      engine.tick(now);
      for (const _ of engine.outbox.splice(0)) times.push(now);
    }
    // Two hedges; then the third transmission is waited for four times as long as the first would have been.
    expect(times).toEqual([0, 20, 40, 440]);
  });

  it("is sent again in its time when the budget is spent, or when that is sooner", () => {
    const policy = new RetryPolicy({ budget: { tokens: 0, perCall: 0 } });
    for (const [afterMs, retryPolicy] of [
      [20, policy],
      [500, undefined], // the timer doubles to 200 ms, which is sooner as well
    ] as const) {
      const engine = new DatagramClientEngine({ ...common, retryPolicy, retransmit: { initialMs: 100 } });
      start(engine, 0, { afterMs, max: 9 });
      const times: number[] = [];
      for (let now = 0; now < 350; now++) {
        engine.tick(now);
        for (const _ of engine.outbox.splice(0)) times.push(now);
      }
      expect(times).toEqual([0, 100, 300]);
    }
  });
});

describe("hedging", () => {
  const hedge = { read: { afterMs: 5 } };
  async function serve(slow: (run: number) => boolean) {
    const network = new MemoryNetwork();
    let runs = 0;
    const release: (() => void)[] = [];
    const server = new Server({ network }).export(StoreV1, {
      read: async () => {
        const run = ++runs;
        if (slow(run)) await new Promise<void>((resolve) => release.push(resolve));
        return run;
      },
      write: () => true,
      log: () => {},
    });
    return {
      network,
      runs: () => runs,
      address: await server.listen("memory://store"),
      async close() {
        for (const each of release) each();
        await server.close();
      },
    };
  }

  it.each(["off", "require"] as const)(
    "gets the answer of the second run when the first hangs (session: %s)",
    async (session) => {
      const { network, address, runs, close } = await serve((run) => run === 1);
      await using client = await connect(StoreV1, address, { network, hedge, session });
      expect(await client.read("a")).toBe(2);
      expect(runs()).toBe(2);
      await close();
      await until(() => client.$stats().strayReplies === 1);
    },
  );

  it("is off by default, where a call says so, and where a call is narrowed", async () => {
    const { network, address, runs, close } = await serve((run) => run <= 3);
    await using plain = await connect(StoreV1, address, { network });
    await using hedged = await connect(StoreV1, address, { network, hedge });
    const limits = { timeoutMs: 60 };
    const failures = [
      plain.read("a", limits),
      hedged.read("a", { ...limits, hedge: false }),
      hedged.read("a", { ...limits, semantics: "at-most-once" }),
    ].map((call) => call.catch((error: unknown) => error));
    expect(await Promise.all(failures)).toMatchObject(
      Array(3).fill({ code: "deadline-exceeded", executed: "unknown", transmissions: 1 }),
    );
    expect(runs()).toBe(3);
    await close();
  });

  it("is there for one call, and for calls without a contract", async () => {
    const { network, address, close } = await serve((run) => run % 2 === 1);
    await using client = await connect(StoreV1, address, { network });
    expect(await client.read("a", { hedge: { afterMs: 5 } })).toBe(2);
    await using dynamic = await OncClient.open(address, { network });
    const numbers = { program: StoreV1.program, version: 1, procedure: 1 };
    const options = { semantics: "at-least-once", hedge: { afterMs: 5 } } as const;
    expect(await dynamic.call(numbers, StoreV1.procedures.read.args[0], "a", uint, options)).toBe(4);
    const once = dynamic.call({ ...numbers, procedure: 3 }, StoreV1.procedures.log.args[0], "a", nothing, {
      hedge: { afterMs: 5 },
    });
    await expect(once).rejects.toThrow(/hedging may run it twice, which at-most-once forbids/);
    await close();
  });

  it.each([
    [
      "a procedure that must not run twice",
      { write: { afterMs: 5 } },
      /STORE_PROG\.write: hedging may run it twice, which at-most-once forbids/,
    ],
    [
      "one that is sent once",
      { log: { afterMs: 5 } },
      /STORE_PROG\.log: hedging may run it twice, which maybe forbids/,
    ],
    ["one that is not there", { remove: { afterMs: 5 } }, /hedge\.remove: the contract has no procedure remove/],
    ["no time", { read: { afterMs: 0 } }, /hedge\.afterMs must be a number of milliseconds above 0, not 0/],
    ["no end", { read: { afterMs: Number.POSITIVE_INFINITY } }, /hedge\.afterMs must be/],
    ["half a transmission", { read: { afterMs: 5, max: 0.5 } }, /hedge\.max must be a whole number from 1, not 0\.5/],
  ])("is refused for %s", async (_what, wrong, message) => {
    const open = connect(StoreV1, "memory://nobody", { hedge: wrong as never });
    await expect(open).rejects.toMatchObject({ code: "invalid-argument", executed: "no" });
    await expect(open).rejects.toThrow(message);
  });

  it("is refused for a call whose guarantee forbids it, also when the client narrowed it", async () => {
    const { network, address, close } = await serve(() => false);
    await using client = await connect(StoreV1, address, { network, semantics: { read: "at-most-once" } });
    const wrong = { hedge: { afterMs: 5 } } as unknown as CallOptions<"at-most-once">;
    await expect(client.read("a", wrong)).rejects.toMatchObject({ code: "invalid-argument", executed: "no" });
    await expect(client.write("a", 1, wrong)).rejects.toThrow(/hedging may run it twice/);
    const both = connect(StoreV1, address, { network, semantics: { read: "at-most-once" }, hedge: hedge as never });
    await expect(both).rejects.toThrow(/STORE_PROG\.read: hedging may run it twice, which at-most-once forbids/);
    await close();
  });
});

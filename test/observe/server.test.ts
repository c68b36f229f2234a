import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { type CallContext, connect, type DiagnosticEvents, MemoryNetwork, Server, type ServerOptions } from "farcall";
import { OncClient, type OncService, oncProgram, type Procedure } from "farcall/onc";
import { nothing, uint, type XdrCodec } from "farcall/xdr";
import { describe, expect, it } from "vitest";
import { listenTo } from "../support/events.js";

interface Probe {
  now: Procedure<[number: number], number>;
  later: Procedure<[number: number], number>;
  fail: Procedure<[], void>;
  unsendable: Procedure<[], number>;
}
const ProbeV1: OncService<Probe> = oncProgram<Probe>({
  name: "PROBE_PROG",
  program: 0x2000_0302,
  version: 1,
  procedures: {
    now: { number: 1, name: "NOW", args: [uint], result: uint },
    later: { number: 2, name: "LATER", args: [uint], result: uint },
    fail: { number: 3, name: "FAIL", args: [], result: nothing },
    unsendable: { number: 4, name: "UNSENDABLE", args: [], result: uint },
  },
});

const calls = ["farcall:server:call:start", "farcall:server:call:end", "farcall:server:call:error"] as const;
const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const boom = new Error("boom");

async function served(scheme: "memory" | "memory+datagram" | "tcp", options: ServerOptions = {}) {
  const network = new MemoryNetwork();
  const seen: CallContext[] = [];
  const server = new Server({ network, onError: () => {}, ...options });
  server.export(ProbeV1, {
    now: (number, context) => {
      seen.push(context);
      return number;
    },
    later: async (number, context) => {
      await Promise.resolve();
      seen.push(context);
      return number;
    },
    fail: () => {
      throw boom;
    },
    unsendable: () => -1,
  });
  const address = await server.listen(scheme === "tcp" ? "tcp://127.0.0.1:0" : `${scheme}://probe`);
  const client = await connect(ProbeV1, address, { network, timeoutMs: 10_000 });
  return {
    client,
    address,
    network,
    seen,
    async [Symbol.asyncDispose]() {
      await client.$close();
      await server.close({ drainMs: 0 });
    },
  };
}

describe("the channels of a server", () => {
  it.each(["memory", "memory+datagram", "tcp"] as const)(
    "tell of each call over %s once before and once after",
    async (scheme) => {
      await using here = await served(scheme);
      using events = listenTo(...calls);
      expect(await here.client.now(2)).toBe(2);
      expect(await here.client.later(3)).toBe(3);
      expect(events.names).toEqual(["server:call:start", "server:call:end", "server:call:start", "server:call:end"]);
      const [now, later] = events.of("farcall:server:call:end");
      expect(now).toBe(events.of("farcall:server:call:start")[0]);
      expect(now).toMatchObject({
        protocol: "onc",
        service: "PROBE_PROG",
        procedure: "now",
        numbers: { program: 0x2000_0302, version: 1, procedure: 1 },
        caller: { identity: { flavor: "none" } },
        address: scheme === "memory+datagram" ? expect.stringContaining("probe") : here.address,
        traceparent: undefined,
        executed: "yes",
      });
      expect(later?.procedure).toBe("later");
      for (const { steps } of [now, later] as DiagnosticEvents["farcall:server:call:end"][]) {
        expect(steps.map(({ step, side }) => [step, side])).toEqual([
          ["receive", "server"],
          ["unmarshal", "server"],
          ["execute", "server"],
          ["reply", "server"],
        ]);
        for (const { durationMs } of steps) expect(durationMs).toBeGreaterThanOrEqual(0);
      }
    },
  );

  it.each([
    ["throws", "fail", boom],
    ["gives what the wire cannot carry", "unsendable", expect.any(Error)],
  ] as const)("tell of a handler that %s, with what the caller is not told", async (_what, procedure, error) => {
    await using here = await served("tcp");
    using events = listenTo(...calls);
    await expect(here.client[procedure]()).rejects.toMatchObject({ code: "server-error" });
    expect(events.names).toEqual(["server:call:start", "server:call:error"]);
    expect(events.of("farcall:server:call:error")[0]).toMatchObject({ procedure, error, executed: "yes" });
    expect(events.of("farcall:server:call:error")[0]?.steps).toHaveLength(4);
  });

  it("let a subscriber run handlers inside of something, and put a trace in the handler's context", async () => {
    await using here = await served("memory");
    const storage = new AsyncLocalStorage<string>();
    const inside: (string | undefined)[] = [];
    const put = (message: unknown): void => {
      const event = message as DiagnosticEvents["farcall:server:call:start"];
      event.traceparent = traceparent;
      event.run = (handler) =>
        storage.run("inside", () => {
          inside.push(storage.getStore());
          return handler();
        });
    };
    subscribe("farcall:server:call:start", put);
    expect(await here.client.now(1)).toBe(1);
    expect(await here.client.later(2)).toBe(2);
    unsubscribe("farcall:server:call:start", put);
    expect(inside).toEqual(["inside", "inside"]);
    expect(here.seen.map((context) => context.traceparent)).toEqual([traceparent, traceparent]);
  });

  it.each([
    ["plainly", "off"],
    ["in a session", "require"],
  ] as const)(
    "tell of calls made %s that are refused before any handler runs, and of no start of theirs",
    async (_how, session) => {
      await using here = await served("tcp");
      using events = listenTo(...calls, "farcall:server:refuse");
      await using client = await OncClient.open(here.address, { session });
      const program = 0x2000_0302;
      const ask = (target: { program: number; version: number; procedure: number }): Promise<unknown> =>
        client.call(target, nothing, undefined, nothing).catch((error: unknown) => error);
      await ask({ program: program + 1, version: 1, procedure: 1 });
      await ask({ program, version: 2, procedure: 1 });
      await ask({ program, version: 1, procedure: 9 });
      await ask({ program, version: 1, procedure: 1 });
      expect(events.of("farcall:server:call:start")).toEqual([]);
      const told = events.of("farcall:server:refuse");
      expect(told).toMatchObject([
        { reason: "PROG_UNAVAIL", numbers: { program: program + 1, version: 1, procedure: 1 }, protocol: "onc" },
        { reason: "PROG_MISMATCH", numbers: { program, version: 2, procedure: 1 } },
        { reason: "PROC_UNAVAIL", numbers: { program, version: 1, procedure: 9 } },
        { reason: "GARBAGE_ARGS", numbers: { program, version: 1, procedure: 1 } },
      ]);
      expect(told[0]?.peer).toMatch(/^tcp:\/\/127\.0\.0\.1:\d+$/);
    },
  );

  it("tell who connects and who leaves", async () => {
    using events = listenTo("farcall:server:connect", "farcall:server:disconnect");
    {
      await using here = await served("tcp");
      expect(await here.client.now(1)).toBe(1);
    }
    const [connected] = events.of("farcall:server:connect");
    expect(connected).toMatchObject({ protocol: "onc", tls: undefined });
    // Callers of earlier tests may still be leaving.
    const left = (): unknown => events.of("farcall:server:disconnect").find(({ peer }) => peer === connected?.peer);
    for (let count = 1; left() === undefined; count++) await events.until("farcall:server:disconnect", count);
    expect(left()).toMatchObject({ protocol: "onc" });
  });
});

describe("a server's option explain", () => {
  it("times each step by the server's own clock: authorisation and waiting are part of receiving", async () => {
    // A clock that moves only where something is done, so that what is counted where can be told.
    const clock = { now: 1_000 };
    const taking = (decodeMs: number, encodeMs: number): XdrCodec<number> => ({
      ...uint,
      decode(r) {
        clock.now += decodeMs;
        return uint.decode(r);
      },
      encode(w, value) {
        clock.now += encodeMs;
        uint.encode(w, value);
      },
    });
    const Slow = oncProgram<{ now: Procedure<[number: number], number> }>({
      name: "SLOW_PROG",
      program: 0x2000_0305,
      version: 1,
      procedures: { now: { number: 1, name: "NOW", args: [taking(20, 0)], result: taking(0, 4_000) } },
    });
    const network = new MemoryNetwork();
    const explained: Parameters<NonNullable<ServerOptions["explain"]>>[0][] = [];
    const idle = { set: () => {}, keepAlive: () => {}, clear: () => {} };
    await using server = new Server({
      network,
      machine: {
        clock: { now: () => clock.now, alarm: () => idle, soon: (task) => process.nextTick(task) },
        random: Math.random,
        randomBytes: (size) => new Uint8Array(size).fill(1),
      },
      authorize: () => {
        clock.now += 3;
        return undefined;
      },
      explain: (call) => explained.push(call),
    });
    server.export(Slow, {
      now: async (number) => {
        clock.now += 100;
        await Promise.resolve();
        clock.now += 200;
        return number;
      },
    });
    await using client = await OncClient.open(await server.listen("memory://slow"), { network });
    expect(await client.call({ program: 0x2000_0305, version: 1, procedure: 1 }, uint, 5, uint)).toBe(5);
    expect(explained[0]?.steps).toEqual([
      { step: "receive", side: "server", startMs: 0, durationMs: 3 },
      { step: "unmarshal", side: "server", startMs: 0, durationMs: 20 },
      { step: "execute", side: "server", startMs: 23, durationMs: 300 },
      { step: "reply", side: "server", startMs: 323, durationMs: 4_000 },
    ]);
  });

  it("is given the steps of every call, and what failed", async () => {
    const explained: Parameters<NonNullable<ServerOptions["explain"]>>[0][] = [];
    await using here = await served("memory", { explain: (call) => explained.push(call) });
    await here.client.now(1);
    await here.client.fail().catch(() => {});
    expect(explained).toMatchObject([
      { procedure: "now", executed: "yes" },
      { procedure: "fail", executed: "yes", error: boom },
    ]);
    for (const { steps } of explained) expect(steps).toHaveLength(4);
  });
});

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { connect, type DiagnosticEvents, MemoryNetwork, RpcError, Server, type Timeline } from "farcall";
import { type OncService, type OneWayProcedure, oncProgram, type Procedure } from "farcall/onc";
import { nothing, uint } from "farcall/xdr";
import { describe, expect, it } from "vitest";
import { listenTo } from "../support/events.js";

interface Counter {
  add: Procedure<[number: number], number>;
  read: Procedure<[], number, "at-least-once">;
  fail: Procedure<[], void>;
  note: OneWayProcedure<[number: number]>;
}
const CounterV1: OncService<Counter> = oncProgram<Counter>({
  name: "COUNTER_PROG",
  program: 0x2000_0301,
  version: 1,
  procedures: {
    add: { number: 1, name: "ADD", args: [uint], result: uint },
    read: { number: 2, name: "READ", args: [], result: uint, semantics: "at-least-once" },
    fail: { number: 3, name: "FAIL", args: [], result: nothing },
    note: { number: 4, name: "NOTE", args: [uint], result: nothing, oneWay: true },
  },
});

const calls = ["farcall:client:call:start", "farcall:client:call:end", "farcall:client:call:error"] as const;
const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

let counters = 0;

async function served(network = new MemoryNetwork()) {
  const server = new Server({ network, onError: () => {} });
  let total = 0;
  server.export(CounterV1, {
    add: (number) => (total += number),
    read: () => total,
    fail: () => {
      throw new Error("no");
    },
    note: () => {},
  });
  const address = await server.listen(`memory://counter-${counters++}`);
  const client = await connect(CounterV1, address, { network, timeoutMs: 10_000 });
  return {
    network,
    server,
    client,
    address,
    async [Symbol.asyncDispose]() {
      await client.$close();
      await server.close({ drainMs: 0 });
    },
  };
}

describe("the channels of a client", () => {
  it("tell of each call once at its start and once at its end, with one object", async () => {
    await using here = await served();
    using events = listenTo(...calls);
    expect(await here.client.add(2)).toBe(2);
    expect(events.names).toEqual(["client:call:start", "client:call:end"]);
    const [start] = events.of("farcall:client:call:start");
    const [end] = events.of("farcall:client:call:end");
    expect(end).toBe(start);
    expect(end).toMatchObject({
      protocol: "onc",
      service: "COUNTER_PROG",
      procedure: "add",
      numbers: { program: 0x2000_0301, version: 1, procedure: 1 },
      address: here.address,
      semantics: "at-most-once",
      context: undefined,
      traceparent: undefined,
      executed: "yes",
      timeline: { transmissions: 1 },
    });
    expect(end?.timeline.steps.map(({ step }) => step)).toContain("return");
  });

  it("tell of a call that fails, with its error", async () => {
    await using here = await served();
    using events = listenTo(...calls);
    const error: unknown = await here.client.fail().catch((reason: unknown) => reason);
    expect(events.names).toEqual(["client:call:start", "client:call:error"]);
    expect(events.of("farcall:client:call:error")[0]).toMatchObject({
      procedure: "fail",
      error,
      executed: (error as RpcError).executed,
      timeline: (error as RpcError).timeline,
    });
  });

  it("tell of a call that was refused before it was sent", async () => {
    await using here = await served();
    using events = listenTo(...calls);
    const refused = [
      here.client.add(1, { timeoutMs: -1 }),
      here.client.add(1, { signal: AbortSignal.abort() }),
      here.client.add(-1),
      here.client.add(1, { traceparent: "00-bad" }),
    ];
    const errors = await Promise.allSettled(refused);
    expect(errors.map((result) => (result as PromiseRejectedResult).reason.code)).toEqual([
      "invalid-argument",
      "cancelled",
      "invalid-argument",
      "invalid-argument",
    ]);
    const told = events.of("farcall:client:call:error");
    expect(told.map(({ executed }) => executed)).toEqual(["no", "no", "no", "no"]);
    expect(events.of("farcall:client:call:start")).toHaveLength(4);
  });

  it("say what the caller said about the trace, and let a subscriber put its own in the place", async () => {
    await using here = await served();
    const mine = traceparent.replace("00f067aa0ba902b7", "53995c3f42cd8ad8");
    const given: unknown[] = [];
    const put = (message: unknown): void => {
      const event = message as DiagnosticEvents["farcall:client:call:start"];
      given.push(event.traceparent);
      event.traceparent = mine;
    };
    subscribe("farcall:client:call:start", put);
    using events = listenTo(...calls);
    await here.client.add(1, { traceparent });
    unsubscribe("farcall:client:call:start", put);
    expect(given).toEqual([traceparent]);
    expect(events.of("farcall:client:call:end")[0]?.traceparent).toBe(mine);
  });

  it("carry the trace to the handler of a server that has sessions, and to no other", async () => {
    const network = new MemoryNetwork();
    await using server = new Server({ network });
    const seen: (string | undefined)[] = [];
    server.export(CounterV1, {
      add: (number, context) => {
        seen.push(context.traceparent);
        return number;
      },
      read: () => 7,
      fail: () => {},
      note: () => {},
    });
    const address = await server.listen("memory://counter");
    for (const session of ["require", "off"] as const) {
      await using client = await connect(CounterV1, address, { network, session });
      await client.add(1, { traceparent });
      await client.add(1);
    }
    expect(seen).toEqual([traceparent, undefined, undefined, undefined]);
  });

  it("refuse a subscriber's trace that is none, as they would the caller's", async () => {
    await using here = await served();
    const put = (message: unknown): void => {
      (message as DiagnosticEvents["farcall:client:call:start"]).traceparent = "nonsense";
    };
    subscribe("farcall:client:call:start", put);
    await expect(here.client.add(1)).rejects.toMatchObject({ code: "invalid-argument", executed: "no" });
    unsubscribe("farcall:client:call:start", put);
  });

  it("change nothing on the wire: a server that could tell its times is not asked for them", async () => {
    const network = new MemoryNetwork();
    await using server = new Server({ network });
    server.export(CounterV1, { add: (number) => number, read: () => 7, fail: () => {}, note: () => {} });
    const address = await server.listen("memory://counter");
    await using client = await connect(CounterV1, address, { network, session: "require" });
    using events = listenTo(...calls, "farcall:server:call:start", "farcall:server:call:end");
    await client.add(1);
    // Nor is anything told of what the two say to each other to open the session.
    expect(events.names).toEqual(["client:call:start", "server:call:start", "server:call:end", "client:call:end"]);
    expect(events.of("farcall:client:call:end")[0]?.timeline.serverTold).toBe(false);
    expect(events.of("farcall:server:call:end")[0]?.steps).toHaveLength(4);
  });

  it("tell of connections: made, lost, made again for a call that may run twice, and refused", async () => {
    const here = await served();
    using events = listenTo(
      "farcall:client:connect",
      "farcall:client:connect:error",
      "farcall:client:disconnect",
      "farcall:client:retry",
    );
    await here.server.close({ drainMs: 0 });
    // Clients of earlier tests may still be leaving.
    const mine = <E extends { address: string }>(told: readonly E[]): E[] =>
      told.filter(({ address }) => address === here.address);
    while (mine(events.of("farcall:client:disconnect")).length === 0) {
      await events.until("farcall:client:disconnect", events.of("farcall:client:disconnect").length + 1);
    }
    await expect(here.client.add(1)).rejects.toMatchObject({ code: "unavailable", executed: "no" });
    expect(mine(events.of("farcall:client:disconnect"))).toMatchObject([{ protocol: "onc" }]);
    const [refused] = mine(events.of("farcall:client:connect:error"));
    expect(refused).toMatchObject({ protocol: "onc" });
    expect(refused?.error).toBeInstanceOf(RpcError);
    await here.client.$close();

    await using again = await served();
    expect(events.of("farcall:client:connect")[0]).toMatchObject({ protocol: "onc", address: again.address });
    expect(events.of("farcall:client:connect")[0]?.connectMs).toBeGreaterThanOrEqual(0);
  });

  it("tell of a datagram that is sent again because no answer came", async () => {
    let lost = 0;
    const network = new MemoryNetwork({
      fate: (_bytes, _from, to) => (to.host === "counter" && lost++ < 2 ? [] : [0]),
    });
    await using server = new Server({ network });
    server.export(CounterV1, { add: (number) => number, read: () => 7, fail: () => {}, note: () => {} });
    const address = await server.listen("memory+datagram://counter");
    await using client = await connect(CounterV1, address, {
      network,
      session: "off",
      retransmit: { initialMs: 5, minMs: 5 },
    });
    using events = listenTo(...calls, "farcall:client:retry");
    expect(await client.read()).toBe(7);
    const retries = events.of("farcall:client:retry");
    expect(retries.slice(0, 2)).toMatchObject([
      { procedure: "read", reason: "no-answer", transmission: 2, address },
      { procedure: "read", reason: "no-answer", transmission: 3 },
    ]);
    expect(retries[0]?.call).toBe(events.of("farcall:client:call:start")[0]);
    expect(events.of("farcall:client:call:end")[0]?.timeline.transmissions).toBe(retries.length + 1);
  });

  it("tell of a call that waits for the next connection", async () => {
    const network = new MemoryNetwork();
    const before = new Server({ network });
    let running: () => void = () => {};
    const begun = new Promise<void>((resolve) => (running = resolve));
    before.export(CounterV1, {
      add: (number) => number,
      read: () => {
        running();
        return new Promise<number>(() => {});
      },
      fail: () => {},
      note: () => {},
    });
    const address = await before.listen("memory://counter");
    await using client = await connect(CounterV1, address, { network, retry: { backoff: { initialMs: 1 } } });
    using events = listenTo(...calls, "farcall:client:retry");
    const call = client.read();
    await begun;
    await before.close({ drainMs: 0 });
    await using after = new Server({ network });
    after.export(CounterV1, { add: (number) => number, read: () => 9, fail: () => {}, note: () => {} });
    await after.listen("memory://counter");
    expect(await call).toBe(9);
    expect(events.of("farcall:client:retry")[0]).toMatchObject({
      procedure: "read",
      reason: "connection-lost",
      transmission: 2,
      call: events.of("farcall:client:call:start")[0],
    });
  });

  it("tell of a one-way call, which ends when its bytes leave, that nobody knows whether it ran", async () => {
    await using here = await served();
    const told: Timeline[] = [];
    using events = listenTo(...calls, "farcall:server:call:end");
    await here.client.note(1, { explain: (timeline) => told.push(timeline) });
    expect(events.of("farcall:client:call:end")[0]).toMatchObject({ procedure: "note", executed: "unknown" });
    expect(told).toMatchObject([{ transmissions: 1, serverTold: false }]);
    expect(told[0]?.steps.map(({ step }) => step)).toEqual(["client", "stub", "marshal", "send"]);
    // The server knows.
    await events.until("farcall:server:call:end");
    expect(events.of("farcall:server:call:end")[0]).toMatchObject({ procedure: "note", executed: "yes" });
  });

  it("are silent when nobody listens any more", async () => {
    await using here = await served();
    const events = listenTo(...calls);
    events[Symbol.dispose]();
    expect(await here.client.add(5)).toBe(5);
    expect(events.all).toEqual([]);
  });
});

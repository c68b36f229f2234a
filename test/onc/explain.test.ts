import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { callSteps, connect, MemoryNetwork, RpcError, Server, type Timeline } from "farcall";
import { type OncService, oncProgram, type Procedure } from "farcall/onc";
import { nothing, uint } from "farcall/xdr";
import { afterAll, describe, expect, it } from "vitest";
import { CallRecord } from "../../src/call/steps.js";
import { argsCodec } from "../../src/onc/args.js";
import { clientAuthNone } from "../../src/onc/auth/none.js";
import { type CallTarget, ClientCall, DatagramClientEngine, StreamClientEngine } from "../../src/onc/engine/index.js";

const folder = mkdtempSync(join(tmpdir(), "farcall-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const clientSteps = ["client", "stub", "marshal", "send", "network", "return"];
const namesOf = ({ steps }: Timeline): string[] =>
  steps.filter(({ side }) => side === "client").map(({ step }) => step);

/** The steps have no gaps and no overlaps: together they are the whole call. */
function expectWhole({ steps, totalMs }: Timeline): void {
  for (const { startMs, durationMs } of steps) {
    expect(startMs).toBeGreaterThanOrEqual(0);
    expect(durationMs).toBeGreaterThanOrEqual(0);
  }
  expect(steps.reduce((sum, { durationMs }) => sum + durationMs, 0)).toBeCloseTo(totalMs, 6);
}

interface Meter {
  read: Procedure<[number: number], number>;
  slow: Procedure<[milliseconds: number], number>;
  hang: Procedure<[], void>;
}
const MeterV1: OncService<Meter> = oncProgram<Meter>({
  name: "METER_PROG",
  program: 0x2000_0304,
  version: 1,
  procedures: {
    read: { number: 1, name: "READ", args: [uint], result: uint },
    hang: { number: 2, name: "HANG", args: [], result: nothing },
    slow: { number: 3, name: "SLOW", args: [uint], result: uint },
  },
});

async function served(address: string) {
  const network = new MemoryNetwork();
  const server = new Server({ network });
  server.export(MeterV1, {
    read: (number) => number,
    hang: () => new Promise(() => {}),
    // How long it took, in microseconds.
    slow: async (milliseconds) => {
      const since = performance.now();
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
      return Math.floor((performance.now() - since) * 1_000);
    },
  });
  const bound = await server.listen(address);
  return {
    address: bound,
    network,
    async [Symbol.asyncDispose]() {
      await server.close({ drainMs: 0 });
    },
  };
}

describe("a call that is explained", () => {
  it.each([
    "tcp://127.0.0.1:0",
    "udp://127.0.0.1:0",
    `unix:${join(folder, "s")}`,
    "memory://meter",
    "memory+datagram://meter",
  ])("tells its steps over %s, and they are the whole of it", async (address) => {
    await using here = await served(address);
    await using client = await connect(MeterV1, here.address, { network: here.network, session: "off" });
    const told: Timeline[] = [];
    expect(await client.read(7, { explain: (timeline) => told.push(timeline) })).toBe(7);
    expect(told).toHaveLength(1);
    const [timeline] = told as [Timeline];
    expect(namesOf(timeline)).toEqual(clientSteps);
    expect(timeline.transmissions).toBe(1);
    expect(timeline.connectMs).toBeGreaterThanOrEqual(0);
    expectWhole(timeline);
  });

  it.each([
    "tcp://127.0.0.1:0",
    "udp://127.0.0.1:0",
    `unix:${join(folder, "t")}`,
    "memory://meter",
    "memory+datagram://meter",
  ])("has all ten steps in a session over %s: the server tells its own", async (address) => {
    await using here = await served(address);
    await using client = await connect(MeterV1, here.address, { network: here.network, session: "require" });
    const told: Timeline[] = [];
    const explain = (timeline: Timeline): void => void told.push(timeline);
    for (const number of [7, 8]) expect(await client.read(number, { explain })).toBe(number);
    expect(told).toHaveLength(2);
    for (const timeline of told) {
      expect(timeline.steps.map(({ step }) => step)).toEqual(callSteps);
      expect(timeline.steps.filter(({ side }) => side === "server").map(({ step }) => step)).toEqual(
        callSteps.slice(5, 9),
      );
      expect(timeline.serverTold).toBe(true);
      expectWhole(timeline);
    }
    // Who does not ask is not told, and a failure tells nothing.
    const failed: unknown = await client.hang({ timeoutMs: 20, explain }).catch((error: unknown) => error);
    expect((failed as RpcError).timeline).toMatchObject({ serverTold: false });
  });

  it("is told by the server how long its handler took, in a session", async () => {
    await using here = await served("memory://meter");
    await using client = await connect(MeterV1, here.address, { network: here.network, session: "require" });
    let told: Timeline | undefined;
    // The handler's own measure, so that no time is assumed.
    expect(await client.slow(30, { explain: (timeline) => (told = timeline) })).toBeGreaterThan(0);
    const took = await client.slow(30, { explain: (timeline) => (told = timeline) });
    const execute = told?.steps.find(({ step }) => step === "execute")?.durationMs ?? 0;
    const network = told?.steps.find(({ step }) => step === "network")?.durationMs ?? 0;
    // The wire has microseconds, and the handler's promise is seen a turn later.
    expect(execute * 1_000).toBeGreaterThanOrEqual(took - 1);
    expect(network + execute).toBeLessThanOrEqual(told?.totalMs ?? 0);
  });

  it("is explained to the client's own option too, and calls without one to that alone", async () => {
    await using here = await served("memory://meter");
    const [always, once]: [Timeline[], Timeline[]] = [[], []];
    await using client = await connect(MeterV1, here.address, {
      network: here.network,
      explain: (timeline) => always.push(timeline),
    });
    await client.read(1);
    await client.read(2, { explain: (timeline) => once.push(timeline) });
    expect(always).toHaveLength(2);
    expect(once).toEqual([always[1]]);
  });

  it("is explained when it fails: as far as it came, and as its error says", async () => {
    await using here = await served("memory://meter");
    await using client = await connect(MeterV1, here.address, { network: here.network, session: "off" });
    const told: Timeline[] = [];
    const explain = (timeline: Timeline): void => void told.push(timeline);
    const failed = async (call: Promise<unknown>): Promise<[string[], RpcError]> => {
      const error: unknown = await call.catch((reason: unknown) => reason);
      if (!(error instanceof RpcError)) throw new Error("it did not fail");
      const timeline = told.at(-1) as Timeline;
      expect(error.timeline).toBe(timeline);
      expectWhole(timeline);
      return [namesOf(timeline), error];
    };
    const [unanswered, { executed }] = await failed(client.hang({ explain, timeoutMs: 20 }));
    expect(unanswered).toEqual(["client", "stub", "marshal", "send", "network"]);
    expect(executed).toBe("unknown");
    expect((await failed(client.read(-1, { explain })))[0]).toEqual(["client", "stub", "marshal"]);
    expect((await failed(client.read(1, { explain, timeoutMs: 0 })))[0]).toEqual(["client"]);
    expect((await failed(client.read(1, { explain, signal: AbortSignal.abort() })))[0]).toEqual(["client"]);
    await client.$close();
    expect((await failed(client.read(1, { explain })))[0]).toEqual(["client"]);
    expect(told).toHaveLength(5);
  });

  it("is not disturbed by what the explanation's reader throws, which is not lost either", async () => {
    await using here = await served("memory://meter");
    await using client = await connect(MeterV1, here.address, { network: here.network });
    const listeners = process.rawListeners("uncaughtException") as NodeJS.UncaughtExceptionListener[];
    process.removeAllListeners("uncaughtException");
    const thrown = new Promise<unknown>((resolve) => process.once("uncaughtException", resolve));
    try {
      const explain = (): void => {
        throw new Error("cannot read this");
      };
      expect(await client.read(3, { explain })).toBe(3);
      expect(await thrown).toMatchObject({ message: "cannot read this" });
    } finally {
      for (const listener of listeners) process.on("uncaughtException", listener);
    }
  });
});

// The same by hand, where the clock stands still until it is moved.

const target: CallTarget = {
  name: "METER_PROG.read",
  program: 0x2000_0304,
  version: 1,
  procedure: 1,
  args: argsCodec([uint]),
  result: uint,
  semantics: "at-least-once",
};
const reply = (xid: number, value: number): Uint8Array =>
  new Uint8Array(new Uint32Array([xid, 1, 0, 0, 0, 0, value].map((word) => (word << 24) >>> 0)).buffer);
const record = (message: Uint8Array): Uint8Array => Uint8Array.of(0x80, 0, 0, message.length, ...message);

function byHand() {
  const clock = { now: 0 };
  let told: Timeline | undefined;
  const call = new ClientCall(
    target,
    [1],
    {
      semantics: "at-least-once",
      startedAt: 0,
      deadline: 10_000,
      record: new CallRecord({
        now: () => clock.now,
        startedAt: 0,
        asksServer: false,
        tell: (timeline) => {
          told = timeline;
        },
      }),
    },
    () => {},
    () => {},
  );
  const times = (): Record<string, readonly [number, number]> =>
    Object.fromEntries(
      (told as unknown as Timeline).steps.map(({ step, startMs, durationMs }) => [step, [startMs, durationMs]]),
    );
  return { clock, call, times, told: () => told };
}

const options = { auth: clientAuthNone(), firstXid: 1, peer: "test:" };

describe("the time of a call", () => {
  it("that waits for the connection and for its batch to be written is spent in send", () => {
    const { clock, call, times } = byHand();
    const engine = new StreamClientEngine(options);
    clock.now = 1;
    engine.start(call);
    clock.now = 20;
    const link = engine.opened(20);
    clock.now = 25;
    link.outbox.take();
    clock.now = 100;
    engine.data(link, record(reply(1, 5)), 100);
    expect(times()).toEqual({
      client: [0, 1],
      stub: [1, 0],
      marshal: [1, 0],
      send: [1, 24],
      network: [25, 75],
      return: [100, 0],
    });
  });

  it("that is sent again over the next connection adds up", () => {
    const { clock, call, times, told } = byHand();
    const engine = new StreamClientEngine(options);
    const first = engine.opened(0);
    engine.start(call);
    first.outbox.take();
    clock.now = 40;
    engine.lost(first, new Error("gone"), 40);
    clock.now = 60;
    engine.tick(60);
    const second = engine.opened(60);
    second.outbox.take();
    clock.now = 90;
    engine.data(second, record(reply(1, 5)), 90);
    expect(times()).toMatchObject({ send: [0, 20], network: [0, 70] });
    expect(told()).toMatchObject({ totalMs: 90, transmissions: 2 });
  });

  it("that is sent again in a datagram stays in the network", () => {
    const { clock, call, times, told } = byHand();
    const engine = new DatagramClientEngine({ ...options, retransmit: { initialMs: 50, minMs: 50 } });
    engine.start(call);
    clock.now = 50;
    engine.tick(50);
    clock.now = 70;
    engine.datagram(reply(1, 5), 70);
    expect(times()).toMatchObject({ send: [0, 0], network: [0, 70], return: [70, 0] });
    expect(told()?.transmissions).toBe(2);
  });
});

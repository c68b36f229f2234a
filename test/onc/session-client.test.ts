import {
  type Client,
  type ConnectOptions,
  connect,
  type Procedure,
  RpcError,
  Server,
  type ServerOptions,
} from "farcall";
import { type OncService, oncProgram } from "farcall/onc";
import { MemoryReplyStore } from "farcall/store";
import { nothing, opaque, string, uint, type XdrCodec } from "farcall/xdr";
import { afterEach, describe, expect, it } from "vitest";
import { MemoryNetwork } from "../../src/net/index.js";
import type { Stream } from "../../src/net/stream.js";
import { CallStatus, SESSION_PROGRAM } from "../../src/onc/session/session.js";
import { HandClock, machineWith, turn } from "../support/hand-clock.js";

// farcall's client and server in one session, over a network whose connections a test may cut, and a clock that it moves.

interface Bank {
  pay: Procedure<[amount: number], number>;
  read: Procedure<[key: number], number, "at-least-once">;
  wait: Procedure<[name: string], string>;
  fail: Procedure<[], number>;
}
const BankV1: OncService<Bank> = oncProgram<Bank>({
  name: "BANK",
  program: 0x2000_0b02,
  version: 1,
  procedures: {
    pay: { number: 1, name: "PAY", args: [uint], result: uint },
    read: { number: 2, name: "READ", args: [uint], result: uint, semantics: "at-least-once" },
    wait: { number: 3, name: "WAIT", args: [string(99)], result: string(99) },
    fail: { number: 4, name: "FAIL", args: [], result: uint },
  },
});

/** A network whose connections can be cut from outside, and whose messages are noted. */
class CutNetwork extends MemoryNetwork {
  readonly open = new Set<Stream>();
  connects = 0;
  /** Nobody can be reached. */
  down = false;

  override async connect(name: string): Promise<Stream> {
    if (this.down) throw Object.assign(new Error("no route"), { code: "EHOSTUNREACH" });
    const stream = await super.connect(name);
    this.connects++;
    this.open.add(stream);
    return stream;
  }

  /** Cuts every connection: what was written and has not arrived is lost. */
  cut(): void {
    for (const stream of this.open) stream.destroy(new Error("cut"));
    this.open.clear();
  }
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface World {
  readonly clock: HandClock;
  readonly network: CutNetwork;
  readonly log: string[];
  readonly waiting: Map<string, { readonly finish: (value: string) => void; readonly signal: AbortSignal }>;
  /** Starts a server, another run of it, where the last one was. */
  start(options?: ServerOptions, lifetime?: "per-session", address?: string): Promise<Server>;
  connect(options?: ConnectOptions, address?: string): Promise<Client<Bank>>;
}

function world(network: CutNetwork = new CutNetwork()): World {
  const clock = new HandClock();
  const log: string[] = [];
  const waiting: World["waiting"] = new Map();
  const machine = machineWith(clock);
  return {
    clock,
    network,
    log,
    waiting,
    async start(options?: ServerOptions, lifetime?: "per-session", address = "memory://bank") {
      const server = new Server({ machine, network, onError: () => {}, ...options });
      cleanups.push(() => server.close({ drainMs: 0 }));
      const make = () => {
        let paid = 0;
        return {
          pay(amount: number) {
            log.push(`pay ${amount}`);
            paid += amount;
            return paid;
          },
          read(key: number) {
            log.push(`read ${key}`);
            return key;
          },
          wait(name: string, { signal }: { signal: unknown }) {
            log.push(`wait ${name}`);
            return new Promise<string>((finish) => waiting.set(name, { finish, signal: signal as AbortSignal }));
          },
          fail(): number {
            log.push("fail");
            throw new Error("no");
          },
        };
      };
      if (lifetime === undefined) server.export(BankV1, make());
      else server.export(BankV1, make, { lifetime });
      await server.listen(address);
      return server;
    },
    async connect(options = {}, address = "memory://bank") {
      const client = await connect(BankV1, address, { machine, network, session: "auto", ...options });
      cleanups.push(() => client.$close());
      return client;
    },
  };
}

/** A store that outlives the servers that use it. */
function lasting(clock: HandClock): MemoryReplyStore {
  return Object.assign(new MemoryReplyStore({ now: () => clock.now() }), { durable: true, shared: true });
}

const ScribeV1 = oncProgram<{ write: Procedure<[text: Uint8Array], void, "at-least-once"> }>({
  name: "SCRIBE",
  program: 0x2000_0b09,
  version: 1,
  procedures: {
    write: { number: 1, name: "WRITE", args: [opaque()], result: nothing, semantics: "at-least-once" },
  },
});

/** A buffer that its owner uses again, and what the server gets of it. */
function scribe(): { given: Uint8Array; log: string[]; serve: (server: Server) => void } {
  const log: string[] = [];
  const serve = (server: Server): void => {
    server.export(ScribeV1, { write: (text) => void log.push(text.join()) });
  };
  return { given: new Uint8Array([1, 2, 3]), log, serve };
}

/** How a call that is not waited for yet will have ended. */
function end(call: Promise<unknown>): Promise<unknown> {
  return call.catch((error: unknown) => error);
}

describe("a call in a session", () => {
  it("survives the loss of its connection, and runs once", async () => {
    const { start, connect, network, waiting, log, clock } = world();
    await start();
    const bank = await connect();
    const call = bank.wait("a");
    await turn();
    network.cut();
    await clock.pass(100);
    expect(network.connects).toBe(2);
    expect(waiting.get("a")?.signal.aborted).toBe(false);
    waiting.get("a")?.finish("done");
    expect(await call).toBe("done");
    expect(log).toEqual(["wait a"]);
  });

  it("gets the reply that was lost with its connection", async () => {
    const { start, connect, network, waiting, log, clock } = world();
    await start();
    const bank = await connect();
    const call = bank.wait("a");
    await turn();
    waiting.get("a")?.finish("done");
    network.cut();
    await clock.pass(100);
    expect(await call).toBe("done");
    expect(log).toEqual(["wait a"]);
  });

  it("waits for its session, and for its server, when that is away before any session began", async () => {
    const { start, connect, network, clock, log } = world();
    const first = await start();
    const bank = await connect();
    network.cut();
    await first.close({ drainMs: 0 });
    const call = bank.read(7);
    await clock.pass(3_000);
    await start();
    await clock.pass(3_000);
    expect(await call).toBe(7);
    expect(log).toEqual(["read 7"]);
  });

  it("survives many losses with many calls under way, each of which runs once", async () => {
    const { start, connect, network, clock, log } = world();
    await start();
    const bank = await connect();
    await bank.pay(0);
    const calls: Promise<number>[] = [];
    for (let i = 1; i <= 600; i++) {
      calls.push(bank.pay(1));
      if (i % 50 === 0) {
        await turn();
        network.cut();
        await clock.pass(3_000);
      }
    }
    await clock.pass(3_000);
    const values = await Promise.all(calls);
    expect(new Set(values).size).toBe(600);
    expect(log).toHaveLength(601);
  });

  it("is settled by STATUS when the server has started again: done, as its store says", async () => {
    const { start, connect, network, waiting, log, clock } = world();
    const store = lasting(clock);
    const first = await start({ replyCache: { store } });
    const bank = await connect();
    const call = bank.wait("a");
    await turn();
    waiting.get("a")?.finish("done");
    network.cut();
    await first.close({ drainMs: 0 });
    await start({ replyCache: { store } });
    await clock.pass(5_000);
    expect(await call).toBe("done");
    expect(log).toEqual(["wait a"]);
  });

  it("is settled by STATUS when the server has started again: never arrived, so it is made anew", async () => {
    const { start, connect, network, log, clock } = world();
    const store = lasting(clock);
    const first = await start({ replyCache: { store } });
    const bank = await connect();
    await bank.pay(1);
    const call = bank.pay(2);
    // Cut before anything of it has arrived.
    await Promise.resolve();
    network.cut();
    await first.close({ drainMs: 0 });
    await start({ replyCache: { store } });
    await clock.pass(5_000);
    expect(await call).toBe(2);
    expect(log).toEqual(["pay 1", "pay 2"]);
  });

  it("is settled by STATUS when the server has started again: lost with the run that had it", async () => {
    const { start, connect, network, log, clock } = world();
    const store = lasting(clock);
    const first = await start({ replyCache: { store, owner: "bank" } });
    const bank = await connect();
    const call = end(bank.wait("a"));
    await turn();
    network.cut();
    void first.close({ drainMs: 0 });
    await turn();
    await start({ replyCache: { store, owner: "bank" } });
    await clock.pass(5_000);
    expect(await call).toMatchObject({ code: "unavailable", executed: "unknown" });
    expect((await call) as Error).toHaveProperty("message", expect.stringMatching(/died while it ran the call/));
    expect(log).toEqual(["wait a"]);
    // The new session works.
    expect(await bank.pay(1)).toBe(1);
  });

  it("is settled by STATUS over datagrams, where a refusal that comes twice proves no more than one", async () => {
    const { start, clock, log, connect } = world(new CutNetwork({ fate: () => [0, 0] }));
    const store = new MemoryReplyStore({ now: () => clock.now() });
    const first = await start({ replyCache: { store, owner: "bank" } }, undefined, "memory+datagram://bank");
    const bank = await connect({}, "memory+datagram://bank");
    const call = end(bank.wait("a"));
    await turn();
    void first.close({ drainMs: 0 });
    await turn();
    await start({ replyCache: { store, owner: "bank" } }, undefined, "memory+datagram://bank");
    await clock.pass(5_000);
    expect(await call).toMatchObject({ code: "unavailable", executed: "unknown" });
    expect(log).toEqual(["wait a"]);
  });

  it("stays unknown when the server has lost its memory: nobody guesses", async () => {
    const { start, connect, network, log, clock } = world();
    const first = await start();
    const bank = await connect();
    const call = end(bank.wait("a"));
    await turn();
    network.cut();
    await first.close({ drainMs: 0 });
    await start();
    await clock.pass(5_000);
    expect(await call).toMatchObject({ code: "unavailable", executed: "unknown" });
    expect(log).toEqual(["wait a"]);
  });

  it("that may run twice is made anew at once", async () => {
    const { start, connect, network, log, clock } = world();
    const first = await start();
    const bank = await connect();
    await bank.read(1);
    const call = bank.read(2);
    await Promise.resolve();
    network.cut();
    await first.close({ drainMs: 0 });
    await start();
    await clock.pass(5_000);
    expect(await call).toBe(2);
    expect(log).toEqual(["read 1", "read 2"]);
  });

  it("that throws says that it ran", async () => {
    const { start, connect } = world();
    await start();
    const bank = await connect();
    await expect(bank.fail()).rejects.toMatchObject({ code: "server-error", executed: "yes", attempts: 1 });
  });

  it("tells the server its deadline, and its end: by the clock, and by its caller", async () => {
    const { start, connect, waiting, clock } = world();
    await start();
    const bank = await connect();
    const timed = end(bank.wait("timed", { timeoutMs: 500 }));
    const abort = new AbortController();
    const cancelled = end(bank.wait("cancelled", { signal: abort.signal }));
    await turn();
    const signal = (name: string) => waiting.get(name)?.signal;
    expect(signal("cancelled")?.aborted).toBe(false);
    abort.abort();
    await turn();
    expect(signal("cancelled")?.aborted).toBe(true);
    expect(await cancelled).toMatchObject({ code: "cancelled", executed: "unknown" });
    expect(signal("timed")?.aborted).toBe(false);
    await clock.pass(501);
    expect(signal("timed")?.aborted).toBe(true);
    expect(await timed).toMatchObject({ code: "deadline-exceeded", executed: "unknown" });
    for (const { finish } of waiting.values()) finish("");
  });

  it("is made with the arguments that it was given, whatever their owner does with them while it waits", async () => {
    const { start, clock, network } = world();
    const { given, log, serve } = scribe();
    serve(await start());
    const scribbler = await connect(ScribeV1, "memory://bank", { machine: machineWith(clock), network });
    cleanups.push(() => scribbler.$close());
    const call = scribbler.write(given);
    given.fill(9);
    await call;
    expect(log).toEqual(["1,2,3"]);
  });

  it("is made with them again, when its session is gone and it moves to another", async () => {
    const { start, clock, network } = world();
    const store = lasting(clock);
    const { given, log, serve } = scribe();
    const first = await start({ replyCache: { store } });
    serve(first);
    const scribbler = await connect(ScribeV1, "memory://bank", { machine: machineWith(clock), network });
    cleanups.push(() => scribbler.$close());
    await scribbler.write(given);
    network.cut();
    await first.close({ drainMs: 0 });
    serve(await start({ replyCache: { store } }));
    const calls = [scribbler.write(given), scribbler.write(given, { semantics: "maybe" })];
    given.fill(9);
    await clock.pass(5_000);
    await Promise.all(calls);
    expect(log).toEqual(["1,2,3", "1,2,3", "1,2,3"]);
  });

  it("that nobody acknowledges by another call is acknowledged soon", async () => {
    const { start, connect, clock } = world();
    const store = new MemoryReplyStore({ now: () => clock.now() });
    await start({ replyCache: { store } });
    const bank = await connect();
    for (let i = 0; i < 5; i++) await bank.pay(1);
    expect(store.size.entries).toBeGreaterThan(0);
    await clock.pass(250);
    // What is left is that everything up to the last call is refused.
    expect(store.size.entries).toBe(1);
    expect(bank.$stats().strayReplies).toBe(0);
  });

  it("that is slow does not hold up those behind it", async () => {
    const { start, connect, waiting, clock } = world();
    const store = new MemoryReplyStore({ now: () => clock.now() });
    await start({ replyCache: { store }, sessions: { sessionWindow: 4 } });
    const bank = await connect();
    const slow = bank.wait("slow");
    for (let i = 0; i < 40; i++) await bank.pay(1);
    await clock.pass(250);
    expect(store.size.entries).toBeLessThan(30);
    waiting.get("slow")?.finish("");
    await slow;
  });

  it("waits for its place where the server lets no more be under way", async () => {
    const { start, connect, waiting } = world();
    await start({ sessions: { sessionWindow: 2, sessionLanesMax: 2 } });
    const bank = await connect();
    const calls = ["a", "b", "c", "d", "e", "f"].map((name) => bank.wait(name));
    await turn();
    expect([...waiting.keys()]).toEqual(["a", "b", "c", "d"]);
    for (const name of ["a", "b", "c", "d"]) waiting.get(name)?.finish(name);
    await turn();
    for (const name of ["e", "f"]) waiting.get(name)?.finish(name);
    expect(await Promise.all(calls)).toEqual(["a", "b", "c", "d", "e", "f"]);
  });

  it("finds a place, however many before it had no answer", async () => {
    const { start, connect, waiting, clock } = world();
    await start({ sessions: { sessionLanesMax: 4 } });
    const bank = await connect();
    for (let i = 0; i < 20; i++) {
      const late = end(bank.wait(`${i}`, { timeoutMs: 100 }));
      await turn();
      await clock.pass(150);
      expect(await late).toMatchObject({ code: "deadline-exceeded", executed: "unknown" });
      waiting.get(`${i}`)?.finish("");
      expect(await bank.pay(1)).toBe(i + 1);
    }
    expect(bank.$stats()).toMatchObject({ pending: 0, queued: 0 });
  });

  it("is put off while calls that nobody waits for any more take all places at the server, and then runs", async () => {
    const { start, connect, waiting, clock, log } = world();
    await start({ sessions: { sessionLanesMax: 4 } });
    const bank = await connect();
    for (const name of ["a", "b", "c", "d"]) {
      const late = end(bank.wait(name, { timeoutMs: 100 }));
      await turn();
      await clock.pass(150);
      await late;
    }
    const paid = bank.pay(2);
    await clock.pass(500);
    expect(log).toEqual(["wait a", "wait b", "wait c", "wait d"]);
    waiting.get("c")?.finish("");
    await clock.pass(5_000);
    expect(await paid).toBe(2);
    expect(log).toEqual(["wait a", "wait b", "wait c", "wait d", "pay 2"]);
  });
});

describe("$settle", () => {
  it("has the server keep no more than a few windows of calls that ended without an answer, the latest ones", async () => {
    const { start, connect, waiting, clock } = world();
    const store = new MemoryReplyStore({ now: () => clock.now() });
    const sessionWindow = 4;
    await start({ replyCache: { store }, sessions: { sessionWindow } });
    const bank = await connect();
    const errors: RpcError[] = [];
    for (let i = 0; i < 24; i++) {
      const late = end(bank.wait(`${i}`, { timeoutMs: 100 }));
      // What comes behind it in its lane cannot be acknowledged either.
      await bank.pay(1);
      await clock.pass(150);
      errors.push((await late) as RpcError);
      waiting.get(`${i}`)?.finish(`late ${i}`);
      await bank.pay(1);
      await clock.pass(300);
    }
    const [first, last] = [errors[0], errors.at(-1)] as [RpcError, RpcError];
    expect(await bank.$settle("wait", last)).toEqual({ executed: "yes", ok: true, value: "late 23" });
    expect(await bank.$settle("wait", first)).toEqual({
      executed: "unknown",
      reason: "the call is older than what the server remembers",
    });
    // Each lane that was used is still known to have been.
    expect(store.size.entries - store.size.callers).toBeLessThanOrEqual(4 * sessionWindow);
  });

  it.each([
    ["that it ran, with its value", "finish", { executed: "yes", ok: true, value: "late" }],
    ["that it never will have run", "lose", { executed: "no" }],
  ])("learns %s", async (_what, how, expected) => {
    const { start, connect, network, waiting, clock, log } = world();
    const store = lasting(clock);
    let server = await start({ replyCache: { store } });
    const bank = await connect();
    await bank.pay(1);
    if (how === "lose") await server.close({ drainMs: 0 });
    const failed = end(bank.wait("a", { timeoutMs: 500 }));
    if (how === "lose") {
      // It is on its way over a connection that is about to be found dead.
      await turn();
      expect(await Promise.race([failed, Promise.resolve("pending")])).toBe("pending");
    }
    await turn();
    network.cut();
    await clock.pass(600);
    const error = (await failed) as RpcError;
    expect(error).toMatchObject({ code: "deadline-exceeded" });
    if (how === "lose") {
      server = await start({ replyCache: { store } });
      if (error.executed === "no") return;
    } else {
      expect(error.executed).toBe("unknown");
      waiting.get("a")?.finish("late");
      await turn();
    }
    const settled = bank.$settle("wait", error);
    await clock.pass(5_000);
    expect(await settled).toEqual(expected);
    expect(log.filter((line) => line === "wait a").length).toBe(how === "finish" ? 1 : 0);
  });

  it("fences a call that is still on its way: it never runs", async () => {
    const { start, connect, clock, log } = world();
    await start();
    const bank = await connect();
    await bank.pay(1);
    const abort = new AbortController();
    // Encoded, and cancelled before the turn ends in which it would be written: the server may have it or not.
    const failed = end(bank.pay(2, { signal: abort.signal }));
    abort.abort();
    const error = (await failed) as RpcError;
    expect(error).toMatchObject({ code: "cancelled", executed: "unknown" });
    const settled = bank.$settle("pay", error);
    await clock.pass(1_000);
    const settlement = await settled;
    expect(settlement.executed).toBe(log.includes("pay 2") ? "yes" : "no");
  });

  it("waits for a call that runs, as long as it is told to", async () => {
    const { start, connect, waiting, clock } = world();
    await start();
    const bank = await connect();
    const failed = end(bank.wait("a", { timeoutMs: 500 }));
    await turn();
    await clock.pass(600);
    const error = (await failed) as RpcError;
    const impatient = bank.$settle("wait", error, { timeoutMs: 300 });
    await clock.pass(400);
    expect(await impatient).toMatchObject({ executed: "unknown" });
    const patient = bank.$settle("wait", error);
    await clock.pass(300);
    waiting.get("a")?.finish("late");
    await clock.pass(2_000);
    expect(await patient).toEqual({ executed: "yes", ok: true, value: "late" });
  });

  it("knows at once what needs no question, and refuses what is no failure of a call", async () => {
    const { start, connect } = world();
    await start();
    const bank = await connect();
    const no = new RpcError("busy", "no", { executed: "no" });
    expect(await bank.$settle("pay", no)).toEqual({ executed: "no" });
    const foreign = new RpcError("unavailable", "?", { executed: "unknown" });
    expect(await bank.$settle("pay", foreign)).toMatchObject({ executed: "unknown" });
    await expect(bank.$settle("pay", new Error("x") as RpcError)).rejects.toMatchObject({ code: "invalid-argument" });
    await expect(bank.$settle("pay", foreign, { timeoutMs: 0 })).rejects.toMatchObject({ code: "invalid-argument" });
  });
});

describe("state at the server", () => {
  it("that hangs on the session survives its connection, and its loss is told instead of hidden", async () => {
    const { start, connect, network, clock } = world();
    const first = await start({}, "per-session");
    const bank = await connect();
    expect(await bank.pay(5)).toBe(5);
    network.cut();
    const again = bank.pay(5);
    await clock.pass(3_000);
    expect(await again).toBe(10);
    network.cut();
    await first.close({ drainMs: 0 });
    await start({}, "per-session");
    const lost = end(bank.pay(1));
    await clock.pass(3_000);
    expect(await lost).toMatchObject({ code: "stale", executed: "no" });
    await expect(bank.pay(1)).rejects.toMatchObject({ code: "stale", executed: "no" });
    bank.$renew();
    expect(await bank.pay(1)).toBe(1);
  });

  it("that is first heard of when it is gone, from a reply that was kept, is told to be lost too", async () => {
    const { start, connect, network, waiting, clock } = world();
    const store = lasting(clock);
    const first = await start({ replyCache: { store } }, "per-session");
    const bank = await connect();
    const call = bank.wait("a");
    await turn();
    network.down = true;
    network.cut();
    waiting.get("a")?.finish("value");
    await turn();
    await first.close({ drainMs: 0 });
    await start({ replyCache: { store } }, "per-session");
    network.down = false;
    await clock.pass(3_000);
    expect(await call).toBe("value");
    await expect(bank.pay(1)).rejects.toMatchObject({ code: "stale", executed: "no" });
    bank.$renew();
    expect(await bank.pay(1)).toBe(1);
  });

  it("that is first heard of when another session is open leaves that one: two would not keep calls in order", async () => {
    const { start, connect, network, waiting, clock } = world();
    const store = lasting(clock);
    const first = await start({ replyCache: { store } }, "per-session");
    const bank = await connect();
    const call = bank.wait("a");
    await turn();
    network.down = true;
    network.cut();
    waiting.get("a")?.finish("value");
    await turn();
    await first.close({ drainMs: 0 });
    await start({ replyCache: { store } }, "per-session");
    network.down = false;
    // The question about the first call has its answer when the other session is open.
    const look = store.look.bind(store);
    const held: (() => void)[] = [];
    store.look = (request) => new Promise((resolve) => held.push(() => resolve(look(request)))) as never;
    const read = bank.read(1);
    await clock.pass(3_000);
    expect(await read).toBe(1);
    expect(await bank.pay(5)).toBe(5);
    for (const answer of held) answer();
    expect(await call).toBe("value");
    await expect(bank.pay(1)).rejects.toMatchObject({ code: "stale" });
    bank.$renew();
    expect(await bank.pay(1)).toBe(6);
  });

  it("whose loss is told ends what waits for its place, too", async () => {
    const { start, connect, network, waiting, clock } = world();
    const narrow = { sessions: { sessionWindow: 1, sessionLanesMax: 1 } };
    const first = await start(narrow, "per-session");
    const bank = await connect();
    await bank.pay(1);
    const calls = [bank.wait("a"), bank.wait("b")].map(end);
    await turn();
    expect([...waiting.keys()]).toEqual(["a"]);
    await first.close({ drainMs: 0 });
    network.cut();
    await start(narrow, "per-session");
    await clock.pass(3_000);
    const [ran, waited] = (await Promise.all(calls)) as RpcError[];
    expect(ran?.executed).toBe("unknown");
    expect(waited).toMatchObject({ code: "stale", executed: "no" });
  });

  it("ends when the client starts again under its name", async () => {
    const { start, connect, waiting, network } = world();
    await start({}, "per-session");
    const bank = await connect({ clientName: "robot" });
    const orphan = end(bank.wait("a"));
    await turn();
    const { signal } = waiting.get("a") ?? {};
    // The same process may have two clients of one name.
    await (await connect({ clientName: "robot" })).pay(1);
    expect(signal?.aborted).toBe(false);
    const machine = machineWith(new HandClock());
    const reborn = await connect({ clientName: "robot", machine, network });
    expect(await reborn.pay(1)).toBe(1);
    expect(signal?.aborted).toBe(true);
    waiting.get("a")?.finish("");
    await bank.$close();
    await orphan;
  });
});

describe("a server without sessions", () => {
  it("is called plainly, and the client says what that means", async () => {
    const { start, connect, log } = world();
    await start({ sessions: false });
    const bank = await connect();
    expect(await bank.pay(1)).toBe(1);
    expect(await bank.$guarantee()).toMatchObject({ session: "none", filters: false });
    expect(log).toEqual(["pay 1"]);
  });

  it("is not asked again by the next client", async () => {
    const { start, connect } = world();
    const asked: number[] = [];
    await start({
      sessions: false,
      auth: [
        {
          flavor: 0,
          authenticate: ({ program }) => {
            asked.push(program);
            return { identity: { flavor: "none", verified: false }, verifier: { flavor: 0, body: new Uint8Array(0) } };
          },
        },
      ],
    });
    for (let i = 0; i < 2; i++) await (await connect()).pay(1);
    expect(asked).toEqual([SESSION_PROGRAM, BankV1.program, BankV1.program]);
  });

  it("is not called at all where a session is required", async () => {
    const { start, connect, log } = world();
    await start({ sessions: false });
    const bank = await connect({ session: "require" });
    await expect(bank.pay(1)).rejects.toMatchObject({ code: "unimplemented", executed: "no" });
    const ordered = await connect({ order: "fifo" });
    await expect(ordered.pay(1)).rejects.toMatchObject({ code: "unimplemented", executed: "no" });
    await bank.$ping();
    expect(log).toEqual([]);
  });

  it.each([
    ["keeps silent about a program that it does not have", (): Promise<never> => new Promise(() => {}), 1],
    [
      "hangs up on whoever asks",
      (network: CutNetwork): never => {
        network.cut();
        throw new Error("gone");
      },
      // Once may be chance, so it is asked twice.
      3,
    ],
  ])("that %s is called plainly, and loses no call by having been asked", async (_what, open, connects) => {
    const { start, connect, network, clock, log } = world();
    const server = await start({ sessions: false });
    server.export(oddProgram, { open: () => open(network), call: staleCall });
    const bank = await connect();
    const call = bank.pay(1);
    await clock.pass(5_000);
    expect(await call).toBe(1);
    expect(await bank.pay(1)).toBe(2);
    expect(log).toEqual(["pay 1", "pay 1"]);
    expect(network.connects).toBe(connects);
  });
});

/** Whatever is left. */
const opaqueRest: XdrCodec<Uint8Array> = {
  encode: (w, v) => w.bytes(v),
  decode: (r) => r.view(r.remaining),
  shape: { kind: "opaque", length: 0, fixed: false },
};

/** A program of the same number that is no session program of ours. */
const oddProgram = oncProgram<{ open: Procedure<[Uint8Array], number>; call: Procedure<[Uint8Array], number> }>({
  name: "ODD",
  program: SESSION_PROGRAM,
  version: 1,
  procedures: {
    open: { number: 1, name: "OPEN", args: [opaqueRest], result: uint },
    call: { number: 2, name: "CALL", args: [opaqueRest], result: uint },
  },
});
const staleCall = (): number => CallStatus.CALL_STALE;

describe("a server that has had sessions", () => {
  it("and hangs up while it is asked for another one is asked again: no call is made plainly", async () => {
    const { start, connect, network, clock, log } = world();
    const first = await start();
    const bank = await connect();
    await bank.pay(1);
    await first.close({ drainMs: 0 });
    await turn();
    const odd = await start({ sessions: false });
    let asked = 0;
    odd.export(oddProgram, {
      open(): never {
        asked++;
        network.cut();
        throw new Error("gone");
      },
      call: staleCall,
    });
    for (let i = 0; i < 5; i++) {
      const call = end(bank.pay(2));
      await clock.pass(30_000);
      expect(await call).toMatchObject({ code: "unavailable", executed: "no" });
    }
    // A few times for each call, not in a loop.
    expect(asked).toBeGreaterThan(1);
    expect(asked).toBeLessThan(50);
    await odd.close({ drainMs: 0 });
    await start();
    const call = bank.pay(3, { timeoutMs: 60_000 });
    await clock.pass(30_000);
    expect(await call).toBe(3);
    expect(log).toEqual(["pay 1", "pay 3"]);
    expect(await bank.$guarantee()).toMatchObject({ session: "open" });
  });

  it("and whose store is down still opens one over datagrams: none of the session's own procedures needs it", async () => {
    const network = new MemoryNetwork();
    const store = new MemoryReplyStore();
    const asked: string[] = [];
    store.claim = ({ key }) => {
      asked.push(key.caller);
      throw new Error("the store is down");
    };
    const server = new Server({ network, onError: () => {}, replyCache: { store } });
    cleanups.push(() => server.close({ drainMs: 0 }));
    const no = (): never => {
      throw new Error("not called here");
    };
    server.export(BankV1, { pay: no, read: (key) => key, wait: no, fail: no });
    await server.listen("memory+datagram://bank");
    const bank = await connect(BankV1, "memory+datagram://bank", { network, session: "auto" });
    cleanups.push(() => bank.$close());
    expect(await bank.$guarantee()).toMatchObject({ session: "open" });
    expect(await bank.read(7)).toBe(7);
    expect(asked).toEqual([]);
  });

  it("and is silent about another one, as one that is frozen, is waited for", async () => {
    const { start, connect, clock, log } = world();
    const first = await start();
    const bank = await connect();
    await bank.pay(1);
    await first.close({ drainMs: 0 });
    await turn();
    const odd = await start({ sessions: false });
    odd.export(oddProgram, { open: () => new Promise(() => {}), call: staleCall });
    const call = end(bank.pay(2, { timeoutMs: 10_000 }));
    await clock.pass(15_000);
    expect(await call).toMatchObject({ code: "deadline-exceeded", executed: "no" });
    expect(log).toEqual(["pay 1"]);
  });
});

describe("a clock that leaps", () => {
  it("at the server passes the deadlines of what runs, and keeps the session of a client that is there", async () => {
    const { start, connect, waiting, log, network } = world();
    const server = new HandClock();
    await start({ machine: machineWith(server) });
    const bank = await connect();
    const call = bank.wait("a");
    await turn();
    const { signal } = waiting.get("a") ?? {};
    await server.pass(3_600_000);
    expect(signal?.aborted).toBe(true);
    // Its caller waits all the same, and what it did is told.
    waiting.get("a")?.finish("value");
    expect(await call).toBe("value");
    expect(await bank.pay(1)).toBe(1);
    expect([...log, network.connects]).toEqual(["wait a", "pay 1", 1]);
  });

  it("at the server ends the session of a client that is away: its next call is made in another, once", async () => {
    const { start, connect, log, network, clock } = world();
    const server = new HandClock();
    await start({ machine: machineWith(server) });
    const bank = await connect();
    await bank.pay(1);
    network.cut();
    await turn();
    await server.pass(3_600_000);
    const call = bank.pay(2);
    await clock.pass(5_000);
    expect(await call).toBe(3);
    expect(log).toEqual(["pay 1", "pay 2"]);
  });

  it("at the client ends what is pending without knowing, and the server still knows", async () => {
    const { start, connect, waiting, clock } = world();
    await start({ machine: machineWith(new HandClock()) });
    const bank = await connect();
    const call = end(bank.wait("a"));
    await turn();
    await clock.pass(3_600_000);
    const error = (await call) as RpcError;
    expect(error).toMatchObject({ code: "deadline-exceeded", executed: "unknown" });
    waiting.get("a")?.finish("late");
    await turn();
    expect(await bank.$settle("wait", error)).toEqual({ executed: "yes", ok: true, value: "late" });
    expect(await bank.pay(1)).toBe(1);
  });
});

describe("order", () => {
  it("fifo runs calls one after another, also over the loss of a connection", async () => {
    const { start, connect, network, waiting, log, clock } = world();
    await start();
    const bank = await connect({ order: "fifo" });
    const calls = ["a", "b", "c"].map((name) => bank.wait(name));
    await turn();
    expect(log).toEqual(["wait a"]);
    network.cut();
    await clock.pass(3_000);
    for (const name of ["a", "b", "c"]) {
      waiting.get(name)?.finish(name);
      await turn();
    }
    expect(await Promise.all(calls)).toEqual(["a", "b", "c"]);
    expect(log).toEqual(["wait a", "wait b", "wait c"]);
  });
});

it.each([
  [{ session: "always" }, /session must be "off", "auto" or "require"/],
  [{ order: "lifo" }, /order must be "fifo"/],
  [{ order: "fifo", session: "off" }, /order "fifo" needs a session/],
  [{ clientName: "x".repeat(256) }, /clientName must be of at most 255 bytes/],
])("an option that makes no sense is refused: %j", async (options, message) => {
  const { start, connect } = world();
  await start();
  const refused = connect(options as ConnectOptions);
  await expect(refused).rejects.toMatchObject({ code: "invalid-argument", executed: "no" });
  await expect(refused).rejects.toThrow(message);
});

it.each([{ session: undefined }, {}, { order: "fifo", reconnect: false }] as const)(
  "%j means a session",
  async (options) => {
    const { start, network } = world();
    await start();
    const bank = await connect(BankV1, "memory://bank", { network, ...options });
    cleanups.push(() => bank.$close());
    expect(await bank.$guarantee()).toMatchObject({ session: "open" });
  },
);

it("says what the server gives", async () => {
  const { start, connect } = world();
  await start({ sessions: { sessionLeaseMs: 7_000 }, replyCache: { replyWindowMs: 9_000 } });
  const bank = await connect();
  expect(await bank.$guarantee()).toEqual({
    session: "open",
    guarantees: ["maybe", "at-least-once", "at-most-once"],
    filters: true,
    durable: false,
    shared: false,
    remembersMs: 9_000,
    leaseMs: 7_000,
    text: expect.stringMatching(/runs once, for as long as the server runs/),
  });
  // What the wire has no place for is rounded down.
  await start({ sessions: { sessionLeaseMs: 700.5 }, replyCache: { replyWindowMs: 1e12 } }, undefined, "memory://odd");
  const odd = await connect({}, "memory://odd");
  expect(await odd.$guarantee()).toMatchObject({ session: "open", leaseMs: 700, remembersMs: 0xffff_ffff });
  const off = await connect({ session: "off" });
  expect(await off.$guarantee()).toMatchObject({ session: "off", filters: false });
});

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CallContext, type Handlers, type Procedure, Server, type ServerOptions } from "farcall";
import { AuthStat, clientAuthSys, OncClient, type OncClientOptions, type OncService, oncProgram } from "farcall/onc";
import { MemoryReplyStore, openSqliteReplyStore, type ReplyStore, type SqliteTransaction } from "farcall/store";
import { decode, encode, nothing, string, struct, uint, type XdrCodec } from "farcall/xdr";
import { afterEach, describe, expect, it } from "vitest";
import { MemoryNetwork } from "../../src/net/index.js";
import {
  CALL_EXPLAIN,
  type CallHead,
  type CallOutcome,
  CallStatus,
  CallFate as Fate,
  Guarantee,
  type OpenArgs,
  type OpenOk,
  type OpenResult,
  OpenStatus,
  SESSION_PROGRAM,
  SESSION_VERSION,
  type StatusResult,
  xdrAckArgs,
  xdrBody,
  xdrCallHead,
  xdrCallOutcome,
  xdrCancelArgs,
  xdrOpenArgs,
  xdrOpenResult,
  xdrSessionId,
  xdrStatusArgs,
  xdrStatusResult,
} from "../../src/onc/session/session.js";
import { HandClock, machineWith, turn } from "../support/hand-clock.js";

// The session program as whoever has its .x file can call it: nothing here knows how farcall's own client does.

interface Bank {
  /** Adds to what was paid, and says how much that is. */
  pay: Procedure<[amount: number], number>;
  read: Procedure<[key: number], number, "at-least-once">;
  fail: Procedure<[], void>;
  wait: Procedure<[name: string], string>;
  book: Procedure<[amount: number], number, "exactly-once">;
  /** As wait, and may run twice. */
  scan: Procedure<[name: string], string, "at-least-once">;
}
const BankV1: OncService<Bank> = oncProgram<Bank>({
  name: "BANK",
  program: 0x2000_0b01,
  version: 1,
  procedures: {
    pay: { number: 1, name: "PAY", args: [uint], result: uint },
    read: { number: 2, name: "READ", args: [uint], result: uint, semantics: "at-least-once" },
    fail: { number: 3, name: "FAIL", args: [], result: struct({}) as unknown as XdrCodec<void> },
    wait: { number: 4, name: "WAIT", args: [string(99)], result: string(99) },
    book: { number: 5, name: "BOOK", args: [uint], result: uint, semantics: "exactly-once" },
    scan: { number: 6, name: "SCAN", args: [string(99)], result: string(99), semantics: "at-least-once" },
  },
});

const target = (procedure: number) => ({ program: SESSION_PROGRAM, version: SESSION_VERSION, procedure });
const incarnation = (n: number): Uint8Array => new Uint8Array(16).fill(n);

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Running {
  readonly name: string;
  readonly context: CallContext;
  readonly finish: (value: string) => void;
}

/** A bank on a network of its own. */
async function bank(options: ServerOptions<SqliteTransaction> = {}, lifetime?: "per-session") {
  const clock = new HandClock();
  const network = new MemoryNetwork();
  const server = new Server<SqliteTransaction>({ machine: machineWith(clock), network, onError: () => {}, ...options });
  cleanups.push(() => server.close({ drainMs: 0 }));
  const running: Running[] = [];
  const log: string[] = [];
  const make = (): Handlers<Bank, SqliteTransaction> & Disposable => {
    let paid = 0;
    return {
      pay(amount) {
        log.push(`pay ${amount}`);
        paid += amount;
        return paid;
      },
      read: (key) => {
        log.push(`read ${key}`);
        return key;
      },
      fail() {
        log.push("fail");
        throw new Error("no");
      },
      wait: (name, context) => {
        log.push(`wait ${name}`);
        return new Promise((resolve) => running.push({ name, context, finish: resolve }));
      },
      book: (amount, { transaction }) => {
        log.push(`book ${amount}`);
        transaction.run("INSERT INTO bookings VALUES (?)", amount);
        if (amount === 13) throw new Error("unlucky");
        return amount;
      },
      scan: (name, context) => {
        log.push(`scan ${name}`);
        return new Promise((resolve) => running.push({ name, context, finish: resolve }));
      },
      [Symbol.dispose]: () => log.push("disposed"),
    };
  };
  if (lifetime === undefined) server.export(BankV1, make());
  else server.export(BankV1, make, { lifetime });
  await server.listen("memory://bank");
  const connect = (more: OncClientOptions = {}) => caller(network, more);
  return { clock, server, network, running, log, connect };
}

type Caller = Awaited<ReturnType<typeof caller>>;

async function caller(network: MemoryNetwork, options: OncClientOptions) {
  const client = await OncClient.open("memory://bank", { network, reconnect: false, ...options });
  cleanups.push(() => client.close());
  const open = async (args: Partial<OpenArgs> = {}): Promise<OpenResult> =>
    client.call(
      target(1),
      xdrOpenArgs,
      { client: "", incarnation: incarnation(1), fifo: false, ...args },
      xdrOpenResult,
    );
  const opened = async (args: Partial<OpenArgs> = {}): Promise<OpenOk> => {
    const result = await open(args);
    if (result.status !== OpenStatus.OPEN_OK) throw new Error(`OPEN was answered with ${result.status}`);
    return result.ok;
  };
  /** SESSION_CALL, with the arguments behind its head as one body. */
  const call = (
    { session }: { session: Uint8Array },
    sequence: number,
    procedure: number,
    args: Uint8Array,
    more: Partial<CallHead> & { lane?: number } = {},
  ): Promise<CallOutcome> => {
    const { lane = 0, ...head } = more;
    const whole: CallHead = {
      session,
      number: { lane, sequence },
      acknowledged: 0,
      remaining: 60_000,
      promised: Guarantee.AT_MOST_ONCE,
      flags: 0,
      traceparent: "",
      program: BankV1.program,
      version: 1,
      procedure,
      ...head,
    };
    const xdrCall = struct({ head: xdrCallHead, body: xdrBody });
    return client.call(target(2), xdrCall, { head: whole, body: args }, xdrCallOutcome);
  };
  const status = (
    { session, store }: OpenOk,
    sequence: number,
    more: { fence?: boolean; lane?: number } = {},
  ): Promise<StatusResult> => {
    const { fence = false, lane = 0 } = more;
    return client.call(
      target(5),
      xdrStatusArgs,
      { session, store, number: { lane, sequence }, fence },
      xdrStatusResult,
    );
  };
  /** One-way; what it does has been done when this resolves. */
  const say = async <A>(procedure: number, args: XdrCodec<A>, value: A): Promise<void> => {
    await client.call(target(procedure), args, value, nothing, { oneWay: true });
    await turn();
  };
  return {
    client,
    open,
    opened,
    call,
    status,
    pay: (session: OpenOk, sequence: number, amount: number, more = {}) =>
      call(session, sequence, 1, encode(uint, amount), more),
    wait: (session: OpenOk, sequence: number, name: string, more = {}) =>
      call(session, sequence, 4, encode(string(99), name), more),
    scan: (session: OpenOk, sequence: number, name: string, more = {}) =>
      call(session, sequence, 6, encode(string(99), name), { promised: Guarantee.AT_LEAST_ONCE, ...more }),
    cancel: ({ session }: OpenOk, sequence: number) =>
      say(3, xdrCancelArgs, { session, number: { lane: 0, sequence } }),
    acknowledge: ({ session }: OpenOk, sequence: number) =>
      say(4, xdrAckArgs, { session, acknowledged: [{ lane: 0, sequence }] }),
    end: ({ session }: OpenOk) => say(6, xdrSessionId, session),
  };
}

const done = (value: number): CallOutcome => ({
  status: CallStatus.CALL_DONE,
  done: { flags: 0, result: encode(uint, value) },
});

describe("a session", () => {
  it("says what it gives", async () => {
    const { connect } = await bank({ replyCache: { replyWindowMs: 90_000 }, sessions: { sessionLeaseMs: 5_000 } });
    const one = await (await connect()).opened();
    const two = await (await connect()).opened();
    expect(one).toMatchObject({ durable: false, shared: false, transactional: false, lease: 5_000, kept: 90_000 });
    expect(one.session).toHaveLength(20);
    expect(one.session).not.toEqual(two.session);
    expect({ boot: one.boot, store: one.store }).toEqual({ boot: two.boot, store: two.store });
    expect(one.store).not.toBe("");
  });

  it("is refused by a server that serves none", async () => {
    const { connect } = await bank({ sessions: false });
    await expect((await connect()).open()).rejects.toMatchObject({ code: "unimplemented", executed: "no" });
  });

  it("names no store where no replies are kept, and runs calls again then", async () => {
    const { connect, log } = await bank({ replyCache: false });
    const client = await connect();
    const session = await client.opened();
    expect(session.store).toBe("");
    await client.pay(session, 1, 5);
    await client.pay(session, 1, 5);
    expect(log).toEqual(["pay 5", "pay 5"]);
    expect(await client.status(session, 1)).toEqual({ fate: Fate.FATE_ELSEWHERE });
  });
});

describe("a call of a session", () => {
  it("runs once however often it is sent, under whatever xid", async () => {
    const { connect, log } = await bank();
    const client = await connect();
    const session = await client.opened();
    expect(await client.pay(session, 1, 5)).toEqual(done(5));
    expect(await client.pay(session, 1, 5)).toEqual(done(5));
    expect(await client.pay(session, 2, 5)).toEqual(done(10));
    expect(log).toEqual(["pay 5", "pay 5"]);
  });

  it("gives its answer to whoever asks again over another connection, also while it runs", async () => {
    const { connect, running, log } = await bank();
    const first = await connect();
    const session = await first.opened();
    const lost = first.wait(session, 1, "a").catch((error: unknown) => error);
    await turn();
    await first.client.close();
    const second = await connect();
    const again = second.wait(session, 1, "a");
    await turn();
    expect(running[0]?.context.signal.aborted).toBe(false);
    running[0]?.finish("done");
    const answer = { status: CallStatus.CALL_DONE, done: { flags: 0, result: encode(string(99), "done") } };
    expect(await again).toEqual(answer);
    expect(await second.wait(session, 1, "a")).toEqual(answer);
    expect(log).toEqual(["wait a"]);
    await lost;
  });

  it("that is read only runs again: nobody promised otherwise", async () => {
    const { connect, log } = await bank();
    const client = await connect();
    const session = await client.opened();
    const promised = Guarantee.AT_LEAST_ONCE;
    for (let i = 0; i < 2; i++) await client.call(session, 1, 2, encode(uint, 7), { promised });
    expect(log).toEqual(["read 7", "read 7"]);
  });

  it("cannot be widened by a caller with another contract", async () => {
    const { connect, log } = await bank();
    const client = await connect();
    const session = await client.opened();
    for (let i = 0; i < 2; i++) await client.pay(session, 1, 5, { promised: Guarantee.AT_LEAST_ONCE });
    expect(log).toEqual(["pay 5"]);
  });

  it.each([
    ["other arguments", (client: Caller, session: OpenOk) => client.pay(session, 1, 6)],
    ["another procedure", (client: Caller, session: OpenOk) => client.call(session, 1, 2, encode(uint, 5), {})],
  ])("whose number comes with %s is a mistake, and nobody gets the other one's reply", async (_what, send) => {
    const { connect, log } = await bank();
    const client = await connect();
    const session = await client.opened();
    await client.pay(session, 1, 5);
    log.length = 0;
    const outcome = await send(client, session);
    if (_what === "other arguments") expect(outcome).toEqual({ status: CallStatus.CALL_MISMATCH });
    expect(log).not.toContain("pay 6");
    expect(await client.pay(session, 1, 5)).toEqual(done(5));
  });

  it("whose number comes with other arguments while it runs is a mistake too", async () => {
    const { connect, running } = await bank();
    const client = await connect();
    const session = await client.opened();
    const first = client.wait(session, 1, "a");
    expect(await client.wait(session, 1, "b")).toEqual({ status: CallStatus.CALL_MISMATCH });
    running[0]?.finish("x");
    await first;
  });

  it("is forgotten once it is acknowledged, and refused from then on", async () => {
    const { connect, log } = await bank();
    const client = await connect();
    const session = await client.opened();
    await client.pay(session, 1, 5);
    await client.pay(session, 2, 5, { acknowledged: 1 });
    expect(await client.pay(session, 1, 5)).toEqual({ status: CallStatus.CALL_FORGOTTEN });
    await client.acknowledge(session, 2);
    expect(await client.pay(session, 2, 5)).toEqual({ status: CallStatus.CALL_FORGOTTEN });
    expect(log).toHaveLength(2);
  });

  it("may run ahead of what is acknowledged by a window, in each of so many lanes", async () => {
    const { connect, running } = await bank({ sessions: { sessionWindow: 2, sessionLanesMax: 2 } });
    const client = await connect();
    const session = await client.opened();
    expect(session).toMatchObject({ window: 2, lanes: 2 });
    await client.pay(session, 2, 1);
    expect(await client.pay(session, 3, 1)).toMatchObject({ status: CallStatus.CALL_BUSY });
    expect(await client.pay(session, 3, 1, { acknowledged: 1 })).toMatchObject({ status: CallStatus.CALL_DONE });
    const slow = [0, 1].map((lane) => client.wait(session, 4, `${lane}`, { lane, acknowledged: 3 }));
    expect(await client.pay(session, 1, 1, { lane: 2 })).toMatchObject({ status: CallStatus.CALL_BUSY });
    for (const { finish } of running) finish("");
    await Promise.all(slow);
    expect(await client.pay(session, 1, 1, { lane: 2 })).toMatchObject({ status: CallStatus.CALL_DONE });
  });

  it.each([
    ["another program", { program: 99 }, { stat: 1, low: 0, high: 0 }],
    ["another version", { version: 7 }, { stat: 2, low: 1, high: 1 }],
    ["another procedure", { procedure: 77 }, { stat: 3, low: 0, high: 0 }],
  ])("of %s is refused in the words of RFC 5531", async (_what, more, refused) => {
    const { connect } = await bank();
    const client = await connect();
    const session = await client.opened();
    expect(await client.pay(session, 1, 5, more)).toEqual({ status: CallStatus.CALL_REFUSED, refused });
  });

  it("runs once under the last number that there is, too", async () => {
    const { connect, log } = await bank();
    const client = await connect();
    const session = await client.opened();
    const last = 0xffff_ffff;
    expect(await client.pay(session, last - 1, 3, { acknowledged: last - 2 })).toEqual(done(3));
    for (let times = 0; times < 2; times++) {
      expect(await client.pay(session, last, 5, { acknowledged: last - 1 })).toEqual(done(8));
    }
    expect(await client.pay(session, last - 1, 3)).toMatchObject({ status: CallStatus.CALL_BUSY });
    expect(await client.pay(session, last - 1, 3, { acknowledged: last - 2 })).toEqual({
      status: CallStatus.CALL_FORGOTTEN,
    });
    expect(await client.status(session, last)).toMatchObject({ fate: Fate.FATE_DONE });
    expect(log).toEqual(["pay 3", "pay 5"]);
  });

  it("with arguments that are none is refused, and its number is still free", async () => {
    const { connect } = await bank();
    const client = await connect();
    const session = await client.opened();
    const refused = { stat: 4, low: 0, high: 0 };
    for (const bad of [new Uint8Array(0), new Uint8Array(8)]) {
      expect(await client.call(session, 1, 1, bad)).toEqual({ status: CallStatus.CALL_REFUSED, refused });
    }
    expect(await client.pay(session, 1, 5)).toEqual(done(5));
  });

  it("that throws has failed, for whoever asks again too", async () => {
    const { connect, log } = await bank();
    const client = await connect();
    const session = await client.opened();
    for (let i = 0; i < 2; i++) {
      expect(await client.call(session, 1, 3, new Uint8Array(0))).toEqual({ status: CallStatus.CALL_FAILED });
    }
    expect(log).toEqual(["fail"]);
  });

  it("is authorised as the procedure that it is of; the session program is not", async () => {
    const asked: string[] = [];
    const { connect, log } = await bank({
      authorize: ({ procedure }) => {
        asked.push(procedure);
        return procedure === "pay" ? AuthStat.AUTH_TOOWEAK : undefined;
      },
    });
    const client = await connect();
    const session = await client.opened();
    expect(await client.pay(session, 1, 5)).toEqual({ status: CallStatus.CALL_DENIED, why: AuthStat.AUTH_TOOWEAK });
    expect({ asked, log }).toEqual({ asked: ["pay"], log: [] });
  });

  it("tells its times to who asks", async () => {
    const { connect } = await bank();
    const client = await connect();
    const session = await client.opened();
    const outcome = await client.pay(session, 1, 5, { flags: CALL_EXPLAIN });
    expect(outcome).toMatchObject({
      status: CallStatus.CALL_EXPLAINED,
      explained: { times: { execute: 0 }, done: { result: encode(uint, 5) } },
    });
  });

  it("carries a trace to its handler, if it is one", async () => {
    const { connect, running } = await bank();
    const client = await connect();
    const session = await client.opened();
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const calls = [client.wait(session, 1, "a", { traceparent }), client.wait(session, 2, "b", { traceparent: "x" })];
    await turn();
    expect(running.map(({ context }) => context.traceparent)).toEqual([traceparent, undefined]);
    for (const { finish } of running) finish("");
    await Promise.all(calls);
  });
});

describe("whose a session is", () => {
  const alice = { auth: clientAuthSys({ uid: 1, gid: 1, machinename: "m" }) };
  const bob = { auth: clientAuthSys({ uid: 2, gid: 1, machinename: "m" }) };

  it("is remembered: with a stolen id nobody else gets a reply, runs anything, or fences a call", async () => {
    const { connect, log } = await bank();
    const owner = await connect(alice);
    const session = await owner.opened();
    await owner.pay(session, 1, 5);
    const thief = await connect(bob);
    expect(await thief.pay(session, 1, 5)).toEqual({ status: CallStatus.CALL_STALE });
    expect(await thief.pay(session, 2, 5)).toEqual({ status: CallStatus.CALL_STALE });
    expect(await thief.status(session, 1)).toEqual({ fate: Fate.FATE_DENIED });
    expect(await thief.status(session, 2, { fence: true })).toEqual({ fate: Fate.FATE_DENIED });
    await thief.acknowledge(session, 1);
    await thief.end(session);
    expect(await owner.pay(session, 1, 5)).toEqual(done(5));
    expect(await owner.pay(session, 2, 5)).toEqual(done(10));
    expect(log).toEqual(["pay 5", "pay 5"]);
  });

  it("is the same over another connection of the same user", async () => {
    const { connect } = await bank();
    const session = await (await connect(alice)).opened();
    expect(await (await connect(alice)).pay(session, 1, 5)).toEqual(done(5));
  });

  it("is also that of whoever cancels: each copy of a call that may run twice is told", async () => {
    const { connect, running } = await bank();
    const owner = await connect(alice);
    const session = await owner.opened();
    const copies = [owner.scan(session, 1, "a"), owner.scan(session, 1, "a")];
    await turn();
    await (await connect(alice)).cancel(session, 1);
    expect(running.map(({ context }) => context.signal.aborted)).toEqual([true, true]);
    for (const { finish } of running) finish("");
    await Promise.all(copies);
  });

  it("lets nobody cancel another one's call", async () => {
    const { connect, running } = await bank();
    const owner = await connect(alice);
    const session = await owner.opened();
    const waiting = owner.wait(session, 1, "a");
    await (await connect(bob)).cancel(session, 1);
    expect(running[0]?.context.signal.aborted).toBe(false);
    running[0]?.finish("");
    await waiting;
  });
});

describe("how long a call may take", () => {
  it("is known to its handler, whose signal fires then", async () => {
    const { connect, running, clock } = await bank();
    const client = await connect();
    const session = await client.opened();
    const waiting = client.wait(session, 1, "a", { remaining: 500 });
    await turn();
    const { context, finish } = running[0] as Running;
    expect(context.deadline).toBe(clock.now() + 500);
    const { signal } = context;
    await clock.pass(499);
    expect(signal.aborted).toBe(false);
    await clock.pass(1);
    expect(signal.reason).toMatchObject({ message: expect.stringMatching(/deadline has passed/) });
    finish("");
    await waiting;
  });

  it("that is over before it begins, because another one had to end first, keeps it from running", async () => {
    const { connect, running, clock, log } = await bank();
    const client = await connect();
    const session = await client.opened({ fifo: true });
    const first = client.wait(session, 1, "a");
    const second = client.wait(session, 2, "b", { remaining: 500 });
    await turn();
    await clock.pass(501);
    running[0]?.finish("");
    expect(await second).toEqual({ status: CallStatus.CALL_EXPIRED });
    await first;
    expect(log).toEqual(["wait a"]);
  });

  it("ends when its caller cancels it, also before its handler looked at the signal", async () => {
    const { connect, running } = await bank();
    const client = await connect();
    const session = await client.opened();
    const waiting = client.wait(session, 1, "a");
    await turn();
    await client.cancel(session, 1);
    const { context, finish } = running[0] as Running;
    expect(context.signal.reason).toMatchObject({ message: "cancelled by its caller" });
    finish("");
    await waiting;
  });
});

describe("the end of a session", () => {
  const objects = async (options: ServerOptions<SqliteTransaction> = {}) => {
    const at = await bank({ sessions: { sessionLeaseMs: 1_000 }, ...options }, "per-session");
    const client = await at.connect();
    const session = await client.opened({ client: "robot" });
    expect(await client.pay(session, 1, 5)).toMatchObject({ done: { flags: 1 } });
    return { ...at, client, session };
  };

  it("comes when its lease is over, counted from the loss of its last connection", async () => {
    const { client, session, connect, clock, log } = await objects();
    await clock.pass(10_000);
    expect(await client.pay(session, 2, 5)).toMatchObject({ done: { result: encode(uint, 10) } });
    await client.client.close();
    await turn();
    await clock.pass(999);
    const second = await connect();
    // The object has lived on, and so does the session.
    expect(await second.pay(session, 3, 5)).toMatchObject({ done: { result: encode(uint, 15) } });
    await second.client.close();
    await turn();
    await clock.pass(1_000);
    expect(log.at(-1)).toBe("disposed");
    expect(await (await connect()).pay(session, 4, 5)).toEqual({ status: CallStatus.CALL_STALE });
  });

  it("cancels what still runs, and disposes of the object when that has ended", async () => {
    const { client, session, running, clock, log } = await objects();
    client.wait(session, 2, "a").catch(() => {});
    await turn();
    const { context, finish } = running[0] as Running;
    await client.client.close();
    await turn();
    expect(context.signal.aborted).toBe(false);
    await clock.pass(1_000);
    expect(context.signal.reason).toMatchObject({ message: expect.stringMatching(/lease is over/) });
    expect(log).not.toContain("disposed");
    finish("");
    await turn();
    expect(log.at(-1)).toBe("disposed");
  });

  it("cancels every copy of a call that runs more than once, and disposes of the object when the last has ended", async () => {
    const { client, session, running, clock, log } = await objects();
    const copies = [1, 2, 3].map(() => client.scan(session, 2, "a").catch((error: unknown) => error));
    await turn();
    // Neither the first nor the last: whichever of them goes, the others are still known.
    running[1]?.finish("");
    running[2]?.finish("");
    await Promise.all(copies.slice(1));
    copies.push(client.scan(session, 2, "a").catch((error: unknown) => error));
    await turn();
    const [first, last] = [running[0] as Running, running[3] as Running];
    expect([first.context.signal.aborted, last.context.signal.aborted]).toEqual([false, false]);
    await client.end(session);
    await clock.pass(0);
    expect([first.context.signal.aborted, last.context.signal.aborted]).toEqual([true, true]);
    last.finish("");
    await turn();
    expect(log).not.toContain("disposed");
    first.finish("");
    await turn();
    expect(log.at(-1)).toBe("disposed");
    await Promise.all(copies);
  });

  it("comes when its client starts again: what it left behind is cancelled", async () => {
    const { client, session, running, connect, log } = await objects();
    client.wait(session, 2, "a").catch(() => {});
    await turn();
    const second = await connect();
    // The same run of the client may have two sessions, and a client of another name is another client.
    await second.opened({ client: "robot" });
    await second.opened({ client: "other", incarnation: incarnation(2) });
    const { signal } = (running[0] as Running).context;
    expect(signal.aborted).toBe(false);
    const fresh = await second.opened({ client: "robot", incarnation: incarnation(2) });
    expect(signal.reason).toMatchObject({ message: "its client has started again" });
    running[0]?.finish("");
    await turn();
    expect(log.at(-1)).toBe("disposed");
    expect(await second.pay(session, 3, 5)).toEqual({ status: CallStatus.CALL_STALE });
    expect(await second.pay(fresh, 1, 7)).toMatchObject({ done: { result: encode(uint, 7) } });
  });

  it("comes when its client says so", async () => {
    const { client, session, log } = await objects();
    await client.end(session);
    expect(log.at(-1)).toBe("disposed");
    expect(await client.pay(session, 2, 5)).toEqual({ status: CallStatus.CALL_STALE });
  });

  it("comes when the server has too many, of those that have made no call", async () => {
    const { connect } = await bank({ sessions: { sessionsMax: 2 } });
    const client = await connect();
    const used = await client.opened();
    await client.pay(used, 1, 5);
    const unused = await client.opened();
    const third = await client.opened();
    expect(await client.pay(unused, 1, 5)).toEqual({ status: CallStatus.CALL_STALE });
    await client.pay(third, 1, 5);
    expect(await client.open()).toEqual({ status: OpenStatus.OPEN_BUSY, retryAfter: 1_000 });
    expect(await client.pay(used, 2, 5)).toMatchObject({ status: CallStatus.CALL_DONE });
  });
});

describe("calls one after another", () => {
  it("run in the order in which they came, each when the one before has ended", async () => {
    const { connect, running, log } = await bank();
    const client = await connect();
    const session = await client.opened({ fifo: true });
    const calls = ["a", "b", "c"].map((name, i) => client.wait(session, i + 1, name));
    calls.push(client.pay(session, 4, 5));
    await turn();
    expect(log).toEqual(["wait a"]);
    for (let i = 0; i < 3; i++) {
      running[i]?.finish("");
      await turn();
    }
    await Promise.all(calls);
    expect(log).toEqual(["wait a", "wait b", "wait c", "pay 5"]);
  });

  it("many of them, which all answer at once, do not exhaust the stack", async () => {
    const { connect, running, log } = await bank();
    const client = await connect();
    const session = await client.opened({ fifo: true });
    const first = client.wait(session, 1, "a");
    const calls = Array.from({ length: 500 }, (_, i) => client.pay(session, i + 2, 1));
    await turn();
    running[0]?.finish("");
    const outcomes = await Promise.all(calls);
    expect(outcomes.at(-1)).toEqual(done(500));
    expect(log).toHaveLength(501);
    await first;
  });
});

describe("what became of a call", () => {
  it("is told: done with the outcome, running, not seen, fenced for good", async () => {
    const { connect, running, log } = await bank();
    const client = await connect();
    const session = await client.opened();
    await client.pay(session, 1, 5);
    const waiting = client.wait(session, 2, "a");
    await turn();
    const outcome = await client.status(session, 1, { fence: true });
    if (outcome.fate !== Fate.FATE_DONE) throw new Error(`fate ${outcome.fate}`);
    expect(decode(xdrCallOutcome, outcome.outcome)).toEqual(done(5));
    expect(await client.status(session, 2, { fence: true })).toEqual({ fate: Fate.FATE_RUNNING });
    expect(await client.status(session, 3)).toEqual({ fate: Fate.FATE_UNSEEN });
    expect(await client.status(session, 3, { fence: true })).toEqual({ fate: Fate.FATE_FENCED });
    expect(await client.pay(session, 3, 5)).toEqual({ status: CallStatus.CALL_FENCED });
    running[0]?.finish("");
    await waiting;
    expect(log).toEqual(["pay 5", "wait a"]);
  });

  it("is not known to a server that has lost its memory, which says so instead of no", async () => {
    const one = await bank();
    const session = await (await one.connect()).opened();
    const two = await bank();
    const client = await two.connect();
    expect(await client.pay(session, 1, 5)).toEqual({ status: CallStatus.CALL_STALE });
    expect(await client.status(session, 1, { fence: true })).toEqual({ fate: Fate.FATE_ELSEWHERE });
  });

  it("that was forgotten, or was too large to keep", async () => {
    const { connect } = await bank({ replyCache: { replySizeMax: 8 } });
    const client = await connect();
    const session = await client.opened();
    await client.pay(session, 1, 5);
    expect(await client.status(session, 1)).toEqual({ fate: Fate.FATE_TOO_LARGE });
    expect(await client.pay(session, 1, 5)).toEqual({ status: CallStatus.CALL_TOO_LARGE });
    await client.acknowledge(session, 1);
    expect(await client.status(session, 1)).toEqual({ fate: Fate.FATE_FORGOTTEN });
  });
});

describe("a store of replies", () => {
  /** A store in memory of which some methods fail. */
  const broken = (methods: readonly ("claim" | "look")[]): ReplyStore<never> => {
    const down = () => Promise.reject(new Error("the store is down"));
    const store = new MemoryReplyStore();
    return Object.assign(
      store,
      Object.fromEntries(methods.map((name) => [name, down])),
    ) as unknown as ReplyStore<never>;
  };

  it("that is down keeps calls from running, and says so", async () => {
    const { connect, log } = await bank({ replyCache: { store: broken(["claim", "look"]) } });
    const client = await connect();
    const session = await client.opened();
    expect(await client.pay(session, 1, 5)).toEqual({ status: CallStatus.CALL_NO_STORE });
    expect(await client.status(session, 1, { fence: true })).toEqual({ fate: Fate.FATE_NO_STORE });
    expect(log).toEqual([]);
  });

  it("that is full refuses new calls, which may come again later, and keeps its promises", async () => {
    // What one address has counts twice.
    const { connect } = await bank({ replyCache: { replyEntriesMax: 4 } });
    const client = await connect();
    const session = await client.opened();
    await client.pay(session, 1, 5);
    await client.pay(session, 2, 5);
    expect(await client.pay(session, 3, 5)).toMatchObject({ status: CallStatus.CALL_BUSY });
    expect(await client.pay(session, 1, 5)).toEqual(done(5));
    expect(await client.pay(session, 3, 5, { acknowledged: 1 })).toEqual(done(15));
  });

  it("without transactions cannot give exactly-once, and nothing runs", async () => {
    const { connect, log } = await bank();
    const client = await connect();
    const session = await client.opened();
    expect(await client.call(session, 1, 5, encode(uint, 1))).toEqual({ status: CallStatus.CALL_NO_GUARANTEE });
    expect(log).toEqual([]);
  });

  it("with transactions commits effect and reply together, or the failure without the effect, once", async () => {
    const folder = mkdtempSync(join(tmpdir(), "farcall-session-"));
    const store = await openSqliteReplyStore({ path: join(folder, "replies.db"), driver: "libsql" });
    cleanups.push(
      () => rmSync(folder, { recursive: true }),
      () => store.close(),
    );
    const { connect, log, server } = await bank({ replyCache: { store } });
    const claim = await store.claim({
      key: { caller: "setup", call: 1 },
      fingerprint: "",
      owner: "o",
      boot: "b",
      leaseMs: 1_000,
      transactional: true,
    });
    if (claim.state !== "fresh" || claim.transaction === undefined) throw new Error(claim.state);
    claim.transaction.run("CREATE TABLE bookings (amount INTEGER)");
    await claim.complete(new Uint8Array(0));
    const client = await connect();
    const session = await client.opened();
    expect(session).toMatchObject({ durable: true, shared: true, transactional: true });
    for (let i = 0; i < 2; i++) expect(await client.call(session, 1, 5, encode(uint, 7))).toEqual(done(7));
    for (let i = 0; i < 2; i++) {
      expect(await client.call(session, 2, 5, encode(uint, 13))).toEqual({ status: CallStatus.CALL_FAILED });
    }
    expect(log).toEqual(["book 7", "book 13"]);
    expect(await client.status(session, 2)).toMatchObject({ fate: Fate.FATE_DONE });
    await server.close({ drainMs: 0 });
    const look = await store.claim({
      key: { caller: "check", call: 1 },
      fingerprint: "",
      owner: "o",
      boot: "b",
      leaseMs: 1_000,
      transactional: true,
    });
    if (look.state !== "fresh" || look.transaction === undefined) throw new Error(look.state);
    expect(look.transaction.all("SELECT amount FROM bookings")).toEqual([{ amount: 7 }]);
    await look.abandon();
  });
});

it.each([
  ["sessionsMax", 0],
  ["sessionLeaseMs", Number.NaN],
])("a limit that bounds nothing is refused: %s %d", async (name, value) => {
  const server = new Server({ sessions: { [name]: value } });
  server.export(BankV1, () => ({}) as never as Handlers<Bank>, { lifetime: "per-call" });
  await expect(server.listen("memory://refused")).rejects.toThrow(RangeError);
});

import {
  type ConnectOptions,
  connect,
  MemoryNetwork,
  type Procedure,
  RpcError,
  Server,
  type Settlement,
  type Timeline,
} from "farcall";
import { type OncService, oncProgram } from "farcall/onc";
import { uint } from "farcall/xdr";
import { describe, expect, it } from "vitest";
import { SESSION_PROGRAM } from "../../src/onc/session/session.js";
import { later, seeded, until, type Weather, weather } from "../support/faults.js";
import { fromHex, words } from "../support/raw-messages.js";

// Datagrams that are lost, doubled, late and out of order: every call settles, once, with the right value or an honest
// error. `no` means never, so the network is drained before a claim is judged.

interface Ledger {
  /** May not run twice. */
  add: Procedure<[id: number], number, "at-most-once">;
  /** May. */
  read: Procedure<[id: number], number, "at-least-once">;
}
const LedgerV1: OncService<Ledger> = oncProgram<Ledger>({
  name: "LEDGER",
  program: 0x20000e17,
  version: 1,
  procedures: {
    add: { number: 1, name: "ADD", args: [uint], result: uint },
    read: { number: 2, name: "READ", args: [uint], result: uint, semantics: "at-least-once" },
  },
});

/** One call, from both ends. */
interface Record {
  readonly id: number;
  readonly repeatable: boolean;
  value?: number;
  error?: RpcError;
  /** What the server said of it when it had failed. */
  settlement?: Settlement<number>;
  /** How often it was told to be over. */
  ends: number;
  /** How often its procedure ran. */
  runs: number;
  /** How often the client sent it. */
  sent: number;
}

const slowestHandlerMs = 10;

/** The id that a datagram's call is about; undefined for what the session itself asks. */
function idIn(bytes: Uint8Array): number | undefined {
  const message = Buffer.from(bytes);
  if (message.readUInt32BE(12) !== SESSION_PROGRAM) return message.readUInt32BE(40);
  // Behind the session, the call's number, and its head: session.x.
  return message.readUInt32BE(20) === 2 ? message.readUInt32BE(104) : undefined;
}

type Session = NonNullable<ConnectOptions["session"]>;

/** Makes `count` calls in such weather, and gives what became of each once nothing is on its way any more. */
async function run(
  seed: number,
  conditions: Weather,
  count: number,
  options: { readonly timeoutMs: number; readonly session: Session },
): Promise<Record[]> {
  const random = seeded(seed);
  const fate = weather(random, conditions);
  const records: Record[] = Array.from({ length: count }, (_, id) => ({
    id,
    repeatable: random() < 0.5,
    ends: 0,
    runs: 0,
    sent: 0,
  }));
  const byId = (id: number): Record => records[id] as Record;
  const network = new MemoryNetwork({
    fate(bytes, from, to) {
      const id = to.host === "ledger" ? idIn(bytes) : undefined;
      if (id !== undefined) byId(id).sent++;
      return fate(bytes, from, to);
    },
  });
  const server = new Server({ network });
  const handle = async (id: number): Promise<number> => {
    byId(id).runs++;
    if (random() < 0.3) await later(Math.floor(random() * slowestHandlerMs));
    return 2 * id;
  };
  server.export(LedgerV1, { add: handle, read: handle });
  await server.listen("memory+datagram://ledger");
  const client = await connect(LedgerV1, "memory+datagram://ledger", {
    network,
    retransmit: { initialMs: 8, minMs: 4, maxMs: 40 },
    datagramWindow: 16,
    ...options,
  });
  const make = async (record: Record): Promise<void> => {
    const explain = (): void => void record.ends++;
    try {
      // What may run twice is to be asked for until it is answered.
      record.value = record.repeatable
        ? await client.read(record.id, { explain, timeoutMs: 15_000 })
        : await client.add(record.id, { explain });
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      record.error = error;
    }
  };
  const calls = records.map(make);
  await Promise.all(calls);
  expect(client.$stats()).toMatchObject({ pending: 0, queued: 0, queuedBytes: 0, calls: count });
  if (options.session !== "off") {
    const failed = records.filter(({ repeatable, error }) => !repeatable && error !== undefined);
    const settle = async (record: Record): Promise<void> => {
      record.settlement = await client.$settle("add", record.error as RpcError, { timeoutMs: 15_000 });
    };
    await Promise.all(failed.map(settle));
  }
  // To the server, through the handler, and back.
  for (const wait of [conditions.delayMs, slowestHandlerMs, conditions.delayMs]) await later(wait + 5);
  await client.$close();
  await server.close({ drainMs: 0 });
  return records;
}

/** What may not be, as sentences; empty when all is well. */
function violations(records: readonly Record[], session: Session): string[] {
  return records.flatMap(({ id, repeatable, value, error, settlement, ends, runs, sent }) => {
    const bad: string[] = [];
    const say = (text: string): void => void bad.push(`call ${id}${repeatable ? " (repeatable)" : ""}: ${text}`);
    if (ends !== 1) say(`ended ${ends} times`);
    if ((value === undefined) === (error === undefined)) say("neither a value nor an error, or both");
    if (value !== undefined && value !== 2 * id) say(`got ${value}`);
    if (value !== undefined && runs === 0) say("got a value, and never ran");
    if (error !== undefined && error.code !== "deadline-exceeded") say(`ended as ${error.code}`);
    if (error?.executed === "no" && runs > 0) say(`says that it did not run, and ran ${runs} times`);
    if (error?.executed === "yes" && runs === 0) say("says that it ran, and did not");
    if (error !== undefined && error.transmissions !== sent) {
      say(`says ${error.transmissions} transmissions, and made ${sent}`);
    }
    if (session === "off") {
      if (!repeatable && sent > 1) say(`was sent ${sent} times`);
      if (!repeatable && runs > 2) say(`ran ${runs} times, which one datagram and its copy cannot explain`);
    } else {
      // However often it was sent, and doubled.
      if (!repeatable && runs > 1) say(`ran ${runs} times`);
      if (settlement?.executed === "unknown") say(`was not settled: ${settlement.reason}`);
      if (settlement !== undefined && settlement.executed !== (runs > 0 ? "yes" : "no")) {
        say(`was settled as ${settlement.executed}, and ran ${runs} times`);
      }
    }
    if (repeatable && error !== undefined) say(`did not get through: ${error.message}`);
    return bad;
  });
}

const conditions: readonly (readonly [string, Weather])[] = [
  ["a calm network", { lost: 0, duplicated: 0, delayMs: 0 }],
  ["lost datagrams", { lost: 0.3, duplicated: 0, delayMs: 0 }],
  ["doubled datagrams", { lost: 0, duplicated: 0.5, delayMs: 5 }],
  ["late and reordered datagrams", { lost: 0, duplicated: 0, delayMs: 40 }],
  ["all of it", { lost: 0.25, duplicated: 0.25, delayMs: 30 }],
  ["a storm", { lost: 0.6, duplicated: 0.3, delayMs: 50 }],
];
// Twenty that stay, and one that nobody has tried.
const seeds = [...Array.from({ length: 20 }, (_, i) => i + 1), (Math.random() * 2 ** 32) >>> 0];

describe.each(conditions)("calls over %s", (_name, what) => {
  it("settle once, with the right value or an honest error, for every seed", async () => {
    const session = "off";
    const runs = await Promise.all(seeds.map((seed) => run(seed, what, 40, { timeoutMs: 200, session })));
    const found = runs.flatMap((records, i) => violations(records, session).map((text) => `seed ${seeds[i]}: ${text}`));
    expect(found).toEqual([]);
    const failed = runs.flat().filter(({ error }) => error !== undefined).length;
    if (what.lost > 0) expect(failed).toBeGreaterThan(0);
  });

  it("run at most once in a session, and are settled when they have failed", async () => {
    const session = "require";
    const some = seeds.slice(-8);
    const runs = await Promise.all(some.map((seed) => run(seed, what, 40, { timeoutMs: 200, session })));
    const found = runs.flatMap((records, i) => violations(records, session).map((text) => `seed ${some[i]}: ${text}`));
    expect(found).toEqual([]);
  });
});

describe("a network that loses everything", () => {
  it("ends every call at its deadline, executed unknown", async () => {
    const network = new MemoryNetwork({ fate: () => [] });
    await using client = await connect(LedgerV1, "memory+datagram://ledger", {
      network,
      session: "off",
      timeoutMs: 100,
    });
    const calls = [client.add(1), client.read(2), client.$ping()];
    const ends = await Promise.allSettled(calls);
    const reason = expect.objectContaining({ code: "deadline-exceeded", executed: "unknown" }) as unknown;
    expect(ends).toEqual(Array(3).fill({ status: "rejected", reason }));
  });

  it("ends calls that wait for a session at their deadline, executed no: they were never sent", async () => {
    const network = new MemoryNetwork({ fate: () => [] });
    await using client = await connect(LedgerV1, "memory+datagram://ledger", { network, timeoutMs: 100 });
    const ends = await Promise.allSettled([client.add(1), client.read(2)]);
    const reason = expect.objectContaining({ code: "deadline-exceeded", executed: "no", transmissions: 0 }) as unknown;
    expect(ends).toEqual(Array(2).fill({ status: "rejected", reason }));
  });
});

describe("a refusal by a host where nobody listens", () => {
  it("proves nothing: of a datagram that the network doubled, one copy runs and the other is refused", async () => {
    /** Each copy of what the client sent goes when it is told to. */
    const copies: (() => void)[] = [];
    const network = new (class extends MemoryNetwork {
      override bind(...args: Parameters<MemoryNetwork["bind"]>): ReturnType<MemoryNetwork["bind"]> {
        const socket = super.bind(...args);
        const send = socket.send.bind(socket);
        socket.send = (bytes, to) => copies.push(...[1, 2].map(() => () => send(bytes, to)));
        return socket;
      }
    })();
    const ran: number[] = [];
    const server = new Server({ network });
    const hang = (id: number): Promise<number> => {
      ran.push(id);
      return new Promise(() => {});
    };
    server.export(LedgerV1, { add: hang, read: hang });
    await server.listen("memory+datagram://ledger");
    await using client = await connect(LedgerV1, "memory+datagram://ledger", { network, session: "off" });
    const call = client.add(1).catch((error: unknown) => error);
    await until(() => copies.length === 2);
    copies[0]?.();
    await until(() => ran.length === 1);
    await server.close({ drainMs: 0 });
    copies[1]?.();
    expect(await call).toMatchObject({ code: "unavailable", executed: "unknown", attempts: 1 });
    expect(ran).toEqual([1]);
  });
});

describe("a client's datagrams", () => {
  it("are answered by the server that was asked, and by nobody else who knows the xid", async () => {
    const network = new MemoryNetwork();
    const server = network.bind("ledger");
    const stranger = network.bind("stranger");
    const reply = (xid: number, value: number): Uint8Array => fromHex(words(xid, 1, 0, 0, 0, 0, value));
    server.start({
      onDatagram(bytes, from) {
        const xid = Buffer.from(bytes).readUInt32BE();
        stranger.send(reply(xid, 666), from);
        setTimeout(() => server.send(reply(xid, 42), from), 20);
      },
      onError: () => {},
    });
    await using client = await connect(LedgerV1, "memory+datagram://ledger", { network, session: "off" });
    expect(await client.add(21)).toBe(42);
    expect(client.$stats().strayReplies).toBe(0);
  });

  it("are sent under one xid, however often", async () => {
    const xids = new Set<number>();
    let sent = 0;
    const network = new MemoryNetwork({
      fate(bytes) {
        xids.add(Buffer.from(bytes).readUInt32BE());
        return ++sent < 5 ? [] : [0];
      },
    });
    await using server = new Server({ network });
    server.export(LedgerV1, { add: (id) => id, read: (id) => id });
    await server.listen("memory+datagram://ledger");
    await using client = await connect(LedgerV1, "memory+datagram://ledger", {
      network,
      session: "off",
      retransmit: { initialMs: 2, minMs: 1 },
    });
    const seen: Timeline[] = [];
    expect(await client.read(7, { explain: (timeline) => seen.push(timeline) })).toBe(7);
    expect(xids.size).toBe(1);
    expect(client.$stats().retransmissions).toBeGreaterThanOrEqual(4);
    expect(seen).toHaveLength(1);
  });
});

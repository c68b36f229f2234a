import { type ConnectOptions, connect, type Procedure, RpcError, Server, type Settlement } from "farcall";
import { clientAuthSys, type OncService, oncProgram } from "farcall/onc";
import { opaque, uint } from "farcall/xdr";
import { describe, expect, it } from "vitest";
import { CuttableNetwork, later, seeded, until } from "../support/faults.js";

// Connections that are cut in the middle of anything: what may not run twice never does, and every call settles, once,
// with the right value or an honest error.

interface Ledger {
  add: Procedure<[id: number, filler: Uint8Array], number, "at-most-once">;
  read: Procedure<[id: number, filler: Uint8Array], number, "at-least-once">;
}
const LedgerV1: OncService<Ledger> = oncProgram<Ledger>({
  name: "LEDGER",
  program: 0x20000e18,
  version: 1,
  procedures: {
    add: { number: 1, name: "ADD", args: [uint, opaque()], result: uint },
    read: { number: 2, name: "READ", args: [uint, opaque()], result: uint, semantics: "at-least-once" },
  },
});

interface Record {
  readonly id: number;
  readonly repeatable: boolean;
  value?: number;
  error?: RpcError;
  /** What the server said of it when it had failed. */
  settlement?: Settlement<number>;
  ends: number;
  runs: number;
}

type Session = NonNullable<ConnectOptions["session"]>;

async function run(
  seed: number,
  count: number,
  session: Session,
): Promise<{ records: Record[]; cuts: number; connects: number }> {
  const random = seeded(seed);
  const upTo = (max: number): number => Math.floor(random() * max);
  const records: Record[] = Array.from({ length: count }, (_, id) => ({
    id,
    repeatable: random() < 0.5,
    ends: 0,
    runs: 0,
  }));
  const network = new CuttableNetwork({ highWaterMark: 4_096 });
  const server = new Server({ network, runningPerConnectionMax: 8, shortHandles: 1 });
  const handle = async (id: number): Promise<number> => {
    (records[id] as Record).runs++;
    if (random() < 0.5) await later(upTo(8));
    return 2 * id;
  };
  server.export(LedgerV1, { add: handle, read: handle });
  await server.listen("memory://ledger");
  // With a short handle every call is kept, in case that the server has forgotten it: kept is not repeatable.
  const auth = seed % 2 === 0 ? clientAuthSys({ uid: 1, gid: 2 }) : undefined;
  const client = await connect(LedgerV1, "memory://ledger", {
    network,
    auth,
    session,
    // Each cut costs half of what is under way, which is more than a client may repeat by default.
    retry: { backoff: { initialMs: 1, maxMs: 10 }, budget: false },
  });
  const make = async (record: Record): Promise<void> => {
    await later(upTo(120));
    const filler = new Uint8Array(random() < 0.2 ? upTo(20_000) : upTo(40));
    const explain = (): void => void record.ends++;
    try {
      record.value = record.repeatable
        ? await client.read(record.id, filler, { explain, timeoutMs: 15_000 })
        : await client.add(record.id, filler, { explain });
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      record.error = error;
    }
  };
  const calls = records.map(make);
  for (let i = 0; i < 12; i++) {
    await later(upTo(12));
    network.cut();
  }
  await Promise.all(calls);
  const { connects, ...stats } = client.$stats();
  expect(stats).toMatchObject({ pending: 0, queued: 0, queuedBytes: 0, calls: count });
  if (session !== "off") {
    const failed = records.filter(({ repeatable, error }) => !repeatable && error !== undefined);
    const settle = async (record: Record): Promise<void> => {
      record.settlement = await client.$settle("add", record.error as RpcError);
    };
    await Promise.all(failed.map(settle));
  }
  await client.$close();
  // What runs is let run: a claim is judged when nothing can happen any more.
  await server.close({ drainMs: 5_000 });
  return { records, cuts: network.cuts, connects };
}

function violations(records: readonly Record[]): string[] {
  return records.flatMap(({ id, repeatable, value, error, settlement, ends, runs }) => {
    const bad: string[] = [];
    const say = (text: string): void => void bad.push(`call ${id}${repeatable ? " (repeatable)" : ""}: ${text}`);
    if (ends !== 1) say(`ended ${ends} times`);
    if ((value === undefined) === (error === undefined)) say("neither a value nor an error, or both");
    if (value !== undefined && value !== 2 * id) say(`got ${value}`);
    if (value !== undefined && runs === 0) say("got a value, and never ran");
    if (!repeatable && runs > 1) say(`ran ${runs} times`);
    if (error !== undefined && error.code !== "unavailable") say(`ended as ${error.code}`);
    if (error?.executed === "no" && runs > 0) say("says that it did not run, and ran");
    if (error?.executed === "yes") say("says that it ran, which nothing proved");
    if (settlement?.executed === "unknown") say(`was not settled: ${settlement.reason}`);
    if (settlement !== undefined && settlement.executed !== (runs > 0 ? "yes" : "no")) {
      say(`was settled as ${settlement.executed}, and ran ${runs} times`);
    }
    if (repeatable && error !== undefined) say(`did not get through: ${error.message}`);
    return bad;
  });
}

const seeds = [...Array.from({ length: 20 }, (_, i) => i + 1), (Math.random() * 2 ** 32) >>> 0];

describe("calls over connections that are cut", () => {
  it("settle once, with the right value or an honest error, for every seed", async () => {
    const runs = await Promise.all(seeds.map((seed) => run(seed, 80, "off")));
    const found = runs.flatMap(({ records }, i) => violations(records).map((text) => `seed ${seeds[i]}: ${text}`));
    expect(found).toEqual([]);
    // The cuts did cut something.
    const ends = runs.flatMap(({ records }) => records.map(({ error }) => error?.executed ?? "value"));
    expect(new Set(ends)).toEqual(new Set(["value", "unknown"]));
    for (const { cuts, connects } of runs) expect(connects).toBeGreaterThan(Math.min(cuts, 3));
  });

  it("settle with a value in a session, and run once, or $settle learns whether they ran", async () => {
    const some = seeds.slice(-8);
    const runs = await Promise.all(some.map((seed) => run(seed, 80, "require")));
    const found = runs.flatMap(({ records }, i) => violations(records).map((text) => `seed ${some[i]}: ${text}`));
    expect(found).toEqual([]);
    for (const { cuts, connects } of runs) expect(connects).toBeGreaterThan(Math.min(cuts, 3));
  });

  it("and that were sent twice say how often", async () => {
    const network = new CuttableNetwork();
    await using server = new Server({ network });
    let runs = 0;
    const handle = async (id: number): Promise<number> => {
      runs++;
      if (runs < 3) await new Promise(() => {});
      return id;
    };
    server.export(LedgerV1, { add: handle, read: handle });
    await server.listen("memory://ledger");
    await using client = await connect(LedgerV1, "memory://ledger", {
      network,
      session: "off",
      retry: { backoff: { initialMs: 1, maxMs: 5 } },
    });
    const call = client.read(5, new Uint8Array(0));
    for (const seen of [1, 2]) {
      await until(() => runs === seen);
      network.cut();
    }
    expect(await call).toBe(5);
    expect(runs).toBe(3);
    expect(client.$stats()).toMatchObject({ retransmissions: 2, connects: 3 });
    // The server waits for nobody.
    void server.close({ drainMs: 0 });
  });
});

describe("a network that is down", () => {
  async function start(): Promise<{ network: CuttableNetwork; server: Server }> {
    const network = new CuttableNetwork();
    const server = new Server({ network });
    server.export(LedgerV1, { add: (id) => id, read: (id) => id });
    await server.listen("memory://ledger");
    return { network, server };
  }
  const none = new Uint8Array(0);

  it("is told before a client is made", async () => {
    const { network, server } = await start();
    network.down = true;
    await expect(connect(LedgerV1, "memory://ledger", { network })).rejects.toMatchObject({
      code: "unavailable",
      executed: "no",
      status: { number: 12 },
    });
    await server.close({ drainMs: 0 });
  });

  it("ends what may not run twice after three attempts, and lets what may run twice wait", async () => {
    const { network, server } = await start();
    await using client = await connect(LedgerV1, "memory://ledger", {
      network,
      retry: { backoff: { initialMs: 1, maxMs: 5 } },
    });
    network.down = true;
    network.cut();
    await later(1); // the client has seen it
    const read = client.read(1, none);
    await expect(client.add(2, none)).rejects.toMatchObject({
      code: "unavailable",
      executed: "no",
      attempts: 3,
      transmissions: 0,
    });
    await expect(client.add(2, none, { retry: false })).rejects.toMatchObject({ executed: "no", attempts: 1 });
    await expect(client.add(2, none, { semantics: "at-most-once", retry: { attempts: 2 } })).rejects.toMatchObject({
      attempts: 2,
    });
    network.down = false;
    expect(await read).toBe(1);
    expect(await client.add(3, none)).toBe(3);
    await server.close({ drainMs: 0 });
  });

  it("ends what waits for it by its deadline, by its signal, and by the client's end: executed no", async () => {
    const { network, server } = await start();
    const client = await connect(LedgerV1, "memory://ledger", {
      network,
      retry: { backoff: { initialMs: 1, maxMs: 5 } },
    });
    network.down = true;
    network.cut();
    await later(1); // the client has seen it
    const aborter = new AbortController();
    const calls = [
      client.read(1, none, { timeoutMs: 60 }),
      client.read(2, none, { signal: aborter.signal }),
      client.read(3, none),
    ].map((call) => call.catch((error: unknown) => error));
    await later(10);
    aborter.abort(new Error("enough"));
    expect(await calls[1]).toMatchObject({ code: "cancelled", executed: "no", cause: new Error("enough") });
    expect(await calls[0]).toMatchObject({ code: "deadline-exceeded", executed: "no", transmissions: 0 });
    expect(await calls[0]).toMatchObject({
      message: expect.stringMatching(/never sent .* the last failure of \d+ attempts: /),
    });
    await client.$close();
    expect(await calls[2]).toMatchObject({ code: "closed", executed: "no" });
    await expect(client.read(4, none)).rejects.toMatchObject({ code: "closed", executed: "no" });
    await server.close({ drainMs: 0 });
  });

  it("is tried again with longer and longer pauses", async () => {
    const { network, server } = await start();
    const tried: number[] = [];
    const open = network.connect.bind(network);
    network.connect = (name) => {
      tried.push(performance.now());
      return open(name);
    };
    const client = await connect(LedgerV1, "memory://ledger", {
      network,
      retry: { backoff: { initialMs: 8, maxMs: 1_000, factor: 4 } },
    });
    network.down = true;
    network.cut();
    await client.read(1, none, { timeoutMs: 400 }).catch(() => {});
    // 8, 32, 128, 512 ms, each with jitter from half of it: without pauses there would be hundreds.
    expect(tried.length).toBeGreaterThanOrEqual(2);
    expect(tried.length).toBeLessThanOrEqual(7);
    await client.$close();
    await server.close({ drainMs: 0 });
  });
});

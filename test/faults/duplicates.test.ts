import { type DatagramFate, MemoryNetwork, type Procedure, Server, type ServerOptions } from "farcall";
import { type OncService, oncProgram } from "farcall/onc";
import { uint } from "farcall/xdr";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { later, seeded, weather } from "../support/faults.js";
import { callMessage, toHex, words } from "../support/raw-messages.js";

// Clients that send every call several times through a network that doubles, loses, delays and reorders: what may not
// run twice runs at most once for each of its keys, and every answer to a call is the same.

interface Service {
  once: Procedure<[id: number], number>;
  often: Procedure<[id: number], number, "at-least-once">;
}
const ServiceV1: OncService<Service> = oncProgram<Service>({
  name: "DUPLICATES",
  program: 0x2000_0e22,
  version: 1,
  procedures: {
    once: { number: 1, name: "ONCE", args: [uint], result: uint },
    often: { number: 2, name: "OFTEN", args: [uint], result: uint, semantics: "at-least-once" },
  },
});

interface Plan {
  readonly seed: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly delayMs: number;
  /** Who sends what, and how often: few of each, so that keys are nearly alike. */
  readonly calls: readonly {
    readonly client: number;
    readonly xid: number;
    readonly value: number;
    readonly procedure: 1 | 2;
    readonly sends: number;
  }[];
}

const plans: fc.Arbitrary<Plan> = fc.record({
  seed: fc.nat(),
  lost: fc.double({ min: 0, max: 0.4, noNaN: true }),
  duplicated: fc.double({ min: 0, max: 0.7, noNaN: true }),
  delayMs: fc.nat(12),
  calls: fc.array(
    fc.record({
      client: fc.nat(2),
      xid: fc.integer({ min: 1, max: 3 }),
      value: fc.nat(2),
      procedure: fc.constantFrom(1 as const, 1 as const, 2 as const),
      sends: fc.integer({ min: 1, max: 4 }),
    }),
    { minLength: 1, maxLength: 20 },
  ),
});

interface Outcome {
  /** Runs by client, xid, procedure and value, as far as a handler can tell: by who called, and with what. */
  readonly runs: ReadonlyMap<string, number>;
  /** Different answers to each key of what may not run twice. */
  readonly answers: ReadonlyMap<string, ReadonlySet<string>>;
}

async function play(plan: Plan, options: ServerOptions = {}): Promise<Outcome> {
  const random = seeded(plan.seed);
  const fate: DatagramFate = weather(random, plan);
  const network = new MemoryNetwork({ fate });
  const server = new Server({ network, ...options });
  const runs = new Map<string, number>();
  const count = (key: string): void => void runs.set(key, (runs.get(key) ?? 0) + 1);
  let serial = 0;
  const handle =
    (procedure: number) =>
    async (value: number, { caller }: { caller: { address: string } }): Promise<number> => {
      count(`${caller.address} ${procedure} ${value}`);
      const mine = ++serial;
      if (random() < 0.5) await later(Math.floor(random() * 8));
      return mine;
    };
  server.export(ServiceV1, { once: handle(1), often: handle(2) });
  await server.listen("memory+datagram://server");
  const answers = new Map<string, Set<string>>();
  const clients = [0, 1, 2].map((client) => {
    const socket = network.bind(`c${client}`);
    socket.start({
      onDatagram(bytes) {
        const key = `c${client} ${Buffer.from(bytes).readUInt32BE()}`;
        const known = answers.get(key) ?? new Set();
        answers.set(key, known.add(toHex(bytes)));
      },
      onError() {},
    });
    return socket;
  });
  const sending = plan.calls.map(async ({ client, xid, value, procedure, sends }) => {
    // The xid says what may be told apart below: one key for each client, xid, procedure and value.
    const message = callMessage({
      xid: xid * 100 + value * 10 + procedure,
      program: ServiceV1.program,
      version: 1,
      procedure,
      args: words(value),
    });
    for (let i = 0; i < sends; i++) {
      clients[client]?.send(message, { host: "server", port: 0 });
      if (random() < 0.5) await later(Math.floor(random() * 6));
    }
  });
  await Promise.all(sending);
  await later(2 * plan.delayMs + 15);
  for (const socket of clients) await socket.close();
  await server.close({ drainMs: 0 });
  return { runs, answers };
}

/** What may not be, as sentences. */
function violations(plan: Plan, { runs, answers }: Outcome): string[] {
  const bad: string[] = [];
  const keys = new Set(
    plan.calls.map(({ client, xid, value, procedure }) => `c${client} ${procedure} ${value} ${xid}`),
  );
  for (const [who, count] of runs) {
    const allowed = [...keys].filter((key) => key.startsWith(`${who} `)).length;
    if (who.split(" ")[1] === "1" && count > allowed) bad.push(`${who}: ${count} runs of ${allowed} calls`);
  }
  for (const [key, different] of answers) {
    if (Number(key.split(" ")[1]) % 10 === 1 && different.size > 1) bad.push(`${key}: ${different.size} answers`);
  }
  return bad;
}

describe("calls that come several times, in any order", () => {
  it("run at most once where the contract says so, and have one answer", async () => {
    await fc.assert(
      fc.asyncProperty(plans, async (plan) => {
        expect(violations(plan, await play(plan))).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });

  it("are seen to run twice where nothing is kept: the check has teeth", async () => {
    const found = await fc.check(
      fc.asyncProperty(plans, async (plan) => violations(plan, await play(plan, { replyCache: false })).length === 0),
      { numRuns: 100, endOnFailure: true },
    );
    expect(found.failed).toBe(true);
  });
});

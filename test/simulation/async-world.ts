// Asynchronous requests in a simulated world: the real clients, servers, queues and workers over a network, a database and
// clocks in which everything goes wrong that may.
import { type Followed, RequestClient } from "../../src/async/client.js";
import type { RequestRow } from "../../src/async/core/request.js";
import { EngineError, type RequestEngine, type RequestNews, type RequestTable } from "../../src/async/core/table.js";
import { OncRequestPort } from "../../src/async/onc-port.js";
import { RequestQueue } from "../../src/async/queue.js";
import { type Handlers, type Procedure, type ReportingProcedure, RpcError, remote } from "../../src/model/index.js";
import { clientAuthSys } from "../../src/onc/auth/index.js";
import type { OncChannel } from "../../src/onc/channel.js";
import { connectOnc } from "../../src/onc/client.js";
import { type OncService, oncProgram } from "../../src/onc/program.js";
import { OncServer } from "../../src/onc/server.js";
import { MemoryRequestEngine } from "../../src/store/request-memory.js";
import { noFaults } from "../../src/testing/faults.js";
import { SimulatedNetwork } from "../../src/testing/network.js";
import { Program } from "../../src/testing/program.js";
import { Random } from "../../src/testing/random.js";
import { VirtualTime } from "../../src/testing/time.js";
import { calm, type Weather } from "../../src/testing/weather.js";
import * as xdr from "../../src/xdr/index.js";
import { type AsyncHistory, judgeAsync, type Ran, type Wanted } from "./async-judge.js";

interface Work {
  add: Procedure<[arg: number], number, "at-least-once">;
  count: ReportingProcedure<[arg: number], number, "at-least-once", number>;
  once: Procedure<[arg: number], number>;
}

const Work: OncService<Work> = oncProgram<Work>({
  name: "WORK_PROG",
  program: 0x2000_0999,
  version: 1,
  procedures: {
    add: { number: 1, name: "ADD", args: [xdr.int], result: xdr.int, semantics: "at-least-once" },
    count: {
      number: 2,
      name: "COUNT",
      args: [xdr.int],
      result: xdr.int,
      semantics: "at-least-once",
      progress: xdr.int,
    },
    once: { number: 3, name: "ONCE", args: [xdr.int], result: xdr.int },
  },
});

/** What goes wrong, and how often it has had an effect. */
export const asyncFaults = [
  "server-crash",
  "worker-crash",
  "client-crash",
  "worker-cut-off",
  "engine-down",
  "engine-slow",
  "commit-lost",
  "reset",
  "partition",
  "loss",
  "duplication",
  "reordering",
  "delay",
  "interrupted",
  "cancelled",
  "expired",
  "refused",
] as const;
export type AsyncFault = (typeof asyncFaults)[number];
export type AsyncFaultCounts = Record<AsyncFault, number>;

/** Changes what the world is made of, to see whether the judge notices. */
export interface Sabotage {
  readonly table?: ((table: RequestTable, random: Random) => RequestTable) | undefined;
  /** Commits that are answered and not made. */
  readonly forgetful?: boolean | undefined;
}

export interface AsyncOutcome {
  readonly broken: readonly string[];
  readonly requests: number;
  readonly runs: number;
  readonly faults: AsyncFaultCounts;
  readonly notes: readonly string[];
}

const epoch = 1_800_000_000_000;
const owners = ["alice", "bob"];
const requestsEach = 4;
const leaseMs = 1_500;
const ttlMs = 20_000;
/** A history that has not ended by then never will, in milliseconds of the world. */
const horizonMs = 300_000;
const serverAddress = "server";

/** Whether nothing goes wrong, and how the network is otherwise. */
interface Roughness {
  readonly calm: boolean;
  readonly weather: Weather;
}

/** Plays one history: all of it follows from the seed. */
export function playAsync(seed: number, sabotage: Sabotage = {}, noting = false): Promise<AsyncOutcome> {
  return new World(seed, sabotage, noting).play();
}

class World {
  readonly #random: Random;
  readonly #sabotage: Sabotage;
  readonly #noting: boolean;
  readonly #time = new VirtualTime();
  readonly #engine: MemoryRequestEngine;
  readonly #network: SimulatedNetwork;
  readonly #netCounts = noFaults();
  readonly #counts = Object.fromEntries(asyncFaults.map((kind) => [kind, 0])) as AsyncFaultCounts;
  readonly #wanted: Wanted[] = [];
  readonly #ran: Ran[] = [];
  readonly #seen: string[] = [];
  readonly #surprises: string[] = [];
  readonly #notes: string[] = [];
  readonly #rough: Roughness;
  readonly #running = new Map<string, Program>();
  readonly #boots = new Map<string, number>();
  #engineDownUntil = 0;
  #engineSlowUntil = 0;
  /** Hosts that do not reach the database, and until when. */
  readonly #cutOff = new Map<string, number>();
  #closing = false;

  constructor(seed: number, sabotage: Sabotage, noting: boolean) {
    const random = new Random(seed);
    this.#random = random;
    this.#sabotage = sabotage;
    this.#noting = noting;
    this.#engine = new MemoryRequestEngine({ now: () => epoch + this.#time.now });
    const isCalm = random.chance(0.1);
    const weather: Weather = isCalm
      ? calm
      : {
          ...calm,
          loss: random.chance(0.5) ? random.between(0, 0.2) : 0,
          duplication: random.chance(0.5) ? random.between(0, 0.2) : 0,
          reordering: random.chance(0.5) ? random.between(0, 0.3) : 0,
          delay: random.chance(0.5) ? random.between(0, 0.1) : 0,
          delayMs: 2_000,
          latencyMs: [0.1, 5],
        };
    this.#rough = { calm: isCalm, weather };
    this.#network = new SimulatedNetwork({
      time: this.#time,
      counts: this.#netCounts,
      random: random.fork("network"),
      weather,
    });
  }

  async play(): Promise<AsyncOutcome> {
    for (const [i, owner] of owners.entries()) this.#plan(owner, i);
    this.#startServer();
    for (const host of ["worker-1", "worker-2"]) this.#startWorker(host);
    for (const [i, owner] of owners.entries()) this.#startClient(owner, i);
    if (!this.#rough.calm) this.#arrangeIncidents();
    const time = this.#time;
    const over = (): boolean => this.#wanted.every((each) => each.over);
    let drained = 0;
    await time.run(() => {
      if (time.now > horizonMs) return true;
      if (!over()) return false;
      // What is under way when all have what they want may still do harm: it gets its time.
      if (drained === 0) drained = time.now + 3_000;
      return time.now >= drained;
    });
    this.#closing = true;
    for (const program of this.#running.values()) program.kill();
    return this.#outcome();
  }

  async #outcome(): Promise<AsyncOutcome> {
    const rows = new Map<string, RequestRow>();
    const keys = new Map<string, RequestRow>();
    await this.#engine.transact(
      async (table) => {
        for (const [i, owner] of owners.entries()) {
          const principal = principalName(i);
          const named = this.#wanted.filter((each) => each.owner === owner);
          for (const row of await table.findKeys(named.map(({ key }) => ({ owner: principal, key })))) {
            rows.set(row.id, row);
            keys.set(`${owner} ${row.key}`, row);
          }
        }
      },
      () => ({ ids: [], cancelled: [], waiting: false }),
    );
    for (const row of rows.values()) {
      if (row.attempt > 1) this.#counts.interrupted++;
      if (row.state === "cancelled") this.#counts.cancelled++;
      if (row.state === "expired") this.#counts.expired++;
    }
    for (const each of this.#wanted) if (each.refused !== undefined) this.#counts.refused++;
    for (const kind of ["loss", "duplication", "reordering", "delay"] as const)
      this.#counts[kind] += this.#netCounts[kind];
    const history: AsyncHistory = {
      wanted: this.#wanted,
      ran: this.#ran,
      rows,
      keys,
      seen: this.#seen,
      surprises: this.#surprises,
      calm: this.#rough.calm,
    };
    const broken = judgeAsync(history);
    return {
      broken,
      requests: this.#wanted.length,
      runs: this.#ran.length,
      faults: this.#counts,
      notes: this.#notes,
    };
  }

  #note(text: string): void {
    if (this.#noting) this.#notes.push(`${this.#time.now.toFixed(1).padStart(9)} ${text}`);
  }

  #surprised(program: Program, error: unknown): void {
    if (!program.alive || this.#closing) return;
    this.#surprises.push(`${program.name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }

  // --- what is wanted

  #plan(owner: string, index: number): void {
    const random = this.#random.fork(`plan ${owner}`);
    for (let i = 0; i < requestsEach; i++) {
      const procedures = ["add", "count", "once"] as const;
      this.#wanted.push({
        owner,
        key: `key ${i}`,
        procedure: procedures[random.integer(0, 2)] as Wanted["procedure"],
        arg: 1_000 * index + 10 * i + random.integer(0, 9),
        tries: 0,
        ids: [],
        refused: undefined,
        cancelled: false,
        events: [],
        results: [],
        over: false,
      });
    }
  }

  // --- programs

  #boot(host: string): Program {
    const boot = (this.#boots.get(host) ?? 0) + 1;
    this.#boots.set(host, boot);
    const program = new Program(this.#time, host, boot, this.#random.fork(`${host} ${boot}`));
    this.#running.set(host, program);
    this.#network.lit(host);
    this.#note(`${program.name} starts`);
    return program;
  }

  #queue(program: Program): RequestQueue {
    const random = this.#random.fork(`queue ${program.name}`);
    const queue = new RequestQueue({
      engine: this.#engineOf(program, random),
      machine: program,
      attemptsMax: 4,
      // Half of the owners' requests and a bit: sometimes the queue is full.
      requestsPerOwnerMax: this.#rough.calm || random.chance(0.7) ? 100 : 2,
      worker: { name: program.name, concurrency: 2, leaseMs },
      onError: (error) => {
        if (!(error instanceof Stopped)) this.#surprised(program, error);
      },
    });
    return queue;
  }

  /** The database as one program sees it: it takes its time, fails, and is committed though nobody is told. */
  #engineOf(program: Program, random: Random): RequestEngine {
    const engine = this.#engine;
    const { table: sabotaged, forgetful } = this.#sabotage;
    return {
      durable: true,
      shared: true,
      transact: async <T>(work: (table: RequestTable) => Promise<T>, news: () => RequestNews): Promise<T> => {
        const slow = this.#time.now < this.#engineSlowUntil;
        await program.sleep(slow ? random.between(100, 900) : random.between(0.1, 3));
        const unreachableUntil = Math.max(this.#engineDownUntil, this.#cutOff.get(program.host) ?? 0);
        if (this.#time.now < unreachableUntil) throw new EngineError("the database is down", "no");
        let result: T | undefined;
        const done = async (table: RequestTable): Promise<T> => {
          result = await work(sabotaged === undefined ? table : sabotaged(table, random));
          if (forgetful === true && random.chance(0.1)) throw new Forgotten();
          return result;
        };
        try {
          result = await engine.transact(done, news);
        } catch (error) {
          if (!(error instanceof Forgotten)) throw error;
        }
        if (!this.#rough.calm && random.chance(0.01)) {
          this.#counts["commit-lost"]++;
          throw new EngineError("the answer to the commit was lost", "unknown");
        }
        await program.sleep(random.between(0.1, 2));
        return result as T;
      },
      listen: (listener) => engine.listen(listener),
      close: () => {},
    };
  }

  #startServer(): void {
    const program = this.#boot(serverAddress);
    const queue = this.#queue(program);
    queue.accept(Work);
    const server = new OncServer({
      network: this.#network.of(program),
      machine: program,
      onError: (error) => this.#surprised(program, error),
    });
    queue.serve(
      {
        export: (service: never, handlers: never) =>
          server.exportService(service as never, "persistent", () => handlers),
      } as never,
      { over: "onc" },
    );
    for (const scheme of ["memory", "memory+datagram"]) {
      server.listen(`${scheme}://${serverAddress}`).catch((error: unknown) => this.#surprised(program, error));
    }
  }

  #startWorker(host: string): void {
    const program = this.#boot(host);
    const queue = this.#queue(program);
    const random = this.#random.fork(`work ${program.name}`);
    const run = async (
      arg: number,
      { request, signal }: { request?: { id: string; attempt: number } | undefined; signal: AbortSignal },
      work: () => Promise<void>,
    ): Promise<number> => {
      if (!program.alive) return 0;
      const { id, attempt } = request as { id: string; attempt: number };
      const ran: Ran = { id, attempt, arg, ended: undefined };
      this.#ran.push(ran);
      this.#note(`${program.name} runs ${id.slice(0, 8)} attempt ${attempt}`);
      await work();
      // Some heed their signals, some do not.
      if (signal.aborted && random.chance(0.7)) {
        ran.ended = "threw";
        throw new Stopped();
      }
      ran.ended = "returned";
      this.#note(`${program.name} returns ${id.slice(0, 8)} attempt ${attempt}`);
      return arg + 1;
    };
    // A worker that thinks for too long loses its lease only while the database is down: it is renewed otherwise.
    const think = (): number => (random.chance(0.1) ? random.between(500, 4_000) : random.between(0, 60));
    const handlers: Handlers<Work> = {
      add: (arg, context) => run(arg, context as never, () => program.sleep(think())),
      once: (arg, context) => run(arg, context as never, () => program.sleep(think())),
      count: (arg, context) =>
        run(arg, context as never, async () => {
          for (let i = 1; i <= 3; i++) {
            await program.sleep(think());
            await context.request?.progress(i);
          }
        }),
    };
    queue.handle(Work, handlers);
  }

  #startClient(owner: string, index: number): void {
    const program = this.#boot(owner);
    void this.#live(program, owner, index).catch((error: unknown) => this.#surprised(program, error));
  }

  async #live(program: Program, owner: string, index: number): Promise<void> {
    const random = this.#random.fork(`live ${program.name}`);
    const network = this.#network.of(program, owner, 1_025 + 1_000 * index);
    const scheme = random.chance(0.7) ? "memory" : "memory+datagram";
    const auth = clientAuthSys({ uid: index + 1, gid: 1, machinename: owner });
    const options = { auth, network, machine: program, session: random.chance(0.7) ? "auto" : "off" } as const;
    for (;;) {
      try {
        const client = await connectOnc(Work, `${scheme}://${serverAddress}`, options);
        const channel = (client as { [remote]?: { channel: object } })[remote]?.channel as OncChannel;
        const port = new OncRequestPort(Work as OncService<unknown>, channel);
        const requests = new RequestClient(port, program);
        const mine = this.#wanted.filter((each) => each.owner === owner && !each.over);
        await Promise.all(mine.map((each) => this.#follow(program, requests, each, random)));
        return;
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        await program.sleep(100);
      }
    }
  }

  /** What an owner does to get one request through, and goes on with after a crash: keys and numbers are kept on its disk. */
  async #follow(program: Program, client: RequestClient, wanted: Wanted, random: Random): Promise<void> {
    await program.sleep(random.between(0, 400));
    let request: Followed;
    const known = wanted.ids.at(-1);
    if (known !== undefined) {
      request = await this.#insisting(program, () => client.attach(wanted.procedure, known));
    } else {
      try {
        const { calm } = this.#rough;
        const hasty = !calm && random.chance(0.1);
        wanted.tries++;
        request = await client.submit(wanted.procedure, [wanted.arg], {
          key: wanted.key,
          ttlMs: !calm && random.chance(0.1) ? 300 : ttlMs,
          timeoutMs: hasty ? random.between(1, 400) : 60_000,
        });
      } catch (error) {
        if (!program.alive) return;
        if (!(error instanceof RpcError)) throw error;
        wanted.refused = { code: error.code, executed: error.executed };
        wanted.over = true;
        this.#note(`${program.name} gives up ${wanted.key}: ${error.code}, executed ${error.executed}`);
        return;
      }
      if (!program.alive) return;
      wanted.ids.push(request.id);
      this.#note(`${program.name} has ${request.id.slice(0, 8)} for ${wanted.key}`);
      // Asking again with the same key gives the same id.
      if (random.chance(0.3)) {
        const again = await this.#insisting(program, () =>
          client.submit(wanted.procedure, [wanted.arg], { key: wanted.key, ttlMs, timeoutMs: 60_000 }),
        );
        if (program.alive) wanted.ids.push(again.id);
      }
    }
    void this.#spy(program, client, wanted, random);
    if (random.chance(0.15)) void this.#cancelLater(program, request, wanted, random);
    await Promise.all([
      this.#consume(program, request, wanted),
      random.chance(0.5) ? this.#result(program, request, wanted) : undefined,
    ]);
    if (program.alive) wanted.over = true;
  }

  /** The consumer: deals with each event, writes down that it has, and acknowledges. */
  async #consume(program: Program, request: Followed, wanted: Wanted): Promise<void> {
    for (;;) {
      const after = wanted.events.at(-1)?.number ?? 0;
      try {
        for await (const event of request.events({ after, acknowledge: true, timeoutMs: 120_000 })) {
          if (!program.alive) return;
          wanted.events.push({ number: event.number, kind: event.kind, text: textOf(event) });
        }
        return;
      } catch (error) {
        if (!program.alive) return;
        if (!(error instanceof RpcError)) throw error;
        if (error.code === "not-found") {
          this.#surprises.push(`${program.name}: ${wanted.key}: ${error.message}`);
          return;
        }
        await program.sleep(100);
      }
    }
  }

  async #result(program: Program, request: Followed, wanted: Wanted): Promise<void> {
    try {
      const value = await request.result({ timeoutMs: 120_000 });
      if (program.alive) wanted.results.push(`done yes ${String(value)}`);
    } catch (error) {
      if (!program.alive) return;
      if (!(error instanceof RpcError)) throw error;
      // The consumer has acknowledged the outcome before this question came.
      if (error.code === "not-found") return;
      const state = states[error.code];
      if (state !== undefined) wanted.results.push(`${state} ${error.executed}`);
    }
  }

  async #cancelLater(program: Program, request: Followed, wanted: Wanted, random: Random): Promise<void> {
    await program.sleep(random.between(0, 500));
    wanted.cancelled = true;
    await request.cancel().catch((error: unknown) => {
      if (!(error instanceof RpcError)) this.#surprised(program, error);
    });
  }

  /** The other owner tries the id, and is to learn nothing. */
  async #spy(program: Program, client: RequestClient, wanted: Wanted, random: Random): Promise<void> {
    const others = this.#wanted.filter((each) => each.owner !== wanted.owner && each.ids.length > 0);
    if (others.length === 0) return;
    const other = others[random.integer(0, others.length - 1)] as Wanted;
    const id = other.ids[0] as string;
    try {
      await client.attach(other.procedure, id);
      if (program.alive) this.#seen.push(`${wanted.owner} saw ${other.owner}'s ${other.key}`);
    } catch (error) {
      if (!(error instanceof RpcError)) this.#surprised(program, error);
    }
  }

  async #insisting(program: Program, ask: () => Promise<Followed>): Promise<Followed> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof RpcError) || error.code === "not-found" || error.code === "invalid-argument")
          throw lost(error);
        await program.sleep(200);
      }
    }
  }

  // --- what goes wrong

  #arrangeIncidents(): void {
    const random = this.#random.fork("incidents");
    const count = random.integer(0, 6);
    for (let i = 0; i < count; i++) {
      const at = random.between(0, 2_500);
      const kinds = ["server", "worker", "client", "cut", "cut", "down", "slow", "reset", "partition"] as const;
      const kind = kinds[random.integer(0, kinds.length - 1)];
      const downMs = random.between(1, random.chance(0.2) ? 4_000 : 400);
      const powerLost = random.chance(0.3);
      const owner = random.integer(0, owners.length - 1);
      const worker = `worker-${random.integer(1, 2)}`;
      const task = (): void => {
        switch (kind) {
          case "server":
            return this.#crash(serverAddress, powerLost, downMs, () => this.#startServer());
          case "worker":
            return this.#crash(worker, powerLost, downMs, () => this.#startWorker(worker));
          case "client":
            return this.#crash(owners[owner] as string, powerLost, downMs, () =>
              this.#startClient(owners[owner] as string, owner),
            );
          case "cut":
            this.#counts["worker-cut-off"]++;
            this.#note(`${worker} does not reach the database for ${(4 * downMs).toFixed(0)} ms`);
            this.#cutOff.set(worker, this.#time.now + 4 * downMs);
            return;
          case "down":
            this.#counts["engine-down"]++;
            this.#note(`the database is down for ${downMs.toFixed(0)} ms`);
            this.#engineDownUntil = this.#time.now + downMs;
            return;
          case "slow":
            this.#counts["engine-slow"]++;
            this.#engineSlowUntil = this.#time.now + downMs;
            return;
          case "reset":
            this.#counts.reset += this.#network.reset(owners[owner] as string) > 0 ? 1 : 0;
            return;
          case "partition":
            this.#counts.partition++;
            this.#network.cutOff(owners[owner] as string, downMs);
            return;
        }
      };
      this.#time.work(at, task);
    }
  }

  #crash(host: string, powerLost: boolean, downMs: number, start: () => void): void {
    const program = this.#running.get(host);
    if (program?.alive !== true) return;
    const kind = host === serverAddress ? "server-crash" : host.startsWith("worker") ? "worker-crash" : "client-crash";
    this.#counts[kind]++;
    this.#note(`${program.name} dies`);
    program.kill();
    this.#network.died(program, powerLost);
    this.#time.work(this.#time.now + downMs, start);
  }
}

class Stopped extends Error {}
class Forgotten extends Error {}

const lost = (error: unknown): unknown =>
  error instanceof RpcError ? new Error(`an id that was given is not known any more: ${error.message}`) : error;

const principalName = (index: number): string => principals[index] as string;
const principals = owners.map((owner, i) => `sys ${i + 1}:1 of ${owner}`);

const states: Readonly<Record<string, string>> = {
  "server-error": "failed",
  cancelled: "cancelled",
};

function textOf(event: { kind: string; value?: unknown; error?: RpcError }): string {
  if (event.kind === "progress") return String(event.value);
  if (event.kind === "done") return `done yes ${String(event.value)}`;
  return event.error === undefined ? event.kind : `${event.kind} ${event.error.executed}`;
}

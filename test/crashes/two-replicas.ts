// Two replicas of a service, killed at every step of a call, and a caller that asks them in turn until one answers: how
// often does a call take effect twice, and how often can its caller not know? The caller is a foreign one: it sends the
// same datagram from the same port, as C's library does.
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { openSqlite } from "../../src/store/sqlite-driver.js";
import { startChild } from "../support/children.js";
import { later, seeded } from "../support/faults.js";
import { startPostgres } from "../support/postgres.js";
import type { Running } from "../support/processes.js";
import { callMessage, words } from "../support/raw-messages.js";
import { type CrashStep, type Database, type Memory, type ReplicaOptions, ReplicatedV1 } from "../support/replicas.js";

export interface Experiment {
  readonly memory: Memory;
  readonly database: Database["kind"];
  readonly calls: number;
  readonly seed: number;
}

/** What is compared, and what docs/reply-cache.md calls it. */
export const variants: readonly (Pick<Experiment, "memory" | "database"> & { readonly title: string })[] = [
  { memory: "none", database: "sqlite", title: "nobody" },
  { memory: "process", database: "sqlite", title: "each process for itself" },
  { memory: "claim-first", database: "sqlite", title: "SQLite, at-most-once" },
  { memory: "claim-first", database: "postgres", title: "PostgreSQL, at-most-once" },
  { memory: "atomic", database: "sqlite", title: "SQLite, exactly-once" },
  { memory: "atomic", database: "postgres", title: "PostgreSQL, exactly-once" },
];

export interface Findings {
  /** How often a process was killed, by the step of the call at which it was. */
  readonly kills: Readonly<Record<CrashStep, number>>;
  readonly lostReplies: number;
  /** Calls that took effect more than once. */
  readonly double: number;
  /** Calls whose caller was told that nobody knows whether they ran. */
  readonly indeterminate: number;
  /** Calls that were answered as done and have no effect, or that got another call's answer. */
  readonly wrong: number;
}

/** The chance of a crash at each step, and of a reply that is lost. */
const chance = 0.05;
/** Who has heard nothing for so long sends again. */
const patienceMs = 100;
/** Attempts of one call: far more than any needs. */
const attemptsMax = 500;

export async function experiment({ memory, database, calls, seed }: Experiment): Promise<Findings> {
  await using effects = await openEffects(database);
  const random = seeded(seed);
  const replicas = ["one", "two"].map(
    (owner, i) => new Replica({ memory, database: effects.database, owner }, seed + i),
  );
  await using _ended = { [Symbol.asyncDispose]: async () => void (await Promise.all(replicas.map((r) => r.stop()))) };
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");

  const answered = new Set<number>();
  let [lostReplies, indeterminate, wrong] = [0, 0, 0];
  for (let call = 1; call <= calls; call++) {
    for (let attempt = 0; ; attempt++) {
      if (attempt === attemptsMax) throw new Error(`call ${call} was not answered ${attemptsMax} times`);
      const replica = replicas[(call + attempt) % 2] as Replica;
      const answer = await ask(socket, replica, request(memory, call));
      if (answer === undefined) continue;
      if (random() < chance) await replica.kill("answered");
      if (random() < chance) {
        lostReplies++;
        continue;
      }
      if (answer === done(call)) answered.add(call);
      else if (answer === systemError(call)) indeterminate++;
      else wrong++;
      break;
    }
  }
  socket.close();
  await Promise.all(replicas.map((replica) => replica.stop()));

  const took = await effects.counts();
  wrong += [...answered].filter((call) => !took.has(call)).length;
  const double = [...took.values()].filter((count) => count > 1).length;
  const kills = { arrived: 0, claimed: 0, "taken effect": 0, kept: 0, answered: 0 };
  for (const replica of replicas) {
    for (const step of Object.keys(kills) as CrashStep[]) kills[step] += replica.kills[step] ?? 0;
  }
  return { kills, lostReplies, double, indeterminate, wrong };
}

const request = (memory: Memory, call: number): Uint8Array =>
  callMessage({
    xid: call,
    program: ReplicatedV1.program,
    version: 1,
    procedure: memory === "atomic" ? 2 : 1,
    args: words(call),
  });
const done = (call: number): string => words(call, 1, 0, 0, 0, 0, call);
const systemError = (call: number): string => words(call, 1, 0, 0, 0, 5);

/** Sends a datagram to a replica; undefined when no answer came before it died or patience did. */
async function ask(socket: Socket, replica: Replica, message: Uint8Array): Promise<string | undefined> {
  const { process, port } = await replica.running();
  const xid = Buffer.from(message).readUInt32BE();
  return new Promise((resolve) => {
    const settle = (answer?: string): void => {
      clearTimeout(timer);
      socket.off("message", heard);
      resolve(answer);
    };
    const heard = (bytes: Buffer): void => {
      // An earlier call's answer may come late.
      if (bytes.readUInt32BE() === xid) settle(bytes.toString("hex"));
    };
    const timer = setTimeout(settle, patienceMs);
    socket.on("message", heard);
    void process.ended.then(() => settle());
    socket.send(message, port, "127.0.0.1");
  });
}

/** A server that is started again whenever it was killed. */
class Replica {
  readonly kills: Partial<Record<CrashStep, number>> = {};
  readonly #options: Omit<ReplicaOptions, "crashes" | "seed">;
  #seed: number;
  #current: Promise<{ readonly process: Running; readonly port: number }> | undefined;

  constructor(options: Omit<ReplicaOptions, "crashes" | "seed">, seed: number) {
    this.#options = options;
    this.#seed = seed;
  }

  running(): Promise<{ readonly process: Running; readonly port: number }> {
    this.#current ??= this.#start();
    return this.#current;
  }

  async #start(): Promise<{ readonly process: Running; readonly port: number }> {
    // Other dice each time: else it would be killed at the same step for ever.
    this.#seed += 1_000;
    const options: ReplicaOptions = { ...this.#options, crashes: chance, seed: this.#seed };
    const process = await startChild("replica", [JSON.stringify(options)]);
    const [, port] = await process.line(/^READY udp:\/\/127\.0\.0\.1:(\d+)$/, { timeoutMs: 60_000 });
    void process.ended.then(() => {
      const [, step] = /^killed (.*)$/m.exec(process.stdout) ?? [];
      if (step !== undefined) this.#count(step as CrashStep);
      this.#current = undefined;
      if (process.killed) return;
      // At once, while the other one is asked.
      if (step !== undefined) void this.running();
      else throw new Error(`it ended by itself: ${process.describe()}`);
    });
    return { process, port: Number(port) };
  }

  #count(step: CrashStep): void {
    this.kills[step] = (this.kills[step] ?? 0) + 1;
  }

  async kill(step: CrashStep): Promise<void> {
    const current = await this.#current;
    if (current === undefined) return;
    this.#count(step);
    await current.process.stop();
    void this.running();
  }

  async stop(): Promise<void> {
    while (this.#current !== undefined) {
      const { process } = await this.#current;
      await process.stop();
      await later(0);
    }
  }
}

interface Effects extends AsyncDisposable {
  readonly database: Database;
  /** How often each call took effect. */
  counts(): Promise<ReadonlyMap<number, number>>;
}

const tally = "SELECT call, count(*) AS n FROM effects GROUP BY call";

async function openEffects(kind: Database["kind"]): Promise<Effects> {
  const countsOf = (rows: readonly unknown[]): ReadonlyMap<number, number> =>
    new Map((rows as { call: number; n: number | string }[]).map(({ call, n }) => [call, Number(n)]));
  if (kind === "sqlite") {
    const folder = mkdtempSync(join(tmpdir(), "farcall-replicas-"));
    const connection = await openSqlite(join(folder, "effects.db"));
    connection.prepare("PRAGMA journal_mode = WAL").get();
    connection.exec("CREATE TABLE effects (call INTEGER)");
    return {
      database: { kind, folder },
      counts: async () => countsOf(connection.prepare(tally).all()),
      async [Symbol.asyncDispose]() {
        connection.close();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  }
  const postgres = await startPostgres();
  const client = new pg.Client(postgres.connection);
  await client.connect();
  await client.query("CREATE TABLE effects (call INTEGER)");
  return {
    database: { kind, connection: postgres.connection },
    counts: async () => countsOf((await client.query(tally)).rows),
    async [Symbol.asyncDispose]() {
      await client.end();
      await postgres[Symbol.asyncDispose]();
    },
  };
}

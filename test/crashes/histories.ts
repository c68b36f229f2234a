// Real calls while client, server and store are killed again and again, and a judge who reads what they left.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { openSqlite } from "../../src/store/sqlite-driver.js";
import { startChild } from "../support/children.js";
import { later, seeded } from "../support/faults.js";
import {
  type Entry,
  type HistoryClientOptions,
  type HistoryServerOptions,
  type ProcedureName,
  readJournal,
} from "../support/history.js";
import { type Postgres, startPostgres } from "../support/postgres.js";
import type { Running } from "../support/processes.js";
import type { Database } from "../support/replicas.js";
import { type Journals, judge, type Verdict } from "./judge.js";

export interface Plan {
  readonly transport: "tcp" | "udp";
  readonly store: "memory" | Database["kind"];
  readonly session: "off" | "auto";
  readonly procedures: readonly ProcedureName[];
  /** Of all clients together. */
  readonly calls: number;
  /** Calls that each client has under way at once; default 8. */
  readonly window?: number | undefined;
  /** The mean pause of each of them between two calls, in milliseconds; default 30. */
  readonly paceMs?: number | undefined;
  /** The longest pause between two strikes, in milliseconds; default 150, and 20 more. */
  readonly calmMs?: number | undefined;
  readonly seed: number;
}

const plain: readonly ProcedureName[] = ["hint", "often", "once"];
const all: readonly ProcedureName[] = [...plain, "exactly"];

/** What is played: with sessions and without, and with every store. */
export const plans: readonly (Omit<Plan, "calls" | "seed"> & { readonly title: string })[] = [
  { title: "tcp, no session", transport: "tcp", store: "memory", session: "off", procedures: plain },
  { title: "tcp, replies in memory", transport: "tcp", store: "memory", session: "auto", procedures: plain },
  { title: "udp, replies in SQLite", transport: "udp", store: "sqlite", session: "auto", procedures: all },
  { title: "tcp, replies in SQLite", transport: "tcp", store: "sqlite", session: "auto", procedures: all },
  { title: "tcp, replies in PostgreSQL", transport: "tcp", store: "postgres", session: "auto", procedures: all },
];

/** How often each was killed, or frozen. */
export interface Kills {
  server: number;
  frozen: number;
  client: number;
  store: number;
}

export interface Outcome extends Verdict {
  readonly kills: Readonly<Kills>;
}

const strikes: readonly (keyof Kills)[] = ["server", "client", "store", "server", "frozen", "store", "client"];

const clients = 3;
const timeoutsMs = [150, 500, 1_500];
/** How much later than its deadline a call may end on a machine that does other things too. */
const graceMs = 20_000;

/** Plays a plan with real processes, and judges what they did. */
export async function play(plan: Plan): Promise<Outcome> {
  await using world = await World.create(plan);
  await world.run();
  return { kills: world.kills, ...judge(await world.journals(), graceMs) };
}

class World implements AsyncDisposable {
  readonly kills: Kills = { server: 0, frozen: 0, client: 0, store: 0 };
  readonly #plan: Plan;
  readonly #random: () => number;
  readonly #folder = mkdtempSync(join(tmpdir(), "farcall-history-"));
  readonly #journals: string[] = [];
  readonly #clients: Worker[] = [];
  #postgres: Postgres | undefined;
  #server: Running | undefined;
  #address: string;
  #boot = 0;

  private constructor(plan: Plan) {
    this.#plan = plan;
    this.#random = seeded(plan.seed);
    this.#address = `${plan.transport}://127.0.0.1:0`;
  }

  static async create(plan: Plan): Promise<World> {
    const world = new World(plan);
    try {
      if (plan.store === "postgres") world.#postgres = await startPostgres();
      await world.#sql("CREATE TABLE effects (call INTEGER, value INTEGER)");
      await world.#startServer();
      const share = Math.ceil(plan.calls / clients);
      for (let i = 0; i < clients; i++)
        world.#clients.push({ from: i * share + 1, to: (i + 1) * share, runs: 0, current: undefined });
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Until every call has been made and has ended. */
  async run(): Promise<void> {
    const working = this.#clients.map((worker) => this.#work(worker));
    let over = false;
    const all = Promise.all(working).finally(() => {
      over = true;
    });
    // Awaited below; until then a failure must not go unheard.
    all.catch(() => {});
    for (let turn = 0; !over; turn++) {
      await Promise.race([all, later(20 + (this.#plan.calmMs ?? 150) * this.#random())]);
      if (!over) await this.#strike(strikes[turn % strikes.length] as keyof Kills);
    }
    await all;
    // What the network still holds gets its time to run.
    await later(300);
    await this.#server?.stop();
  }

  /** Something is killed or frozen, and comes back. */
  async #strike(whom: keyof Kills): Promise<void> {
    switch (whom) {
      case "server":
        await this.#server?.stop();
        await later(100 * this.#random());
        await this.#startServer();
        break;
      case "frozen":
        this.#server?.kill("SIGSTOP");
        await later(20 + 200 * this.#random());
        this.#server?.kill("SIGCONT");
        break;
      case "client": {
        const worker = this.#clients[Math.floor(this.#random() * clients)];
        // One that is done is not there any more.
        if (worker?.current === undefined) return;
        await worker.current.stop();
        break;
      }
      case "store":
        // Only PostgreSQL has processes of its own.
        if (this.#postgres === undefined) return;
        await this.#postgres.kill();
        await later(100 * this.#random());
        await this.#postgres.start();
        break;
    }
    this.kills[whom]++;
  }

  async #startServer(): Promise<void> {
    const options: HistoryServerOptions = {
      address: this.#address,
      journal: this.#journal("server"),
      boot: ++this.#boot,
      database: this.#database,
      busyMs: 20,
    };
    // A database that has just started may not take connections yet: the server's start fails then, as a real one would.
    for (let left = 10; ; left--) {
      const server = await startChild("history-server", [JSON.stringify(options)]);
      this.#server = server;
      try {
        const [, address = ""] = await server.line(/^READY (\S+)$/, { timeoutMs: 60_000 });
        this.#address = address;
        return;
      } catch (error) {
        if (left === 0) throw error;
        await server.stop();
      }
    }
  }

  get #database(): Database | undefined {
    if (this.#postgres !== undefined) return { kind: "postgres", connection: this.#postgres.connection };
    return this.#plan.store === "memory" ? undefined : { kind: "sqlite", folder: this.#folder };
  }

  /** Runs a client until it has made all its calls; one that was killed goes on behind its last call. */
  async #work(worker: Worker): Promise<void> {
    while (worker.from <= worker.to) {
      const path = this.#journal("client");
      const options: HistoryClientOptions = {
        address: this.#address,
        journal: path,
        from: worker.from,
        to: worker.to,
        window: this.#plan.window ?? 8,
        // So that a second of the machine's is not a thousand calls without a crash.
        paceMs: this.#plan.paceMs ?? 30,
        procedures: this.#plan.procedures,
        session: this.#plan.session,
        timeoutsMs,
        seed: this.#plan.seed + 7_919 * worker.from + worker.runs++,
      };
      const client = await startChild("history-client", [JSON.stringify(options)]);
      worker.current = client;
      const code = await client.ended;
      worker.current = undefined;
      if (code !== 0 && !client.killed) throw new Error(`a client ended by itself: ${client.describe()}`);
      for (const entry of readJournal(path))
        if (entry.is === "call") worker.from = Math.max(worker.from, entry.call + 1);
      if (code === 0 && worker.from <= worker.to) throw new Error(`a client stopped early: ${client.describe()}`);
    }
  }

  #journal(kind: "server" | "client"): string {
    const path = join(this.#folder, `${kind}-${this.#journals.length}.journal`);
    // A process may be killed before it opens it.
    writeFileSync(path, "");
    this.#journals.push(path);
    return path;
  }

  async journals(): Promise<Journals> {
    const rows = await this.#sql("SELECT call, value FROM effects");
    const read = (kind: string): Entry[][] =>
      this.#journals.filter((path) => path.includes(`/${kind}-`)).map(readJournal);
    return { clients: read("client"), servers: read("server"), effects: rows as Journals["effects"] };
  }

  /** Runs SQL outside the store; a store in memory has none. */
  async #sql(sql: string): Promise<object[]> {
    if (this.#postgres !== undefined) {
      const client = new pg.Client(this.#postgres.connection);
      await client.connect();
      try {
        return (await client.query(sql)).rows as object[];
      } finally {
        await client.end();
      }
    }
    if (this.#plan.store === "memory") return [];
    const connection = await openSqlite(join(this.#folder, "effects.db"));
    try {
      if (sql.startsWith("SELECT")) return connection.prepare(sql).all() as object[];
      connection.exec(sql);
      return [];
    } finally {
      connection.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const processes = [this.#server, ...this.#clients.map(({ current }) => current)];
    await Promise.all(processes.map(async (each) => each?.stop()));
    await this.#postgres?.[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A client's share of the calls, and the process that makes them now. */
interface Worker {
  from: number;
  readonly to: number;
  runs: number;
  current: Running | undefined;
}

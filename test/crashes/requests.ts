// Real asynchronous requests while clients, servers, workers and the database are killed again and again.
import { chmodSync, cpSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type { RequestRow } from "../../src/async/core/request.js";
import type { RequestEngine } from "../../src/async/core/table.js";
import { openPostgresRequestEngine, openSqliteRequestEngine } from "../../src/store/index.js";
import { judgeAsync, type Ran, type Wanted } from "../simulation/async-judge.js";
import { buildChild } from "../support/children.js";
import { later, seeded } from "../support/faults.js";
import { type Postgres, startPostgres } from "../support/postgres.js";
import { Running } from "../support/processes.js";
import type { Database } from "../support/replicas.js";
import {
  type RequestClientOptions,
  type RequestEntry,
  type RequestServerOptions,
  read,
} from "../support/requests-history.js";

export interface RequestPlan {
  readonly store: "sqlite" | "postgres";
  /** Of all clients together. */
  readonly requests: number;
  readonly window: number;
  /** The longest pause of each client's tasks before a request, in milliseconds. */
  readonly paceMs: number;
  /** The longest pause between two kills, in milliseconds. */
  readonly calmMs: number;
  readonly seed: number;
}

export interface RequestOutcome {
  readonly broken: readonly string[];
  readonly kills: Readonly<Record<Victim, number>>;
  /** How many requests ended in each state. */
  readonly states: Readonly<Record<string, number>>;
  /** Requests that were started more than once. */
  readonly interrupted: number;
  /** Whether the kernel told the owners apart. */
  readonly realUsers: boolean;
}

const victims = ["server", "client", "worker", "worker", "database"] as const;
type Victim = (typeof victims)[number];

const owners = ["alice", "bob", "carol"];
const workers = 2;
const leaseMs = 1_500;
const isRoot = process.getuid?.() === 0;
/** Users that nobody is. */
const firstUid = 54_321;

/** Plays a plan with real processes, and judges what they did. */
export async function playRequests(plan: RequestPlan): Promise<RequestOutcome> {
  await using world = new World(plan);
  return await world.play();
}

class World implements AsyncDisposable {
  readonly #plan: RequestPlan;
  readonly #random: () => number;
  readonly #folder = mkdtempSync(join(tmpdir(), "farcall-requests-"));
  readonly #kills: Record<Victim, number> = { server: 0, client: 0, worker: 0, database: 0 };
  readonly #running = new Map<string, Running>();
  readonly #workJournals: string[] = [];
  #postgres: Postgres | undefined;
  #over = false;

  constructor(plan: RequestPlan) {
    this.#plan = plan;
    this.#random = seeded(plan.seed);
    // Other users go through it to the socket and to their journals.
    chmodSync(this.#folder, 0o755);
    for (const owner of owners) {
      writeFileSync(this.#journal(owner), "");
      chmodSync(this.#journal(owner), 0o666);
    }
  }

  #journal(owner: string): string {
    return join(this.#folder, `${owner}.journal`);
  }

  get #database(): Database {
    if (this.#postgres !== undefined) return { kind: "postgres", connection: this.#postgres.connection };
    return { kind: "sqlite", folder: this.#folder };
  }

  async play(): Promise<RequestOutcome> {
    if (this.#plan.store === "postgres") this.#postgres = await startPostgres();
    await this.#serve("server");
    for (let i = 1; i <= workers; i++) await this.#serve(`worker-${i}`);
    const share = Math.ceil(this.#plan.requests / owners.length);
    const working = Promise.all(owners.map((owner, i) => this.#own(owner, i, share))).finally(() => {
      this.#over = true;
    });
    working.catch(() => {});
    for (let turn = 0; !this.#over; turn++) {
      await Promise.race([working, later(100 + this.#plan.calmMs * this.#random())]);
      if (!this.#over) await this.#strike(victims[turn % victims.length] as Victim);
    }
    await working;
    // Whoever still runs something gets its time to do harm.
    await later(500);
    for (const each of this.#running.values()) await each.stop();
    return await this.#judge();
  }

  async #strike(whom: Victim): Promise<void> {
    if (whom === "database") {
      if (this.#postgres === undefined) return;
      await this.#postgres.kill();
      this.#kills.database++;
      await later(200 * this.#random());
      await this.#postgres.start();
      return;
    }
    const name =
      whom === "server"
        ? "server"
        : whom === "worker"
          ? `worker-${1 + Math.floor(this.#random() * workers)}`
          : (owners[Math.floor(this.#random() * owners.length)] as string);
    const running = this.#running.get(name);
    if (running === undefined) return;
    await running.stop();
    this.#kills[whom]++;
    if (whom === "client") return;
    await later(150 * this.#random());
    await this.#serve(name);
  }

  /** Starts the server or a worker. */
  async #serve(name: string): Promise<void> {
    const journal = join(this.#folder, `work-${this.#workJournals.length}.journal`);
    writeFileSync(journal, "");
    this.#workJournals.push(journal);
    const options: RequestServerOptions = {
      role: name === "server" ? "server" : "worker",
      socket: join(this.#folder, "socket"),
      journal,
      database: this.#database,
      leaseMs,
    };
    // A database that has just started may not take connections yet.
    for (let left = 20; ; left--) {
      const child = new Running(process.execPath, [await buildChild("request-server"), JSON.stringify(options)]);
      this.#running.set(name, child);
      try {
        await child.line(/^READY$/, { timeoutMs: 60_000 });
        return;
      } catch (error) {
        await child.stop();
        if (left === 0) throw error;
      }
    }
  }

  /** An owner, started again until all of its requests are over. */
  async #own(name: string, index: number, share: number): Promise<void> {
    const script = this.#readable(await buildChild("request-client"));
    const uid = firstUid + index;
    const options: RequestClientOptions = {
      name,
      socket: join(this.#folder, "socket"),
      journal: this.#journal(name),
      others: owners.filter((other) => other !== name).map((other) => this.#journal(other)),
      from: index * share + 1,
      to: (index + 1) * share,
      window: this.#plan.window,
      paceMs: this.#plan.paceMs,
      claims: isRoot ? undefined : uid,
    };
    for (let left = 2_000; left > 0; left--) {
      const as = isRoot ? { uid, gid: uid } : {};
      const child = new Running(process.execPath, [script, JSON.stringify(options)], as);
      this.#running.set(name, child);
      const code = await child.ended;
      this.#running.delete(name);
      if (code === 0) return;
      if (!child.killed) throw new Error(`a client ended by itself: ${child.describe()}`);
    }
    throw new Error(`${name} never got done`);
  }

  /** The script where every user may read it. */
  #readable(script: string): string {
    const home = join(this.#folder, "client");
    if (!existsSync(home)) {
      cpSync(dirname(script), home, { recursive: true });
      writeFileSync(join(home, "package.json"), '{ "type": "module" }');
      for (const file of ["", ...readdirSync(home, { recursive: true, encoding: "utf8" })]) {
        chmodSync(join(home, file), 0o755);
      }
    }
    return join(home, basename(script));
  }

  async #judge(): Promise<RequestOutcome> {
    const wanted: Wanted[] = [];
    const seen: string[] = [];
    const surprises: string[] = [];
    for (const owner of owners) {
      const entries = read(this.#journal(owner));
      const own = new Map<number, Wanted>();
      for (const entry of entries) {
        if (entry.is === "saw") seen.push(entry.what);
        if (entry.is === "surprise") surprises.push(entry.text);
        if (entry.is === "submit") own.set(entry.n, wantedOf(owner, entry));
        if (!("n" in entry)) continue;
        const request = own.get(entry.n);
        if (request === undefined) continue;
        if (entry.is === "id") request.ids.push(entry.id);
        if (entry.is === "cancel") request.cancelled = true;
        if (entry.is === "over") request.over = true;
        if (entry.is === "event") request.events.push(entry);
      }
      wanted.push(...own.values());
    }
    const ran: Ran[] = [];
    for (const journal of this.#workJournals) {
      const runs = new Map<string, Ran>();
      for (const entry of read(journal)) {
        if (entry.is === "run") {
          const run: Ran = { id: entry.id, attempt: entry.attempt, arg: entry.arg, ended: undefined };
          runs.set(`${entry.id} ${entry.attempt}`, run);
          ran.push(run);
        }
        if (entry.is === "ran") {
          const run = runs.get(`${entry.id} ${entry.attempt}`);
          if (run !== undefined) run.ended = entry.how;
        }
      }
    }
    const rows = await this.#rows(wanted.flatMap(({ ids }) => ids));
    const keys = new Map<string, RequestRow>();
    for (const row of rows.values()) keys.set(`${row.key.split("-")[0]} ${row.key}`, row);
    const broken = judgeAsync({ wanted, ran, rows, keys, seen, surprises, calm: false });
    const missing = this.#plan.requests - wanted.length;
    if (missing > 0) broken.push(`${missing} requests were never made`);
    const states: Record<string, number> = {};
    for (const { state } of rows.values()) states[state] = (states[state] ?? 0) + 1;
    const interrupted = [...rows.values()].filter(({ attempt }) => attempt > 1).length;
    return { broken, kills: this.#kills, states, interrupted, realUsers: isRoot };
  }

  async #rows(ids: readonly string[]): Promise<Map<string, RequestRow>> {
    const engine: RequestEngine =
      this.#postgres === undefined
        ? await openSqliteRequestEngine({ path: join(this.#folder, "requests.db") })
        : await openPostgresRequestEngine({ connection: this.#postgres.connection });
    const rows = new Map<string, RequestRow>();
    const find = async (): Promise<void> => {
      await engine.transact(
        async (table) => {
          for (const id of ids) {
            const row = await table.find(id, false);
            if (row !== undefined) rows.set(id, row);
          }
        },
        () => ({ ids: [], cancelled: [], waiting: false }),
      );
    };
    await find();
    await engine.close();
    return rows;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    await Promise.all([...this.#running.values()].map((each) => each.stop()));
    await this.#postgres?.[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function wantedOf(owner: string, entry: Extract<RequestEntry, { is: "submit" }>): Wanted {
  const { n, procedure, arg } = entry;
  return {
    owner,
    key: `${owner}-${n}`,
    procedure,
    arg,
    tries: 2,
    ids: [],
    refused: undefined,
    cancelled: false,
    events: [],
    results: [],
    over: false,
  };
}

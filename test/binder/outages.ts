// Servers and clients of one name while whatever stands between them is killed: members of etcd, binders, servers.
import { setTimeout as sleep } from "node:timers/promises";
import { binderAt, type Client, connect, type NameResolver, RpcError } from "../../src/index.js";
import { startChild } from "../support/children.js";
import { type Etcd, startEtcd } from "../support/etcd.js";
import type { Running } from "../support/processes.js";
import { StoreV1 } from "../support/store.js";

export interface WorldOptions {
  /** Processes of servers, and servers in each. */
  readonly processes: number;
  readonly serversPerProcess: number;
  readonly clients: number;
  readonly leaseMs: number;
  /** Between two calls of one client. */
  readonly paceMs: number;
}

/** What was seen that should not be, and how much was seen. */
export interface Findings {
  /** Live servers that a look-up did not give. */
  readonly lost: string[];
  /** Look-ups that failed. */
  readonly unanswered: string[];
  /** Calls that may run twice and failed nevertheless. */
  readonly failed: string[];
  /** Calls that must not run twice, and failed with something else than `unavailable`. */
  readonly odd: string[];
  lookUps: number;
  calls: number;
  /** Of those that must not run twice: how many say that nobody knows. */
  unknown: number;
}

/** A binder, and where it is when it runs. */
interface BinderProcess {
  address: string;
  process: Running | undefined;
}

/** The longest that anything here may take to come about by itself. */
const patienceMs = 60_000;

export class World implements AsyncDisposable {
  readonly findings: Findings = { lost: [], unanswered: [], failed: [], odd: [], lookUps: 0, calls: 0, unknown: 0 };
  readonly #options: WorldOptions;
  readonly #etcd: Etcd;
  readonly #binders: BinderProcess[] = [];
  readonly #servers: { readonly process: Running; readonly addresses: readonly string[] }[] = [];
  readonly #resolvers: NameResolver[] = [];
  readonly #clients: Client<StoreV1>[] = [];
  /** The servers that live, as far as they have not just been started or killed. */
  readonly #live = new Set<string>();
  #running = true;
  readonly #work: Promise<void>[] = [];
  /** The longest that this process was late for a timer since it was last asked: how busy the machine is. */
  #lagMs = 0;

  private constructor(options: WorldOptions, etcd: Etcd) {
    this.#options = options;
    this.#etcd = etcd;
  }

  static async open(options: WorldOptions): Promise<World> {
    const world = new World(options, await startEtcd(3));
    try {
      await world.#begin();
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
    return world;
  }

  async #begin(): Promise<void> {
    const { processes, clients } = this.#options;
    for (let i = 0; i < 2; i++) {
      this.#binders.push({ address: "tcp://127.0.0.1:0", process: undefined });
      await this.startBinder(i);
    }
    const addresses = this.#binders.map(({ address }) => address);
    this.#resolvers.push(...addresses.map((address) => binderAt(address)));
    await Promise.all(Array.from({ length: processes }, () => this.startServers()));
    const both = [binderAt(addresses), binderAt([...addresses].reverse())];
    this.#resolvers.push(...both);
    for (let i = 0; i < clients; i++) {
      const resolver = both[i % both.length];
      const client = await connect(StoreV1, "name:store", { resolver, lazy: true });
      this.#clients.push(client);
      this.#work.push(this.#call(client, i));
    }
    this.#work.push(this.#look(), this.#feel());
  }

  /** A client's life: calls that may run twice, and now and then one that must not. */
  async #call(client: Client<StoreV1>, index: number): Promise<void> {
    const { findings } = this;
    const { paceMs } = this.#options;
    await sleep((index * paceMs) / this.#options.clients);
    for (let i = 0; this.#running; i++) {
      findings.calls++;
      try {
        if (i % 4 === 3) await client.write("key", i);
        else await client.read("key");
      } catch (error) {
        if (!this.#running) return;
        if (i % 4 !== 3) findings.failed.push(String(error));
        else if (!(error instanceof RpcError) || error.code !== "unavailable") findings.odd.push(String(error));
        else if (error.executed === "unknown") findings.unknown++;
      }
      await sleep(paceMs);
    }
  }

  /** Looks the name up all the time, at each binder: whoever lives is there. */
  async #look(): Promise<void> {
    const { findings } = this;
    while (this.#running) {
      const live = [...this.#live];
      for (const resolver of this.#resolvers) {
        findings.lookUps++;
        try {
          const places = await resolver.find({ name: "store", version: 1, timeoutMs: 2_000 });
          const there = new Set(places.map(({ address }) => address));
          for (const address of live)
            if (!there.has(address) && this.#live.has(address)) findings.lost.push(`${address} ${this.phase}`);
        } catch (error) {
          findings.unanswered.push(String(error));
        }
      }
      await sleep(100);
    }
  }

  async #feel(): Promise<void> {
    while (this.#running) {
      const before = performance.now();
      await sleep(20);
      this.#lagMs = Math.max(this.#lagMs, performance.now() - before - 20);
    }
  }

  /** What is being done, for messages. */
  phase = "";

  /** How many servers live. */
  get live(): number {
    return this.#live.size;
  }

  async startServers(): Promise<void> {
    const { serversPerProcess, leaseMs } = this.#options;
    const binders = this.#binders.map(({ address }) => address).join(",");
    const child = await startChild("named-servers", [binders, serversPerProcess, leaseMs]);
    const addresses: string[] = [];
    for (let i = 0; i < serversPerProcess; i++) {
      const [, address = ""] = await child.line(/^READY (\S+)$/, { skip: i, timeoutMs: patienceMs });
      addresses.push(address);
    }
    this.#servers.push({ process: child, addresses });
    await this.#until("the new servers are found everywhere", (there) => addresses.every((each) => there.has(each)));
    for (const address of addresses) this.#live.add(address);
  }

  /**
   * Kills a process of servers, and waits until look-ups have forgotten them.
   *
   * @returns how long that took from the kill, and how late this process was for its timers meanwhile, in milliseconds
   */
  async killServers(): Promise<{ readonly goneMs: number; readonly lagMs: number }> {
    const killed = this.#servers.shift();
    if (killed === undefined) throw new Error("no servers are left");
    for (const address of killed.addresses) this.#live.delete(address);
    await killed.process.stop();
    const at = performance.now();
    this.#lagMs = 0;
    await this.#until("the dead servers are gone everywhere", (there) =>
      killed.addresses.every((each) => !there.has(each)),
    );
    return { goneMs: performance.now() - at, lagMs: this.#lagMs };
  }

  /** Waits for something to hold at each binder that runs. */
  async #until(what: string, holds: (there: ReadonlySet<string>) => boolean): Promise<void> {
    const until = performance.now() + patienceMs;
    for (;;) {
      const held = await Promise.all(
        this.#binders.map(async ({ process }, i) => {
          if (process === undefined) return true;
          const found = this.#resolvers[i]?.find({ name: "store", version: 1, timeoutMs: 2_000 }).catch(() => []);
          return holds(new Set((await found)?.map(({ address }) => address)));
        }),
      );
      if (held.every(Boolean)) return;
      if (performance.now() > until) throw new Error(`not within ${patienceMs} ms: ${what}`);
      await sleep(25);
    }
  }

  async startBinder(index: number): Promise<void> {
    const binder = this.#binders[index] as BinderProcess;
    const process = await startChild("named-binder", [binder.address, this.#etcd.endpoints.join(","), "/outages/"]);
    const [, address = ""] = await process.line(/^READY (\S+)$/, { timeoutMs: patienceMs });
    binder.address = address;
    binder.process = process;
  }

  async killBinder(index: number): Promise<void> {
    const binder = this.#binders[index] as BinderProcess;
    const { process } = binder;
    binder.process = undefined;
    await process?.stop();
  }

  /** Kills the leader of etcd, or one of the others. @returns its number */
  async killMember(which: "leader" | "follower"): Promise<number> {
    let leader = -1;
    while (leader < 0) leader = await this.#etcd.leader();
    const member = which === "leader" ? leader : (leader + 1) % 3;
    await this.#etcd.kill(member);
    return member;
  }

  async startMember(member: number): Promise<void> {
    await this.#etcd.start(member);
  }

  /** Lets calls and look-ups go on. */
  async goOn(ms: number): Promise<void> {
    const { calls, lookUps } = this.findings;
    await sleep(ms);
    // On a busy machine the time may be over before anything has happened.
    while (this.findings.calls < calls + this.#clients.length || this.findings.lookUps < lookUps + 8) await sleep(50);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#running = false;
    await Promise.all(this.#clients.map((client) => client.$close()));
    await Promise.all(this.#work);
    await Promise.all(this.#resolvers.map((resolver) => resolver.close()));
    await Promise.all(this.#servers.map(({ process }) => process.stop()));
    await Promise.all(this.#binders.map(async ({ process }) => await process?.stop()));
    await this.#etcd[Symbol.asyncDispose]();
  }
}

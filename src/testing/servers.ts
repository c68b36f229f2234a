import type { Lifetime } from "../call/lifetime.js";
import type { OncService } from "../onc/program.js";
import { OncServer, type OncServerOptions } from "../onc/server.js";
import { Executions } from "./executions.js";
import type { FaultCounts } from "./faults.js";
import type { SimulatedNetwork } from "./network.js";
import type { CrashPoint, Plan } from "./plan.js";
import { Program } from "./program.js";
import type { Random } from "./random.js";
import { serverHosts, serverName } from "./replicas.js";
import { type SimulatedStore, VolatileStore } from "./store.js";
import type { VirtualTime } from "./time.js";
import type { TimelineRecorder } from "./timeline.js";

/** What handlers are made with, anew for each run of a server, and for each session where they live as long. */
export interface ServerWorld {
  /** Which run of a server this is, from 1; no two have one number, on whatever host. */
  readonly boot: number;
  /** Takes virtual time. A handler must not wait for anything outside of the simulation. */
  sleep(ms: number): Promise<void>;
  readonly random: Random;
  /** What outlives a crash of the server, as files do. What a dead server writes is dropped. */
  readonly values: { get(name: string): unknown; set(name: string, value: unknown): void };
}

/** Thrown by handlers that are meant to fail. */
export class SimulatedFailure extends Error {
  override readonly name = "SimulatedFailure";
}

/** What all histories of a simulation have in common, as far as its servers go. */
export interface ServerSetup {
  readonly service: OncService<unknown>;
  readonly handlers: (server: ServerWorld) => Record<string, (...args: unknown[]) => unknown>;
  readonly keys: { ofArgs(procedure: string, args: readonly unknown[]): string; ofResult: Executions["ofResult"] };
  readonly server: OncServerOptions;
  readonly replyCache: boolean;
}

export interface SimulatedServersOptions {
  readonly plan: Plan;
  readonly setup: ServerSetup;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly counts: FaultCounts;
  readonly store: SimulatedStore;
  readonly timeline: TimelineRecorder | undefined;
  readonly surprised: (program: Program, text: string) => void;
}

/** The servers of a simulated world: one, or several on one store, each of which may die and start again. */
export class SimulatedServers {
  readonly executions: Executions;
  readonly #options: SimulatedServersOptions;
  readonly #hosts: readonly string[];
  /** The programs that run, by host. */
  readonly #running = new Map<string, Program>();
  /** How often each point was passed at which a server may die. */
  readonly #passed = new Map<CrashPoint, number>();
  /** Which of the hosts a client is led to. */
  readonly #routes = new Map<string, number>();
  #network: SimulatedNetwork | undefined;
  #boots = 0;
  #objects = 0;

  constructor(options: SimulatedServersOptions) {
    this.#options = options;
    this.#hosts = serverHosts(options.plan.replicas);
    this.executions = new Executions({
      ...options,
      dies: (point, program) => this.dies(point, program),
    });
  }

  start(network: SimulatedNetwork): void {
    this.#network = network;
    for (const [i, { host }] of this.#options.plan.clients.entries()) this.#routes.set(host, i % this.#hosts.length);
    for (const host of this.#hosts) this.#start(host);
  }

  /** The server that runs on a host. */
  on(host: string): Program | undefined {
    return this.#running.get(host);
  }

  has(program: Program): boolean {
    return this.#running.get(program.host) === program;
  }

  /** Where a client's messages go: to the host that it is led to, or to one that runs. */
  routeOf(client: string): string {
    const at = this.#routes.get(client) ?? 0;
    const host = this.#hosts[at] as string;
    if (!this.#options.plan.watched || this.#running.has(host)) return host;
    return this.#hosts.find((other) => this.#running.has(other)) ?? host;
  }

  /** Leads a client to another host; says whether there is one. */
  lead(client: string): boolean {
    if (this.#hosts.length < 2) return false;
    this.#routes.set(client, ((this.#routes.get(client) ?? 0) + 1) % this.#hosts.length);
    return true;
  }

  /** Whether a server dies at this point; it does so before this returns. */
  dies(point: CrashPoint, program: Program): boolean {
    const { plan, counts, time } = this.#options;
    const passed = (this.#passed.get(point) ?? 0) + 1;
    this.#passed.set(point, passed);
    const incident = plan.incidents.find((one) => one.kind === point && one.nth === passed);
    if (incident === undefined || !("nth" in incident) || !this.has(program)) return false;
    counts[point]++;
    this.#crash(program, incident.powerLost, point);
    time.work(time.now + incident.downMs, () => this.#start(program.host));
    return true;
  }

  kill(): void {
    for (const program of this.#running.values()) program.kill();
  }

  #crash(program: Program, powerLost: boolean, why: string): void {
    this.#options.timeline?.note(program.name, `dies${powerLost ? " with its host" : ""} (${why})`);
    this.#running.delete(program.host);
    program.kill();
    this.#network?.died(program, powerLost);
  }

  #start(host: string): void {
    const { plan, setup, time, random, counts, store, timeline, surprised } = this.#options;
    const network = this.#network as SimulatedNetwork;
    const boot = ++this.#boots;
    const program = new Program(time, host, boot, random.fork(`server ${boot}`));
    this.#running.set(host, program);
    network.lit(host);
    timeline?.note(program.name, "starts");
    const limits = { replyEntriesMax: plan.replyEntriesMax };
    const replies = plan.durable ? store.of(program) : new VolatileStore(program, limits, counts);
    const server = new OncServer({
      sessions: plan.sessions && { sessionLeaseMs: plan.leaseMs },
      ...setup.server,
      network: network.of(program),
      machine: program,
      replyCache: setup.replyCache && { store: replies, owner: host },
      onError: (error, { procedure }) => this.#reported(program, error, procedure),
    });
    const lifetime: Lifetime = plan.perSession ? "per-session" : "persistent";
    const shared = plan.perSession ? undefined : this.#handlers(program, undefined);
    server.exportService(setup.service, lifetime, () => shared ?? this.#handlers(program, ++this.#objects));
    const schemes = plan.perSession ? ["memory"] : ["memory", "memory+datagram"];
    for (const scheme of schemes) {
      server.listen(`${scheme}://${serverName}`).catch((error: unknown) => {
        surprised(program, `cannot listen: ${String(error)}`);
      });
    }
  }

  #reported(program: Program, error: unknown, procedure: string): void {
    if (!program.alive || error instanceof SimulatedFailure) return;
    const message = error instanceof Error ? error.message : String(error);
    // What the simulated store says when it is down, or a call ran for too long, is part of the history.
    if (/^the (store|transaction|reply cannot be kept)/.test(message)) return;
    this.#options.surprised(program, `${procedure}: ${error instanceof Error ? (error.stack ?? message) : message}`);
  }

  /** What serves calls; with a number, an object of one session. */
  #handlers(program: Program, number: number | undefined): object {
    const { random, setup, store } = this.#options;
    const { values } = store;
    const handlers = setup.handlers({
      boot: program.boot,
      sleep: (ms) => program.sleep(ms),
      random: random.fork(`handlers ${program.boot}${number === undefined ? "" : ` ${number}`}`),
      values: {
        get: (name) => values.get(name),
        set: (name, value) => {
          if (program.alive) values.set(name, value);
        },
      },
    });
    const object = number === undefined ? undefined : { number, disposed: false };
    const methods = Object.keys(setup.service.procedures).map((name) => [
      name,
      (...args: unknown[]) => this.executions.run(program, name, handlers[name]?.bind(handlers), args, object),
    ]);
    if (object !== undefined) {
      const dispose = (): void => {
        object.disposed = true;
        (handlers as Partial<Disposable>)[Symbol.dispose]?.();
      };
      methods.push([Symbol.dispose as unknown as string, dispose]);
    }
    return Object.fromEntries(methods);
  }
}

import type { ArgsOf, Handlers, Hedging, Semantics } from "../model/index.js";
import type { OncClientOptions } from "../onc/client.js";
import { type OncService, oncProgram, proceduresOf } from "../onc/program.js";
import type { OncServerOptions } from "../onc/server.js";
import { addFaults, allFaultKinds, type FaultCounts, type FaultKind, noFaults } from "./faults.js";
import type { History, Violation } from "./history.js";
import { Keys } from "./keys.js";
import { type CallPlace, drawPlan, type Plan, type PlanOptions } from "./plan.js";
import type { Random } from "./random.js";
import type { ServerWorld } from "./servers.js";
import { brokenIn, shrink } from "./shrink.js";
import type { SimulatedTransaction } from "./store.js";
import { TimelineRecorder } from "./timeline.js";
import { play, type Setup } from "./world.js";

/** What makes the arguments of each call, by the names of the procedures. */
export type SimulatedCalls<C> = { readonly [K in keyof C]?: (random: Random, call: CallPlace) => [...ArgsOf<C[K]>] };

export interface SimulationOptions<C> {
  readonly service: OncService<C>;
  /**
   * Makes the handlers, anew at each start of a server: what they keep in variables is lost when it crashes. There may be two
   * servers on one store, unless `faults` leaves `failover` out.
   */
  readonly handlers: (server: ServerWorld) => Handlers<NoInfer<C>, SimulatedTransaction>;
  /** The procedures to call, each with what makes its arguments. */
  readonly calls: SimulatedCalls<C>;
  /** Where the histories follow from, from 0 to 2^32 - 1; history number i is that of seed + i. Default 1. */
  readonly seed?: number | undefined;
  /** How many histories to play; default 1,000. */
  readonly histories?: number | undefined;
  /** What may go wrong; default: everything. */
  readonly faults?: readonly FaultKind[] | undefined;
  /** The guarantee that every call asks for; default: what the contract declares. */
  readonly guarantee?: Semantics | undefined;
  /** How many clients there are; default 3. */
  readonly clients?: number | undefined;
  /** How many calls each client makes; default 7. */
  readonly callsPerClient?: number | undefined;
  /** How clients connect; each takes one of these. Default: both. */
  readonly transports?: readonly ("stream" | "datagram")[] | undefined;
  /**
   * Whether clients make their calls in sessions or plainly, as clients of old do; each does one of these. Default: both.
   */
  readonly sessions?: readonly ("auto" | "off")[] | undefined;
  /** Where the server's reply cache is: gone with the server, or in a database that outlives it. Default: both. */
  readonly stores?: readonly ("memory" | "durable")[] | undefined;
  /**
   * Whether one object serves all callers or each session has one of its own, which `handlers` makes; then all clients use
   * streams. Default: one for all.
   */
  readonly lifetimes?: readonly ("persistent" | "per-session")[] | undefined;
  /** Options of the clients and of the server; the simulation brings network, machine and store. */
  readonly client?:
    | (Omit<OncClientOptions, "network" | "machine"> & { readonly hedge?: Hedging<NoInfer<C>> })
    | undefined;
  readonly server?: Omit<OncServerOptions, "network" | "machine" | "replyCache" | "onError"> | undefined;
  /** Turns the reply cache off. */
  readonly replyCache?: false | undefined;
  /** What must hold beside the guarantees: gives what is wrong with a history, or nothing. */
  readonly check?: ((history: History) => string | undefined) | undefined;
  /** Is told how many histories were played, now and then. */
  readonly onProgress?: ((histories: number) => void) | undefined;
}

/** What a simulation found. */
export interface SimulationReport {
  readonly seed: number;
  readonly histories: number;
  readonly calls: number;
  readonly executions: number;
  /** How often each kind of fault had an effect. */
  readonly faults: FaultCounts;
  /** The first history that broke a guarantee, if any; the simulation ends with it. */
  readonly violation: SimulationViolation | undefined;
}

export interface SimulationViolation {
  /** The seed of the history: `simulate` with it and `histories: 1` plays it again. */
  readonly seed: number;
  readonly broken: readonly Violation[];
  /** The shortest history found that breaks the same rule: calls, executions, messages and faults, a line each. */
  readonly timeline: string;
}

/** How many histories are played before others get a turn. */
const batch = 50;

/**
 * Plays histories of a service in a simulated world, in which everything goes wrong that may, and checks that every
 * guarantee was kept. The clients and servers are the real ones; only network, time and chance are not. The same seed
 * plays the same histories.
 *
 * @throws TypeError or RangeError for options that cannot be used
 */
export async function simulate<C>(options: SimulationOptions<C>): Promise<SimulationReport> {
  const { seed = 1, histories = 1_000 } = options;
  const { setup, plans } = prepare(options);
  const faults = noFaults();
  let calls = 0;
  let executions = 0;
  let played = 0;
  let violation: SimulationViolation | undefined;
  while (played < histories && violation === undefined) {
    const plan = drawPlan((seed + played) >>> 0, plans);
    const outcome = await play(plan, setup);
    played++;
    addFaults(faults, outcome.faults);
    calls += outcome.history.calls.length;
    executions += outcome.history.executions.length;
    const broken = brokenIn(outcome.history, setup);
    if (broken.length > 0) violation = await explain(plan, broken, setup);
    if (played % batch === 0) {
      options.onProgress?.(played);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  options.onProgress?.(played);
  return { seed, histories: played, calls, executions, faults, violation };
}

/** What all histories of a simulation share. */
function prepare<C>(options: SimulationOptions<C>): { setup: Setup; plans: PlanOptions } {
  const service = options.service as OncService<unknown>;
  const known = new Set(proceduresOf(service).map(([name]) => name));
  const keys = new Keys(service);
  const procedures = Object.entries(options.calls).map(([name, args]) => {
    if (!known.has(name)) throw new TypeError(`calls: ${service.name} has no procedure ${name}`);
    return {
      name,
      args: args as (random: Random, call: CallPlace) => readonly unknown[],
      exactlyOnce: (options.guarantee ?? keys.declared(name)) === "exactly-once",
    };
  });
  if (procedures.length === 0) throw new TypeError("calls: name a procedure to call, with what makes its arguments");
  const { clients = 3, callsPerClient = 7, faults = allFaultKinds } = options;
  for (const [name, count] of Object.entries({ clients, callsPerClient, histories: options.histories ?? 1 })) {
    if (!Number.isInteger(count) || count < 1)
      throw new RangeError(`${name} must be a whole number from 1, not ${count}`);
  }
  for (const kind of faults) {
    if (!allFaultKinds.includes(kind)) throw new RangeError(`faults: ${kind} is none of ${allFaultKinds.join(", ")}`);
  }
  return {
    setup: {
      service,
      plainService: plainly(service),
      handlers: options.handlers as unknown as Setup["handlers"],
      keys,
      client: options.client ?? {},
      server: options.server ?? {},
      replyCache: options.replyCache !== false,
      check: options.check,
    },
    plans: {
      clients,
      callsPerClient,
      faults,
      procedures,
      transports: options.transports ?? ["stream", "datagram"],
      stores: options.stores ?? ["memory", "durable"],
      sessions: options.sessions ?? ["auto", "off"],
      lifetimes: options.lifetimes ?? ["persistent"],
      guarantee: options.guarantee,
    },
  };
}

/**
 * The service as a client of old knows it: such a client cannot ask for exactly-once, and the server gives it all the same
 * to a call that it can tell from others.
 */
function plainly(service: OncService<unknown>): OncService<unknown> {
  const procedures = proceduresOf(service).map(([name, procedure]) => {
    const once = procedure.semantics === "exactly-once";
    return [name, once ? { ...procedure, semantics: "at-most-once" as const } : procedure] as const;
  });
  return oncProgram({ ...service, procedures: Object.fromEntries(procedures) as never });
}

/** The shortest history that breaks the same rule, as a time-line. */
async function explain(plan: Plan, broken: readonly Violation[], setup: Setup): Promise<SimulationViolation> {
  const [first] = broken as readonly [Violation];
  const shortest = await shrink(plan, first.rule, setup);
  const recorder = new TimelineRecorder(setup.service);
  const { history } = await play(shortest, setup, recorder);
  const still = brokenIn(history, setup);
  return { seed: plan.seed, broken: still.length > 0 ? still : broken, timeline: recorder.text };
}

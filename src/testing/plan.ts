import { isDeepStrictEqual } from "node:util";
import type { Semantics } from "../model/index.js";
import { allFaultKinds, type FaultKind } from "./faults.js";
import { Random } from "./random.js";
import { serverHosts } from "./replicas.js";
import { calm, type Weather } from "./weather.js";

// What a history will be: who calls what and when, and what goes wrong. All of it follows from the seed. A plan is plain
// data, so that a history that breaks a guarantee can be tried again with less in it.

export type CrashPoint =
  | "crash-before-execution"
  | "crash-during-execution"
  | "crash-after-execution"
  | "crash-before-reply"
  | "crash-after-reply";

/** Something that goes wrong once. Times in milliseconds of the world. */
export type Incident =
  | { readonly kind: "partition"; readonly at: number; readonly host: string; readonly ms: number }
  | { readonly kind: "reset"; readonly at: number; readonly host: string }
  | {
      readonly kind: "failover";
      readonly at: number;
      readonly host: string /** Its connections too. */;
      readonly cut: boolean;
    }
  | { readonly kind: "clock-jump"; readonly at: number; readonly host: string; readonly ms: number }
  | { readonly kind: "store-slow" | "store-down"; readonly at: number; readonly ms: number }
  /** A client that dies, is away until nothing of it is under way any more, and begins with the same xid again. */
  | { readonly kind: "xid-reuse"; readonly at: number; readonly host: string; readonly firstXid: number }
  | { readonly kind: "xid-wrap"; readonly host: string /** Identifiers left before the wrap. */; readonly left: number }
  | {
      readonly kind: "client-crash";
      readonly at: number;
      readonly host: string;
      readonly downMs: number;
      readonly powerLost: boolean;
    }
  | {
      readonly kind: CrashPoint;
      /** At which passing of that point, from 1. */
      readonly nth: number;
      readonly downMs: number;
      readonly powerLost: boolean;
    };

export interface CallPlan {
  readonly procedure: string;
  readonly args: readonly unknown[];
  /** The guarantee to ask for, where it is not the declared one. */
  readonly guarantee?: Semantics | undefined;
  /** Milliseconds after the lane's last call has ended. */
  readonly thinkMs: number;
  readonly timeoutMs?: number | undefined;
  readonly cancelAfterMs?: number | undefined;
  /** Milliseconds after which the client asks what became of the call, if it failed without knowing. */
  readonly settleAfterMs?: number | undefined;
}

export interface ClientPlan {
  readonly host: string;
  /**
   * `session`: it makes its calls in sessions, as farcall's clients do. `plain`: it makes them plainly, as clients of old.
   * `office`: plainly too, from behind one address with all clients of its kind; and it begins with xid 1 whenever it
   * starts, at a port of its own each time.
   */
  readonly kind: "session" | "plain" | "office";
  readonly transport: "stream" | "datagram";
  /** Whether the server is to run its calls one after another. */
  readonly fifo: boolean;
  /** Whether it calls no server that has no session for it. */
  readonly required: boolean;
  /** Whether it keeps its name when it comes back. */
  readonly named: boolean;
  /** Calls that follow one another; lanes run side by side. */
  readonly lanes: readonly (readonly CallPlan[])[];
}

export interface Plan {
  readonly seed: number;
  /** Nothing goes wrong, and nobody is in a hurry: every call must succeed. */
  readonly calm: boolean;
  readonly clients: readonly ClientPlan[];
  readonly incidents: readonly Incident[];
  readonly weather: Weather;
  /** Whether the reply cache is in a store that outlives the server. */
  readonly durable: boolean;
  /** How many servers share the store. */
  readonly replicas: number;
  /** Whether whoever leads clients to servers sees which of them run. */
  readonly watched: boolean;
  /** Whether the servers have sessions, and how long one outlives its connection, in milliseconds. */
  readonly sessions: boolean;
  readonly leaseMs: number;
  /** Whether each session has an object of its own that serves it. */
  readonly perSession: boolean;
  /** Most calls that the reply cache takes. */
  readonly replyEntriesMax?: number | undefined;
  /** Bytes that streams hold for their peers. */
  readonly highWaterMark: number;
  /** How long handlers take at the most, in milliseconds, and how often they take that long; the others answer at once. */
  readonly handling: { readonly ms: number; readonly share: number };
}

/** What plans are made from. */
export interface PlanOptions {
  readonly clients: number;
  readonly callsPerClient: number;
  readonly faults: readonly FaultKind[];
  readonly transports: readonly ("stream" | "datagram")[];
  readonly stores: readonly ("memory" | "durable")[];
  readonly sessions: readonly ("auto" | "off")[];
  readonly lifetimes: readonly ("persistent" | "per-session")[];
  readonly guarantee: Semantics | undefined;
  /** The procedures that are called, with what makes their arguments. */
  readonly procedures: readonly {
    readonly name: string;
    readonly args: (random: Random, call: CallPlace) => readonly unknown[];
    /** Whether its calls are exactly-once, for which the server needs a store with transactions. */
    readonly exactlyOnce: boolean;
  }[];
}

/** Which call arguments are made for. */
export interface CallPlace {
  /** The client's number, from 1. */
  readonly client: number;
  /** The call's number among those of its client, from 1. */
  readonly number: number;
}

/** How long a history is busy, roughly, in milliseconds: incidents fall into this time. */
const spanMs = 2_000;

/** In what share of all histories nothing goes wrong at all. */
const calmShare = 0.05;

/**
 * In what share of the others each kind of fault may happen, at the least and at the most: of few kinds nearly all, of many
 * some six at once, which show more than all of them together.
 */
const kindShare = (kinds: number): number => Math.max(0.35, Math.min(0.9, 3 / kinds));

/** In what share of cases a client has no sessions, where it may have, and how many of those are in the office. */
const plainShare = 0.4;
const officeShare = 0.6;

/** How often the store is durable where calls are exactly-once: without one they are only refused. */
const durableShare = 0.9;

/** How often each session has an object of its own, where that may be; it needs streams. */
const perSessionShare = 0.3;

/** How often a client that has sessions calls no server that has none, and how often servers have none. */
const requiredShare = 0.25;
const sessionlessShare = 0.04;

/** How long sessions outlive their connections, in milliseconds; and how often it is less, as little as the second says. */
const leaseMs = 60_000;
const shortLeases = { share: 0.15, leastMs: 200, mostMs: 1_000 } as const;

/** How often bits are flipped, where they may be: such a history proves little else. */
const flipShare = 0.02;

export const crashPoints: readonly CrashPoint[] = allFaultKinds.filter((kind): kind is CrashPoint =>
  /^crash-/.test(kind),
);

/** Draws the plan of one history. */
export function drawPlan(seed: number, given: PlanOptions): Plan {
  const random = new Random(seed);
  // With exactly-once, most stores are durable: so half of the histories are without, where there is anything else.
  const others = given.procedures.filter(({ exactlyOnce }) => !exactlyOnce);
  const options = others.length > 0 && random.chance(0.5) ? { ...given, procedures: others } : given;
  const exactlyOnce = options.procedures.some((procedure) => procedure.exactlyOnce);
  const durable = isDurable(options.stores, exactlyOnce, random);
  // Without transactions a call that is exactly-once fails by rights, and a plain client's runs outside of any.
  const fits = durable || !exactlyOnce;
  const calmly = random.chance(calmShare) && fits;
  const share = kindShare(options.faults.length);
  const on = new Set(
    options.faults.filter((kind) => !calmly && random.chance(kind === "bit-flip" ? flipShare : share)),
  );
  const clients: ClientPlan[] = [];
  const hurried = random.chance(0.5);
  const perSession = isPerSession(options, random);
  const placed = perSession ? { ...options, transports: ["stream"] as const } : options;
  for (let client = 1; client <= options.clients; client++)
    clients.push(drawClient(client, placed, random, calmly, hurried, fits));
  // Where clients may be led to another server there are two, which need a store that both see.
  const replicas = on.has("failover") && durable ? 2 : 1;
  const mayBeForeign = !calmly && options.sessions.includes("off");
  return {
    seed,
    calm: calmly,
    clients,
    incidents: drawIncidents(on, options, clients, random, durable, replicas),
    weather: drawWeather(on, random),
    durable,
    replicas,
    watched: random.chance(0.5),
    sessions: !(mayBeForeign && random.chance(sessionlessShare)),
    leaseMs:
      !calmly && random.chance(shortLeases.share) ? random.between(shortLeases.leastMs, shortLeases.mostMs) : leaseMs,
    perSession,
    replyEntriesMax: on.has("cache-full") ? random.integer(1, 6) : undefined,
    highWaterMark: random.chance(0.2) ? random.integer(1, 400) : 65_536,
    handling: { ms: random.pick([1, 20, 200, 1_500]), share: random.pick([0, 0.3, 1]) },
  };
}

function isDurable(stores: PlanOptions["stores"], exactlyOnce: boolean, random: Random): boolean {
  if (!exactlyOnce) return random.pick(stores) === "durable";
  return stores.includes("durable") && (!stores.includes("memory") || random.chance(durableShare));
}

function isPerSession({ lifetimes, transports }: PlanOptions, random: Random): boolean {
  if (!lifetimes.includes("per-session") || !transports.includes("stream")) return false;
  return !lifetimes.includes("persistent") || random.chance(perSessionShare);
}

function drawKind(sessions: PlanOptions["sessions"], mayBePlain: boolean, random: Random): ClientPlan["kind"] {
  const mayHaveSessions = sessions.includes("auto");
  const plain = mayBePlain && sessions.includes("off") && (!mayHaveSessions || random.chance(plainShare));
  if (!plain) return "session";
  return random.chance(officeShare) ? "office" : "plain";
}

function drawClient(
  client: number,
  options: PlanOptions,
  random: Random,
  calmly: boolean,
  hurried: boolean,
  mayBePlain: boolean,
): ClientPlan {
  const kind = drawKind(options.sessions, mayBePlain, random);
  const lanes: CallPlan[][] = Array.from({ length: random.integer(1, 4) }, () => []);
  const made: CallPlan[] = [];
  for (let number = 1; number <= options.callsPerClient; number++) {
    const { name, args } = random.pick(options.procedures);
    // Now and then the same call once more: nobody can tell the two apart by what they say.
    const twin = made.length > 0 && random.chance(0.05) ? random.pick(made) : undefined;
    const call: CallPlan = {
      procedure: twin?.procedure ?? name,
      args: twin?.args ?? args(random, { client, number }),
      guarantee: options.guarantee,
      thinkMs: random.chance(0.5) ? 0 : random.between(0, 300),
      timeoutMs: calmly || random.chance(0.3) ? undefined : random.between(hurried ? 5 : 500, hurried ? 800 : 10_000),
      cancelAfterMs: !calmly && random.chance(0.04) ? random.between(0, 50) : undefined,
      settleAfterMs: random.chance(0.5) ? random.between(0, random.chance(0.5) ? 20 : 3_000) : undefined,
    };
    made.push(call);
    random.pick(lanes).push(call);
  }
  const transport = random.pick(options.transports);
  const fifo = kind === "session" && transport === "stream" && random.chance(0.3);
  const required = kind === "session" && random.chance(requiredShare);
  return { host: `client-${client}`, kind, transport, fifo, required, named: random.chance(0.5), lanes };
}

function drawWeather(on: ReadonlySet<FaultKind>, random: Random): Weather {
  const rate = (kind: FaultKind, most: number): number => (on.has(kind) ? random.between(0.02, most) : 0);
  return {
    ...calm,
    loss: rate("loss", 0.4),
    duplication: rate("duplication", 0.5),
    reordering: rate("reordering", 0.5),
    delay: rate("delay", 0.3),
    delayMs: random.pick([20, 300, 3_000]),
    corruption: rate("corruption", 0.3),
    "bit-flip": rate("bit-flip", 0.3),
    latencyMs: random.pick([
      [0.05, 0.2],
      [0.5, 5],
      [20, 60],
    ] as const),
  };
}

function drawIncidents(
  on: ReadonlySet<FaultKind>,
  options: PlanOptions,
  clients: readonly ClientPlan[],
  random: Random,
  durable: boolean,
  replicas: number,
): Incident[] {
  const incidents: Incident[] = [];
  const at = (): number => random.between(0, spanMs);
  const host = (): string => `client-${random.integer(1, options.clients)}`;
  const server = (): string => random.pick(serverHosts(replicas));
  const down = (): { downMs: number; powerLost: boolean } => ({
    downMs: random.chance(0.5) ? random.between(0, 50) : random.between(0, 3_000),
    powerLost: random.chance(0.25),
  });
  const several = (kind: FaultKind, most: number, make: () => Incident): void => {
    if (!on.has(kind)) return;
    for (let count = random.integer(1, most); count > 0; count--) incidents.push(make());
  };
  several("partition", 2, () => ({ kind: "partition", at: at(), host: host(), ms: random.between(1, 4_000) }));
  several("reset", 3, () => ({ kind: "reset", at: at(), host: random.chance(0.3) ? server() : host() }));
  if (replicas > 1)
    several("failover", 4, () => ({ kind: "failover", at: at(), host: host(), cut: random.chance(0.6) }));
  several("clock-jump", 2, () => ({
    kind: "clock-jump",
    at: at(),
    host: random.chance(0.3) ? server() : host(),
    ms: random.pick([100, 5_000, 60_000]),
  }));
  several("client-crash", 2, () => ({ kind: "client-crash", at: at(), host: host(), ...down() }));
  // The same bytes from the same port are the same call: such a client must not repeat itself.
  const distinct = clients.find(
    (client) => client.kind === "plain" && client.transport === "datagram" && isDistinct(client),
  );
  if (on.has("xid-reuse") && distinct !== undefined) {
    incidents.push({ kind: "xid-reuse", at: at(), host: distinct.host, firstXid: random.uint32() });
  }
  several("xid-wrap", 1, () => ({ kind: "xid-wrap", host: host(), left: random.integer(0, 2) }));
  if (durable) {
    several("store-slow", 2, () => ({ kind: "store-slow", at: at(), ms: random.between(50, 2_000) }));
    several("store-down", 2, () => ({ kind: "store-down", at: at(), ms: random.between(1, 1_000) }));
  }
  const most = options.clients * options.callsPerClient;
  for (const kind of crashPoints) several(kind, 1, () => ({ kind, nth: random.integer(1, most), ...down() }));
  return incidents;
}

/** Whether no call of a client is like another one of it. */
function isDistinct({ lanes }: ClientPlan): boolean {
  const calls = lanes.flat();
  return calls.every(({ procedure, args }, i) =>
    calls.slice(i + 1).every((other) => other.procedure !== procedure || !isDeepStrictEqual(other.args, args)),
  );
}

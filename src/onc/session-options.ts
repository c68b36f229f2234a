import type { Machine } from "../drive/machine.js";
import type { Semantics, ServerGuarantee } from "../model/index.js";
import type { DatagramClientEngine, SessionClient, StreamClientEngine } from "./engine/index.js";
import type { OpenOk } from "./session/session.js";

// What a client's options about sessions come to, and what a session comes to for its user.

/** The options that are about sessions; `OncClientOptions` says what they mean. */
export interface SessionClientChoice {
  readonly session?: "off" | "auto" | "require" | undefined;
  readonly order?: "fifo" | undefined;
  readonly clientName?: string | undefined;
}

/** What is wrong with them, with the name of the one at fault; undefined when nothing is. */
export function sessionProblem(options: SessionClientChoice, datagrams: boolean): string | undefined {
  const { session, order, clientName = "" } = options;
  if (session !== undefined && !["off", "auto", "require"].includes(session)) {
    return `session must be "off", "auto" or "require", not ${JSON.stringify(session)}`;
  }
  if (order !== undefined && order !== "fifo") return `order must be "fifo", not ${JSON.stringify(order)}`;
  if (order === "fifo" && session === "off") return 'order "fifo" needs a session, and session is "off"';
  if (order === "fifo" && datagrams) return 'order "fifo" cannot be kept over datagrams: use tcp or unix';
  if (new TextEncoder().encode(clientName).length > 255) return "clientName must be of at most 255 bytes";
  return undefined;
}

/** One run of this process, as far as one machine can tell: 16 bytes. */
const incarnations = new WeakMap<Machine, Uint8Array>();

/** Servers that were asked and have no sessions, by address, until when: so that they are not asked by every client. */
const refusals = new WeakMap<Machine, Map<string, number>>();

/** How long that is believed, in milliseconds, and of how many. */
const refusalMs = 600_000;
const refusalsMax = 1_024;

/** Has an engine make its calls in a session, if the options say so. */
export function sessionOf(
  engine: StreamClientEngine | DatagramClientEngine,
  options: SessionClientChoice,
  machine: Machine,
): SessionClient | undefined {
  const { session = "off", order, clientName = "" } = options;
  if (session === "off" && order === undefined) return undefined;
  const known = of(refusals, machine, () => new Map<string, number>());
  return engine.useSession({
    mode: session === "require" ? "require" : "auto",
    client: clientName,
    incarnation: of(incarnations, machine, () => machine.randomBytes(16)),
    fifo: order === "fifo",
    refusedBefore: (known.get(engine.peer) ?? 0) > machine.clock.now(),
    onRefused() {
      if (known.size >= refusalsMax) known.clear();
      known.set(engine.peer, machine.clock.now() + refusalMs);
    },
  });
}

function of<T>(map: WeakMap<Machine, T>, machine: Machine, make: () => T): T {
  let value = map.get(machine);
  if (value === undefined) {
    value = make();
    map.set(machine, value);
  }
  return value;
}

/** What a server without sessions gives. */
export function plainGuarantee(session: "none" | "off"): ServerGuarantee {
  const why =
    session === "off" ? 'the client does not ask for sessions (session: "off")' : "the server has no sessions";
  return {
    session,
    guarantees: ["maybe", "at-least-once", "at-most-once"],
    filters: false,
    durable: false,
    shared: false,
    remembersMs: 0,
    leaseMs: 0,
    text: `${why}: an at-most-once call is sent once and, when its answer is lost, nobody knows whether it ran`,
  };
}

export function guaranteeOf(facts: OpenOk): ServerGuarantee {
  const filters = facts.store !== "";
  const guarantees: Semantics[] = ["maybe", "at-least-once", "at-most-once"];
  if (facts.transactional) guarantees.push("exactly-once");
  return {
    session: "open",
    guarantees,
    filters,
    durable: facts.durable,
    shared: facts.shared,
    remembersMs: facts.kept,
    leaseMs: facts.lease,
    text: filters
      ? `an at-most-once call is sent again when its answer is lost, and runs once${reachOf(facts)}`
      : "the server keeps no replies: an at-most-once call is sent once",
  };
}

function reachOf({ durable, shared }: OpenOk): string {
  if (durable && shared) return ", also over crashes of the server, and whichever of the servers on its store answers";
  if (durable) return ", also over crashes of the server";
  return ", for as long as the server runs: after a crash nobody knows what ran before";
}

import { type CallOptions, type Client, RpcError, type Semantics, type Settlement } from "../model/index.js";
import { connectOnc, type OncClientOptions } from "../onc/client.js";
import type { OncService } from "../onc/program.js";
import type { OncServerOptions } from "../onc/server.js";
import { type FaultCounts, type FaultKind, noFaults } from "./faults.js";
import type { CallRecord, Ending, History } from "./history.js";
import type { Keys } from "./keys.js";
import { SimulatedNetwork } from "./network.js";
import { type CallPlan, type ClientPlan, crashPoints, type Plan } from "./plan.js";
import { Program } from "./program.js";
import { Random } from "./random.js";
import { serverName } from "./replicas.js";
import { type ServerSetup, SimulatedServers } from "./servers.js";
import { SimulatedStore } from "./store.js";
import { VirtualTime } from "./time.js";
import type { TimelineRecorder } from "./timeline.js";

/** Milliseconds that a client may take beyond a deadline: its alarms go off a millisecond late at the most. */
const settleSlackMs = 2;

/** The first port of a client's programs: a program that starts again gets the ports of the one before. */
const firstPort = 1_025;
const portsPerClient = 1_000;

/** How long a client is away whose identifiers are used again: nothing that it sent is under way any more, in milliseconds. */
const awayMs = 40_000;

/** What makes clients send calls again over streams. */
const resending: readonly FaultKind[] = ["reset", "failover", "cache-full", "store-down", ...crashPoints];

/** What keeps news of a client's death from the server, or keeps the client's messages coming after it. */
const unsteady: readonly FaultKind[] = ["partition", "delay", "bit-flip"];

/** How long a client asks what became of a call, in milliseconds. */
const settleTimeoutMs = 4_000;

/** A history that has not ended by then never will, in milliseconds of the world. */
const horizonMs = 600_000;

/** What all histories of one simulation have in common. */
export interface Setup extends ServerSetup {
  /** The service as plain clients know it. */
  readonly plainService: OncService<unknown>;
  readonly keys: Keys;
  readonly client: OncClientOptions;
  readonly server: OncServerOptions;
  /** Whether calls over datagrams are filtered at all. */
  readonly replyCache: boolean;
  /** What must hold beside the guarantees. */
  readonly check: ((history: History) => string | undefined) | undefined;
}

/** What a history was, and what went wrong in it. */
export interface Outcome {
  readonly history: History;
  readonly faults: FaultCounts;
}

/** Plays one history. */
export function play(plan: Plan, setup: Setup, timeline?: TimelineRecorder): Promise<Outcome> {
  return new World(plan, setup, timeline).play();
}

class World {
  readonly #plan: Plan;
  readonly #setup: Setup;
  readonly #timeline: TimelineRecorder | undefined;
  readonly #time = new VirtualTime();
  readonly #random: Random;
  readonly #counts = noFaults();
  readonly #network: SimulatedNetwork;
  readonly #store: SimulatedStore;
  readonly #calls: CallRecord[] = [];
  readonly #surprises: string[] = [];
  readonly #clients: SimulatedClient[];
  readonly #servers: SimulatedServers;

  constructor(plan: Plan, setup: Setup, timeline: TimelineRecorder | undefined) {
    this.#plan = plan;
    this.#setup = setup;
    this.#timeline = timeline;
    timeline?.begin(this.#time);
    const random = new Random(plan.seed);
    this.#random = random;
    const time = this.#time;
    const counts = this.#counts;
    this.#network = new SimulatedNetwork({
      time,
      counts,
      random: random.fork("network"),
      weather: plan.weather,
      highWaterMark: plan.highWaterMark,
      observer: timeline,
      hook: {
        before: (program) => !this.#servers.has(program) || !this.#servers.dies("crash-before-reply", program),
        after: (program) => {
          if (this.#servers.has(program)) this.#servers.dies("crash-after-reply", program);
        },
      },
      alias: { name: serverName, routeOf: (client) => this.#servers.routeOf(client) },
    });
    this.#store = new SimulatedStore({
      time,
      counts,
      random: random.fork("store"),
      limits: { replyEntriesMax: plan.replyEntriesMax },
      onCommit: (transaction) => {
        const execution = this.#servers.executions.committed(transaction);
        timeline?.note("store", `commits${execution === undefined ? "" : ` execution ${execution.number}`}`);
      },
    });
    this.#clients = plan.clients.map((client) => new SimulatedClient(client));
    this.#servers = new SimulatedServers({
      plan,
      setup,
      time,
      random,
      counts,
      store: this.#store,
      timeline,
      surprised: (program, text) => this.#surprise(program, text),
    });
  }

  async play(): Promise<Outcome> {
    this.#servers.start(this.#network);
    for (const client of this.#clients) this.#startClient(client);
    this.#arrangeIncidents();
    const time = this.#time;
    await time.run(() => time.now > horizonMs || (time.working === 0 && this.#clients.every(({ done }) => done)));
    for (const client of this.#clients) client.program?.kill();
    this.#servers.kill();
    return {
      faults: this.#counts,
      history: {
        seed: this.#plan.seed,
        calls: this.#calls,
        executions: this.#servers.executions.records,
        surprises: this.#surprises,
        durable: this.#plan.durable,
        unchecked: this.#counts["bit-flip"] > 0,
        doubled: this.#counts.duplication > 0,
        resent: resending.some((kind) => this.#counts[kind] > 0),
        failedOver: this.#counts.failover > 0,
        jumped: this.#counts["clock-jump"] > 0,
        leaseMs: this.#plan.leaseMs,
        steady: unsteady.every((kind) => this.#counts[kind] === 0),
        calm: this.#plan.calm,
        values: this.#store.values,
      },
    };
  }

  #surprise(program: Program, text: string): void {
    this.#surprises.push(`${program.name} reported an error that nobody threw on purpose: ${text}`);
  }

  // --- the clients

  #startClient(client: SimulatedClient): void {
    const { host } = client.plan;
    const program = new Program(this.#time, host, ++client.boots, this.#random.fork(`${host} ${client.boots}`));
    client.program = program;
    this.#network.lit(host);
    this.#timeline?.note(program.name, "starts");
    program.firstWord = this.#firstXid(client);
    void this.#live(client, program);
  }

  /** The first xid of a client, where it is not left to chance. */
  #firstXid(client: SimulatedClient): number | undefined {
    const { host, kind } = client.plan;
    if (kind === "office") return 1;
    for (const incident of this.#plan.incidents) {
      if (!("host" in incident) || incident.host !== host) continue;
      if (incident.kind === "xid-reuse") {
        if (client.returns) client.countsAfter = { made: 1, kind: "xid-reuse" };
        if (client.boots === 1 || client.returns) return incident.firstXid;
      } else if (incident.kind === "xid-wrap" && client.boots === 1) {
        // Only the first: two programs that begin at one xid on one port would get each other's replies.
        client.countsAfter = { made: incident.left + 1, kind: "xid-wrap" };
        return 0xffff_ffff - incident.left;
      }
    }
    return undefined;
  }

  async #live(client: SimulatedClient, program: Program): Promise<void> {
    const { host, kind, fifo, named, required } = client.plan;
    const office = kind === "office";
    const port = firstPort + portsPerClient * this.#clients.indexOf(client);
    const network = this.#network.of(program, office ? kind : host, office ? port + 10 * program.boot : port);
    const scheme = client.plan.transport === "stream" ? "memory" : "memory+datagram";
    const session = kind !== "session" ? "off" : required ? "require" : "auto";
    const order = fifo ? "fifo" : undefined;
    const clientName = named ? host : undefined;
    const options = { session, order, clientName, ...this.#setup.client, network, machine: program } as const;
    const service = kind === "session" ? this.#setup.service : this.#setup.plainService;
    const rpc = await this.#connect(program, service, `${scheme}://${serverName}`, options);
    await Promise.all(client.plan.lanes.map((lane, index) => this.#lane(client, program, rpc, lane, index)));
    client.done = true;
    this.#timeline?.note(program.name, "closes");
    await rpc.$close();
  }

  /** Connects, however often it takes. */
  async #connect(
    program: Program,
    service: OncService<unknown>,
    address: string,
    options: OncClientOptions,
  ): Promise<Client<unknown>> {
    for (;;) {
      try {
        return await connectOnc(service, address, options);
      } catch (error) {
        if (!(error instanceof RpcError) || error.executed !== "no") this.#surprise(program, String(error));
        await program.sleep(50);
      }
    }
  }

  async #lane(
    client: SimulatedClient,
    program: Program,
    rpc: Client<unknown>,
    lane: readonly CallPlan[],
    index: number,
  ): Promise<void> {
    for (;;) {
      const next = client.cursors[index] as number;
      const call = lane[next];
      if (call === undefined) return;
      if (call.thinkMs > 0) await program.sleep(call.thinkMs);
      client.cursors[index] = next + 1;
      await this.#call(client, program, rpc, call);
    }
  }

  async #call(client: SimulatedClient, program: Program, rpc: Client<unknown>, call: CallPlan): Promise<void> {
    const { procedure, args, timeoutMs, cancelAfterMs, guarantee, settleAfterMs } = call;
    const { keys } = this.#setup;
    const now = this.#time.now;
    const settleBy = program.clock.now() + (timeoutMs ?? this.#setup.client.timeoutMs ?? 25_000);
    const record: CallRecord = {
      number: this.#calls.length,
      client: program.name,
      transport: client.plan.transport,
      procedure,
      args,
      key: keys.ofArgs(procedure, args),
      guarantee: guarantee ?? keys.declared(procedure),
      invokedAt: now,
      settleBy: program.worldTime(settleBy),
      settledAt: undefined,
      ending: undefined,
      oneWay: keys.isOneWay(procedure),
      fifo: client.plan.fifo,
      needsSession: this.#needsSession(client.plan, guarantee ?? keys.declared(procedure)),
      abandoned: false,
      abandonedAt: undefined,
      late: false,
    };
    this.#calls.push(record);
    client.pending.add(record);
    this.#timeline?.called(record);
    client.made++;
    if (client.made === client.countsAfter?.made) this.#counts[client.countsAfter.kind]++;
    const settle = (ending: Ending): void => {
      client.pending.delete(record);
      record.settledAt = this.#time.now;
      record.ending = ending;
      record.late = this.#isLate(program, settleBy);
      this.#timeline?.settled(record);
    };
    try {
      const method = (rpc as unknown as Record<string, unknown>)[procedure] as (...args: unknown[]) => Promise<unknown>;
      const asked = client.plan.kind !== "session" && record.guarantee === "exactly-once" ? undefined : guarantee;
      const value = await method(...args, ...this.#optionsOf(program, timeoutMs, cancelAfterMs, asked));
      settle({ ok: true, value, bytes: keys.ofResult(procedure, value) });
    } catch (error) {
      settle(endingOf(error));
      if (!(error instanceof RpcError)) return;
      if (error.code === "stale") rpc.$renew();
      if (settleAfterMs === undefined || error.executed !== "unknown") return;
      await program.sleep(settleAfterMs);
      await this.#settle(program, rpc, record, error);
    }
  }

  /** Whether a call may be made in a session only. */
  #needsSession({ kind, fifo, required }: ClientPlan, guarantee: Semantics): boolean {
    return kind === "session" && (fifo || required || guarantee === "exactly-once");
  }

  /** Asks what became of a call. */
  async #settle(program: Program, rpc: Client<unknown>, record: CallRecord, error: RpcError): Promise<void> {
    const askedAt = this.#time.now;
    const until = program.clock.now() + settleTimeoutMs;
    const ask = rpc.$settle as (procedure: string, error: RpcError, options: object) => Promise<Settlement<unknown>>;
    let told: Settlement<unknown>;
    try {
      told = await ask(record.procedure, error, { timeoutMs: settleTimeoutMs });
    } catch (failure) {
      if (!(failure instanceof RpcError)) this.#surprise(program, `$settle: ${String(failure)}`);
      return;
    }
    const value = told.executed === "yes" && told.ok ? told.value : undefined;
    const bytes = value === undefined ? undefined : this.#setup.keys.ofResult(record.procedure, value);
    record.settlement = { askedAt, toldAt: this.#time.now, executed: told.executed, bytes };
    record.late ||= this.#isLate(program, until);
    this.#timeline?.note(program.name, `call #${record.number} is settled: executed ${told.executed}`);
  }

  /** Whether something should have settled before. A clock that leaped over the deadline made it pass when it leaped. */
  #isLate(program: Program, deadline: number): boolean {
    const leaped = this.#time.now - program.jumpedAt <= settleSlackMs;
    return program.clock.now() > deadline + settleSlackMs && !leaped;
  }

  /** No options at all where there are none: such calls take the short way. */
  #optionsOf(
    program: Program,
    timeoutMs: number | undefined,
    cancelAfterMs: number | undefined,
    guarantee: Semantics | undefined,
  ): CallOptions[] {
    if (timeoutMs === undefined && cancelAfterMs === undefined && guarantee === undefined) return [];
    if (cancelAfterMs === undefined) return [{ timeoutMs, semantics: guarantee }];
    const aborter = new AbortController();
    void program.sleep(cancelAfterMs).then(() => aborter.abort(new Error("changed its mind")));
    return [{ timeoutMs, semantics: guarantee, signal: aborter.signal }];
  }

  #crashClient(client: SimulatedClient, downMs: number, powerLost: boolean, returns: boolean): void {
    const { program } = client;
    if (program === undefined || !program.alive || client.done) return;
    if (!returns) this.#counts["client-crash"]++;
    client.returns = returns;
    for (const record of client.pending) {
      record.abandoned = true;
      if (!powerLost) record.abandonedAt = this.#time.now;
    }
    client.pending.clear();
    client.made = 0;
    client.countsAfter = undefined;
    this.#timeline?.note(program.name, `dies${powerLost ? " with its host" : ""} (client-crash)`);
    program.kill();
    this.#network.died(program, powerLost);
    this.#time.work(this.#time.now + downMs, () => this.#startClient(client));
  }

  // --- what goes wrong at its time

  #arrangeIncidents(): void {
    for (const incident of this.#plan.incidents) {
      if (!("at" in incident)) continue;
      this.#time.work(incident.at, () => {
        switch (incident.kind) {
          case "partition":
            this.#timeline?.note(incident.host, `is cut off for ${incident.ms.toFixed(0)} ms`);
            this.#network.cutOff(incident.host, incident.ms);
            return;
          case "reset": {
            const cut = this.#network.reset(incident.host);
            this.#counts.reset += cut;
            if (cut > 0) this.#timeline?.note(incident.host, `its connections are reset`);
            return;
          }
          case "failover": {
            if (!this.#servers.lead(incident.host)) return;
            this.#counts.failover++;
            this.#timeline?.note(incident.host, `is led to ${this.#servers.routeOf(incident.host)}`);
            if (incident.cut) this.#network.reset(incident.host);
            return;
          }
          case "clock-jump":
            this.#jump(incident.host, incident.ms);
            return;
          case "client-crash": {
            const client = this.#clients.find(({ plan }) => plan.host === incident.host);
            if (client !== undefined) this.#crashClient(client, incident.downMs, incident.powerLost, false);
            return;
          }
          case "xid-reuse": {
            const client = this.#clients.find(({ plan }) => plan.host === incident.host);
            if (client?.boots === 1) this.#crashClient(client, awayMs, false, true);
            return;
          }
          case "store-slow":
            this.#timeline?.note("store", `is slow for ${incident.ms.toFixed(0)} ms`);
            this.#store.slowUntil = this.#time.now + incident.ms;
            return;
          case "store-down":
            this.#timeline?.note("store", `is down for ${incident.ms.toFixed(0)} ms`);
            this.#store.downUntil = this.#time.now + incident.ms;
            return;
        }
      });
    }
  }

  #jump(host: string, ms: number): void {
    const program = this.#servers.on(host) ?? this.#clients.find(({ plan }) => plan.host === host)?.program;
    if (program === undefined || !program.alive) return;
    this.#counts["clock-jump"]++;
    this.#timeline?.note(program.name, `its clock leaps by ${ms} ms`);
    program.jump(ms);
  }
}

class SimulatedClient {
  readonly plan: ClientPlan;
  /** The next call of each lane. */
  readonly cursors: number[];
  readonly pending: Set<CallRecord> = new Set();
  program: Program | undefined;
  boots = 0;
  /** Calls of this run, and after how many of them a kind of fault has had its effect. */
  made = 0;
  countsAfter: { readonly made: number; readonly kind: "xid-wrap" | "xid-reuse" } | undefined = undefined;
  /** Whether this run has the identifiers of the one before. */
  returns = false;
  done = false;

  constructor(plan: ClientPlan) {
    this.plan = plan;
    this.cursors = plan.lanes.map(() => 0);
  }
}

function endingOf(error: unknown): Ending {
  if (error instanceof RpcError) {
    const { code, executed, attempts } = error;
    return { ok: false, code, executed, attempts, error };
  }
  const wrapped = error instanceof Error ? error : new Error(String(error));
  return { ok: false, code: "not-an-rpc-error", executed: "unknown", attempts: 0, error: wrapped };
}

import {
  checkTimeout,
  connectTimeoutMsDefault,
  limitProblem,
  listenTo,
  semanticsProblem,
  timeoutMsDefault,
  timeoutProblem,
  traceparentProblem,
} from "../call/call-options.js";
import { hedgeProblem } from "../call/hedge.js";
import { mayPass, RetryPolicy, retryProblem } from "../call/retry.js";
import type { RetransmitOptions } from "../call/round-trip.js";
import { CallRecord } from "../call/steps.js";
import type { Clock } from "../drive/clock.js";
import { DatagramClientDrive } from "../drive/datagram-client.js";
import { peerDemand } from "../drive/local-access.js";
import { type Machine, realMachine } from "../drive/machine.js";
import { StreamClientDrive } from "../drive/stream-client.js";
import {
  type AllowList,
  type CallOptions,
  type ClientStats,
  type HedgeOptions,
  type Hedging,
  type NarrowedBy,
  type Narrowing,
  oneWayGuarantee,
  type Resolver,
  type RetryOptions,
  RpcError,
  type RpcErrorCode,
  type Semantics,
  type ServerGuarantee,
  type Settlement,
  type Timeline,
} from "../model/index.js";
import { type Address, isDatagram, type Network, nameIn, parseAddress, type StreamLayer } from "../net/index.js";
import { ClientCallWatch, clientCallsObserved } from "../observe/client.js";
import { tellSafely } from "../observe/safely.js";
import { type ClientAuth, clientAuthNone } from "./auth/index.js";
import type { CallbackServingOptions, ServedCallbacks } from "./callbacks.js";
import {
  type CallTarget,
  ClientCall,
  type ClientEngineOptions,
  DatagramClientEngine,
  type SessionClient,
  StreamClientEngine,
} from "./engine/index.js";
import { namesOf, watchEngine } from "./observed.js";
import { Places, usable } from "./places.js";
import { type ClientTls, layerOf, type Reach, reachDatagram, reachStream } from "./reach.js";
import { guaranteeOf, plainGuarantee, sessionOf, sessionProblem } from "./session-options.js";
import { ClntStat, clntStatus } from "./status.js";
import type { StreamUpgrade } from "./upgrade.js";

export interface OncClientOptions extends CallbackServingOptions {
  /** Milliseconds a call takes at most unless it says otherwise; default 25,000, as in C. */
  readonly timeoutMs?: number | undefined;
  /** Milliseconds an attempt to connect takes at most; default 5,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Who calls; default AUTH_NONE. */
  readonly auth?: ClientAuth | undefined;
  /**
   * Who must be serving at a `unix:` address, by user or group: `{ users: ["postgres"] }`. Anybody else is called nothing: `denied`.
   * Needs Linux and the package koffi.
   */
  readonly requirePeer?: AllowList | undefined;
  /**
   * Finds ports for addresses without one, and servers for names. Default: ports from the host's rpcbind; names from the
   * binder of the environment variable FARCALL_BINDER, or else of this machine.
   */
  readonly resolver?: Resolver | undefined;
  /**
   * Whether nothing is looked up or connected before the first call (binding at call time). By default `connect` does both,
   * so that whoever starts learns at once whether the server is there. Not for datagrams.
   */
  readonly lazy?: boolean | undefined;
  /**
   * How the calls to a name are spread over the servers that have registered under it: each to the next in turn, or to the
   * one that has fewest of this client's calls to answer. By default a client has one of them, taken at random, for as long
   * as that one lives: per-session objects and the order of calls hang on it.
   */
  readonly balance?: "round-robin" | "least-pending" | undefined;
  /** Most calls that wait for an answer; default 65,536. One more is refused as `busy`. */
  readonly pendingCallsMax?: number | undefined;
  /** Most bytes that wait for the connection or for the peer to read; default 16 MiB. More is refused as `busy`. */
  readonly queueBytesMax?: number | undefined;
  /** Most bytes of a reply; default 16 MiB. A peer that sends more loses the connection. */
  readonly recordSizeMax?: number | undefined;
  /** Most fragments of a reply; default 4,096. A peer that sends more loses the connection. */
  readonly fragmentsMax?: number | undefined;
  /** Most bytes of a call in one datagram; default 65,507, UDP's own limit. More is refused as `invalid-argument`. */
  readonly datagramSizeMax?: number | undefined;
  /** Most datagrams without an answer at once; default 128. Further calls wait. */
  readonly datagramWindow?: number | undefined;
  /** When datagrams of repeatable calls are sent again. */
  readonly retransmit?: RetransmitOptions | undefined;
  /**
   * Whether to connect again when the connection is lost; default true. False where the server keeps state by
   * connection, which a new one would not find: calls then fail as `unavailable`, `executed: "no"`.
   */
  readonly reconnect?: boolean | undefined;
  /**
   * How calls are tried again, where their guarantee allows it. `false` tries each once; datagrams without an answer are
   * still sent again, as `retransmit` says.
   */
  readonly retry?: RetryOptions | false | undefined;
  /**
   * Whether calls are made in a session, where the server has sessions: then they survive the loss of a connection, run
   * once however often they are sent, and the server knows their deadlines. `auto` calls other servers plainly, and is the
   * default of `connect`; `require` does not call them at all; `off` does not ask, which spares a server that trips over
   * programs that it does not know.
   */
  readonly session?: "off" | "auto" | "require" | undefined;
  /**
   * Has the server run this client's calls one after another; needs a session, and a stream. They run in the order in which
   * they were made, but for those that have to be made anew: after a restart, a refusal as busy, a second lost connection.
   */
  readonly order?: "fifo" | undefined;
  /**
   * A name that this client keeps when it starts again, and that no other running client of the same principal has: the
   * server then ends at once what an earlier run left behind.
   */
  readonly clientName?: string | undefined;
  /** Silence, in milliseconds, after which a peer that owes an answer is asked whether it is there; default 5,000. */
  readonly probeAfterMs?: number | undefined;
  /** Milliseconds it may take to say so, before new calls go to a new connection; default 10,000. */
  readonly probeTimeoutMs?: number | undefined;
  /** TLS 1.3 for `tcp:` addresses (asked for by AUTH_TLS, RFC 9289) and `tls:` ones (from the first byte). */
  readonly tls?: ClientTls | undefined;
  /** Records the steps of every call, as the option of a call does, and is given them when it ends. */
  readonly explain?: ((timeline: Timeline) => void) | undefined;
  /** Upgrades every connection before its first call. */
  readonly upgrade?: StreamUpgrade | undefined;
  /** The network of `memory:` addresses; default: the process's own. */
  readonly network?: Network | undefined;
  /** Where time and chance come from; default: the machine that the process runs on. `farcall/testing` simulates others. */
  readonly machine?: Machine | undefined;
}

/** {@link OncClientOptions} of a client whose contract is known. */
export interface TypedClientOptions<C, N extends Narrowing<C>> extends OncClientOptions {
  /** Hedges the calls of some procedures that may run twice: `{ lookup: { afterMs: 20 } }`. */
  readonly hedge?: Hedging<NarrowedBy<C, NoInfer<N>>> | undefined;
  /** Narrows the guarantees of some procedures, for every call of this client: `{ add: "at-most-once" }`. */
  readonly semantics?: (N & { readonly [K in Exclude<keyof N, keyof C>]: never }) | undefined;
}

/** What a client needs of a way to its server, or to its servers. */
export type Channel = Pick<
  OncChannel,
  "address" | "stats" | "retry" | "call" | "guarantee" | "renew" | "settle" | "ready" | "close"
>;

/** What a channel needs of either drive. */
interface Drive {
  readonly closed: boolean;
  now(): number;
  start(call: ClientCall): void;
  cancel(call: ClientCall, reason: unknown): void;
  ready(hasRoom: () => boolean): Promise<void>;
  close(): void | Promise<void>;
}

/** One client's way to one server: calls of any procedure go in, promises come out. */
export class OncChannel {
  readonly #drive: Drive;
  readonly #engine: StreamClientEngine | DatagramClientEngine;
  readonly #timeoutMs: number;
  readonly retry: RetryPolicy;
  readonly #connects: () => number;
  readonly #explain: OncClientOptions["explain"];
  readonly #now: () => number;
  readonly #clock: Clock;
  readonly #session: SessionClient | undefined;
  /** The instances of the name that leads to the server; undefined for an address. */
  readonly #places: Places | undefined;
  /** What is served to the server. */
  #served: ServedCallbacks | undefined;

  private constructor(
    drive: Drive,
    engine: StreamClientEngine | DatagramClientEngine,
    timeoutMs: number,
    retry: RetryPolicy,
    connects: () => number,
    options: OncClientOptions,
    where: Address | Places | undefined,
  ) {
    this.#places = where instanceof Places ? where : undefined;
    const machine = options.machine ?? realMachine;
    this.#clock = machine.clock;
    this.#session = sessionOf(engine, options, machine);
    this.#drive = drive;
    this.#engine = engine;
    this.#timeoutMs = timeoutMs;
    this.retry = retry;
    this.#connects = connects;
    this.#explain = options.explain;
    this.#now = () => drive.now();
  }

  /**
   * Opens the way to `address`. Without a port it is looked up for `program` and `version`, again at every connection; so
   * are the instances of a name.
   *
   * @param preferred the instance of a name that is asked first
   * @throws RpcError `invalid-argument`, `not-found` or `unavailable`
   */
  static async open(
    address: string,
    program: number,
    version: number,
    options: OncClientOptions,
    preferred?: string | undefined,
  ): Promise<OncChannel> {
    const name = nameIn(address);
    const parsed = name === undefined ? parseAddress(address) : undefined;
    const timeoutMs = checkTimeout(options.timeoutMs ?? timeoutMsDefault, "timeoutMs");
    const connectTimeoutMs = checkTimeout(options.connectTimeoutMs ?? connectTimeoutMsDefault, "connectTimeoutMs");
    for (const name of limitNames) {
      const problem = limitProblem(options[name]);
      if (problem !== undefined) throw mistake(`${name} ${problem}`);
    }
    const layer = layersOf(options.tls);
    if (parsed !== undefined) layer(parsed);
    const machine = options.machine ?? realMachine;
    const where =
      parsed ??
      new Places({
        text: address,
        name: name as string,
        version,
        resolver: options.resolver,
        timeoutMs: connectTimeoutMs,
        now: () => machine.clock.now(),
        random: machine.random,
        preferred,
      });
    const lazy = options.lazy === true;
    const datagrams = "scheme" in where ? isDatagram(where) : !lazy && (await overDatagrams(where, preferred));
    if (lazy && datagrams) throw mistake(`lazy: ${address} is bound to when the client is made, as all datagrams are`);
    const badSession = sessionProblem(options, datagrams);
    if (badSession !== undefined) throw new RpcError("invalid-argument", badSession, { executed: "no" });
    const badRetry = retryProblem(options.retry ?? {});
    if (badRetry !== undefined) throw new RpcError("invalid-argument", badRetry, { executed: "no" });
    const retry = new RetryPolicy(options.retry, machine.random);
    const { requirePeer } = options;
    // A name may lead to Unix sockets; whatever else it leads to is denied then.
    const mayBeUnix = parsed === undefined ? !datagrams : parsed.scheme === "unix";
    const demand = requirePeer === undefined ? undefined : await peerDemand(requirePeer, mayBeUnix, address);
    const engineOptions: ClientEngineOptions = {
      auth: options.auth ?? clientAuthNone(),
      firstXid: firstXid(machine),
      peer: address,
      pendingCallsMax: options.pendingCallsMax,
      retryPolicy: retry,
    };
    const reach = (engine: StreamClientEngine | DatagramClientEngine): Reach => ({
      where,
      text: address,
      program,
      version,
      connectTimeoutMs,
      options,
      clock: machine.clock,
      layer,
      demand,
      onReached(peer, times) {
        engine.peer = peer;
        engine.reach = times;
      },
    });
    if (datagrams) {
      if ((options.callbacks?.length ?? 0) > 0)
        throw mistake(`callbacks: ${address} has no connection to be called over`);
      const engine = new DatagramClientEngine({
        ...engineOptions,
        datagramSizeMax: options.datagramSizeMax,
        retransmit: options.retransmit,
        datagramWindow: options.datagramWindow,
        queueBytesMax: options.queueBytesMax,
      });
      watchEngine(engine);
      const { socket, peer } = await reachDatagram(reach(engine));
      const drive = new DatagramClientDrive(engine, socket, peer, machine.clock);
      return new OncChannel(drive, engine, timeoutMs, retry, () => 1, options, where);
    }
    const engine = new StreamClientEngine({
      ...options,
      ...engineOptions,
    });
    watchEngine(engine);
    const served = await callbackServerOf(engine, options);
    if (where instanceof Places) engine.onSilent = () => where.silent();
    const drive = new StreamClientDrive(engine, {
      open: (signal) => reachStream(reach(engine), signal),
      connectTimeoutMs,
      backoff: retry.backoff,
      once: options.reconnect === false,
      machine,
      serves: served !== undefined,
      onLost: (link, reason) => served?.lost(link, reason),
    });
    if (served !== undefined) served.onChange = () => drive.changed();
    if (!lazy) await drive.connect();
    const channel = new OncChannel(drive, engine, timeoutMs, retry, () => drive.connects, options, where);
    channel.#served = served;
    return channel;
  }

  /** The way to a peer whose connection is there, and somebody else's. */
  static over(drive: Drive, engine: StreamClientEngine, retry: RetryPolicy, options: OncClientOptions): OncChannel {
    return new OncChannel(drive, engine, timeoutMsDefault, retry, () => 0, options, undefined);
  }

  /** The address in use, with the port. */
  get address(): string {
    return this.#engine.peer;
  }

  /** The instance of a name that was reached last, as it was registered. */
  get instance(): string | undefined {
    return this.#places?.last;
  }

  get stats(): ClientStats {
    return { ...this.#engine.stats, connects: this.#connects() };
  }

  /** Makes a call. Never throws: every mistake is a rejection. */
  call(target: CallTarget, args: readonly unknown[], options: CallOptions | undefined): Promise<unknown> {
    if (clientCallsObserved()) return this.#watched(target, args, options ?? {});
    const drive = this.#drive;
    if (options !== undefined || drive.closed || this.#explain !== undefined) {
      return this.#callWith(target, args, options ?? {});
    }
    return new Promise((resolve, reject) => {
      const startedAt = drive.now();
      const life = {
        semantics: target.semantics,
        startedAt,
        deadline: startedAt + this.#timeoutMs,
        record: undefined,
        traceparent: undefined,
      };
      drive.start(new ClientCall(target, args, life, resolve, reject));
    });
  }

  /** Makes a call that is watched from outside. */
  #watched(target: CallTarget, args: readonly unknown[], options: CallOptions): Promise<unknown> {
    const { semantics = target.semantics, context, traceparent = context?.traceparent } = options;
    const watch = new ClientCallWatch({
      names: namesOf(target),
      address: this.address,
      semantics,
      context,
      traceparent,
      oneWay: target.oneWay,
    });
    return watch.around(() => this.#callWith(target, args, options, watch));
  }

  #callWith(
    target: CallTarget,
    args: readonly unknown[],
    options: CallOptions,
    watch?: ClientCallWatch | undefined,
  ): Promise<unknown> {
    const drive = this.#drive;
    const startedAt = drive.now();
    const record = this.#recordOf(options.explain, startedAt, watch);
    const refuse = (code: RpcErrorCode, message: string, cause?: unknown): Promise<never> =>
      Promise.reject(
        new RpcError(code, `${target.name} to ${this.address}: ${message}`, {
          executed: "no",
          peer: this.address,
          cause,
          status: clntStatus(ClntStat.RPC_FAILED),
          timeline: record?.end(0, this.#engine.reach),
        }),
      );
    if (drive.closed) return refuse("closed", "the client was closed");
    const { timeoutMs = this.#timeoutMs, context, semantics = target.semantics } = options;
    const traceparent = watch === undefined ? (options.traceparent ?? context?.traceparent) : watch.traceparent;
    const badTimeout = timeoutProblem(timeoutMs);
    if (badTimeout !== undefined) return refuse("invalid-argument", `timeoutMs ${badTimeout}`);
    const hedge: HedgeOptions | false | undefined = options.hedge;
    const bad =
      guaranteeProblem(target, semantics, this.#session) ??
      retryProblem(options.retry ?? {}) ??
      (hedge === undefined || hedge === false ? undefined : hedgeProblem(hedge, semantics));
    if (bad !== undefined) return refuse("invalid-argument", bad);
    const badTrace = traceparentProblem(traceparent);
    if (badTrace !== undefined) return refuse("invalid-argument", badTrace);
    const signals = [options.signal, context?.signal].filter((signal) => signal !== undefined);
    const fired = signals.find((signal) => signal.aborted);
    if (fired !== undefined) return refuse("cancelled", "cancelled by its caller", fired.reason);
    return new Promise((resolve, reject) => {
      const deadline = Math.min(startedAt + timeoutMs, context?.deadline ?? Number.POSITIVE_INFINITY);
      const retry = options.retry === undefined ? undefined : this.retry.narrowed(options.retry);
      const nested = context !== undefined && this.#served?.isContext(context) === true;
      const life = { semantics, startedAt, deadline, record, traceparent, retry, hedge, nested };
      const call = new ClientCall(target, args, life, resolve, reject);
      if (signals.length > 0) call.release = listenTo(signals, (reason) => drive.cancel(call, reason));
      drive.start(call);
    });
  }

  /** What measures a call's steps; undefined where nobody asks. */
  #recordOf(
    explain: CallOptions["explain"],
    startedAt: number,
    watch: ClientCallWatch | undefined,
  ): CallRecord | undefined {
    const always = this.#explain;
    if (explain === undefined && always === undefined && watch === undefined) return undefined;
    return new CallRecord({
      now: this.#now,
      startedAt,
      // Whoever only watches changes nothing on the wire.
      asksServer: explain !== undefined || always !== undefined,
      subject: watch,
      tell(timeline) {
        if (watch !== undefined) watch.timeline = timeline;
        if (explain !== undefined) tellSafely(() => explain(timeline));
        if (always !== undefined) tellSafely(() => always(timeline));
      },
    });
  }

  /** What the server gives this client's calls. */
  async guarantee(): Promise<ServerGuarantee> {
    const session = this.#session;
    if (session === undefined) return plainGuarantee("off");
    await session.known(this.#now(), (open) => this.#drive.start(open));
    const { facts } = session;
    return facts === undefined ? plainGuarantee("none") : guaranteeOf(facts);
  }

  /** Lets calls go on after they have failed as `stale`. */
  renew(): void {
    this.#session?.renew();
  }

  /** Asks what became of a call that failed with this error. Rejects as `invalid-argument` for what is no such error. */
  async settle(error: RpcError, timeoutMs: number = this.#timeoutMs): Promise<Settlement<unknown>> {
    const badTimeout = timeoutProblem(timeoutMs);
    if (badTimeout !== undefined) throw mistake(`timeoutMs ${badTimeout}`);
    if (!(error instanceof RpcError)) throw mistake("$settle takes the RpcError of a call");
    if (error.executed === "no") return { executed: "no" };
    const asked = this.#session?.unsettled(error);
    if (asked === undefined || this.#session === undefined) {
      return { executed: "unknown", reason: "no server remembers the call: it was not made in a session that filters" };
    }
    const session = this.#session;
    const deadline = this.#now() + timeoutMs;
    for (let pauseMs: number = settlePauseMs.first; ; pauseMs = Math.min(pauseMs * 2, settlePauseMs.most)) {
      let reason = "the server does not know yet";
      try {
        const result = await new Promise<Parameters<SessionClient["settlement"]>[0]>((resolve, reject) => {
          this.#drive.start(session.statusCall(asked.seat, this.#now(), deadline, resolve, reject));
        });
        const settlement = session.settlement(result, asked.target, this.address);
        if (settlement !== undefined) return settlement;
      } catch (failure) {
        if (!(failure instanceof RpcError) || failure.code === "closed") throw failure;
        reason = failure.message;
        // That the question was refused says nothing about the call.
        if (!mayPass(failure.code)) return { executed: "unknown", reason };
      }
      if (this.#now() + pauseMs >= deadline) return { executed: "unknown", reason };
      await sleep(this.#clock, pauseMs);
    }
  }

  async ready(): Promise<void> {
    await this.#drive.ready(() => !this.#engine.full);
  }

  async close(): Promise<void> {
    await this.#drive.close();
    await this.#served?.close();
  }
}

/** What is served to the server; the half that serves is loaded by clients that need it. */
async function callbackServerOf(
  engine: StreamClientEngine,
  options: OncClientOptions,
): Promise<ServedCallbacks | undefined> {
  const { callbacks = [] } = options;
  if (callbacks.length === 0) return undefined;
  const { CallbackServer } = await import("./callback-server.js");
  try {
    return new CallbackServer(engine, callbacks, options);
  } catch (error) {
    throw mistake(`callbacks: ${(error as Error).message}`);
  }
}

/** Makes each host's TLS once. */
function layersOf(tls: ClientTls | undefined): (address: Address) => StreamLayer | undefined {
  const layers = new Map<string, StreamLayer | undefined>();
  return (address) => {
    const key = "host" in address ? `${address.scheme} ${address.host}` : "";
    if (!layers.has(key)) {
      // A name's instances come and go.
      if (layers.size >= layersMax) layers.clear();
      layers.set(key, layerOf(address, tls));
    }
    return layers.get(key);
  };
}

/** Hosts whose TLS is kept. */
const layersMax = 256;

/** Whether a name, or the instance that is preferred, is served over datagrams only. */
async function overDatagrams(places: Places, preferred: string | undefined): Promise<boolean> {
  const texts = preferred === undefined ? (await places.all()).map(({ address }) => address) : [preferred];
  const addresses = texts.map(usable).filter((address) => address !== undefined);
  return addresses.length > 0 && addresses.every(isDatagram);
}

/** Between two questions about one call, in milliseconds. */
const settlePauseMs = { first: 50, most: 1_000 } as const;

function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const alarm = clock.alarm(resolve);
    alarm.keepAlive(true);
    alarm.set(clock.now() + ms);
  });
}

/** The limits among a client's options. */
const limitNames = [
  "pendingCallsMax",
  "queueBytesMax",
  "recordSizeMax",
  "fragmentsMax",
  "datagramSizeMax",
  "datagramWindow",
  "callbacksMax",
  "callbackBytesMax",
  "probeAfterMs",
  "probeTimeoutMs",
] as const;

function mistake(message: string): RpcError {
  return new RpcError("invalid-argument", message, { executed: "no" });
}

/** At random, so that a client that starts again is not taken for its former self. */
function firstXid({ randomBytes }: Machine): number {
  const { buffer, byteOffset } = randomBytes(4);
  return new DataView(buffer, byteOffset).getUint32(0);
}

/** What is wrong with a guarantee that a call asks for. */
function guaranteeProblem(
  { semantics: declared, narrowed, oneWay }: CallTarget,
  asked: Semantics,
  session: SessionClient | undefined,
): string | undefined {
  if (oneWay === true && asked !== declared) return oneWayGuarantee(asked);
  const by = narrowed === true ? "this client is narrowed to" : undefined;
  const bad = semanticsProblem(declared, asked, by);
  if (bad !== undefined) return bad;
  if (asked === "exactly-once" && session === undefined) {
    return 'exactly-once needs a session, and this client has session "off"';
  }
  return undefined;
}

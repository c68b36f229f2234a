import { mayPass } from "../call/retry.js";
import { type Machine, realMachine } from "../drive/machine.js";
import {
  type CallOptions,
  type ClientStats,
  type Place,
  RpcError,
  type ServerGuarantee,
  type Settlement,
} from "../model/index.js";
import { nameIn } from "../net/index.js";
import { type Channel, OncChannel, type OncClientOptions } from "./channel.js";
import type { CallTarget } from "./engine/index.js";
import { Places, usable } from "./places.js";

/** How long the instances that were found are taken for those that there are, in milliseconds, while calls are made. */
const freshMs = 1_000;

/** How long an instance that could not be reached gets no calls, in milliseconds. */
const restMs = 2_000;

/** Most instances that one client has connections to. */
const instancesMax = 64;

/** One server of the name, and the way to it. */
interface Instance {
  readonly address: string;
  priority: number;
  /** Undefined as long as nobody has called it. */
  channel: Promise<OncChannel> | undefined;
  /** The same, once it is there. */
  open: OncChannel | undefined;
  /** Not before this time does it get new calls. */
  restsUntil: number;
  /** Registered no longer: it ends with the last call that it has. */
  retired: boolean;
}

/**
 * The way to all servers of a name: each call goes to one of them. Every instance has a channel, and what happens to a
 * call there is that channel's business: when the instance is lost, the channel goes to another one, where calls that may
 * run again are sent again, and those of a session are asked about in the store of replies that both share. What is
 * decided here is where a call begins, and that one that provably did not run there begins anew elsewhere.
 */
export class BalancedChannel implements Channel {
  readonly #text: string;
  readonly #options: OncClientOptions;
  readonly #program: number;
  readonly #version: number;
  readonly #places: Places;
  readonly #machine: Machine;
  readonly #instances = new Map<string, Instance>();
  /** Where calls went that may be asked about. */
  readonly #failed = new WeakMap<RpcError, OncChannel>();
  #turn = 0;
  #foundAt = Number.NEGATIVE_INFINITY;
  #finding: Promise<void> | undefined;
  #closed = false;
  /** Of channels that have ended. */
  #gone = { calls: 0, retransmissions: 0, connects: 0, strayReplies: 0 };
  readonly retry: OncChannel["retry"];

  private constructor(text: string, program: number, version: number, options: OncClientOptions, first: OncChannel) {
    this.#text = text;
    this.#program = program;
    this.#version = version;
    this.#options = options;
    this.#machine = options.machine ?? realMachine;
    this.retry = first.retry;
    this.#places = new Places({
      text,
      name: nameIn(text) as string,
      version,
      resolver: options.resolver,
      timeoutMs: options.connectTimeoutMs ?? 5_000,
      now: () => this.#machine.clock.now(),
      random: this.#machine.random,
    });
  }

  /** @throws RpcError as {@link OncChannel.open} does, and `invalid-argument` where calls cannot be spread */
  static async open(
    text: string,
    program: number,
    version: number,
    options: OncClientOptions,
  ): Promise<BalancedChannel> {
    if (nameIn(text) === undefined) {
      throw mistake(`balance: ${text} is one server; a name has several, such as name:calc`);
    }
    if (options.order === "fifo")
      throw mistake('order "fifo" needs one server, and balance spreads calls over several');
    // It finds mistakes in the options, and whether anybody is there at all.
    const first = await OncChannel.open(text, program, version, options);
    const channel = new BalancedChannel(text, program, version, options, first);
    if (options.lazy !== true) {
      channel.#adopt(first.instance ?? first.address, first);
      await channel.#find();
    } else await first.close();
    return channel;
  }

  /** The channel that was opened to see whether anybody is there is that of the instance which it reached. */
  #adopt(address: string, open: OncChannel): void {
    this.#instances.set(address, {
      address,
      priority: 0,
      channel: Promise.resolve(open),
      open,
      restsUntil: Number.NEGATIVE_INFINITY,
      retired: false,
    });
  }

  get address(): string {
    return this.#text;
  }

  get stats(): ClientStats {
    const all = this.#channels().map(({ stats }) => stats);
    const sum = (of: (stats: ClientStats) => number): number => all.reduce((total, stats) => total + of(stats), 0);
    return {
      pending: sum(({ pending }) => pending),
      queued: sum(({ queued }) => queued),
      queuedBytes: sum(({ queuedBytes }) => queuedBytes),
      calls: sum(({ calls }) => calls) + this.#gone.calls,
      retransmissions: sum(({ retransmissions }) => retransmissions) + this.#gone.retransmissions,
      connects: sum(({ connects }) => connects) + this.#gone.connects,
      strayReplies: sum(({ strayReplies }) => strayReplies) + this.#gone.strayReplies,
      roundTripMs: undefined,
    };
  }

  #channels(): OncChannel[] {
    return [...this.#instances.values()].flatMap(({ open }) => (open === undefined ? [] : [open]));
  }

  // --- calls

  async call(target: CallTarget, args: readonly unknown[], options: CallOptions | undefined): Promise<unknown> {
    const { clock } = this.#machine;
    const startedAt = clock.now();
    const tried = new Set<string>();
    let doubt: RpcError | undefined;
    for (;;) {
      const instance = await this.#choose(tried, doubt);
      tried.add(instance.address);
      let channel: OncChannel | undefined;
      try {
        channel = await this.#channelOf(instance);
        return await channel.call(target, args, this.#narrowed(options, startedAt));
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        if (channel !== undefined) this.#failed.set(error, channel);
        const semantics = options?.semantics ?? target.semantics;
        if (error.executed === "no" && error.code === "unavailable") this.#rest(instance);
        const failure = merged(doubt, error);
        const over = this.#closed || clock.now() - startedAt >= this.#timeoutOf(options);
        if (over || !mayMove(error, semantics) || !this.#hasOther(tried)) throw failure;
        if (failure.executed !== "no") doubt = failure;
      }
    }
  }

  #timeoutOf(options: CallOptions | undefined): number {
    return options?.timeoutMs ?? this.#options.timeoutMs ?? 25_000;
  }

  /** The options of a call that has spent some of its time elsewhere. */
  #narrowed(options: CallOptions | undefined, startedAt: number): CallOptions | undefined {
    const spent = this.#machine.clock.now() - startedAt;
    const timeoutMs = this.#timeoutOf(options);
    if (spent === 0 || !(timeoutMs > spent)) return options;
    return { ...options, timeoutMs: timeoutMs - spent };
  }

  /** Where a call begins: at one of those that answer, of the best priority, and not where it was already. */
  async #choose(tried: ReadonlySet<string>, doubt: RpcError | undefined): Promise<Instance> {
    if (this.#closed) throw doubt ?? new RpcError("closed", "the client was closed", { executed: "no" });
    const now = this.#machine.clock.now();
    if (this.#instances.size === 0) await this.#find();
    else if (now - this.#foundAt >= freshMs) void this.#find().catch(() => {});
    const open = this.#usable().filter(({ address }) => !tried.has(address));
    for (const instance of open) {
      if (!isDisplaced(instance)) continue;
      // Its server was lost, and its calls went to another one, which has a channel of its own for new ones.
      this.#displace(instance);
      this.#rest(instance);
    }
    const rested = open.filter(({ restsUntil }) => restsUntil <= now);
    const candidates = rested.length > 0 ? rested : open;
    const best = Math.min(...candidates.map(({ priority }) => priority));
    const equals = candidates.filter(({ priority }) => priority === best);
    const chosen = this.#options.balance === "least-pending" ? leastPending(equals, this.#turn) : this.#next(equals);
    this.#turn++;
    if (chosen === undefined)
      throw doubt ?? new RpcError("not-found", `${this.#text} has no instances`, { executed: "no" });
    return chosen;
  }

  #next(instances: readonly Instance[]): Instance | undefined {
    return instances[this.#turn % instances.length];
  }

  #usable(): Instance[] {
    return [...this.#instances.values()].filter(({ retired }) => !retired);
  }

  #hasOther(tried: ReadonlySet<string>): boolean {
    return this.#usable().some(({ address }) => !tried.has(address));
  }

  async #channelOf(instance: Instance): Promise<OncChannel> {
    if (instance.open !== undefined) return instance.open;
    if (instance.channel === undefined) {
      const streams = usable(instance.address)?.scheme !== "udp";
      const opening = OncChannel.open(
        streams ? this.#text : instance.address,
        this.#program,
        this.#version,
        { ...this.#options, lazy: streams },
        streams ? instance.address : undefined,
      );
      instance.channel = opening;
      opening.then(
        (channel) => {
          if (this.#closed) void channel.close();
          else if (instance.channel === opening) instance.open = channel;
          else this.#drain(channel);
        },
        () => {
          if (instance.channel === opening) instance.channel = undefined;
        },
      );
    }
    return await instance.channel;
  }

  /** A channel that has gone to another server ends when its calls have. */
  #displace(instance: Instance): void {
    const { open } = instance;
    instance.open = undefined;
    instance.channel = undefined;
    if (open !== undefined) this.#drain(open);
  }

  #drain(channel: OncChannel): void {
    this.#draining.add(channel);
    const end = (): void => {
      if (channel.stats.pending > 0 && !this.#closed) return void alarm.set(this.#machine.clock.now() + freshMs);
      const { calls, retransmissions, connects, strayReplies } = channel.stats;
      this.#gone.calls += calls;
      this.#gone.retransmissions += retransmissions;
      this.#gone.connects += connects;
      this.#gone.strayReplies += strayReplies;
      this.#draining.delete(channel);
      void channel.close();
    };
    const alarm = this.#machine.clock.alarm(end);
    // Not at once: a call may just be on its way into it.
    alarm.set(this.#machine.clock.now() + freshMs);
  }

  readonly #draining = new Set<OncChannel>();

  #rest(instance: Instance): void {
    instance.restsUntil = this.#machine.clock.now() + restMs;
  }

  // --- instances

  /** Asks the binder who is there; many calls at once ask once. */
  #find(): Promise<void> {
    this.#finding ??= this.#places
      .all()
      .then((places) => this.#take(places))
      .finally(() => {
        this.#finding = undefined;
        this.#foundAt = this.#machine.clock.now();
      });
    return this.#finding;
  }

  #take(places: readonly Place[]): void {
    const listed = places.filter(({ address }) => usable(address) !== undefined).slice(0, instancesMax);
    for (const { address, priority } of listed) {
      const known = this.#instances.get(address);
      if (known === undefined) {
        this.#instances.set(address, {
          address,
          priority,
          channel: undefined,
          open: undefined,
          restsUntil: Number.NEGATIVE_INFINITY,
          retired: false,
        });
      } else {
        known.priority = priority;
      }
    }
    for (const instance of [...this.#instances.values()]) {
      if (listed.some(({ address }) => address === instance.address)) continue;
      instance.retired = true;
      this.#instances.delete(instance.address);
      this.#displace(instance);
    }
  }

  // --- controls

  async guarantee(): Promise<ServerGuarantee> {
    return await (await this.#channelOf(await this.#choose(new Set(), undefined))).guarantee();
  }

  renew(): void {
    for (const channel of this.#channels()) channel.renew();
  }

  /** Asks where the call was made. */
  async settle(error: RpcError, timeoutMs?: number): Promise<Settlement<unknown>> {
    const channel = this.#failed.get(error);
    if (channel !== undefined) return await channel.settle(error, timeoutMs);
    return await (await this.#channelOf(await this.#choose(new Set(), undefined))).settle(error, timeoutMs);
  }

  async ready(): Promise<void> {
    const channels = this.#channels();
    if (channels.length > 0) await Promise.race(channels.map((channel) => channel.ready()));
  }

  async close(): Promise<void> {
    this.#closed = true;
    const channels = [...this.#channels(), ...this.#draining];
    this.#instances.clear();
    await Promise.all(channels.map((channel) => channel.close()));
  }
}

/** Whether the channel of an instance has gone to another one. */
function isDisplaced({ address, open }: Instance): boolean {
  const at = open?.instance;
  return at !== undefined && at !== address;
}

function leastPending(instances: readonly Instance[], turn: number): Instance | undefined {
  let best: Instance | undefined;
  let least = Number.POSITIVE_INFINITY;
  // Begun elsewhere each time, or the first would get every call of a quiet client.
  for (let i = 0; i < instances.length; i++) {
    const instance = instances[(turn + i) % instances.length] as Instance;
    const pending = instance.open?.stats.pending ?? 0;
    if (pending < least) [best, least] = [instance, pending];
  }
  return best;
}

/**
 * Whether a call that failed at one instance may begin anew at another: it provably did not run, or it may run twice. What
 * may have run where it must not run twice stays where it was.
 */
function mayMove({ code, executed }: RpcError, semantics: string): boolean {
  if (semantics === "maybe" || !mayPass(code)) return false;
  if (code !== "unavailable" && code !== "busy") return false;
  return executed === "no" || (executed === "unknown" && semantics === "at-least-once");
}

/** The last failure, with what is known of all: one that did not run here may have run where it was before. */
function merged(doubt: RpcError | undefined, error: RpcError): RpcError {
  if (doubt === undefined || error.executed !== "no") return error;
  const { code, message, status, attempts, transmissions, peer, timeline } = error;
  return new RpcError(code, `${message}; an earlier attempt elsewhere may have run it (${doubt.message})`, {
    executed: doubt.executed,
    status,
    attempts: attempts + doubt.attempts,
    transmissions: transmissions + doubt.transmissions,
    peer,
    timeline,
    cause: error,
  });
}

function mistake(message: string): RpcError {
  return new RpcError("invalid-argument", message, { executed: "no" });
}

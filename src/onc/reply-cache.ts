import cluster from "node:cluster";
import { createHash } from "node:crypto";
import type {
  Claim,
  FreshClaim,
  Look,
  MaybePromise,
  ReplyKey,
  ReplyStore,
  ReplyStoreLimits,
} from "../call/reply-cache.js";
import { ReadClock } from "../drive/clock.js";
import { type Machine, realMachine } from "../drive/machine.js";
import { MemoryReplyStore } from "../store/memory.js";
import type { DuplicateFilterOptions, OnceCalls, ReplyRequests, ServerCall, ServerEngine } from "./engine/index.js";

/**
 * How a server tells calls that were sent again from new ones. The limits are those of the store in memory; another
 * store has its own.
 */
export interface ReplyCacheOptions<Tx = unknown> extends ReplyStoreLimits {
  /** Where replies are kept; default: in memory, for this process. The server does not close it. */
  readonly store?: ReplyStore<Tx> | undefined;
  /** Filters calls over UDP; default true. */
  readonly datagrams?: boolean | undefined;
  /**
   * Filters calls over TCP, for clients that connect again from the same port, as NFS clients do; default false. A client
   * that uses one xid for several calls must not be served so: it would get the first reply again.
   */
  readonly streams?: boolean | undefined;
  /**
   * The name that this server keeps when it starts again, and that no other running server has: what its earlier run left
   * unfinished is then known for lost at once. Default: a new one each time, so that it is known after `leaseMs`.
   */
  readonly owner?: string | undefined;
  /** Milliseconds after which other servers on the same store take an unfinished call for lost; default 60,000. */
  readonly leaseMs?: number | undefined;
}

/** What a server's reply cache really gives. */
export interface DuplicateFiltering {
  /**
   * Whether a datagram that is sent again does not run twice. False in a worker of `node:cluster` with a store of its own
   * process: the system hands the second datagram to any worker.
   */
  readonly datagrams: boolean;
  /** The same for a call that is sent again over TCP, from the same port. */
  readonly streams: boolean;
  /** Whether it outlives a crash. */
  readonly durable: boolean;
  /** Whether it holds for a call that is sent again to another process. */
  readonly shared: boolean;
}

/** Longer than a usual call runs, and half of what the usual client waits before it gives a server up. */
export const leaseMsDefault = 60_000;

/** A reply cache as one server uses it. */
export class ReplyCache {
  readonly store: ReplyStore;
  readonly filter: DuplicateFilterOptions;
  readonly #owner: string;
  readonly #boot: string;
  readonly #leaseMs: number;
  readonly #time: ReadClock;

  constructor(
    options: ReplyCacheOptions = {},
    machine: Machine = realMachine,
    time: ReadClock = new ReadClock(machine.clock),
  ) {
    this.#time = time;
    this.#boot = Buffer.from(machine.randomBytes(16)).toString("hex");
    const named = { id: Buffer.from(machine.randomBytes(16)).toString("hex"), now: () => time.last };
    this.store = options.store ?? new MemoryReplyStore({ ...options, ...named });
    this.#owner = options.owner ?? this.#boot;
    this.#leaseMs = options.leaseMs ?? leaseMsDefault;
    this.filter = {
      datagrams: options.datagrams ?? true,
      streams: options.streams ?? false,
      transactional: this.store.transactional,
      boot: this.#boot,
      digest,
    };
  }

  get filtering(): DuplicateFiltering {
    const { durable, shared } = this.store;
    const { datagrams, streams } = this.filter;
    return { datagrams: datagrams && (shared || !cluster.isWorker), streams, durable, shared };
  }

  /**
   * Asks the store on the engine's behalf. A store that answers at once is answered for at once.
   *
   * @param ended is told when a call has ended in a later turn than it began in
   */
  requests(engine: ServerEngine, ended: (call: ServerCall) => void): ReplyRequests {
    return new Requests(this, engine.once, ended);
  }

  /** Claims a call for this server. */
  claim(call: ServerCall, key: ReplyKey): MaybePromise<Claim> {
    const { store } = this;
    // The call of a session has just asked for the time.
    if (call.seat === undefined) this.#time.read();
    return store.claim({
      key,
      from: call.link.peer,
      // What a foreign call says is part of its key, so there is nothing left to compare.
      fingerprint: call.seat?.fingerprint ?? "",
      owner: this.#owner,
      boot: this.#boot,
      leaseMs: this.#leaseMs,
      transactional: store.transactional && call.semantics === "exactly-once" && call.filtered?.failed !== true,
    });
  }

  /** What is known of a call; with a fence, it does not run afterwards if nothing is. */
  look(key: ReplyKey, fence: boolean, from: string): MaybePromise<Look> {
    this.#time.read();
    return this.store.look({ key, from, owner: this.#owner, boot: this.#boot, fence });
  }

  /** A caller has the answers of all its calls up to this one. A store that cannot be told drops them when they are old. */
  forget(caller: string, through: number): void {
    try {
      const done = this.store.forget(caller, through);
      if (done instanceof Promise) done.catch(() => {});
    } catch {
      // As above.
    }
  }
}

/**
 * What one engine asks. Without closures where the store answers at once: every call in a session passes through here
 * twice.
 */
class Requests implements ReplyRequests {
  readonly #cache: ReplyCache;
  readonly #once: OnceCalls;
  readonly #ended: (call: ServerCall) => void;

  constructor(cache: ReplyCache, once: OnceCalls, ended: (call: ServerCall) => void) {
    this.#cache = cache;
    this.#once = once;
    this.#ended = ended;
  }

  claim(call: ServerCall, key: ReplyKey): void {
    const once = this.#once;
    let claim: MaybePromise<Claim>;
    try {
      claim = this.#cache.claim(call, key);
    } catch (error) {
      return once.unclaimed(call, error);
    }
    if (!(claim instanceof Promise)) return once.claimed(call, claim);
    this.#later(
      call,
      claim,
      (granted) => once.claimed(call, granted),
      (error) => once.unclaimed(call, error),
    );
  }

  keep(call: ServerCall, claim: FreshClaim, reply: Uint8Array): void {
    const once = this.#once;
    let kept: MaybePromise<void>;
    try {
      kept = claim.complete(reply);
    } catch (error) {
      return once.unkept(call, error);
    }
    if (!(kept instanceof Promise)) return once.kept(call);
    this.#later(
      call,
      kept,
      () => once.kept(call),
      (error) => once.unkept(call, error),
    );
  }

  release(call: ServerCall, claim: FreshClaim): void {
    const released = (): void => this.#once.released(call);
    let abandoned: MaybePromise<void>;
    try {
      abandoned = claim.abandon();
    } catch {
      return released();
    }
    if (!(abandoned instanceof Promise)) return released();
    this.#later(call, abandoned, released, released);
  }

  forget(caller: string, through: number): void {
    this.#cache.forget(caller, through);
  }

  #later<T>(call: ServerCall, answer: Promise<T>, done: (value: T) => void, failed: (error: unknown) => void): void {
    const over = (): void => {
      if (call.ended) this.#ended(call);
    };
    answer.then(
      (value) => {
        done(value);
        over();
      },
      (error: unknown) => {
        failed(error);
        over();
      },
    );
  }
}

/** SHA-256, so that nobody can make a message that gets another one's reply. */
function digest(head: Uint8Array, args: Uint8Array): string {
  return createHash("sha256").update(head).update(args).digest("base64");
}

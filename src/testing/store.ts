import type {
  Claim,
  ClaimRequest,
  FreshClaim,
  Look,
  LookRequest,
  ReplyStore,
  ReplyStoreLimits,
} from "../call/reply-cache.js";
import { MemoryReplyStore } from "../store/memory.js";
import type { FaultCounts } from "./faults.js";
import type { Program } from "./program.js";
import type { Random } from "./random.js";
import type { Event, VirtualTime } from "./time.js";

/**
 * What a handler of an exactly-once procedure works in: values by name, which are committed together with the reply, or
 * not at all. One transaction runs at a time, as in SQLite.
 */
export interface SimulatedTransaction {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
}

/** How soon the store notices that whoever had a transaction is dead, in milliseconds at the most. */
const noticeMs = 50;

/** How long a transaction may take before it is rolled back, in milliseconds: as with SQLite's store. */
const transactionMs = 30_000;

export interface SimulatedStoreOptions {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly counts: FaultCounts;
  readonly limits: ReplyStoreLimits;
  /** Is told of every transaction that commits. */
  readonly onCommit: (transaction: SimulatedTransaction) => void;
}

/**
 * A durable store of the reply cache on a host of its own, which outlives the servers: what a database would be. Every
 * answer takes its time; it may be slow, or down, in which case it has done what was asked or has not.
 */
export class SimulatedStore {
  /** What was committed by transactions, and by handlers outside of them. */
  readonly values: Map<string, unknown> = new Map();
  slowUntil: number = Number.NEGATIVE_INFINITY;
  downUntil: number = Number.NEGATIVE_INFINITY;
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #counts: FaultCounts;
  readonly #replies: MemoryReplyStore;
  readonly #onCommit: (transaction: SimulatedTransaction) => void;
  /** The transaction that runs, and who waits for the next. */
  #running: Transaction | undefined;
  readonly #waiting: (() => void)[] = [];

  constructor(options: SimulatedStoreOptions) {
    this.#time = options.time;
    this.#random = options.random;
    this.#counts = options.counts;
    this.#onCommit = options.onCommit;
    this.#replies = new MemoryReplyStore({ ...options.limits, now: () => this.#time.now });
  }

  /** The store as one program sees it. */
  of(program: Program): ReplyStore<SimulatedTransaction> {
    return {
      id: "simulated",
      replyWindowMs: this.#replies.replyWindowMs,
      durable: true,
      shared: true,
      transactional: true,
      claim: (request) => {
        if (request.transactional === true) return this.#begin(program, request);
        return this.#ask(program, () => this.#granted(program, this.#replies.claim(request)));
      },
      look: (request) => this.#ask(program, () => this.#look(request)),
      forget: (caller, through) => this.#ask(program, () => this.#replies.forget(caller, through)),
      close: () => {},
    };
  }

  /** A claim of the store in memory, whose end takes its time as well. */
  #granted(program: Program, claim: Claim<undefined>): Claim<SimulatedTransaction> {
    if (claim.state === "busy") this.#counts["cache-full"]++;
    if (claim.state !== "fresh") return claim;
    return {
      state: "fresh",
      transaction: undefined,
      complete: (reply) => this.#ask(program, () => claim.complete(reply)),
      abandon: () => this.#ask(program, () => claim.abandon()),
    };
  }

  #look(request: LookRequest): Look {
    const running = this.#running?.isOf(request.key.caller, request.key.call) === true;
    return running ? { state: "running" } : this.#replies.look(request);
  }

  /** Waits for its turn, and then claims the call in a transaction. */
  #begin(program: Program, request: ClaimRequest): Promise<Claim<SimulatedTransaction>> {
    return this.#ask(
      program,
      async () => {
        while (this.#running !== undefined) await new Promise<void>((resolve) => this.#waiting.push(resolve));
        const { key, owner, boot } = request;
        const known = this.#replies.look({ key, owner, boot });
        if (known.state === "busy") return { state: "busy" };
        // The store in memory compares fingerprints when it claims: it is asked only about calls that it knows.
        if (known.state !== "unseen") return this.#granted(program, this.#replies.claim(request));
        if (!program.alive) throw new Error("whoever asked is dead");
        const transaction = new Transaction(this, request);
        this.#running = transaction;
        transaction.limit = this.#time.work(this.#time.now + transactionMs, () => this.#end(transaction));
        program.onDeath(() => {
          const at = this.#time.now + this.#random.between(0, noticeMs);
          if (!transaction.ended) this.#time.work(at, () => this.#end(transaction));
        });
        const claim: FreshClaim<SimulatedTransaction> = {
          state: "fresh",
          transaction,
          complete: (reply) => this.#ask(program, () => this.#commit(transaction, reply)),
          abandon: () => this.#ask(program, () => this.#end(transaction)),
        };
        return claim;
      },
      (claim) => {
        // The connection that the transaction belongs to is gone with the answer.
        if (claim.state === "fresh") this.#end(claim.transaction as Transaction);
      },
    );
  }

  #commit(transaction: Transaction, reply: Uint8Array): void {
    if (transaction.ended) throw new Error("the transaction was rolled back");
    const claim = this.#replies.claim(transaction.request);
    if (claim.state !== "fresh") {
      if (claim.state === "busy") this.#counts["cache-full"]++;
      this.#end(transaction);
      throw new Error(`the reply cannot be kept: ${claim.state}`);
    }
    void claim.complete(reply);
    for (const [name, value] of transaction.written) this.values.set(name, value);
    this.#onCommit(transaction);
    this.#end(transaction);
  }

  #end(transaction: Transaction): void {
    if (transaction.ended) return;
    transaction.ended = true;
    if (transaction.limit !== undefined) this.#time.cancel(transaction.limit);
    if (this.#running !== transaction) return;
    this.#running = undefined;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /**
   * Carries a request to the store and its answer back.
   *
   * @param lost is told what was answered in vain
   */
  #ask<T>(program: Program, act: () => T | Promise<T>, lost?: (answer: T) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!program.alive) return;
      const fail = (): void => {
        this.#counts["store-down"]++;
        if (program.alive) reject(new Error("the store is down"));
      };
      const answer = (settle: () => void, value?: T): void => {
        this.#time.work(this.#time.now + this.#latency(), () => {
          if (!this.#isDown) {
            if (program.alive) settle();
            return;
          }
          // What was asked is done; only the answer is lost.
          if (value !== undefined) lost?.(value);
          fail();
        });
      };
      this.#time.work(this.#time.now + this.#latency(), () => {
        if (this.#isDown) return fail();
        try {
          const value = act();
          if (!(value instanceof Promise)) return answer(() => resolve(value), value);
          // A turn that is waited for must keep the history going.
          value.then(
            (settled) => answer(() => resolve(settled), settled),
            (error: unknown) => answer(() => reject(error as Error)),
          );
        } catch (error) {
          answer(() => reject(error as Error));
        }
      });
    });
  }

  get #isDown(): boolean {
    return this.#time.now < this.downUntil;
  }

  #latency(): number {
    if (this.#time.now >= this.slowUntil) return this.#random.between(0.02, 0.2);
    this.#counts["store-slow"]++;
    return this.#random.between(100, 3_000);
  }
}

class Transaction implements SimulatedTransaction {
  readonly request: ClaimRequest;
  readonly written: Map<string, unknown> = new Map();
  ended = false;
  limit: Event | undefined = undefined;
  readonly #store: SimulatedStore;

  constructor(store: SimulatedStore, request: ClaimRequest) {
    this.#store = store;
    this.request = request;
  }

  isOf(caller: string, call: number | string): boolean {
    const { key } = this.request;
    return key.caller === caller && key.call === call;
  }

  get(name: string): unknown {
    this.#check();
    return this.written.has(name) ? this.written.get(name) : this.#store.values.get(name);
  }

  set(name: string, value: unknown): void {
    this.#check();
    this.written.set(name, value);
  }

  #check(): void {
    if (this.ended) throw new Error("the transaction has ended");
  }
}

/** The store that every server has for itself: gone with it. Counts when it is full. */
export class VolatileStore extends MemoryReplyStore {
  readonly #counts: FaultCounts;

  constructor(program: Program, limits: ReplyStoreLimits, counts: FaultCounts) {
    super({ ...limits, id: program.name, now: () => program.clock.now() });
    this.#counts = counts;
  }

  override claim(request: ClaimRequest): Claim<undefined> {
    const claim = super.claim(request);
    if (claim.state === "busy") this.#counts["cache-full"]++;
    return claim;
  }
}

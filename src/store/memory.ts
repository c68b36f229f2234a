import { randomUUID } from "node:crypto";
import { Slab } from "../bytes/index.js";
import { Numbered } from "../call/numbered.js";
import {
  type Claim,
  type ClaimRequest,
  type FreshClaim,
  type KnownCall,
  type Look,
  type LookRequest,
  type ReplyKey,
  type ReplyStore,
  type ReplyStoreLimits,
  type ResolvedReplyStoreLimits,
  replyEntryOverhead,
  resolveReplyStoreLimits,
} from "../call/reply-cache.js";
import { Linked, type Place } from "./linked.js";
import { type Share, Shares } from "./shares.js";

export interface MemoryReplyStoreOptions extends ReplyStoreLimits {
  /** Names what is kept; default: a new name for each store. */
  readonly id?: string | undefined;
  /** Milliseconds on a clock that never goes back; default `performance.now`. */
  readonly now?: (() => number) | undefined;
}

/** What an entry may make of a claim. */
type Known = KnownCall | { readonly state: "mismatch" };

const running: KnownCall = { state: "running" };
const lost: KnownCall = { state: "lost" };
const forgotten: KnownCall = { state: "forgotten" };
const fenced: KnownCall = { state: "fenced" };
const tooLarge: KnownCall = { state: "too-large" };

/**
 * One call. It is its own claim, and its own place in the order of ending: objects that live for a thousand calls are what
 * the collector spends its time on.
 */
class Entry implements FreshClaim<undefined>, Place<Entry> {
  readonly state = "fresh";
  readonly transaction: undefined = undefined;
  readonly caller: CallerEntries;
  readonly call: number | string;
  readonly fingerprint: string | number;
  readonly owner: string;
  readonly boot: string;
  readonly leaseUntil: number;
  /** What it counts in the sum of bytes. */
  bytes: number;
  /** What became of it, but for a reply. */
  #state: KnownCall | undefined = running;
  /** The reply: bytes and where it lies in them. */
  #reply: Uint8Array | undefined = undefined;
  #replyAt = 0;
  #replySize = 0;
  /** Whether it has ended, and when it may go then. */
  ended = false;
  /** Whether it is known no more. */
  gone = false;
  until = 0;
  before: Place<Entry> | undefined = undefined;
  after: Place<Entry> | undefined = undefined;
  /** Its place among the ended ones of its caller, of a call without a number. */
  byCaller: Place<Entry> | undefined = undefined;
  readonly #store: Ends;

  constructor(
    store: Ends,
    caller: CallerEntries,
    request: ClaimRequest | LookRequest,
    fingerprint: string | number,
    until: number,
  ) {
    const { key, owner, boot } = request;
    this.#store = store;
    this.caller = caller;
    this.call = key.call;
    this.fingerprint = fingerprint;
    this.owner = owner;
    this.boot = boot;
    this.leaseUntil = until;
    this.bytes = replyEntryOverhead + key.caller.length + lengthOf(key.call) + lengthOf(fingerprint);
  }

  get value(): this {
    return this;
  }

  get running(): boolean {
    return this.#state === running;
  }

  /** What is known of it. */
  get known(): KnownCall {
    return this.#state ?? { state: "done", reply: this.#replyView() };
  }

  get fenced(): boolean {
    return this.#state === fenced;
  }

  end(state: KnownCall): void {
    this.#state = state;
  }

  /** It has ended with this reply, which lies somewhere in `bytes`. */
  answer(bytes: Uint8Array, at: number, size: number): void {
    this.#state = undefined;
    this.#reply = bytes;
    this.#replyAt = at;
    this.#replySize = size;
  }

  #replyView(): Uint8Array {
    return (this.#reply as Uint8Array).subarray(this.#replyAt, this.#replyAt + this.#replySize);
  }

  complete(reply: Uint8Array): void {
    this.#store.complete(this, reply.length, reply);
  }

  completeCopy(bytes: Uint8Array, from: number, to: number): void {
    this.#store.complete(this, to - from, bytes, from);
  }

  abandon(): void {
    this.#store.abandon(this);
  }
}

/** Numbers are in the overhead. */
const lengthOf = (value: string | number): number => (typeof value === "string" ? value.length : 0);

/** How the store ends a claim. */
interface Ends {
  /** @param from where the reply begins in bytes of which a copy is to be made; they are the reply itself without it */
  complete(entry: Entry, size: number, bytes: Uint8Array, from?: number): void;
  abandon(entry: Entry): void;
}

/** A caller's calls: a session's by their numbers, a foreign client's by what they say. */
class Entries {
  readonly #numbered = new Numbered<Entry>();
  readonly #named = new Map<string, Entry>();

  get size(): number {
    return this.#numbered.size + this.#named.size;
  }

  get(call: number | string): Entry | undefined {
    return typeof call === "number" ? this.#numbered.get(call) : this.#named.get(call);
  }

  set(call: number | string, entry: Entry): void {
    if (typeof call === "number") this.#numbered.set(call, entry);
    else this.#named.set(call, entry);
  }

  delete(call: number | string): void {
    if (typeof call === "number") this.#numbered.delete(call);
    else this.#named.delete(call);
  }

  /** Those with numbers. */
  numbered(): Entry[] {
    return this.#numbered.values();
  }
}

interface CallerEntries {
  readonly name: string;
  /** What its calls count in beside the sum of all. */
  readonly share: Share | undefined;
  readonly entries: Entries;
  /** How many have ended, and those without numbers in that order. */
  endedCount: number;
  readonly ended: Linked<Entry>;
  /** Numbered calls up to this one that are not there are forgotten. */
  floor: number;
  /** Until when the floor outlives the last entry, and its place in that order. */
  until: number;
  resting: Place<CallerEntries> | undefined;
}

/**
 * The reply cache of one process: neither durable nor shared. Every answer is there at once, and nothing runs between
 * calls: what is too old goes when the next call comes.
 */
export class MemoryReplyStore implements ReplyStore<undefined> {
  readonly id: string;
  readonly replyWindowMs: number;
  readonly durable = false;
  readonly shared = false;
  readonly transactional = false;
  readonly #limits: ResolvedReplyStoreLimits;
  readonly #now: () => number;
  readonly #callers = new Map<string, CallerEntries>();
  #last: CallerEntries | undefined;
  /** What has ended, in that order, which is the order of going: all are kept equally long. */
  readonly #ended = new Linked<Entry>();
  /** Callers of whom only the floor is left. */
  readonly #resting = new Linked<CallerEntries>();
  readonly #ends: Ends = {
    complete: (entry, size, bytes, from) => this.#complete(entry, size, bytes, from),
    abandon: (entry) => {
      if (!entry.gone && entry.running) this.#remove(entry);
    },
  };
  readonly #kept = new Shares();
  /** Where short replies lie. */
  readonly #slab = new Slab();

  constructor(options: MemoryReplyStoreOptions = {}) {
    this.id = options.id ?? randomUUID();
    this.#limits = resolveReplyStoreLimits(options);
    this.replyWindowMs = this.#limits.replyWindowMs;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Calls that are known, the bytes that they count, and their callers. */
  get size(): { readonly entries: number; readonly bytes: number; readonly callers: number } {
    return { entries: this.#kept.entries, bytes: this.#kept.bytes, callers: this.#callers.size };
  }

  claim(request: ClaimRequest): Claim<undefined> {
    const { key, fingerprint } = request;
    const now = this.#now();
    this.#expire(now);
    const known = this.#known(key, request, now, fingerprint);
    if (known !== undefined) return known;
    return this.#add(request, fingerprint, now + request.leaseMs) ?? { state: "busy" };
  }

  look(request: LookRequest): Look {
    const now = this.#now();
    this.#expire(now);
    const known = this.#known(request.key, request, now);
    if (known !== undefined) return known as KnownCall;
    if (request.fence !== true) return { state: "unseen" };
    const entry = this.#add(request, "", 0);
    if (entry === undefined) return { state: "busy" };
    entry.end(fenced);
    this.#end(entry);
    return fenced;
  }

  forget(caller: string, through: number): void {
    this.#expire(this.#now());
    const entries = this.#callerOf({ caller });
    if (entries === undefined) return;
    const from = Math.max(entries.floor, 0) + 1;
    entries.floor = Math.max(entries.floor, through);
    // The usual acknowledgement is of the one or two calls since the last; a caller may also name any number.
    if (through - from < entries.entries.size) {
      for (let call = from; call <= through; call++) this.#acknowledged(entries.entries.get(call));
    } else {
      for (const entry of entries.entries.numbered()) {
        if ((entry.call as number) <= through) this.#acknowledged(entry);
      }
    }
  }

  #acknowledged(entry: Entry | undefined): void {
    // What runs has no reply that could have been acknowledged; a fence is no reply.
    if (entry?.ended === true && !entry.fenced) this.#remove(entry);
  }

  close(): void {
    this.#callers.clear();
    this.#last = undefined;
  }

  #callerOf({ caller }: Pick<ReplyKey, "caller">): CallerEntries | undefined {
    // Mostly it is the caller of the call before, and comparing is faster than looking up.
    if (this.#last?.name === caller) return this.#last;
    this.#last = this.#callers.get(caller);
    return this.#last;
  }

  #drop(caller: CallerEntries): void {
    this.#callers.delete(caller.name);
    this.#kept.leave(caller.share);
    if (this.#last === caller) this.#last = undefined;
  }

  /** What is known of a call; undefined when it is new. */
  #known(
    key: ReplyKey,
    asker: ClaimRequest | LookRequest,
    now: number,
    fingerprint?: string | number,
  ): Known | undefined {
    const caller = this.#callerOf(key);
    if (caller === undefined) return undefined;
    const entry = caller.entries.get(key.call);
    if (entry === undefined) return typeof key.call === "number" && key.call <= caller.floor ? forgotten : undefined;
    if (entry.fenced) return fenced;
    if (fingerprint !== undefined && entry.fingerprint !== fingerprint) return { state: "mismatch" };
    if (!entry.running || entry.boot === asker.boot) return entry.known;
    return entry.owner === asker.owner || entry.leaseUntil <= now ? lost : running;
  }

  /** Makes an entry that runs; undefined when a bound is reached. */
  #add(request: ClaimRequest | LookRequest, fingerprint: string | number, leaseUntil: number): Entry | undefined {
    const { key } = request;
    const { replyEntriesMax, replyEntriesPerCallerMax, replyBytesMax } = this.#limits;
    let caller = this.#callerOf(key);
    if (caller !== undefined && caller.endedCount >= replyEntriesPerCallerMax) {
      // A foreign client is promised its last so many replies; a session is promised all that it has not acknowledged.
      if (typeof key.call === "number") return undefined;
      this.#remove(caller.ended.first as Entry);
      caller = this.#callerOf(key);
    }
    const share = caller === undefined ? this.#kept.of(request.from) : caller.share;
    if (!this.#kept.hasRoom(share, replyEntriesMax, replyBytesMax)) return undefined;
    if (caller === undefined) {
      caller = {
        name: key.caller,
        share,
        entries: new Entries(),
        endedCount: 0,
        ended: new Linked(),
        floor: Number.NEGATIVE_INFINITY,
        until: 0,
        resting: undefined,
      };
      this.#callers.set(key.caller, caller);
      this.#kept.join(share);
    } else if (caller.resting !== undefined) {
      this.#wake(caller);
    }
    const entry = new Entry(this.#ends, caller, request, fingerprint, leaseUntil);
    caller.entries.set(key.call, entry);
    this.#kept.count(share, 1, entry.bytes);
    return entry;
  }

  #complete(entry: Entry, size: number, bytes: Uint8Array, from?: number): void {
    if (entry.gone || !entry.running) throw new Error("the claim has ended");
    const { replySizeMax, replyBytesMax } = this.#limits;
    // Beyond the bound only the reply is given up, never the promise that the call does not run again.
    if (size > replySizeMax || this.#kept.bytes + size > replyBytesMax) {
      entry.end(tooLarge);
    } else {
      entry.bytes += size;
      this.#kept.count(entry.caller.share, 0, size);
      if (from === undefined) entry.answer(bytes, 0, size);
      else entry.answer(this.#slab.copy(bytes, from, from + size), this.#slab.at, size);
    }
    this.#end(entry);
  }

  #end(entry: Entry): void {
    const { caller } = entry;
    entry.ended = true;
    entry.until = this.#now() + this.#limits.replyWindowMs;
    this.#ended.add(entry);
    caller.endedCount++;
    if (typeof entry.call === "string") entry.byCaller = caller.ended.push(entry);
  }

  #remove(entry: Entry): void {
    const { caller } = entry;
    entry.gone = true;
    caller.entries.delete(entry.call);
    this.#kept.count(caller.share, -1, -entry.bytes);
    if (entry.ended) {
      this.#ended.remove(entry);
      caller.endedCount--;
      if (entry.byCaller !== undefined) caller.ended.remove(entry.byCaller);
    }
    if (caller.entries.size > 0) return;
    if (caller.floor === Number.NEGATIVE_INFINITY) this.#drop(caller);
    else this.#rest(caller);
  }

  /** Only the floor of this caller is left: it counts as an entry, and goes as one does. */
  #rest(caller: CallerEntries): void {
    caller.until = this.#now() + this.#limits.replyWindowMs;
    caller.resting = this.#resting.push(caller);
    this.#kept.count(caller.share, 1, replyEntryOverhead);
  }

  #wake(caller: CallerEntries): void {
    this.#resting.remove(caller.resting as Place<CallerEntries>);
    caller.resting = undefined;
    this.#kept.count(caller.share, -1, -replyEntryOverhead);
  }

  #expire(now: number): void {
    for (let entry = this.#ended.first; entry !== undefined && entry.until <= now; entry = this.#ended.first) {
      // A numbered call stays refused for as long as its caller is known.
      if (typeof entry.call === "number") entry.caller.floor = Math.max(entry.caller.floor, entry.call);
      this.#remove(entry);
    }
    for (let caller = this.#resting.first; caller !== undefined && caller.until <= now; caller = this.#resting.first) {
      this.#wake(caller);
      this.#drop(caller);
    }
  }
}

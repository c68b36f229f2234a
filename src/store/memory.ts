import { randomUUID } from "node:crypto";
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

/** One call. It is its own claim: objects that live for a thousand calls are what the collector spends its time on. */
class Entry implements FreshClaim<undefined> {
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
  known: KnownCall = running;
  /** When it may go; set once it has ended. */
  until = 0;
  /** Its places in the order of ending; undefined while it runs. */
  byAge: Place<Entry> | undefined = undefined;
  byCaller: Place<Entry> | undefined = undefined;
  readonly #ends: Ends;

  constructor(
    ends: Ends,
    caller: CallerEntries,
    request: ClaimRequest | LookRequest,
    fingerprint: string | number,
    until: number,
  ) {
    const { key, owner, boot } = request;
    this.#ends = ends;
    this.caller = caller;
    this.call = key.call;
    this.fingerprint = fingerprint;
    this.owner = owner;
    this.boot = boot;
    this.leaseUntil = until;
    this.bytes = replyEntryOverhead + key.caller.length + lengthOf(key.call) + lengthOf(fingerprint);
  }

  complete(reply: Uint8Array): void {
    this.#ends.complete(this, reply);
  }

  abandon(): void {
    this.#ends.abandon(this);
  }
}

/** Numbers are in the overhead. */
const lengthOf = (value: string | number): number => (typeof value === "string" ? value.length : 0);

/** How the store ends a claim. */
interface Ends {
  complete(entry: Entry, reply: Uint8Array): void;
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
  /** What has ended, in that order, which is the order of going: all are kept equally long. */
  readonly #ended = new Linked<Entry>();
  /** Callers of whom only the floor is left. */
  readonly #resting = new Linked<CallerEntries>();
  readonly #ends: Ends = {
    complete: (entry, reply) => this.#complete(entry, reply),
    abandon: (entry) => {
      if (entry.caller.entries.get(entry.call) === entry && entry.known === running) this.#remove(entry);
    },
  };
  readonly #kept = new Shares();

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
    this.#end(entry, fenced);
    return fenced;
  }

  forget(caller: string, through: number): void {
    this.#expire(this.#now());
    const entries = this.#callers.get(caller);
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
    if (entry !== undefined && entry.byAge !== undefined && entry.known !== fenced) this.#remove(entry);
  }

  close(): void {
    this.#callers.clear();
  }

  /** What is known of a call; undefined when it is new. */
  #known(
    key: ReplyKey,
    asker: ClaimRequest | LookRequest,
    now: number,
    fingerprint?: string | number,
  ): Known | undefined {
    const caller = this.#callers.get(key.caller);
    if (caller === undefined) return undefined;
    const entry = caller.entries.get(key.call);
    if (entry === undefined) return typeof key.call === "number" && key.call <= caller.floor ? forgotten : undefined;
    if (entry.known === fenced) return fenced;
    if (fingerprint !== undefined && entry.fingerprint !== fingerprint) return { state: "mismatch" };
    if (entry.known !== running || entry.boot === asker.boot) return entry.known;
    return entry.owner === asker.owner || entry.leaseUntil <= now ? lost : running;
  }

  /** Makes an entry that runs; undefined when a bound is reached. */
  #add(request: ClaimRequest | LookRequest, fingerprint: string | number, leaseUntil: number): Entry | undefined {
    const { key } = request;
    const { replyEntriesMax, replyEntriesPerCallerMax, replyBytesMax } = this.#limits;
    let caller = this.#callers.get(key.caller);
    if (caller !== undefined && caller.ended.size >= replyEntriesPerCallerMax) {
      // A foreign client is promised its last so many replies; a session is promised all that it has not acknowledged.
      if (typeof key.call === "number") return undefined;
      this.#remove(caller.ended.first as Entry);
      caller = this.#callers.get(key.caller);
    }
    const share = caller === undefined ? this.#kept.of(request.from) : caller.share;
    if (!this.#kept.hasRoom(share, replyEntriesMax, replyBytesMax)) return undefined;
    if (caller === undefined) {
      caller = {
        name: key.caller,
        share,
        entries: new Entries(),
        ended: new Linked(),
        floor: Number.NEGATIVE_INFINITY,
        until: 0,
        resting: undefined,
      };
      this.#callers.set(key.caller, caller);
    } else if (caller.resting !== undefined) {
      this.#wake(caller);
    }
    const entry = new Entry(this.#ends, caller, request, fingerprint, leaseUntil);
    caller.entries.set(key.call, entry);
    this.#kept.count(share, 1, entry.bytes);
    return entry;
  }

  #complete(entry: Entry, reply: Uint8Array): void {
    if (entry.caller.entries.get(entry.call) !== entry || entry.known !== running)
      throw new Error("the claim has ended");
    const { replySizeMax, replyBytesMax } = this.#limits;
    // Beyond the bound only the reply is given up, never the promise that the call does not run again.
    const fits = reply.length <= replySizeMax && this.#kept.bytes + reply.length <= replyBytesMax;
    if (fits) {
      entry.bytes += reply.length;
      this.#kept.count(entry.caller.share, 0, reply.length);
    }
    this.#end(entry, fits ? { state: "done", reply } : tooLarge);
  }

  #end(entry: Entry, known: KnownCall): void {
    entry.known = known;
    entry.until = this.#now() + this.#limits.replyWindowMs;
    entry.byAge = this.#ended.push(entry);
    entry.byCaller = entry.caller.ended.push(entry);
  }

  #remove(entry: Entry): void {
    const { caller } = entry;
    caller.entries.delete(entry.call);
    this.#kept.count(caller.share, -1, -entry.bytes);
    if (entry.byAge !== undefined) this.#ended.remove(entry.byAge);
    if (entry.byCaller !== undefined) caller.ended.remove(entry.byCaller);
    if (caller.entries.size > 0) return;
    if (caller.floor === Number.NEGATIVE_INFINITY) this.#callers.delete(caller.name);
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
      this.#callers.delete(caller.name);
    }
  }
}

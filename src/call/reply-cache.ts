// The reply cache, which the literature calls the duplicate request cache: what lets a server answer a retransmission
// without running the procedure again. A call is claimed before its handler runs; the claim is completed with the
// reply; whoever sends the same call again gets that reply, byte for byte.
//
//   claim -> fresh ---- complete ---> done, or too large
//              |  \---- abandon ----> as if never claimed
//              |  \---- its server's boot ends ---> lost
//   look with a fence, before any claim ---> fenced
//   done -> forgotten, when the caller acknowledges it or its time is up
//
// This file is the contract between servers and stores; it knows no protocol, no database and no clock.

/** A store in memory answers at once, so that a plain call stays synchronous; any other answers later. */
export type MaybePromise<T> = T | Promise<T>;

/**
 * What tells a call from every other. The protocol makes it, and must put everything into it that a reply may depend on:
 * a key that leaves the caller out hands one caller's reply to another.
 */
export interface ReplyKey {
  /** Who calls: a session with its principal, or a foreign client's transport, address and port. */
  readonly caller: string;
  /**
   * Which of the caller's calls: a session's sequence number, or for a foreign client everything that tells its calls
   * apart. Numbers are ordered: what is forgotten stays refused. Text is only compared, so a forgotten call is a new one.
   */
  readonly call: number | string;
}

/** Asks to run a call. */
export interface ClaimRequest {
  readonly key: ReplyKey;
  /** Where it comes from, such as `tcp://192.0.2.1:703`: whoever fills a store is to leave other addresses room. */
  readonly from?: string | undefined;
  /** Compared with the one of the first claim: the same key with other arguments is a client's error, `mismatch`. */
  readonly fingerprint: string | number;
  /** The server that would run it: a name that it keeps when it starts again. */
  readonly owner: string;
  /** This run of that server. A claim by another boot of the same owner is lost: that boot is dead. */
  readonly boot: string;
  /** Milliseconds after which another owner takes an unfinished claim for lost. */
  readonly leaseMs: number;
  /** Runs the call in a transaction of the store, so that its effect and its reply commit together, or neither. */
  readonly transactional?: boolean | undefined;
}

/** The claim was granted: run the call, then end the claim, once. */
export interface FreshClaim<Tx = unknown> {
  readonly state: "fresh";
  /** What a transactional claim's handler works in; undefined without one. */
  readonly transaction: Tx | undefined;
  /**
   * Keeps the reply; the bytes belong to the store from now on. The reply may be sent when this has returned, not before.
   *
   * @throws when it could not be kept; then a transaction has not committed, and without one the call counts as running
   */
  complete(reply: Uint8Array): MaybePromise<void>;
  /**
   * The same for a part of some bytes, which the store copies before it returns: only stores that answer at once have it.
   * It saves a view of each reply, which costs more than copying a short one.
   */
  completeCopy?(bytes: Uint8Array, from: number, to: number): void;
  /** The call did not run, or its effect was taken back: the key is free again, and a transaction is rolled back. */
  abandon(): MaybePromise<void>;
}

/** What is known of a call that somebody has claimed, or fenced, before. */
export type KnownCall =
  /** It runs, as far as anybody can tell. */
  | { readonly state: "running" }
  | { readonly state: "done"; readonly reply: Uint8Array }
  /** It ran, and its reply was too large to keep. */
  | { readonly state: "too-large" }
  /** It ran once; its reply was acknowledged, or its time is up. */
  | { readonly state: "forgotten" }
  /** A boot that died had claimed it. Whether it ran cannot be known; it never runs again. */
  | { readonly state: "lost" }
  /** `look` came first: it has not run and never will. */
  | { readonly state: "fenced" };

export type Claim<Tx = unknown> =
  | FreshClaim<Tx>
  | KnownCall
  /** The key was used with other arguments. */
  | { readonly state: "mismatch" }
  /** A bound is reached: new calls are refused rather than kept replies dropped before their time. */
  | { readonly state: "busy" };

export type Look =
  | KnownCall
  /** Nobody has claimed it; without a fence, somebody still may. */
  | { readonly state: "unseen" }
  /** A bound is reached, so no fence could be placed. */
  | { readonly state: "busy" };

export interface LookRequest {
  readonly key: ReplyKey;
  /** Where the question comes from: a fence takes room. */
  readonly from?: string | undefined;
  /** Who asks, so that claims of its own earlier boots are known for lost. */
  readonly owner: string;
  readonly boot: string;
  /** Fences a call that nobody has claimed, in the same step: a claim that comes later is refused. */
  readonly fence?: boolean | undefined;
}

/**
 * Where claims and replies are kept.
 *
 * @typeParam Tx what handlers of exactly-once procedures work in
 */
export interface ReplyStore<Tx = unknown> {
  /**
   * Names what is kept, for as long as it is kept: another store, or one that has lost its memory, has another name. What a
   * store with this name has not seen was never claimed.
   */
  readonly id: string;
  /** Milliseconds that a reply is kept after its call has ended, unless it is acknowledged. */
  readonly replyWindowMs: number;
  /** Whether what is kept survives a crash of the process and of the machine: checked, not believed. */
  readonly durable: boolean;
  /** Whether other processes see it: only then does it filter what is sent again to another process. */
  readonly shared: boolean;
  /** Whether it can run calls in its transactions. */
  readonly transactional: boolean;
  claim(request: ClaimRequest): MaybePromise<Claim<Tx>>;
  look(request: LookRequest): MaybePromise<Look>;
  /** The caller has the replies of all its calls up to this number: they may go. */
  forget(caller: string, through: number): MaybePromise<void>;
  close(): MaybePromise<void>;
}

/** What every store bounds. */
export interface ReplyStoreLimits {
  /** Most calls that are known at once; default {@link replyStoreDefaults}. One more is refused as busy. */
  readonly replyEntriesMax?: number | undefined;
  /** Most ended calls of one caller; a foreign caller's oldest reply then goes early, a session's new call is refused. */
  readonly replyEntriesPerCallerMax?: number | undefined;
  /** Most bytes of replies and what is kept beside them. At it, new calls are refused as busy. */
  readonly replyBytesMax?: number | undefined;
  /** Most bytes of one reply; of a larger one only that the call ran is kept. */
  readonly replySizeMax?: number | undefined;
  /** Milliseconds that a reply is kept after its call has ended. */
  readonly replyWindowMs?: number | undefined;
}

/** The defaults, whose reasons are in docs/limits.md. */
export const replyStoreDefaults = {
  replyEntriesMax: 65_536,
  replyEntriesPerCallerMax: 1_024,
  replyBytesMax: 67_108_864,
  replySizeMax: 1_048_576,
  replyWindowMs: 120_000,
} as const;

export type ResolvedReplyStoreLimits = { readonly [K in keyof typeof replyStoreDefaults]: number };

/** The limits given, and the defaults of those that are not. Throws RangeError for one that bounds nothing. */
export function resolveReplyStoreLimits(limits: ReplyStoreLimits): ResolvedReplyStoreLimits {
  const resolved: Record<string, number> = { ...replyStoreDefaults };
  for (const name of Object.keys(replyStoreDefaults) as (keyof typeof replyStoreDefaults)[]) {
    const value = limits[name];
    if (value === undefined) continue;
    if (!Number.isFinite(value) || value < 0) throw new RangeError(`${name} must be a finite number, not ${value}`);
    resolved[name] = value;
  }
  return resolved as ResolvedReplyStoreLimits;
}

/** What an entry takes beside its texts and its reply, in bytes: an estimate, measured at some 450 in V8. */
export const replyEntryOverhead = 512;

import type { Executed, RpcErrorCode, Semantics } from "../model/index.js";

// What happened in one history, as far as the guarantees speak of it. Times are milliseconds of the world.

/** How one call ended. */
export type Ending =
  | { readonly ok: true; readonly value: unknown /** The value as bytes, to compare. */; readonly bytes: string }
  | {
      readonly ok: false;
      readonly code: RpcErrorCode | "not-an-rpc-error";
      readonly executed: Executed;
      readonly attempts: number;
      readonly error: Error;
    };

/** What a client was told that asked later what became of a call. */
export interface SettlementRecord {
  /** When it asked, and when it was told. */
  readonly askedAt: number;
  readonly toldAt: number;
  readonly executed: Executed;
  /** The result as bytes; undefined when it failed, or nobody knows. */
  readonly bytes: string | undefined;
}

/** One call, from its client's view. */
export interface CallRecord {
  /** In the order in which calls were made, from 0. */
  readonly number: number;
  /** Who called, such as `client-1`; a client that came back is `client-1'2`. */
  readonly client: string;
  readonly transport: "stream" | "datagram";
  readonly procedure: string;
  readonly args: readonly unknown[];
  /** The procedure and the bytes of its arguments: calls and executions with one key cannot be told from each other. */
  readonly key: string;
  /** The guarantee that was asked for. */
  readonly guarantee: Semantics;
  readonly invokedAt: number;
  /** When it should have settled, and when it did. */
  readonly settleBy: number;
  settledAt: number | undefined;
  ending: Ending | undefined;
  /** Nobody waits for a reply: that it was sent is all that is known. */
  readonly oneWay?: boolean | undefined;
  /** Whether the server is to run this client's calls one after another. */
  readonly fifo?: boolean | undefined;
  /** Whether it may be made in a session only. */
  readonly needsSession?: boolean | undefined;
  /** What was learned later, after the call had failed without anybody knowing whether it ran. */
  settlement?: SettlementRecord | undefined;
  /** Its client died, so nobody waits for it. */
  abandoned: boolean;
  /** When it did, if its host lived on to tell the server. */
  abandonedAt?: number | undefined;
  /** It settled later than it should have, on its client's clock. */
  late: boolean;
}

/** One run of a handler. */
export interface ExecutionRecord {
  readonly number: number;
  /** Which server ran it: 1 is the first, 2 the one after its first crash. */
  readonly boot: number;
  /** When that server began. */
  readonly serverSince?: number | undefined;
  readonly procedure: string;
  readonly args: readonly unknown[];
  readonly key: string;
  readonly beganAt: number;
  endedAt: number | undefined;
  /** What it returned, as bytes; undefined while it runs, when it threw, and when its server died. */
  result: string | undefined;
  threw: boolean;
  /** Whether the call was made in a session. */
  readonly inSession?: boolean | undefined;
  /** Who opened that session: the name that it keeps, empty without one, and which run of it. */
  readonly caller?:
    | { readonly name: string; readonly run: string /** Which session. */; readonly session: number }
    | undefined;
  /** The number of the object that served it, where each session has its own; and whether that had been disposed of. */
  readonly object?: number | undefined;
  readonly onDisposed?: boolean | undefined;
  /** When its signal fired; only looked at in sessions, and where it took time. */
  abortedAt?: number | undefined;
  /** When its server died while it ran; looked at as its signal is. */
  lostAt?: number | undefined;
  /** When its caller gives up, as the handler was told. */
  readonly deadline?: number | undefined;
  /** Whether it ran in a transaction, and whether that was committed. */
  transactional: boolean;
  committed: boolean;
}

/** What a checker looks at. */
export interface History {
  readonly seed: number;
  readonly calls: readonly CallRecord[];
  readonly executions: readonly ExecutionRecord[];
  /** Errors that the server reported and no handler or store had thrown. */
  readonly surprises: readonly string[];
  /** Whether the servers' reply cache outlives them. */
  readonly durable: boolean;
  /** Whether bits were flipped, which nothing can tell: then nobody promises what ran. */
  readonly unchecked: boolean;
  /** Whether the network doubled datagrams. */
  readonly doubled: boolean;
  /**
   * Whether calls had to be sent again, which lets later ones overtake them: connections or the server were lost, or the
   * reply cache refused.
   */
  readonly resent?: boolean | undefined;
  /** Whether clients were led to other servers: they open other sessions there, and when they come back. */
  readonly failedOver?: boolean | undefined;
  /** Whether clocks leaped. */
  readonly jumped?: boolean | undefined;
  /** How long a session outlives its connection, in milliseconds. */
  readonly leaseMs?: number | undefined;
  /** Whether the network brought everything soon: a server that was not told of a client's death knew it in a moment. */
  readonly steady?: boolean | undefined;
  /** Whether nothing was to go wrong. */
  readonly calm: boolean;
  /** What handlers and transactions left behind. */
  readonly values: ReadonlyMap<string, unknown>;
}

/** Something that a guarantee forbids. */
export interface Violation {
  /** Which rule it breaks: stable, to tell kinds apart. */
  readonly rule: Rule;
  readonly message: string;
  /** The calls that it is about, by number. */
  readonly calls: readonly number[];
}

export type Rule =
  | "settles"
  | "settles-in-time"
  | "no-means-never"
  | "yes-means-ran"
  | "ran-twice"
  | "sent-twice"
  | "never-ran"
  | "not-committed"
  | "foreign-reply"
  | "reply-used-twice"
  | "nobody-called"
  | "out-of-order"
  | "wrong-deadline"
  | "orphan"
  | "made-plainly"
  | "foreign-state"
  | "lost-state"
  | "surprise"
  | "fails-without-faults"
  | "own";

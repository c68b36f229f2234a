import type { LocalPeer } from "./access.js";
import type { Executed, RpcError } from "./error.js";
import type { Remote, RequestRun, remote } from "./requests.js";
import type { CallRetryOptions, HedgeOptions } from "./retry.js";
import type { Narrowed, Semantics } from "./semantics.js";
import type {
  ArgsOf,
  DeclaredOf,
  NullProcedure,
  OneWayOf,
  Procedure,
  ProgressOf,
  ResultOf,
  Service,
} from "./service.js";
import type { ContextSignal, Signal } from "./signal.js";
import type { Timeline } from "./timeline.js";

/** What every call takes last. `Declared` is what the procedure's contract says about repetition. */
export interface CallOptions<Declared extends Semantics = Semantics> {
  /** Ends the call early with `cancelled`. */
  readonly signal?: Signal | undefined;
  /** Milliseconds until the call ends with `deadline-exceeded`; default 25,000, never infinite. */
  readonly timeoutMs?: number | undefined;
  /** Narrows the guarantee for this call; default: what the contract declares. */
  readonly semantics?: Narrowed<Declared> | undefined;
  /** How this call is tried again, where its guarantee allows it; default: as the client says. `false`: not at all. */
  readonly retry?: CallRetryOptions | false | undefined;
  /** Hedges this call, where the procedure may run twice; `false` where the client hedges it. */
  readonly hedge?: ("at-least-once" extends Declared ? HedgeOptions | false : never) | undefined;
  /** The context of the call being handled: this call ends when that one does, by deadline or cancellation, and is of its trace. */
  readonly context?: CallContext | undefined;
  /** Records the call's steps, and is given them when it ends, however it ends. A server that can is asked for its own. */
  readonly explain?: ((timeline: Timeline) => void) | undefined;
  /** The trace that the call is part of, as a `traceparent` of W3C Trace Context; default: that of `context`. */
  readonly traceparent?: string | undefined;
}

/** What a call of a one-way procedure takes last: there is no reply to wait for, to doubt or to ask for again. */
export type OneWayOptions = Omit<CallOptions<"maybe">, "semantics" | "retry" | "hedge">;

/** The options of calls of one procedure. */
type OptionsOf<P> = OneWayOf<P> extends true ? OneWayOptions : CallOptions<DeclaredOf<P>>;

/**
 * Who calls, as far as the transport and the authentication flavor know. What the kernel says of a caller over a Unix socket (`pid`,
 * `uid`, `gid`, `groups`) is there where the server has local authentication, its option `local`.
 */
export interface Caller extends Partial<LocalPeer> {
  /** Where the call came from, such as `tcp://127.0.0.1:40312`. */
  readonly address: string;
  readonly identity: Identity;
  /** What the TLS session proved; undefined where there is none. */
  readonly tls?: TlsPeer | undefined;
}

/** The other end of a TLS session. */
export interface TlsPeer {
  /** Such as `TLSv1.3`. */
  readonly protocol: string;
  /** Whether it showed a certificate that the trusted ones vouch for. */
  readonly verified: boolean;
  /** The common name of its certificate, if it showed one. */
  readonly subject?: string | undefined;
  /** Its other names, such as `DNS:host.example` and `IP Address:127.0.0.1`. */
  readonly altNames?: readonly string[] | undefined;
  /** SHA-256 of its certificate, in hexadecimal pairs with colons. */
  readonly fingerprint256?: string | undefined;
}

/** What a caller claims or has proved to be. Flavors extend it. */
export interface Identity {
  /** The authentication flavor, such as `none` or `sys`. */
  readonly flavor: string;
  /** Whether it was proved; AUTH_SYS only claims. */
  readonly verified: boolean;
  /**
   * Names the caller among all of this flavor. Sessions and kept replies belong to it: without a name, all callers of the
   * flavor are one.
   */
  readonly principal?: string | undefined;
}

/**
 * What a handler gets last.
 *
 * @typeParam Tx the transaction that the call runs in
 */
export interface CallContext<Tx = unknown> {
  /** Fires when nobody waits for the answer any more: the connection is gone or the server is closing. */
  readonly signal: ContextSignal;
  /** When the caller gives up, in milliseconds on the clock of `performance.now()`; undefined where the wire does not say. */
  readonly deadline: number | undefined;
  readonly caller: Caller;
  /** The procedure's name in the contract, such as `add`. */
  readonly procedure: string;
  /** What state of one caller may hang on: its session, or without one its connection. Undefined for a plain datagram. */
  readonly session: object | undefined;
  /**
   * Of an exactly-once call, what the reply store gave it to work in: its effect commits together with its reply, or
   * neither does. Undefined for any other call, and where the server's store has no transactions.
   */
  readonly transaction: Tx;
  /** The trace that the call is part of, as a `traceparent` of W3C Trace Context; undefined where nobody said. */
  readonly traceparent: string | undefined;
  /** Of an asynchronous request, what its handler has besides; undefined for any other call. */
  readonly request?: RequestRun<never> | undefined;
  /**
   * A client of a service that the caller itself offers, over the connection that the call came by; the caller names it in the option
   * `callbacks` of `connect`. It may be kept and used after the call: its calls fail as `unavailable` once the caller is gone.
   *
   * Its calls take `{ context }` as others do, and then end with this one. A caller that does not offer the service answers
   * `unimplemented`.
   *
   * @throws RpcError `invalid-argument` where the caller cannot be called: over datagrams, over XML-RPC, and in a callback itself
   */
  callback<C>(service: Service<C>, options?: CallbackOptions | undefined): Client<C>;
}

/** How a server calls its clients. */
export interface CallbackOptions {
  /** Milliseconds a call takes at most unless it says otherwise; default 25,000. */
  readonly timeoutMs?: number | undefined;
}

/**
 * A contract seen by its caller: one method per procedure, with the call's options last.
 *
 * @typeParam More what calls of the protocol take besides the usual options
 */
export type Client<C, More = unknown> = {
  readonly [K in keyof C]: C[K] extends Procedure<infer _A, infer _R, infer _S>
    ? (...args: [...ArgsOf<C[K]>, options?: (OptionsOf<C[K]> & More) | undefined]) => Promise<ResultOf<C[K]>>
    : never;
} & ClientControls & {
    /** What `requests` reaches through. */
    readonly [remote]?: Remote<C> | undefined;
    /** The same procedures with failures as values: they resolve to an {@link Outcome} and never reject. */
    readonly $try: {
      readonly [K in keyof C]: C[K] extends Procedure<infer _A, infer _R, infer _S>
        ? (
            ...args: [...ArgsOf<C[K]>, options?: (OptionsOf<C[K]> & More) | undefined]
          ) => Promise<Outcome<ResultOf<C[K]>>>
        : never;
    };
    /**
     * Asks what became of a call that failed with `executed: "unknown"`. A call that has not arrived by then never runs.
     *
     * @param procedure the call's
     * @param error what it failed with, from this client
     * @throws RpcError `invalid-argument` for what is no such error, and `closed`; whoever cannot be asked leaves it `unknown`
     */
    $settle<K extends keyof C>(
      procedure: K,
      error: RpcError,
      options?: { readonly timeoutMs?: number | undefined } | undefined,
    ): Promise<Settlement<ResultOf<C[K]>>>;
  };

/** How a call ended: with a value, or with an error that says whether the procedure ran. */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: RpcError; readonly executed: Executed };

/** The controls of every client. They start with `$`, which no IDL identifier can. */
export interface ClientControls extends AsyncDisposable {
  /** The address in use, such as `tcp://127.0.0.1:2049`. */
  readonly $address: string;
  /** Calls procedure 0, which every service has. */
  $ping(options?: CallOptions<"at-least-once"> | undefined): Promise<void>;
  /** Resolves when the queue has room; await it between calls when producing faster than the peer consumes. */
  $ready(): Promise<void>;
  $stats(): ClientStats;
  /** What this server gives its calls, as far as is known: the first time it is asked, that is found out. */
  $guarantee(): Promise<ServerGuarantee>;
  /**
   * Goes on with a new session after calls have failed as `stale`: the state that the server kept for the old one is gone,
   * and the user knows.
   */
  $renew(): void;
  /** Ends the client: pending calls fail with `closed`. */
  $close(): Promise<void>;
}

/** What a server gives the calls of one client. */
export interface ServerGuarantee {
  /**
   * `open`: calls are made in a session. `none`: the server has no sessions, so calls are made plainly. `off`: the client was
   * told not to ask.
   */
  readonly session: "open" | "none" | "off";
  /** What calls may ask for, and get. */
  readonly guarantees: readonly Semantics[];
  /** Whether the server tells a call that comes again from a new one, so that it may be sent again and still runs once. */
  readonly filters: boolean;
  /** Whether it still does after it has crashed, and whether other servers that stand in for it do. */
  readonly durable: boolean;
  readonly shared: boolean;
  /** Milliseconds that the server remembers a call after it has answered it, and its caller after the connection is lost. */
  readonly remembersMs: number;
  readonly leaseMs: number;
  /** The same in a sentence. */
  readonly text: string;
}

/** What became of a call that had failed without anybody knowing whether it ran. */
export type Settlement<T> =
  | { readonly executed: "yes"; readonly ok: true; readonly value: T }
  | { readonly executed: "yes"; readonly ok: false; readonly error: RpcError }
  /** It has not run and never will. */
  | { readonly executed: "no" }
  | { readonly executed: "unknown"; readonly reason: string };

/** Counters of a client, from its start. */
export interface ClientStats {
  /** Calls that have not ended. */
  readonly pending: number;
  /** Calls that wait for the connection or for the peer to read, and their bytes. */
  readonly queued: number;
  readonly queuedBytes: number;
  readonly calls: number;
  readonly retransmissions: number;
  readonly connects: number;
  /** Replies that no pending call waited for: late, duplicate, or unasked. */
  readonly strayReplies: number;
  /** Smoothed round trip of a datagram client, in milliseconds. */
  readonly roundTripMs: number | undefined;
}

/**
 * A contract seen by its server: one handler per procedure, with the context last. Procedure 0 may be left out.
 *
 * @typeParam Tx what exactly-once procedures get as `context.transaction`
 */
export type Handlers<C, Tx = undefined> = {
  readonly [K in keyof C as C[K] extends NullProcedure ? never : K]: Handler<C[K], Tx>;
} & {
  readonly [K in keyof C as C[K] extends NullProcedure ? K : never]?: Handler<C[K], Tx> | undefined;
};

type Handler<P, Tx> =
  P extends Procedure<infer _A, infer _R, infer Declared>
    ? (
        ...args: [
          ...ArgsOf<P>,
          context: CallContext<Declared extends "exactly-once" ? Tx : undefined> & {
            readonly request?: RequestRun<ProgressOf<P>> | undefined;
          },
        ]
      ) => ResultOf<P> | Promise<ResultOf<P>>
    : never;

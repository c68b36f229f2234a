import type { SessionObjects } from "../../call/lifetime.js";
import type { FreshClaim, ReplyKey } from "../../call/reply-cache.js";
import type { ServerRecord } from "../../call/steps.js";
import type { CallContext, Caller, ContextSignal, Semantics, TlsPeer } from "../../model/index.js";
import type { XdrCodec, XdrWriter } from "../../xdr/index.js";
import type { ArgsCodec } from "../args.js";
import type { AuthAccepted } from "../auth/index.js";
import type { CallHeader, Refusal } from "../message.js";
import type { AuthStat } from "../status.js";

/** A procedure as a server serves it. */
export interface ServedProcedure {
  readonly number: number;
  /** The name in the contract, such as `add`. */
  readonly name: string;
  readonly args: ArgsCodec;
  readonly result: XdrCodec<unknown>;
  /** What the contract declares about repetition; default `at-most-once`. */
  readonly semantics?: Semantics | undefined;
}

/** One version of a program as a server serves it. `Target` is what the host needs to find the handlers again. */
export interface ServedVersion {
  readonly name: string;
  readonly program: number;
  readonly version: number;
  readonly procedures: ReadonlyMap<number, ServedProcedure>;
}

/** Where replies to one caller go. A stream gathers them; a datagram socket sends each at once. */
export interface ReplyPath {
  /** Where the next message begins in the writer. */
  readonly size: number;
  begin(): XdrWriter;
  commit(at: number): void;
  abort(at: number): void;
  /** A whole message that was encoded before; its bytes do not change. */
  append(message: Uint8Array): void;
}

/** What the engine knows of whoever sends: a connection, or the sender of one datagram. */
export interface ServerLink {
  /** Such as `tcp://127.0.0.1:40312`. */
  readonly peer: string;
  readonly replies: ReplyPath;
  /** What per-session objects hang on; undefined on datagrams. */
  readonly session: SessionObjects | undefined;
  /** Whether its calls are filtered for duplicates, as far as their contracts ask for it. */
  readonly filtered: boolean;
  /** Calls of this link that run. */
  running: number;
  /** Nobody is there any more to answer. */
  gone: boolean;
  /** Where the server took the connection or the datagram, such as `tcp://127.0.0.1:2049`. */
  readonly local?: string | undefined;
  /** When the last bytes of it arrived, in milliseconds of the drive's clock. */
  readonly heardAt?: number | undefined;
  /** What TLS proved about the peer; undefined in clear text. */
  readonly tls: TlsPeer | undefined;
  /** Whether the stream can be upgraded: there is a layer for it, and it has not been. */
  readonly upgradable: boolean;
  /** Set when the stream is to be upgraded before anything else is read; absent where that cannot be. */
  upgrading?: boolean;
  /** Set while the peer leaves too much unread: answers wait, in `deferred`, instead of as more bytes. */
  full: boolean;
  readonly deferred: DeferredAnswer[];
  /** What ends the calls that run, of those whose handlers looked at their signals, when nobody is there any more. */
  aborters: Set<Aborter> | undefined;
  /** The caller as of the last call: nearly every call is from the same one. */
  caller: Caller | undefined;
}

/** An answer that waits until its peer reads: as a value, or as the kept reply. */
export interface DeferredAnswer {
  readonly call: ServerCall;
  readonly value: unknown;
  readonly reply?: Uint8Array | undefined;
}

/** The part of `AbortController` that links need; the host makes it. */
export interface Aborter {
  readonly signal: ContextSignal;
  abort(reason: unknown): void;
}

/** What the engine asks of the server that it runs in. */
export interface ServerHost {
  /** Runs the handler of a call, and ends it with `succeed` or `fail`, now or later. */
  dispatch(call: ServerCall): void;
  /** A handler failed, or its result cannot be encoded. The caller learns only that something went wrong. */
  report(error: unknown, call: ServerCall): void;
  /** A call that waited, for its peer or for the same call sent before, has been answered. */
  answered(call: ServerCall): void;
  /** Whether this caller may make this call; if not, why. */
  authorize?: ((call: ServerCall) => AuthStat | undefined) | undefined;
  newAborter(): Aborter;
  /** What measures the steps of a call that has just been read; undefined where nobody asks. */
  record?: ((link: ServerLink) => ServerRecord | undefined) | undefined;
  /** A call was refused before anything ran. The header says which, unless it could not be read. */
  refused?: ((link: ServerLink, refusal: Refusal, header: CallHeader | undefined) => void) | undefined;
  /** What asks the reply cache; without it no duplicates are filtered. */
  readonly replies?: ReplyRequests | undefined;
}

/** What the engine asks of a reply cache. Each is answered by a command of the engine, at once or later. */
export interface ReplyRequests {
  /** Claims a call: answered by `claimed` or `unclaimed`. */
  claim(call: ServerCall, key: ReplyKey): void;
  /** Completes a claim: answered by `kept` or `unkept`. */
  keep(call: ServerCall, claim: FreshClaim, reply: Uint8Array): void;
  /** Takes a claim back: answered by `released`, whatever becomes of it. */
  release(call: ServerCall, claim: FreshClaim): void;
}

/** One call as the server handles it; handlers see it as their context. */
export class ServerCall implements CallContext {
  readonly link: ServerLink;
  readonly xid: number;
  readonly served: ServedVersion;
  readonly target: ServedProcedure;
  readonly args: readonly unknown[];
  readonly caller: Caller;
  readonly auth: AuthAccepted;
  readonly #host: ServerHost;
  /** Bytes of its message. */
  size = 0;
  /** Whether it was answered. */
  ended = false;
  /** Set while it is filtered for duplicates. */
  filtered: FilteredCall | undefined = undefined;
  /** The trace that it is part of, where the wire carries one. */
  traceparent: string | undefined = undefined;
  /** Measures its steps; undefined where nobody asks. */
  record: ServerRecord | undefined = undefined;
  /** Is told, once it began to run, that it was answered, or that nobody is there any more to answer. */
  onEnd: (() => void) | undefined = undefined;
  #aborter: Aborter | undefined;

  constructor(
    host: ServerHost,
    link: ServerLink,
    xid: number,
    served: ServedVersion,
    target: ServedProcedure,
    args: readonly unknown[],
    caller: Caller,
    auth: AuthAccepted,
  ) {
    this.#host = host;
    this.link = link;
    this.xid = xid;
    this.served = served;
    this.target = target;
    this.args = args;
    this.caller = caller;
    this.auth = auth;
  }

  get procedure(): string {
    return this.target.name;
  }

  /** ONC RPC does not say when a caller gives up. */
  get deadline(): undefined {
    return undefined;
  }

  get transaction(): unknown {
    return this.filtered?.claim?.transaction;
  }

  get session(): object | undefined {
    return this.link.session;
  }

  /** The call was answered: its signal has nothing to say any more, and what listens to it may go with it. */
  end(): void {
    this.ended = true;
    if (this.#aborter !== undefined) this.link.aborters?.delete(this.#aborter);
  }

  /** Nothing more happens to it. */
  settled(): void {
    const tell = this.onEnd;
    if (tell === undefined) return;
    this.onEnd = undefined;
    tell();
  }

  get signal(): ContextSignal {
    const { link } = this;
    if (this.#aborter === undefined) {
      this.#aborter = this.#host.newAborter();
      if (link.gone) {
        this.#aborter.abort(new Error("the caller is gone"));
      } else if (!this.ended) {
        link.aborters ??= new Set();
        link.aborters.add(this.#aborter);
      }
    }
    return this.#aborter.signal;
  }
}

/** A call that is claimed or about to be, and the same call sent again meanwhile. */
export interface FilteredCall {
  readonly key: ReplyKey;
  readonly name: string;
  readonly call: ServerCall;
  /** Set once the claim is granted. */
  claim: FreshClaim | undefined;
  /** The reply, while the store is asked to keep it. */
  reply: Uint8Array | undefined;
  /** On streams: whoever sent it again, and waits for the same reply. */
  waiters: ServerCall[] | undefined;
}

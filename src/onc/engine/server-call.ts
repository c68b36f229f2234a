import type { SessionObjects } from "../../call/lifetime.js";
import type { FreshClaim, ReplyKey } from "../../call/reply-cache.js";
import type { ServerRecord } from "../../call/steps.js";
import { weightOf } from "../../call/weight.js";
import {
  type CallbackOptions,
  type CallContext,
  type Caller,
  type Client,
  type ContextSignal,
  type LocalPeer,
  RpcError,
  type Semantics,
  type Service,
  type TlsPeer,
} from "../../model/index.js";
import type { XdrCodec, XdrWriter } from "../../xdr/index.js";
import type { ArgsCodec } from "../args.js";
import type { AuthAccepted } from "../auth/index.js";
import type { Refusal, Target } from "../message.js";
import type { CallStatus } from "../session/session.js";
import type { Session, SessionLane } from "../session/table.js";
import type { AuthStat } from "../status.js";
import type { Running } from "./admission.js";

/** A procedure as a server serves it. */
export interface ServedProcedure {
  readonly number: number;
  /** The name in the contract, such as `add`. */
  readonly name: string;
  readonly args: ArgsCodec;
  readonly result: XdrCodec<unknown>;
  /** What the contract declares about repetition; default `at-most-once`. */
  readonly semantics?: Semantics | undefined;
  /** Whether its calls get no reply: RFC 5531, section 8. */
  readonly oneWay?: boolean | undefined;
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
  /** What a call that starts now counts in. */
  readonly counted: Running;
  /** Nobody is there any more to answer. */
  gone: boolean;
  /** Where the server took the connection or the datagram, such as `tcp://127.0.0.1:2049`. */
  readonly local?: string | undefined;
  /** When the last bytes of it arrived, in milliseconds of the drive's clock. */
  readonly heardAt?: number | undefined;
  /** What TLS proved about the peer; undefined in clear text. */
  readonly tls: TlsPeer | undefined;
  /** What the kernel says of the peer; undefined where nobody asked. */
  readonly credentials?: LocalPeer | undefined;
  /** Whether the stream can be upgraded: there is a layer for it, and it has not been. */
  readonly upgradable: boolean;
  /** Set when the stream is to be upgraded before anything else is read; absent where that cannot be. */
  upgrading?: boolean;
  /** Set while the peer leaves too much unread: answers wait, in `deferred`, instead of as more bytes. */
  full: boolean;
  readonly deferred: DeferredAnswer[];
  /** What ends the calls that run, of those whose handlers looked at their signals, when nobody is there any more. */
  aborters: Set<Aborter> | undefined;
  /** Is told that a call has ended in a later turn than it began in; absent where the server's endpoints are. */
  readonly onEnded?: (() => void) | undefined;
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

/** Why a call gets no result: in the words of RFC 5531, or of the session program. */
export type ServerRefusal =
  | Refusal
  | { readonly stat: "SESSION"; readonly status: CallStatus; readonly retryAfterMs?: number | undefined };

/**
 * What a handler throws to refuse its call instead of failing it: nothing ran, and nothing is reported. Silence is for
 * calls whose failures are not answered, as those of a broadcast.
 */
export class CallRefused extends Error {
  readonly refusal: Refusal | "silence";

  constructor(refusal: Refusal | "silence") {
    super(refusal === "silence" ? "not answered" : `refused: ${refusal.stat}`);
    this.refusal = refusal;
  }
}

/** How the replies to a call look. Each writes a whole reply, and says where what is to be kept of it begins. */
export interface ReplyForm {
  result(w: XdrWriter, call: ServerCall, value: unknown): number;
  refusal(w: XdrWriter, xid: number, refusal: ServerRefusal, auth: AuthAccepted | undefined): number;
  /** Writes a reply of which this was kept. */
  kept(w: XdrWriter, call: ServerCall, bytes: Uint8Array): void;
}

/** A call's place in a session, and its key in the store of replies: its lane is the caller, its number the call. */
export interface Seat extends ReplyKey {
  readonly session: Session<ServerCall>;
  readonly lane: SessionLane<ServerCall>;
  /** The number in its lane. */
  readonly call: number;
  /** The stricter of what its caller asks for and what the contract declares. */
  readonly semantics: Semantics;
  /** Of its procedure and arguments. */
  readonly fingerprint: number;
  /** When its caller gives up, in milliseconds of the host's clock. */
  readonly deadline: number;
  /** Whether its caller wants to know where its time went. */
  readonly explain: boolean;
}

/** What the engine asks of the server that it runs in. */
export interface ServerHost {
  /** Runs the handler of a call, and ends it with `succeed` or `fail`, now or later. */
  dispatch(call: ServerCall): void;
  /** A handler failed, or its result cannot be encoded. The caller learns only that something went wrong. */
  report(error: unknown, call: ServerCall): void;
  /** A call that waited, for its peer or for the same call sent before, has been answered. */
  answered(call: ServerCall): void;
  /** Whether whoever is at the other end may call this at all, before its arguments are looked at; if not, why. */
  admit?: ((link: ServerLink, served: ServedVersion, target: ServedProcedure) => AuthStat | undefined) | undefined;
  /** Whether this caller may make this call; if not, why. */
  authorize?: ((call: ServerCall) => AuthStat | undefined) | undefined;
  newAborter(): Aborter;
  /** Makes a client of a service of the caller's own. Throws RpcError where the caller cannot be called. */
  callback?: ((call: ServerCall, service: object, options: CallbackOptions) => object) | undefined;
  /** What measures the steps of a call that has just been read; undefined where nobody asks. */
  record?: ((link: ServerLink) => ServerRecord | undefined) | undefined;
  /** A call was refused before anything ran. The target is undefined where it could not be read. */
  refused?: ((link: ServerLink, refusal: ServerRefusal, target: Target | undefined) => void) | undefined;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** A handler looks at the signal of a call that has a deadline: the signal is to fire then. */
  watch(call: ServerCall): void;
  /** Such a call has ended. */
  unwatch(call: ServerCall): void;
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
  /** A caller has the answers of all its calls up to this one. Nothing answers that. */
  forget(caller: string, through: number): void;
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
  /** What it counts in while it runs, and with how many bytes. */
  #counted: Running | undefined;
  size = 0;
  /** Whether it was answered. */
  ended = false;
  /** Set while it is filtered for duplicates. */
  filtered: FilteredCall | undefined = undefined;
  /** The trace that it is part of, where the wire carries one. */
  traceparent: string | undefined = undefined;
  /** Measures its steps; undefined where nobody asks. */
  record: ServerRecord | undefined = undefined;
  /** Its place in a session; undefined for a call without one. */
  readonly seat: Seat | undefined;
  readonly form: ReplyForm;
  /** Set once nobody wants it any more. */
  aborted: { readonly reason: unknown } | undefined = undefined;
  #aborter: Aborter | undefined;
  /** All that run under its number, it included, where its caller has hedged a call that may run twice. */
  #copies: Set<ServerCall> | undefined = undefined;

  constructor(
    host: ServerHost,
    link: ServerLink,
    xid: number,
    served: ServedVersion,
    target: ServedProcedure,
    args: readonly unknown[],
    caller: Caller,
    auth: AuthAccepted,
    form: ReplyForm,
    seat?: Seat | undefined,
  ) {
    this.form = form;
    this.seat = seat;
    this.#host = host;
    this.link = link;
    this.xid = xid;
    this.served = served;
    this.target = target;
    this.args = args;
    this.caller = caller;
    this.auth = auth;
  }

  /** Whether nobody waits for a reply. A session's call always gets one: it says that the number was heard. */
  get silent(): boolean {
    return this.target.oneWay === true && this.seat === undefined;
  }

  get procedure(): string {
    return this.target.name;
  }

  /** ONC RPC itself does not say when a caller gives up. */
  get deadline(): number | undefined {
    return this.seat?.deadline;
  }

  /** What is promised about how often it runs. */
  get semantics(): Semantics {
    return this.seat?.semantics ?? this.target.semantics ?? "at-most-once";
  }

  get transaction(): unknown {
    return this.filtered?.claim?.transaction;
  }

  get session(): SessionObjects | undefined {
    return this.seat?.session ?? this.link.session;
  }

  callback<C>(service: Service<C>, options: CallbackOptions = {}): Client<C> {
    const client = this.#host.callback?.(this, service, options);
    if (client === undefined) {
      const message = `${this.link.peer} cannot be called back: it is a server`;
      throw new RpcError("invalid-argument", message, { executed: "no" });
    }
    return client as Client<C>;
  }

  /** The call runs from now on, as far as limits are concerned. */
  begin(size: number): void {
    this.size = size;
    this.#counted = this.link.counted;
    this.#counted.start(size);
    this.link.running++;
  }

  /**
   * The call runs longer than this turn, and keeps its arguments: what they take besides their bytes counts too.
   *
   * @returns how much that is
   */
  weigh(): number {
    const weight = weightOf(this.args);
    this.#counted?.grow(weight);
    this.size += weight;
    return weight;
  }

  /** The call was answered: its signal has nothing to say any more, and what listens to it may go with it. */
  end(): void {
    this.ended = true;
    if (this.#counted !== undefined) {
      this.#counted.end(this.size);
      this.link.running--;
    }
    if (this.#aborter === undefined) return;
    if (this.seat === undefined) this.link.aborters?.delete(this.#aborter);
    else this.#host.unwatch(this);
  }

  /** Another copy of it runs beside it. */
  runsTwice(copy: ServerCall): void {
    this.#copies ??= new Set([this]);
    copy.#copies = this.#copies.add(copy);
  }

  /** It has ended: gives another copy that still runs. */
  successor(): ServerCall | undefined {
    this.#copies?.delete(this);
    for (const copy of this.#copies ?? none) if (!copy.ended) return copy;
    return undefined;
  }

  /** Nobody wants it any more: its signal fires, and those of its copies. */
  abort(reason: unknown): void {
    if (this.#copies === undefined) this.#abort(reason);
    else for (const copy of this.#copies) copy.#abort(reason);
  }

  #abort(reason: unknown): void {
    if (this.ended || this.aborted !== undefined) return;
    this.aborted = { reason };
    this.#aborter?.abort(reason);
  }

  /** Nothing more happens to it. */
  settled(): void {
    this.record?.end();
  }

  get signal(): ContextSignal {
    const { link } = this;
    if (this.#aborter === undefined) {
      this.#aborter = this.#host.newAborter();
      if (this.aborted !== undefined) {
        this.#aborter.abort(this.aborted.reason);
      } else if (this.seat !== undefined) {
        // A session outlives its connection, so losing that says nothing.
        if (!this.ended) this.#host.watch(this);
      } else if (link.gone) {
        this.#aborter.abort(new Error("the caller is gone"));
      } else if (!this.ended) {
        link.aborters ??= new Set();
        link.aborters.add(this.#aborter);
      }
    }
    return this.#aborter.signal;
  }
}

const none: readonly ServerCall[] = [];

/** A call that is claimed or about to be, and the same call sent again meanwhile. */
export interface FilteredCall {
  readonly key: ReplyKey;
  /** Its name among the foreign calls that are in progress; a session's are in their lanes. */
  readonly name: string;
  readonly call: ServerCall;
  /** Set once its handler has failed: what is kept from then on is that. */
  failed: boolean;
  /** Set once the claim is granted. */
  claim: FreshClaim | undefined;
  /** The reply, while the store is asked to keep it. */
  reply: Uint8Array | undefined;
  /** On streams: whoever sent it again, and waits for the same reply. */
  waiters: ServerCall[] | undefined;
}

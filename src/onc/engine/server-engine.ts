import type { SessionObjects } from "../../call/lifetime.js";
import type { CallContext, Caller, ContextSignal, Identity, TlsPeer } from "../../model/index.js";
import { explainEncode, type XdrCodec, XdrReader, type XdrWriter } from "../../xdr/index.js";
import type { ArgsCodec } from "../args.js";
import type { AuthAccepted, AuthVerdict, ServerAuth } from "../auth/index.js";
import {
  AuthFlavor,
  authNone,
  CallHeader,
  type OpaqueAuth,
  type Refusal,
  rpcVersion,
  writeRefusal,
  writeSuccessHeader,
} from "../message.js";
import { AuthStat } from "../status.js";

/** A procedure as a server serves it. */
export interface ServedProcedure {
  readonly number: number;
  /** The name in the contract, such as `add`. */
  readonly name: string;
  readonly args: ArgsCodec;
  readonly result: XdrCodec<unknown>;
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
}

/** What the engine knows of whoever sends: a connection, or the sender of one datagram. */
export interface ServerLink {
  /** Such as `tcp://127.0.0.1:40312`. */
  readonly peer: string;
  readonly replies: ReplyPath;
  /** What per-session objects hang on; undefined on datagrams. */
  readonly session: SessionObjects | undefined;
  /** Calls of this link that run. */
  running: number;
  /** Nobody is there any more to answer. */
  gone: boolean;
  /** What TLS proved about the peer; undefined in clear text. */
  readonly tls: TlsPeer | undefined;
  /** Whether the stream can be upgraded: there is a layer for it, and it has not been. */
  readonly upgradable: boolean;
  /** Set when the stream is to be upgraded before anything else is read; absent where that cannot be. */
  upgrading?: boolean;
  /** Set while the peer leaves too much unread: answers wait as values, in `deferred`, instead of as more bytes. */
  full: boolean;
  readonly deferred: { readonly call: ServerCall; readonly value: unknown }[];
  /** What ends the calls that run, of those whose handlers looked at their signals, when nobody is there any more. */
  aborters: Set<Aborter> | undefined;
  /** The caller as of the last call: nearly every call is from the same one. */
  caller: Caller | undefined;
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
  /** A call whose answer had to wait has been answered. */
  answered(call: ServerCall): void;
  /** Whether this caller may make this call; if not, why. */
  authorize?: ((call: ServerCall) => AuthStat | undefined) | undefined;
  newAborter(): Aborter;
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

  get session(): object | undefined {
    return this.link.session;
  }

  /** The call was answered: its signal has nothing to say any more, and what listens to it may go with it. */
  end(): void {
    this.ended = true;
    if (this.#aborter !== undefined) this.link.aborters?.delete(this.#aborter);
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

/**
 * The server's half of ONC RPC, whatever the transport: messages go in; replies, and calls to run, come out. It owns
 * no socket and no timer.
 */
export class ServerEngine {
  /** Calls that run, of all links, and the bytes of their messages. */
  running = 0;
  runningBytes = 0;
  readonly #programs = new Map<number, Map<number, ServedVersion>>();
  readonly #auth = new Map<number, ServerAuth>();
  readonly #host: ServerHost;
  readonly #reader = new XdrReader();
  readonly #header = new CallHeader();

  constructor(host: ServerHost, auth: readonly ServerAuth[]) {
    this.#host = host;
    for (const flavor of auth) this.#auth.set(flavor.flavor, flavor);
  }

  /** Serves one more version of a program. Throws RangeError when it is served already. */
  serve(served: ServedVersion): void {
    const versions = this.#programs.get(served.program) ?? new Map<number, ServedVersion>();
    const other = versions.get(served.version);
    if (other !== undefined) {
      throw new RangeError(`program ${served.program} version ${served.version} is exported already, as ${other.name}`);
    }
    versions.set(served.version, served);
    this.#programs.set(served.program, versions);
  }

  /** Every program and version that is served. */
  get served(): readonly ServedVersion[] {
    return [...this.#programs.values()].flatMap((versions) => [...versions.values()]);
  }

  /**
   * Takes one message from a link. What is no call is dropped: there is nothing to answer.
   *
   * @returns whether it was a call
   */
  receive(link: ServerLink, buffer: Uint8Array, start: number, end: number): boolean {
    const r = this.#reader;
    r.reset(buffer, start, end);
    const header = this.#header;
    switch (header.read(r)) {
      case "not-a-call":
        return false;
      case "rpc-mismatch":
        this.#refuse(link, header.xid, { stat: "RPC_MISMATCH", low: rpcVersion, high: rpcVersion });
        return true;
      case "bad-credential":
        this.#refuse(link, header.xid, { stat: "AUTH_ERROR", why: AuthStat.AUTH_BADCRED });
        return true;
      case "bad-verifier":
        this.#refuse(link, header.xid, { stat: "AUTH_ERROR", why: AuthStat.AUTH_BADVERF });
        return true;
      case "call":
        this.#call(link, header, r, buffer, start);
        return true;
    }
  }

  #call(link: ServerLink, header: CallHeader, r: XdrReader, buffer: Uint8Array, start: number): void {
    const { xid } = header;
    const auth = this.#authenticate(link, header, buffer, start);
    if (auth.denied !== undefined) return this.#refuse(link, xid, { stat: "AUTH_ERROR", why: auth.denied });
    const versions = this.#programs.get(header.program);
    if (versions === undefined) return this.#refuse(link, xid, { stat: "PROG_UNAVAIL" }, auth.verifier);
    const served = versions.get(header.version);
    if (served === undefined) {
      const known = [...versions.keys()];
      const range = { low: Math.min(...known), high: Math.max(...known) };
      return this.#refuse(link, xid, { stat: "PROG_MISMATCH", ...range }, auth.verifier);
    }
    const target = served.procedures.get(header.procedure);
    if (target === undefined) return this.#refuse(link, xid, { stat: "PROC_UNAVAIL" }, auth.verifier);
    let args: readonly unknown[];
    try {
      const plain = auth.unwrapArgs === undefined ? r : auth.unwrapArgs(r);
      args = target.args.decode(plain);
      plain.finish();
    } catch {
      return this.#refuse(link, xid, { stat: "GARBAGE_ARGS" }, auth.verifier);
    }
    const call = new ServerCall(this.#host, link, xid, served, target, args, callerOf(link, auth.identity), auth);
    const why = this.#host.authorize?.(call);
    if (why !== undefined) return this.#refuse(link, xid, { stat: "AUTH_ERROR", why });
    call.size = r.position - start;
    this.running++;
    this.runningBytes += call.size;
    link.running++;
    this.#host.dispatch(call);
  }

  #authenticate(link: ServerLink, header: CallHeader, buffer: Uint8Array, start: number): AuthVerdict {
    const { flavor } = header.credential;
    const auth = this.#auth.get(flavor);
    if (auth !== undefined) {
      return auth.authenticate(header, {
        buffer,
        start,
        credentialEnd: header.credentialEnd,
        upgradable: link.upgradable,
      });
    }
    // RFC 5531, section 12.1: procedure 0 needs no authentication, whatever the server otherwise asks for.
    if (flavor === AuthFlavor.AUTH_NONE && header.procedure === 0) return anonymous;
    // RFC 2203, erratum 4067: a flavor that the server lacks.
    return { denied: flavor === AuthFlavor.AUTH_NONE ? AuthStat.AUTH_TOOWEAK : AuthStat.AUTH_REJECTEDCRED };
  }

  /** Ends a call with its result. */
  succeed(call: ServerCall, value: unknown): void {
    if (call.link.full && !call.ended && !call.link.gone) {
      call.link.deferred.push({ call, value });
      return;
    }
    if (!this.#end(call)) return;
    const { replies } = call.link;
    const at = replies.size;
    try {
      const w = replies.begin();
      writeSuccessHeader(w, call.xid, call.auth.verifier);
      const { result } = call.target;
      if (call.auth.wrapResult === undefined) result.encode(w, value);
      else call.auth.wrapResult(w, (inner) => result.encode(inner, value));
    } catch (error) {
      replies.abort(at);
      this.#host.report(explainEncode(error, call.target.result.shape, value), call);
      this.#refuse(call.link, call.xid, { stat: "SYSTEM_ERR" }, call.auth.verifier);
      return;
    }
    replies.commit(at);
    if (call.auth.upgrade === true) call.link.upgrading = true;
  }

  /**
   * Answers the next call whose answer had to wait.
   *
   * @returns whether there was one
   */
  answerDeferred(link: ServerLink): boolean {
    const next = link.deferred.shift();
    if (next === undefined) return false;
    this.succeed(next.call, next.value);
    this.#host.answered(next.call);
    return true;
  }

  /** Ends a call whose handler failed: SYSTEM_ERR, and not a word about why. */
  fail(call: ServerCall, error: unknown): void {
    const open = this.#end(call);
    this.#host.report(error, call);
    if (open) this.#refuse(call.link, call.xid, { stat: "SYSTEM_ERR" }, call.auth.verifier);
  }

  /** @returns whether there is somebody to answer */
  #end(call: ServerCall): boolean {
    if (call.ended) return false;
    call.end();
    this.running--;
    this.runningBytes -= call.size;
    call.link.running--;
    return !call.link.gone;
  }

  #refuse(link: ServerLink, xid: number, refusal: Refusal, verifier: OpaqueAuth = authNone): void {
    const at = link.replies.size;
    writeRefusal(link.replies.begin(), xid, refusal, verifier);
    link.replies.commit(at);
  }
}

const anonymous: AuthAccepted = { identity: { flavor: "none", verified: false }, verifier: authNone };

function callerOf(link: ServerLink, identity: Identity): Caller {
  if (link.caller?.identity !== identity) link.caller = { address: link.peer, identity, tls: link.tls };
  return link.caller;
}

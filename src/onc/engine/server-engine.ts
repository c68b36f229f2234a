import type { Claim, FreshClaim } from "../../call/reply-cache.js";
import type { Caller, Identity } from "../../model/index.js";
import { explainEncode, XdrReader, XdrWriter } from "../../xdr/index.js";
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
import { DuplicateFilter, type DuplicateFilterOptions } from "./duplicate-filter.js";
import { type FilteredCall, type ServedVersion, ServerCall, type ServerHost, type ServerLink } from "./server-call.js";

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
  /** Duplicates of foreign clients' calls; undefined where none are filtered. */
  readonly filter: DuplicateFilter | undefined;

  constructor(host: ServerHost, auth: readonly ServerAuth[], filter?: DuplicateFilterOptions | undefined) {
    this.#host = host;
    for (const flavor of auth) this.#auth.set(flavor.flavor, flavor);
    this.filter = filter === undefined ? undefined : new DuplicateFilter(filter);
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
        this.#deny(link, header.xid, { stat: "RPC_MISMATCH", low: rpcVersion, high: rpcVersion });
        return true;
      case "bad-credential":
        this.#deny(link, header.xid, { stat: "AUTH_ERROR", why: AuthStat.AUTH_BADCRED });
        return true;
      case "bad-verifier":
        this.#deny(link, header.xid, { stat: "AUTH_ERROR", why: AuthStat.AUTH_BADVERF });
        return true;
      case "call":
        this.#call(link, header, r, buffer, start, end);
        return true;
    }
  }

  #call(link: ServerLink, header: CallHeader, r: XdrReader, buffer: Uint8Array, start: number, end: number): void {
    const { xid } = header;
    const argsStart = r.position;
    const record = this.#host.record?.(link);
    const auth = this.#authenticate(link, header, buffer, start);
    if (auth.denied !== undefined) return this.#deny(link, xid, { stat: "AUTH_ERROR", why: auth.denied });
    const versions = this.#programs.get(header.program);
    if (versions === undefined) return this.#deny(link, xid, { stat: "PROG_UNAVAIL" }, auth.verifier);
    const served = versions.get(header.version);
    if (served === undefined) {
      const known = [...versions.keys()];
      const range = { low: Math.min(...known), high: Math.max(...known) };
      return this.#deny(link, xid, { stat: "PROG_MISMATCH", ...range }, auth.verifier);
    }
    const target = served.procedures.get(header.procedure);
    if (target === undefined) return this.#deny(link, xid, { stat: "PROC_UNAVAIL" }, auth.verifier);
    let args: readonly unknown[];
    record?.enter("unmarshal");
    try {
      const plain = auth.unwrapArgs === undefined ? r : auth.unwrapArgs(r);
      args = target.args.decode(plain);
      plain.finish();
    } catch {
      return this.#deny(link, xid, { stat: "GARBAGE_ARGS" }, auth.verifier);
    }
    const call = new ServerCall(this.#host, link, xid, served, target, args, callerOf(link, auth.identity), auth);
    if (record !== undefined) {
      record.enter("receive");
      call.record = record;
    }
    const why = this.#host.authorize?.(call);
    if (why !== undefined) return this.#deny(link, xid, { stat: "AUTH_ERROR", why });
    call.size = r.position - start;
    this.running++;
    this.runningBytes += call.size;
    link.running++;
    if (this.filter?.covers(call) !== true) return this.#host.dispatch(call);
    call.filtered = this.filter.take(call, header, { buffer, start, argsStart, end });
    if (call.filtered !== undefined) this.#host.replies?.claim(call, call.filtered.key);
    else if (link.session === undefined) this.#end(call);
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
    call.record?.enter("reply");
    if (call.filtered?.claim !== undefined) return this.#succeedOnce(call, call.filtered.claim, value);
    if (call.link.full && !call.ended && !call.link.gone) {
      call.link.deferred.push({ call, value });
      return;
    }
    if (this.#end(call)) this.#reply(call, value);
    call.settled();
  }

  #reply(call: ServerCall, value: unknown): void {
    const { replies } = call.link;
    const at = replies.size;
    try {
      this.#encode(replies.begin(), call, value);
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
    const { call, value, reply } = next;
    if (reply === undefined) this.succeed(call, value);
    else {
      if (this.#end(call)) link.replies.append(reply);
      call.settled();
    }
    this.#host.answered(call);
    return true;
  }

  #encode(w: XdrWriter, { xid, auth, target: { result } }: ServerCall, value: unknown): void {
    writeSuccessHeader(w, xid, auth.verifier);
    if (auth.wrapResult === undefined) result.encode(w, value);
    else auth.wrapResult(w, (inner) => result.encode(inner, value));
  }

  /** Ends a call whose handler failed: SYSTEM_ERR, and not a word about why. */
  fail(call: ServerCall, error: unknown): void {
    call.record?.enter("reply");
    if (call.filtered?.claim !== undefined) return this.#failOnce(call, call.filtered.claim, error);
    const open = this.#end(call);
    this.#host.report(error, call);
    if (open) this.#refuse(call.link, call.xid, { stat: "SYSTEM_ERR" }, call.auth.verifier);
    call.settled();
  }

  // --- calls that must not run twice: claimed before they run, answered once the reply is kept

  /** The cache has answered `claim`: the call runs, or was known. */
  claimed(call: ServerCall, claim: Claim): void {
    const filtered = call.filtered as FilteredCall;
    if (claim.state !== "fresh") {
      const answer = (this.filter as DuplicateFilter).answer(claim, call.link);
      return this.#settle(filtered, answer);
    }
    filtered.claim = claim;
    // Nobody waits for it any more, and it has not begun.
    if (call.link.gone && filtered.waiters === undefined) this.#host.replies?.release(call, claim);
    else this.#host.dispatch(call);
  }

  /** The cache could not be asked, so the call does not run: SYSTEM_ERR. */
  unclaimed(call: ServerCall, error: unknown): void {
    (this.filter as DuplicateFilter).counts.refused++;
    this.#host.report(error, call);
    this.#settle(call.filtered as FilteredCall, "refuse");
  }

  /** The reply is kept: now it may leave. */
  kept(call: ServerCall): void {
    const filtered = call.filtered as FilteredCall;
    this.#settle(filtered, filtered.reply as Uint8Array);
  }

  /**
   * The reply could not be kept. With its transaction the effect is gone, so the reply would be a lie; without one the
   * procedure ran, and the reply is true though it cannot be repeated.
   */
  unkept(call: ServerCall, error: unknown): void {
    const filtered = call.filtered as FilteredCall;
    this.#host.report(error, call);
    this.#settle(filtered, filtered.claim?.transaction === undefined ? (filtered.reply as Uint8Array) : "refuse");
  }

  /** The claim was taken back, and with it whatever the handler did in its transaction. */
  released(call: ServerCall): void {
    this.#settle(call.filtered as FilteredCall, "refuse");
  }

  #succeedOnce(call: ServerCall, claim: FreshClaim, value: unknown): void {
    const { link } = call;
    // Encoded where it will leave, so that a reply too large for a datagram is found out now.
    const at = link.replies.size;
    const w = link.gone ? new XdrWriter() : link.replies.begin();
    const from = w.position;
    let reply: Uint8Array | undefined;
    let failure: unknown;
    try {
      this.#encode(w, call, value);
      reply = w.view().slice(from);
    } catch (error) {
      failure = error;
    }
    if (!link.gone) link.replies.abort(at);
    if (reply !== undefined) this.#keep(call, claim, reply);
    else this.#failOnce(call, claim, explainEncode(failure, call.target.result.shape, value));
  }

  #failOnce(call: ServerCall, claim: FreshClaim, error: unknown): void {
    this.#host.report(error, call);
    if (claim.transaction !== undefined) {
      this.#host.replies?.release(call, claim);
      return;
    }
    // It ran, or may have: this failure is its answer, whoever asks again.
    const w = new XdrWriter();
    writeRefusal(w, call.xid, { stat: "SYSTEM_ERR" }, call.auth.verifier);
    this.#keep(call, claim, w.take());
  }

  #keep(call: ServerCall, claim: FreshClaim, reply: Uint8Array): void {
    const filtered = call.filtered as FilteredCall;
    if (filtered.reply !== undefined) return;
    filtered.reply = reply;
    this.#host.replies?.keep(call, claim, reply);
  }

  /** Answers everybody who sent this call. */
  #settle(filtered: FilteredCall, answer: Uint8Array | "refuse" | "drop"): void {
    (this.filter as DuplicateFilter).settle(filtered);
    this.#answer(filtered.call, answer);
    for (const waiter of filtered.waiters ?? none) {
      this.#answer(waiter, answer);
      if (waiter.ended) this.#host.answered(waiter);
    }
  }

  #answer(call: ServerCall, answer: Uint8Array | "refuse" | "drop"): void {
    const { link } = call;
    if (link.full && !link.gone && answer instanceof Uint8Array) {
      link.deferred.push({ call, value: undefined, reply: answer });
      return;
    }
    if (this.#end(call) && answer !== "drop") {
      if (answer === "refuse") this.#refuse(link, call.xid, { stat: "SYSTEM_ERR" }, call.auth.verifier);
      else link.replies.append(answer);
    }
    call.settled();
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

  /** Refuses a call before anything runs. */
  #deny(link: ServerLink, xid: number, refusal: Refusal, verifier?: OpaqueAuth): void {
    this.#refuse(link, xid, refusal, verifier);
    this.#host.refused?.(link, refusal, refusal.stat === "RPC_MISMATCH" ? undefined : this.#header);
  }

  #refuse(link: ServerLink, xid: number, refusal: Refusal, verifier: OpaqueAuth = authNone): void {
    const at = link.replies.size;
    writeRefusal(link.replies.begin(), xid, refusal, verifier);
    link.replies.commit(at);
  }
}

const none: readonly ServerCall[] = [];
const anonymous: AuthAccepted = { identity: { flavor: "none", verified: false }, verifier: authNone };

function callerOf(link: ServerLink, identity: Identity): Caller {
  if (link.caller?.identity !== identity) link.caller = { address: link.peer, identity, tls: link.tls };
  return link.caller;
}

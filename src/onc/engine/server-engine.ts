import type { Claim, FreshClaim } from "../../call/reply-cache.js";
import { ServerRecord } from "../../call/steps.js";
import { type Caller, type Identity, isTraceparent } from "../../model/index.js";
import { explainEncode, XdrReader, XdrWriter } from "../../xdr/index.js";
import type { AuthAccepted, AuthVerdict, ServerAuth } from "../auth/index.js";
import { AuthFlavor, authNone, CallHeader, type Refusal, rpcVersion, type Target } from "../message.js";
import { CALL_EXPLAIN, CALL_NESTED, CallStatus, SESSION_PROGRAM, SESSION_VERSION } from "../session/session.js";
import type { Session, SessionTable } from "../session/table.js";
import { AuthStat } from "../status.js";
import { DuplicateFilter, type DuplicateFilterOptions, filteredCall, type MessageBytes } from "./duplicate-filter.js";
import { plainForm, sessionForm } from "./reply-form.js";
import {
  CallRefused,
  type FilteredCall,
  type ReplyForm,
  type Seat,
  type ServedProcedure,
  type ServedVersion,
  ServerCall,
  type ServerHost,
  type ServerLink,
  type ServerRefusal,
} from "./server-call.js";
import { failed, principalOf, SessionArguments, sessionCallNumber, sessionRefusal, stricter } from "./session-call.js";

/** Calls of no more bytes are not weighed, which costs time: the arguments of all that may run take some 32 MiB. */
const weighedMin = 128;

/**
 * The server's half of ONC RPC, whatever the transport: messages go in; replies, and calls to run, come out. It owns
 * no socket and no timer.
 */
export class ServerEngine {
  /** Calls that run, of all links, and the bytes that they count with. */
  running = 0;
  runningBytes = 0;
  readonly #programs = new Map<number, Map<number, ServedVersion>>();
  readonly #auth = new Map<number, ServerAuth>();
  readonly #host: ServerHost;
  readonly #reader = new XdrReader();
  readonly #header: CallHeader;
  /** Duplicates of foreign clients' calls; undefined where none are filtered. */
  readonly filter: DuplicateFilter | undefined;
  readonly #sessions: SessionTable<ServerCall> | undefined;
  #lastFound: Found | undefined;
  readonly #sessionArguments = new SessionArguments();

  constructor(
    host: ServerHost,
    auth: readonly ServerAuth[],
    filter?: DuplicateFilterOptions | undefined,
    sessions?: SessionTable<ServerCall> | undefined,
    limits: { readonly credentialSizeMax?: number | undefined } = {},
  ) {
    this.#host = host;
    this.#header = new CallHeader(limits.credentialSizeMax);
    this.#sessions = sessions;
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
    if (
      header.program === SESSION_PROGRAM &&
      header.procedure === sessionCallNumber &&
      header.version === SESSION_VERSION
    )
      if (this.#sessions !== undefined) return this.#sessionCall(this.#sessions, link, xid, auth, r, start, record);
    const found = this.#find(header);
    if ("stat" in found) return this.#deny(link, xid, found, auth);
    const { served, target } = found;
    const refuse = (refusal: Refusal): void => {
      if (target.oneWay === true) this.#host.refused?.(link, refusal, header);
      else this.#deny(link, xid, refusal, auth);
    };
    const stranger = this.#host.admit?.(link, served, target);
    if (stranger !== undefined) return refuse({ stat: "AUTH_ERROR", why: stranger });
    let args: readonly unknown[];
    record?.enter("unmarshal");
    try {
      const plain = auth.unwrapArgs === undefined ? r : auth.unwrapArgs(r);
      args = target.args.decode(plain);
      plain.finish();
    } catch {
      return refuse({ stat: "GARBAGE_ARGS" });
    }
    const caller = callerOf(link, auth.identity);
    const call = new ServerCall(this.#host, link, xid, served, target, args, caller, auth, plainForm);
    if (record !== undefined) {
      record.enter("receive");
      call.record = record;
    }
    const why = this.#host.authorize?.(call);
    if (why !== undefined) return refuse({ stat: "AUTH_ERROR", why });
    this.#count(call, end - start);
    if (this.filter?.covers(call) !== true) this.#host.dispatch(call);
    else this.#claim(call, header, { buffer, start, argsStart, end });
    this.#weigh(call);
  }

  #claim(call: ServerCall, header: CallHeader, message: MessageBytes): void {
    call.filtered = this.filter?.take(call, header, message);
    if (call.filtered !== undefined) this.#host.replies?.claim(call, call.filtered.key);
    else if (call.link.session === undefined) this.#end(call);
  }

  /** What serves a procedure, or why nothing does. */
  #find(target: Target): Found | Refusal {
    const last = this.#lastFound;
    // Mostly it is the procedure of the call before.
    if (last?.target.number === target.procedure) {
      const { program, version } = last.served;
      if (program === target.program && version === target.version) return last;
    }
    const versions = this.#programs.get(target.program);
    if (versions === undefined) return { stat: "PROG_UNAVAIL" };
    const served = versions.get(target.version);
    if (served === undefined) {
      const known = [...versions.keys()];
      return { stat: "PROG_MISMATCH", low: Math.min(...known), high: Math.max(...known) };
    }
    const procedure = served.procedures.get(target.procedure);
    if (procedure === undefined) return { stat: "PROC_UNAVAIL" };
    this.#lastFound = { served, target: procedure };
    return this.#lastFound;
  }

  /** From now on the call runs, as far as limits are concerned. */
  #count(call: ServerCall, size: number): void {
    call.begin(size);
    this.running++;
    this.runningBytes += size;
  }

  /** The call's turn is over: where it still runs, it keeps its arguments. Those of small calls weigh little. */
  #weigh(call: ServerCall): void {
    if (!call.ended && call.size > weighedMin) this.runningBytes += call.weigh();
  }

  // --- calls of sessions

  /** SESSION_CALL: a call that keeps its number however often, and over whichever connection, it is sent. */
  #sessionCall(
    sessions: SessionTable<ServerCall>,
    link: ServerLink,
    xid: number,
    auth: AuthAccepted,
    r: XdrReader,
    start: number,
    observed: ServerRecord | undefined,
  ): void {
    const parts = this.#sessionArguments;
    let plain: XdrReader;
    try {
      plain = auth.unwrapArgs === undefined ? r : auth.unwrapArgs(r);
      parts.read(plain);
    } catch {
      return this.#refuse(link, xid, { stat: "GARBAGE_ARGS" }, auth);
    }
    const refusal = this.#admit(sessions, link, xid, auth, r, plain, start, observed);
    if (refusal === undefined) return;
    this.#refuse(link, xid, refusal, auth, sessionForm);
    this.#host.refused?.(link, refusal, parts);
  }

  /** Begins such a call, or has it wait for its turn or for itself; says why it does neither. */
  #admit(
    sessions: SessionTable<ServerCall>,
    link: ServerLink,
    xid: number,
    auth: AuthAccepted,
    r: XdrReader,
    plain: XdrReader,
    start: number,
    observed: ServerRecord | undefined,
  ): ServerRefusal | undefined {
    const parts = this.#sessionArguments;
    const { sequence, acknowledged, fingerprint } = parts;
    const caller = callerOf(link, auth.identity);
    const now = this.#host.now();
    const session = sessions.findFor(parts.session, caller, principalOf);
    if (session === undefined) return sessionRefusal(CallStatus.CALL_STALE);
    sessions.touch(session, link.session === undefined ? undefined : link, now);
    session.used = true;
    const { sessionLanesMax, sessionWindow } = sessions.limits;
    const lane = session.lane(parts.lane, sessionLanesMax);
    if (lane === undefined || sequence > acknowledged + sessionWindow) {
      return sessionRefusal(CallStatus.CALL_BUSY);
    }
    if (acknowledged > lane.acknowledged) {
      lane.acknowledged = acknowledged;
      this.#host.replies?.forget(lane.caller, acknowledged);
    }
    const found = this.#find(parts);
    if ("stat" in found) return found;
    const { served, target } = found;
    const stranger = this.#host.admit?.(link, served, target);
    if (stranger !== undefined) return { stat: "AUTH_ERROR", why: stranger };
    const semantics = stricter(parts.promised, target.semantics ?? "at-most-once");
    const filters = semantics === "at-most-once" || semantics === "exactly-once";
    if (semantics === "exactly-once" && this.filter?.transactional !== true) {
      return sessionRefusal(CallStatus.CALL_NO_GUARANTEE);
    }
    const explain = (parts.flags & CALL_EXPLAIN) !== 0;
    const record = observed ?? (explain ? new ServerRecord(() => this.#host.now(), link.heardAt ?? now) : undefined);
    record?.enter("unmarshal");
    let args: readonly unknown[];
    try {
      args = target.args.decode(plain);
      plain.finish();
    } catch {
      return { stat: "GARBAGE_ARGS" };
    }
    const seat: Seat = {
      session,
      lane,
      caller: lane.caller,
      call: sequence,
      semantics,
      fingerprint,
      deadline: now + parts.remaining,
      explain,
    };
    const call = new ServerCall(this.#host, link, xid, served, target, args, caller, auth, sessionForm, seat);
    if (parts.traceparent !== "" && isTraceparent(parts.traceparent)) call.traceparent = parts.traceparent;
    if (record !== undefined) {
      record.enter("receive");
      call.record = record;
    }
    const why = this.#host.authorize?.(call);
    if (why !== undefined) return { stat: "AUTH_ERROR", why };
    const first = filters && this.filter !== undefined ? lane.running.get(sequence) : undefined;
    if (first?.seat !== undefined && first.seat.fingerprint !== fingerprint) {
      return sessionRefusal(CallStatus.CALL_MISMATCH);
    }
    if (first !== undefined && this.#hears(first, link)) return undefined;
    this.#count(call, r.position + r.remaining - start);
    if (first === undefined) {
      // What waits for a callback cannot be waited for by what the callback calls.
      const nested = (parts.flags & CALL_NESTED) !== 0;
      if (session.fifo && session.current !== undefined && !nested) session.waiting.push(call);
      else this.#begin(call, now);
      // One that has ended by now was in nobody's way.
      if (!call.ended) {
        const beside = lane.running.get(sequence);
        if (beside === undefined) lane.running.set(sequence, call);
        else beside.runsTwice(call);
      }
    } else {
      first.filtered ??= filteredCall(first.seat as Seat, "", first);
      first.filtered.waiters ??= [];
      first.filtered.waiters.push(call);
      if (this.filter !== undefined) this.filter.counts.joined++;
    }
    this.#weigh(call);
    return undefined;
  }

  /** Whether whoever sent this again will hear the first one's answer: it goes to the same port. */
  #hears(first: ServerCall, link: ServerLink): boolean {
    if (link.session !== undefined || first.link.session !== undefined || first.link.peer !== link.peer) return false;
    if (this.filter !== undefined) this.filter.counts.joined++;
    return true;
  }

  /** The turn of a session's call has come. */
  #begin(call: ServerCall, now: number): void {
    const seat = call.seat as Seat;
    const { session, semantics, deadline } = seat;
    if (session.fifo) session.current ??= call;
    if (call.aborted !== undefined || now >= deadline) {
      return this.#conclude(call, sessionRefusal(CallStatus.CALL_EXPIRED));
    }
    const filters = this.filter !== undefined && (semantics === "at-most-once" || semantics === "exactly-once");
    if (!filters) return this.#host.dispatch(call);
    call.filtered ??= filteredCall(seat, "", call);
    this.#host.replies?.claim(call, call.filtered.key);
  }

  /** Answers a call of a session, and whoever sent it again. */
  #conclude(call: ServerCall, answer: Answer): void {
    if (call.filtered !== undefined) this.#settle(call.filtered, answer);
    else this.#answer(call, answer);
    this.#host.answered(call);
  }

  /** Begins what waits its turn in a session whose calls run one after another. */
  #next(session: Session<ServerCall>): void {
    if (session.turning) return;
    session.turning = true;
    while (session.current === undefined) {
      const next = session.waiting.shift();
      if (next === undefined) break;
      this.#begin(next, this.#host.now());
    }
    session.turning = false;
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
    if (call.link.full && !call.ended && !call.link.gone && !call.silent) {
      call.link.deferred.push({ call, value });
      return;
    }
    if (this.#end(call)) this.#reply(call, value);
    this.#over(call);
  }

  #reply(call: ServerCall, value: unknown): void {
    const { replies } = call.link;
    const at = replies.size;
    try {
      call.form.result(replies.begin(), call, value);
    } catch (error) {
      replies.abort(at);
      this.#host.report(explainEncode(error, call.target.result.shape, value), call);
      this.#refuse(call.link, call.xid, { stat: "SYSTEM_ERR" }, call.auth, call.form);
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
      if (this.#end(call)) this.#send(call, reply);
      this.#over(call);
    }
    this.#host.answered(call);
    return true;
  }

  /** Ends a call whose handler failed: SYSTEM_ERR, and not a word about why. */
  fail(call: ServerCall, error: unknown): void {
    call.record?.enter("reply");
    if (call.filtered?.claim !== undefined) return this.#failOnce(call, call.filtered.claim, error);
    const open = this.#end(call);
    const refusal = this.#refusalFor(call, error);
    if (open && refusal !== "silence") this.#refuse(call.link, call.xid, refusal, call.auth, call.form);
    this.#over(call);
  }

  /** What answers a call whose handler threw; that is reported unless it meant to refuse. */
  #refusalFor(call: ServerCall, error: unknown): CallRefused["refusal"] {
    if (error instanceof CallRefused) return error.refusal;
    this.#host.report(error, call);
    return systemError;
  }

  // --- calls that must not run twice: claimed before they run, answered once the reply is kept

  /** The cache has answered `claim`: the call runs, or was known. */
  claimed(call: ServerCall, claim: Claim): void {
    const filtered = call.filtered as FilteredCall;
    if (claim.state !== "fresh") {
      const { link, seat } = call;
      const filter = this.filter as DuplicateFilter;
      return this.#settle(filtered, seat === undefined ? filter.answer(claim, link) : filter.outcome(claim));
    }
    filtered.claim = claim;
    // A transaction was rolled back with the effect; what is kept now is that it failed.
    if (filtered.failed) this.#keep(call, claim, failed);
    // Nobody waits for it any more, and it has not begun. The caller of a session comes back.
    else if (call.link.gone && filtered.waiters === undefined && call.seat === undefined) this.#release(call, claim);
    else if (call.aborted !== undefined) this.#release(call, claim);
    else this.#host.dispatch(call);
  }

  #release(call: ServerCall, claim: FreshClaim): void {
    this.#host.replies?.release(call, claim);
  }

  /** The cache could not be asked, so the call does not run. */
  unclaimed(call: ServerCall, error: unknown): void {
    const filtered = call.filtered as FilteredCall;
    (this.filter as DuplicateFilter).counts.refused++;
    this.#host.report(error, call);
    if (filtered.failed) this.#settle(filtered, failed);
    else this.#settle(filtered, call.seat === undefined ? systemError : sessionRefusal(CallStatus.CALL_NO_STORE));
  }

  /** The reply is kept: now it may leave. */
  kept(call: ServerCall): void {
    const filtered = call.filtered as FilteredCall;
    this.#settle(filtered, filtered.reply);
  }

  /**
   * The reply could not be kept. With its transaction the effect is gone, so the reply would be a lie; without one the
   * procedure ran, and the reply is true though it cannot be repeated.
   */
  unkept(call: ServerCall, error: unknown): void {
    const filtered = call.filtered as FilteredCall;
    this.#host.report(error, call);
    if (filtered.claim?.transaction === undefined) return this.#settle(filtered, filtered.reply);
    // A COMMIT that failed has done nothing, as far as the store can tell.
    this.#settle(filtered, call.seat === undefined ? systemError : sessionRefusal(CallStatus.CALL_UNKNOWN));
  }

  /** The claim was taken back, and with it whatever the handler did in its transaction. */
  released(call: ServerCall): void {
    const filtered = call.filtered as FilteredCall;
    if (call.seat === undefined) return this.#settle(filtered, systemError);
    if (!filtered.failed) return this.#settle(filtered, sessionRefusal(CallStatus.CALL_EXPIRED));
    // Whoever sends it again must not run it after its caller has learned that it failed.
    this.#host.replies?.claim(call, filtered.key);
  }

  #succeedOnce(call: ServerCall, claim: FreshClaim, value: unknown): void {
    const { link, form } = call;
    const { replies } = link;
    const filtered = call.filtered as FilteredCall;
    // Encoded where it will leave, so that a reply too large for a datagram is found out now.
    const at = replies.size;
    const w = link.gone ? new XdrWriter() : replies.begin();
    let from: number;
    try {
      from = form.result(w, call, value);
    } catch (error) {
      if (!link.gone) replies.abort(at);
      return this.#failOnce(call, claim, explainEncode(error, call.target.result.shape, value));
    }
    // A store that answers at once copies the reply from where it stands, and it leaves from there.
    if (claim.completeCopy !== undefined && !link.gone && !link.full && filtered.waiters === undefined) {
      try {
        claim.completeCopy(w.memory, from, w.position);
      } catch (error) {
        filtered.reply = w.copy(from);
        replies.abort(at);
        return this.unkept(call, error);
      }
      filtered.writtenAt = at;
      return this.#settle(filtered, undefined);
    }
    const reply = w.copy(from);
    // Other replies leave before this one.
    if (!link.gone) replies.abort(at);
    this.#keep(call, claim, reply);
  }

  #failOnce(call: ServerCall, claim: FreshClaim, error: unknown): void {
    const refusal = this.#refusalFor(call, error);
    if (claim.transaction !== undefined) {
      (call.filtered as FilteredCall).failed = true;
      this.#release(call, claim);
      return;
    }
    // It ran, or may have: this failure is its answer, whoever asks again.
    if (call.seat !== undefined) return this.#keep(call, claim, failed);
    const w = new XdrWriter();
    // Whoever asks again has to be told something.
    call.form.refusal(w, call.xid, refusal === "silence" ? systemError : refusal, call.auth);
    this.#keep(call, claim, w.take());
  }

  #keep(call: ServerCall, claim: FreshClaim, reply: Uint8Array): void {
    const filtered = call.filtered as FilteredCall;
    if (filtered.reply !== undefined) return;
    filtered.reply = reply;
    this.#host.replies?.keep(call, claim, reply);
  }

  /**
   * Answers everybody who sent this call.
   *
   * @param answer undefined where the reply stands in the link's writer already, and nobody else waits for it
   */
  #settle(filtered: FilteredCall, answer: Answer | undefined): void {
    if (filtered.call.seat === undefined) this.filter?.settle(filtered);
    this.#answer(filtered.call, answer);
    if (filtered.waiters === undefined) return;
    for (const waiter of filtered.waiters) {
      this.#answer(waiter, answer);
      if (waiter.ended) this.#host.answered(waiter);
    }
  }

  #answer(call: ServerCall, answer: Answer | undefined): void {
    const { link } = call;
    if (answer === undefined) {
      const at = call.filtered?.writtenAt as number;
      if (this.#end(call)) link.replies.commit(at);
      else link.replies.abort(at);
    } else if (answer instanceof Uint8Array) {
      if (link.full && !link.gone) {
        link.deferred.push({ call, value: undefined, reply: answer });
        return;
      }
      if (this.#end(call)) this.#send(call, answer);
    } else if (this.#end(call) && answer !== "drop") {
      this.#refuse(link, call.xid, answer, call.auth, call.form);
    }
    this.#over(call);
  }

  #send(call: ServerCall, kept: Uint8Array): void {
    const { form, link, seat } = call;
    const { replies } = link;
    if (seat === undefined) {
      replies.append(kept);
    } else {
      const at = replies.size;
      form.kept(replies.begin(), call, kept);
      replies.commit(at);
    }
  }

  /** @returns whether there is somebody to answer */
  #end(call: ServerCall): boolean {
    if (call.ended) return false;
    call.end();
    this.running--;
    this.runningBytes -= call.size;
    if (call.seat !== undefined) this.#leave(call, call.seat);
    return !call.link.gone && !call.silent;
  }

  /** A call of a session has ended. */
  #leave(call: ServerCall, { session, lane, call: sequence }: Seat): void {
    if (lane.running.size > 0) {
      const beside = call.successor();
      if (lane.running.get(sequence) === call) {
        if (beside === undefined) lane.running.delete(sequence);
        else lane.running.set(sequence, beside);
      }
    }
    if (session.ended) this.#sessions?.disposeOf(session);
  }

  /** Nothing more happens to a call: where calls run one after another, the next one may begin. */
  #over(call: ServerCall): void {
    call.settled();
    const session = call.seat?.session;
    if (session === undefined || session.current !== call || !call.ended) return;
    session.current = undefined;
    this.#next(session);
  }

  /** Refuses a call before anything runs. */
  #deny(link: ServerLink, xid: number, refusal: Refusal, auth?: AuthAccepted | undefined): void {
    this.#refuse(link, xid, refusal, auth);
    this.#host.refused?.(link, refusal, refusal.stat === "RPC_MISMATCH" ? undefined : this.#header);
  }

  #refuse(
    link: ServerLink,
    xid: number,
    refusal: ServerRefusal,
    auth?: AuthAccepted | undefined,
    form: ReplyForm = plainForm,
  ): void {
    const at = link.replies.size;
    form.refusal(link.replies.begin(), xid, refusal, auth);
    link.replies.commit(at);
  }
}

/** A procedure that is served. */
interface Found {
  readonly served: ServedVersion;
  readonly target: ServedProcedure;
}

/** What answers a call: a kept reply, a refusal, or silence. */
type Answer = Uint8Array | ServerRefusal | "drop";

const systemError: Refusal = { stat: "SYSTEM_ERR" };

const anonymous: AuthAccepted = { identity: { flavor: "none", verified: false }, verifier: authNone };

function callerOf(link: ServerLink, identity: Identity): Caller {
  if (link.caller?.identity !== identity) {
    link.caller = { address: link.peer, identity, tls: link.tls, ...link.credentials };
  }
  return link.caller;
}

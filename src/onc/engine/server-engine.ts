import type { Caller, Identity } from "../../model/index.js";
import { XdrReader } from "../../xdr/index.js";
import type { AuthAccepted, AuthVerdict, ServerAuth } from "../auth/index.js";
import { AuthFlavor, authNone, CallHeader, type Refusal, rpcVersion } from "../message.js";
import { SESSION_PROGRAM, SESSION_VERSION } from "../session/session.js";
import type { SessionTable } from "../session/table.js";
import { AuthStat } from "../status.js";
import { Answers } from "./answers.js";
import { DuplicateFilter, type DuplicateFilterOptions, type MessageBytes } from "./duplicate-filter.js";
import { OnceCalls } from "./once-calls.js";
import { plainForm } from "./reply-form.js";
import { ServedPrograms } from "./served.js";
import { type ServedVersion, ServerCall, type ServerHost, type ServerLink } from "./server-call.js";
import { ServerSessions } from "./server-sessions.js";
import { sessionCallNumber } from "./session-call.js";

/**
 * The server's half of ONC RPC, whatever the transport: messages go in; replies, and calls to run, come out. It owns
 * no socket and no timer. Here a message becomes a call; what then happens to it is in `Answers`, in `OnceCalls` where it must
 * not run twice, and in `ServerSessions` where it came in a session.
 */
export class ServerEngine {
  /** Calls that must not run twice; the host answers here what it is asked of the reply cache. */
  readonly once: OnceCalls;
  /** Duplicates of foreign clients' calls; undefined where none are filtered. */
  readonly filter: DuplicateFilter | undefined;
  readonly #programs = new ServedPrograms();
  readonly #auth = new Map<number, ServerAuth>();
  readonly #host: ServerHost;
  readonly #reader = new XdrReader();
  readonly #header: CallHeader;
  readonly #answers: Answers;
  readonly #sessions: ServerSessions | undefined;

  constructor(
    host: ServerHost,
    auth: readonly ServerAuth[],
    filter?: DuplicateFilterOptions | undefined,
    sessions?: SessionTable<ServerCall> | undefined,
    limits: { readonly credentialSizeMax?: number | undefined } = {},
  ) {
    this.#host = host;
    this.#header = new CallHeader(limits.credentialSizeMax);
    for (const flavor of auth) this.#auth.set(flavor.flavor, flavor);
    this.filter = filter === undefined ? undefined : new DuplicateFilter(filter);
    this.#answers = new Answers(host);
    this.once = new OnceCalls(host, this.#answers, this.filter);
    if (sessions === undefined) return;
    this.#sessions = new ServerSessions(host, sessions, this.#programs, this.#answers, this.once, this.filter);
    this.#answers.sessions = this.#sessions;
  }

  /** Calls that run, of all links. */
  get running(): number {
    return this.#answers.running;
  }

  /** The bytes that they count with. */
  get runningBytes(): number {
    return this.#answers.runningBytes;
  }

  /** Serves one more version of a program. Throws RangeError when it is served already. */
  serve(served: ServedVersion): void {
    this.#programs.add(served);
  }

  /** Every program and version that is served. */
  get served(): readonly ServedVersion[] {
    return this.#programs.all;
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
    const host = this.#host;
    const { xid } = header;
    const argsStart = r.position;
    const record = host.record?.(link);
    const auth = this.#authenticate(link, header, buffer, start);
    if (auth.denied !== undefined) return this.#deny(link, xid, { stat: "AUTH_ERROR", why: auth.denied });
    const caller = callerOf(link, auth.identity);
    if (this.#sessions !== undefined && isSessionCall(header)) {
      return this.#sessions.receive({ link, xid, caller, auth, size: end - start, record }, r);
    }
    const found = this.#programs.find(header);
    if ("stat" in found) return this.#deny(link, xid, found, auth);
    const { served, target } = found;
    const refuse = (refusal: Refusal): void => {
      if (target.oneWay === true) host.refused?.(link, refusal, header);
      else this.#deny(link, xid, refusal, auth);
    };
    const stranger = host.admit?.(link, served, target);
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
    const call = new ServerCall(host, link, xid, served, target, args, caller, auth, plainForm);
    if (record !== undefined) {
      record.enter("receive");
      call.record = record;
    }
    const why = host.authorize?.(call);
    if (why !== undefined) return refuse({ stat: "AUTH_ERROR", why });
    this.#answers.count(call, end - start);
    if (this.filter?.covers(call) !== true) host.dispatch(call);
    else this.#claim(call, header, { buffer, start, argsStart, end });
    this.#answers.weigh(call);
  }

  #claim(call: ServerCall, header: CallHeader, message: MessageBytes): void {
    call.filtered = this.filter?.take(call, header, message);
    if (call.filtered !== undefined) this.#host.replies?.claim(call, call.filtered.key);
    else if (call.link.session === undefined) this.#answers.end(call);
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
    const claim = call.filtered?.claim;
    if (claim === undefined) this.#answers.succeed(call, value);
    else this.once.succeed(call, claim, value);
  }

  /** Ends a call whose handler failed: SYSTEM_ERR, and not a word about why. */
  fail(call: ServerCall, error: unknown): void {
    call.record?.enter("reply");
    const claim = call.filtered?.claim;
    if (claim === undefined) this.#answers.fail(call, error);
    else this.once.fail(call, claim, error);
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
    else this.#answers.repeat(call, reply);
    this.#host.answered(call);
    return true;
  }

  /** Refuses a call before anything runs. */
  #deny(link: ServerLink, xid: number, refusal: Refusal, auth?: AuthAccepted | undefined): void {
    this.#answers.refuse(link, xid, refusal, auth);
    this.#host.refused?.(link, refusal, refusal.stat === "RPC_MISMATCH" ? undefined : this.#header);
  }
}

function isSessionCall({ program, version, procedure }: CallHeader): boolean {
  return program === SESSION_PROGRAM && procedure === sessionCallNumber && version === SESSION_VERSION;
}

const anonymous: AuthAccepted = { identity: { flavor: "none", verified: false }, verifier: authNone };

function callerOf(link: ServerLink, identity: Identity): Caller {
  if (link.caller?.identity !== identity) {
    link.caller = { address: link.peer, identity, tls: link.tls, ...link.credentials };
  }
  return link.caller;
}

import type { XdrReader, XdrWriter } from "../xdr/index.js";
import { AcceptStat, type AuthStat, RejectStat } from "./status.js";

// The messages of RFC 5531, section 9, written and read side by side. Headers are read into objects that their owner
// uses again, so that a message costs no allocation of its own.

/** The version of the protocol, `rpcvers`. */
export const rpcVersion = 2;

/** `enum msg_type`. */
export const MessageType = { CALL: 0, REPLY: 1 } as const;

/** `enum reply_stat`. */
const ReplyStat = { MSG_ACCEPTED: 0, MSG_DENIED: 1 } as const;

/** `enum auth_flavor`, with the flavors of RFC 2203 and RFC 9289. */
export const AuthFlavor = {
  AUTH_NONE: 0,
  AUTH_SYS: 1,
  AUTH_SHORT: 2,
  AUTH_DH: 3,
  AUTH_KERB4: 4,
  AUTH_RSA: 5,
  RPCSEC_GSS: 6,
  AUTH_TLS: 7,
} as const;

/** Most bytes of an `opaque_auth` body: RFC 5531, section 8.2. */
export const opaqueAuthMax = 400;

/** `struct opaque_auth`: a flavor and its bytes. */
export interface OpaqueAuth {
  readonly flavor: number;
  readonly body: Uint8Array;
}

const noBytes = new Uint8Array(0);

/** AUTH_NONE: what a call or reply carries that proves nothing. */
export const authNone: OpaqueAuth = { flavor: AuthFlavor.AUTH_NONE, body: noBytes };

export function writeOpaqueAuth(w: XdrWriter, auth: OpaqueAuth): void {
  w.uint(auth.flavor);
  if (auth.body.length === 0) w.uint(0);
  else w.opaque(auth.body, opaqueAuthMax);
}

function readOpaqueAuth(r: XdrReader, sizeMax: number = opaqueAuthMax): OpaqueAuth {
  const flavor = r.uint();
  const length = r.uint();
  if (flavor === AuthFlavor.AUTH_NONE && length === 0) return authNone;
  if (length > sizeMax) r.fail(`an opaque_auth body of ${length} bytes is over the limit of ${sizeMax}`);
  return { flavor, body: r.opaqueFixed(length) };
}

/** Which procedure a call is for. */
export interface Target {
  readonly program: number;
  readonly version: number;
  readonly procedure: number;
}

/** `call_body` up to the credential; the credential, the verifier and the arguments follow. */
export function writeCallHeader(w: XdrWriter, xid: number, target: Target): void {
  w.uint(xid);
  w.uint(MessageType.CALL);
  w.uint(rpcVersion);
  w.uint(target.program);
  w.uint(target.version);
  w.uint(target.procedure);
}

/** What reading a call header came to. */
export type CallHeaderOutcome =
  /** A call; the arguments are next. */
  | "call"
  /** Not a call, or too short to tell: nothing can be answered. */
  | "not-a-call"
  /** Another version of the protocol: answer RPC_MISMATCH. */
  | "rpc-mismatch"
  /** The credential or the verifier is malformed: answer AUTH_BADCRED or AUTH_BADVERF. */
  | "bad-credential"
  | "bad-verifier";

/** A call's header, as last read. */
export class CallHeader implements Target {
  xid = 0;
  program = 0;
  version = 0;
  procedure = 0;
  credential: OpaqueAuth = authNone;
  verifier: OpaqueAuth = authNone;
  /** Where the credential ends: RPCSEC_GSS signs the header up to here. */
  credentialEnd = 0;
  readonly #opaqueAuthMax: number;

  /** @param sizeMax bytes of a credential or verifier */
  constructor(sizeMax: number = opaqueAuthMax) {
    this.#opaqueAuthMax = sizeMax;
  }

  read(r: XdrReader): CallHeaderOutcome {
    if (r.remaining < 8) return "not-a-call";
    this.xid = r.uint();
    if (r.uint() !== MessageType.CALL) return "not-a-call";
    if (r.remaining < 4) return "not-a-call";
    if (r.uint() !== rpcVersion) return "rpc-mismatch";
    if (r.remaining < 12) return "not-a-call";
    this.program = r.uint();
    this.version = r.uint();
    this.procedure = r.uint();
    let outcome: CallHeaderOutcome = "bad-credential";
    try {
      this.credential = readOpaqueAuth(r, this.#opaqueAuthMax);
      this.credentialEnd = r.position;
      outcome = "bad-verifier";
      this.verifier = readOpaqueAuth(r, this.#opaqueAuthMax);
    } catch {
      return outcome;
    }
    return "call";
  }
}

/** Why a call was not answered with a result. Accepted, or denied, in the protocol's own words. */
export type Refusal =
  | { readonly stat: "PROG_UNAVAIL" | "PROC_UNAVAIL" | "GARBAGE_ARGS" | "SYSTEM_ERR" }
  | { readonly stat: "PROG_MISMATCH" | "RPC_MISMATCH"; readonly low: number; readonly high: number }
  | { readonly stat: "AUTH_ERROR"; readonly why: AuthStat | number };

/** `reply_body` of a result; the result follows. */
export function writeSuccessHeader(w: XdrWriter, xid: number, verifier: OpaqueAuth): void {
  w.uint(xid);
  w.uint(MessageType.REPLY);
  w.uint(ReplyStat.MSG_ACCEPTED);
  writeOpaqueAuth(w, verifier);
  w.uint(AcceptStat.SUCCESS);
}

/** A whole reply that carries no result. */
export function writeRefusal(w: XdrWriter, xid: number, refusal: Refusal, verifier: OpaqueAuth = authNone): void {
  w.uint(xid);
  w.uint(MessageType.REPLY);
  if (refusal.stat === "RPC_MISMATCH" || refusal.stat === "AUTH_ERROR") {
    w.uint(ReplyStat.MSG_DENIED);
    w.uint(RejectStat[refusal.stat]);
    if (refusal.stat === "AUTH_ERROR") {
      w.uint(refusal.why);
      return;
    }
  } else {
    w.uint(ReplyStat.MSG_ACCEPTED);
    writeOpaqueAuth(w, verifier);
    w.uint(AcceptStat[refusal.stat]);
    if (refusal.stat !== "PROG_MISMATCH") return;
  }
  w.uint(refusal.low);
  w.uint(refusal.high);
}

/** A reply's header, as last read. */
export class ReplyHeader {
  xid = 0;
  verifier: OpaqueAuth = authNone;
  /** Undefined when the call succeeded; the result is next. */
  refusal: Refusal | undefined;

  /**
   * Reads the identifier of a reply.
   *
   * @returns false when this is no reply
   */
  readXid(r: XdrReader): boolean {
    if (r.remaining < 8) return false;
    this.xid = r.uint();
    return r.uint() === MessageType.REPLY;
  }

  /**
   * Reads the rest of the header.
   *
   * @throws DecodeError for a status that RFC 5531 does not know, and for a reply cut short
   */
  readBody(r: XdrReader): void {
    this.verifier = authNone;
    this.refusal = undefined;
    const stat = r.uint();
    if (stat === ReplyStat.MSG_ACCEPTED) {
      this.verifier = readOpaqueAuth(r);
      this.refusal = readAcceptStat(r);
    } else if (stat === ReplyStat.MSG_DENIED) {
      this.refusal = readRejected(r);
    } else {
      r.fail(`reply_stat ${stat} is neither MSG_ACCEPTED nor MSG_DENIED`);
    }
  }
}

function readAcceptStat(r: XdrReader): Refusal | undefined {
  const stat = r.uint();
  switch (stat) {
    case AcceptStat.SUCCESS:
      return undefined;
    case AcceptStat.PROG_UNAVAIL:
      return { stat: "PROG_UNAVAIL" };
    case AcceptStat.PROG_MISMATCH:
      return { stat: "PROG_MISMATCH", low: r.uint(), high: r.uint() };
    case AcceptStat.PROC_UNAVAIL:
      return { stat: "PROC_UNAVAIL" };
    case AcceptStat.GARBAGE_ARGS:
      return { stat: "GARBAGE_ARGS" };
    case AcceptStat.SYSTEM_ERR:
      return { stat: "SYSTEM_ERR" };
    default:
      return r.fail(`accept_stat ${stat} is not known`);
  }
}

function readRejected(r: XdrReader): Refusal {
  const stat = r.uint();
  if (stat === RejectStat.RPC_MISMATCH) return { stat: "RPC_MISMATCH", low: r.uint(), high: r.uint() };
  if (stat === RejectStat.AUTH_ERROR) return { stat: "AUTH_ERROR", why: r.uint() };
  return r.fail(`reject_stat ${stat} is neither RPC_MISMATCH nor AUTH_ERROR`);
}

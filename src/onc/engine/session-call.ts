import type { Caller, Semantics } from "../../model/index.js";
import { encode, type XdrReader } from "../../xdr/index.js";
import type { Target } from "../message.js";
import { CallStatus, Guarantee, xdrCallOutcome } from "../session/session.js";
import type { ServerRefusal } from "./server-call.js";

// How SESSION_CALL is read at the server.

/** SESSION_CALL's number in session.x. */
export const sessionCallNumber = 2;

/** What a kept failure looks like. */
export const failed: Uint8Array = encode(xdrCallOutcome, { status: CallStatus.CALL_FAILED });

/** How long a refused caller should wait at least, in milliseconds: some turns of a server that is busy. */
const retryAfterMs = 100;

export function sessionRefusal(status: CallStatus): ServerRefusal {
  return { stat: "SESSION", status, retryAfterMs };
}

const guarantees: Readonly<Record<number, Semantics>> = {
  [Guarantee.MAYBE]: "maybe",
  [Guarantee.AT_LEAST_ONCE]: "at-least-once",
  [Guarantee.AT_MOST_ONCE]: "at-most-once",
  [Guarantee.EXACTLY_ONCE]: "exactly-once",
};

const strictness: Readonly<Record<Semantics, number>> = {
  "at-least-once": 0,
  maybe: 1,
  "at-most-once": 2,
  "exactly-once": 3,
};

/** A caller may narrow what a contract declares, and a caller with another contract cannot widen it. */
export function stricter(a: Semantics, b: Semantics): Semantics {
  return strictness[a] > strictness[b] ? a : b;
}

/**
 * The arguments of SESSION_CALL up to the inner call's own, as last read: `call_head` of session.x, read field by field
 * because every call passes through here. A test holds it against the compiled codec.
 */
export class SessionArguments implements Target {
  /** The session's id, which no later message touches; the same object for as long as calls are of one session. */
  session: Uint8Array = new Uint8Array(sessionIdSize);
  /** The words of that id. */
  #id0 = 0;
  #id1 = 0;
  #id2 = 0;
  #id3 = 0;
  #id4 = 0;
  lane = 0;
  sequence = 0;
  acknowledged = 0;
  remaining = 0;
  promised: Semantics = "at-most-once";
  flags = 0;
  traceparent = "";
  program = 0;
  version = 0;
  procedure = 0;
  /** A number that other arguments, or another procedure, hardly share: a hash of 32 bits and the length. */
  fingerprint = 0;

  /**
   * Reads to where the inner arguments begin.
   *
   * @throws DecodeError for what is no SESSION_CALL
   */
  read(r: XdrReader): void {
    this.#readId(r);
    this.lane = r.uint();
    this.sequence = r.uint();
    this.acknowledged = r.uint();
    this.remaining = r.uint();
    const promised = r.uint();
    this.promised = guarantees[promised] ?? r.fail(`${promised} is no guarantee`);
    this.flags = r.uint();
    this.traceparent = r.string(255);
    const from = r.position;
    this.program = r.uint();
    this.version = r.uint();
    this.procedure = r.uint();
    const length = r.uint();
    if (length !== r.remaining) r.fail(`${r.remaining} bytes of arguments are not the ${length} that are announced`);
    this.fingerprint = r.hash(from, r.position + length) * 0x20_0000 + (length & 0x1f_ffff);
  }

  /** Nearly every call is of the session of the one before. */
  #readId(r: XdrReader): void {
    const id0 = r.uint32();
    const id1 = r.uint32();
    const id2 = r.uint32();
    const id3 = r.uint32();
    const id4 = r.uint32();
    if (id0 === this.#id0 && id1 === this.#id1 && id2 === this.#id2 && id3 === this.#id3 && id4 === this.#id4) return;
    this.#id0 = id0;
    this.#id1 = id1;
    this.#id2 = id2;
    this.#id3 = id3;
    this.#id4 = id4;
    this.session = new Uint8Array(sessionIdSize);
    const view = new DataView(this.session.buffer);
    for (const [i, word] of [id0, id1, id2, id3, id4].entries()) view.setUint32(i * 4, word);
  }
}

/** `session_id` of session.x. */
const sessionIdSize = 20;

/** Names who calls: sessions and kept replies belong to a principal, and nobody else gets them. */
export function principalOf({ identity, tls, uid }: Caller): string {
  const claimed = identity.principal === undefined ? identity.flavor : `${identity.flavor} ${identity.principal}`;
  const name = uid === undefined ? claimed : `${claimed} of user ${uid}`;
  return tls?.fingerprint256 === undefined ? name : `${name} with certificate ${tls.fingerprint256}`;
}

import { crc32 } from "../../call/crc32.js";
import type { Caller, Semantics } from "../../model/index.js";
import { encode, type XdrReader } from "../../xdr/index.js";
import { type CallHead, CallStatus, Guarantee, xdrCallHead, xdrCallOutcome } from "../session/session.js";
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

const guarantees: Readonly<Record<Guarantee, Semantics>> = {
  [Guarantee.MAYBE]: "maybe",
  [Guarantee.AT_LEAST_ONCE]: "at-least-once",
  [Guarantee.AT_MOST_ONCE]: "at-most-once",
  [Guarantee.EXACTLY_ONCE]: "exactly-once",
};

const strictness: readonly Semantics[] = ["at-least-once", "maybe", "at-most-once", "exactly-once"];

/** A caller may narrow what a contract declares, and a caller with another contract cannot widen it. */
export function stricter(a: Semantics, b: Semantics): Semantics {
  return strictness.indexOf(a) > strictness.indexOf(b) ? a : b;
}

/** The arguments of SESSION_CALL up to the inner call's own, as last read. */
export class SessionArguments {
  head: CallHead = {} as CallHead;
  promised: Semantics = "at-most-once";
  /** A number that other arguments, or another procedure, hardly share: a CRC-32 and the length. */
  fingerprint = 0;

  /**
   * Reads to where the inner arguments begin.
   *
   * @throws DecodeError for what is no SESSION_CALL
   */
  read(r: XdrReader): void {
    const head = xdrCallHead.decode(r);
    const from = r.position - procedureSize;
    const length = r.uint();
    if (length !== r.remaining) r.fail(`${r.remaining} bytes of arguments are not the ${length} that are announced`);
    this.head = head;
    this.promised = guarantees[head.promised];
    const bytes = r.viewOf(from, r.position + length);
    this.fingerprint = crc32(bytes) * 0x20_0000 + (length & 0x1f_ffff);
  }
}

/** Bytes of program, version and procedure, which are the last of the head. */
const procedureSize = 12;

/** Names who calls: sessions and kept replies belong to a principal, and nobody else gets them. */
export function principalOf({ identity, tls }: Caller): string {
  const name = identity.principal === undefined ? identity.flavor : `${identity.flavor} ${identity.principal}`;
  return tls?.fingerprint256 === undefined ? name : `${name} with certificate ${tls.fingerprint256}`;
}

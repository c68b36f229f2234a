import type { Identity } from "../../model/index.js";
import type { XdrReader, XdrWriter } from "../../xdr/index.js";
import type { CallHeader, OpaqueAuth } from "../message.js";
import type { AuthStat } from "../status.js";

// What an authentication flavor is, at either end. A flavor sees the bytes of the header, so that it can sign them,
// and may wrap arguments and results, as RPCSEC_GSS does for integrity and privacy (RFC 2203, section 5.3).

/** A flavor at the caller's end; one serves one client. */
export interface ClientAuth {
  /** The flavor's name, for messages. */
  readonly name: string;
  /** The credential of the next call. */
  credential(): OpaqueAuth;
  /** The credential of a call whose refusal nobody would hear: one that no server forgets. Default: as of any other. */
  readonly lasting?: (() => OpaqueAuth) | undefined;
  /** The verifier of a call. `header` is the call from its xid to the end of its credential. */
  verifier(header: Uint8Array): OpaqueAuth;
  /**
   * When true, credential and verifier are the same for every call until `refused` or `accepted` changes them, and
   * need not be made anew for each.
   */
  readonly constant: boolean;
  /** Counts the changes of a constant credential. */
  readonly epoch: number;
  /** Writes the arguments, when they are not to be written plainly. */
  readonly wrapArgs?: ((w: XdrWriter, encode: (w: XdrWriter) => void) => void) | undefined;
  /** Gives a reader of the plain result. Throws when the result does not verify. */
  readonly unwrapResult?: ((r: XdrReader) => XdrReader) | undefined;
  /**
   * Judges the verifier of an accepted reply.
   *
   * @returns false when the reply cannot be trusted
   */
  accepted(verifier: OpaqueAuth): boolean;
  /**
   * The server refused the credential, so the procedure did not run.
   *
   * @returns whether another credential is at hand, so that the call is worth sending again
   */
  refused(why: number): boolean;
}

/** A flavor at the server's end; one serves all callers. */
export interface ServerAuth {
  readonly flavor: number;
  /** Judges a call by its header. `message` is the whole message; the header's credential ends at `call.credentialEnd`. */
  authenticate(call: CallHeader, message: AuthenticatedBytes): AuthVerdict;
}

/**
 * What a flavor sees of a call beside its header: the bytes that a verifier covers, from `start` to `credentialEnd` of
 * `buffer`, and what it came over.
 */
export interface AuthenticatedBytes {
  /** Whether the stream that it came over can be upgraded. */
  readonly upgradable: boolean;
  readonly buffer: Uint8Array;
  readonly start: number;
  readonly credentialEnd: number;
}

export type AuthVerdict = AuthAccepted | { readonly denied: AuthStat };

export interface AuthAccepted {
  readonly denied?: undefined;
  readonly identity: Identity;
  /** The verifier of the reply. */
  readonly verifier: OpaqueAuth;
  /** Gives a reader of the plain arguments. Throws when they do not verify. */
  readonly unwrapArgs?: ((r: XdrReader) => XdrReader) | undefined;
  /**
   * The call asks for the stream to be upgraded once it is answered, as AUTH_TLS does with STARTTLS: RFC 9289,
   * section 4.1. Until then nothing else may arrive on it.
   */
  readonly upgrade?: true | undefined;
  /** Writes the result, when it is not to be written plainly. */
  readonly wrapResult?: ((w: XdrWriter, encode: (w: XdrWriter) => void) => void) | undefined;
}

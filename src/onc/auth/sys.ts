import type { Identity } from "../../model/index.js";
import { array, decode, encode, string, struct, uint, type XdrCodec } from "../../xdr/index.js";
import { AuthFlavor, authNone, type CallHeader, type OpaqueAuth } from "../message.js";
import { AuthStat } from "../status.js";
import type { AuthVerdict, ClientAuth, ServerAuth } from "./auth.js";

// AUTH_SYS and AUTH_SHORT: RFC 5531, appendix A. The caller states its machine, user and groups; nothing proves it.
// The server may answer with a short handle, an AUTH_SHORT verifier, that stands for the same credential from then
// on. When it has forgotten the handle it says AUTH_REJECTEDCRED, and the caller states the whole credential again.

/** `struct authsys_parms`. */
export interface AuthSysParams {
  /** Arbitrary; tells credentials of one caller apart. */
  readonly stamp: number;
  /** The caller's machine, at most 255 bytes. */
  readonly machinename: string;
  readonly uid: number;
  readonly gid: number;
  /** At most 16 more groups. */
  readonly gids: readonly number[];
}

export const xdrAuthSysParams: XdrCodec<AuthSysParams> = struct({
  stamp: uint,
  machinename: string(255),
  uid: uint,
  gid: uint,
  gids: array(uint, 16),
}) as XdrCodec<AuthSysParams>;

/** Who an AUTH_SYS caller says it is. Nothing proves it: `verified` is false. */
export interface AuthSysIdentity extends Identity, AuthSysParams {
  readonly flavor: "sys";
  readonly verified: false;
}

/**
 * Calls as a user of a machine. Takes the short handle that a server offers, and goes back to the whole credential when
 * the server has forgotten it.
 *
 * @throws EncodeError for a machine name over 255 bytes or more than 16 groups
 */
export function clientAuthSys(
  params: Partial<AuthSysParams> & { readonly uid: number; readonly gid: number },
): ClientAuth {
  const whole: OpaqueAuth = {
    flavor: AuthFlavor.AUTH_SYS,
    body: encode(xdrAuthSysParams, { stamp: 0, machinename: "", gids: [], ...params }),
  };
  let current = whole;
  let epoch = 0;
  return {
    name: "AUTH_SYS",
    constant: true,
    get epoch() {
      return epoch;
    },
    credential: () => current,
    lasting: () => whole,
    verifier: () => authNone,
    accepted(verifier) {
      if (verifier.flavor === AuthFlavor.AUTH_SHORT && current === whole) {
        // A copy: the body may be a view of a large buffer that would be kept with it.
        current = { flavor: AuthFlavor.AUTH_SHORT, body: new Uint8Array(verifier.body) };
        epoch++;
      }
      return true;
    },
    refused(why) {
      if (why !== AuthStat.AUTH_REJECTEDCRED && why !== AuthStat.AUTH_BADCRED) return false;
      // A call sent with the handle may be refused after another call has already put the whole credential back.
      if (current === whole) return epoch > 0;
      current = whole;
      epoch++;
      return true;
    },
  };
}

export interface ServerAuthSysOptions {
  /**
   * How many short handles to keep, oldest forgotten first; 0 offers none, which is the default: a handle saves some
   * 40 bytes a call, and clients that mishandle it exist.
   */
  readonly shortHandles?: number | undefined;
  /** Makes the bytes of a handle; they must not be guessable. */
  readonly randomBytes?: ((size: number) => Uint8Array) | undefined;
}

/** Accepts AUTH_SYS, and AUTH_SHORT for handles that it gave out: two flavors that share their handles. */
export function serverAuthSys(options: ServerAuthSysOptions = {}): readonly ServerAuth[] {
  const handles = new ShortHandles(options);
  let last:
    | { readonly body: Uint8Array; readonly identity: AuthSysIdentity; readonly verdict: AuthVerdict }
    | undefined;
  const sys: ServerAuth = {
    flavor: AuthFlavor.AUTH_SYS,
    authenticate(call: CallHeader): AuthVerdict {
      // Nearly every call carries the credential of the one before.
      if (last !== undefined && equalBytes(last.body, call.credential.body)) {
        return handles.offered
          ? { identity: last.identity, verifier: handles.offer(last.body, last.identity) }
          : last.verdict;
      }
      const body = new Uint8Array(call.credential.body);
      let params: AuthSysParams;
      try {
        params = decode(xdrAuthSysParams, body);
      } catch {
        return { denied: AuthStat.AUTH_BADCRED };
      }
      const principal = `${params.uid}:${params.gid} of ${params.machinename}`;
      const identity: AuthSysIdentity = { flavor: "sys", verified: false, principal, ...params };
      const verdict: AuthVerdict = { identity, verifier: handles.offer(body, identity) };
      last = { body, identity, verdict };
      return verdict;
    },
  };
  const short: ServerAuth = {
    flavor: AuthFlavor.AUTH_SHORT,
    authenticate(call: CallHeader): AuthVerdict {
      const identity = handles.find(call.credential.body);
      return identity === undefined ? { denied: AuthStat.AUTH_REJECTEDCRED } : { identity, verifier: authNone };
    },
  };
  return [sys, short];
}

/** The short handles that a server gave out, oldest first, bounded. */
class ShortHandles {
  readonly #max: number;
  readonly #randomBytes: (size: number) => Uint8Array;
  readonly #identities = new Map<string, AuthSysIdentity>();
  readonly #byCredential = new Map<string, OpaqueAuth>();

  constructor(options: ServerAuthSysOptions) {
    this.#max = options.shortHandles ?? 0;
    if (this.#max > 0 && options.randomBytes === undefined) {
      throw new RangeError("shortHandles needs randomBytes, so that handles cannot be guessed");
    }
    this.#randomBytes = options.randomBytes ?? ((size) => new Uint8Array(size));
  }

  get offered(): boolean {
    return this.#max > 0;
  }

  offer(credential: Uint8Array, identity: AuthSysIdentity): OpaqueAuth {
    if (this.#max === 0) return authNone;
    const key = latin1(credential);
    const known = this.#byCredential.get(key);
    if (known !== undefined) return known;
    const oldest = this.#byCredential.entries().next();
    if (this.#byCredential.size >= this.#max && !oldest.done) {
      this.#byCredential.delete(oldest.value[0]);
      this.#identities.delete(latin1(oldest.value[1].body));
    }
    const handle = { flavor: AuthFlavor.AUTH_SHORT, body: this.#randomBytes(16) };
    this.#byCredential.set(key, handle);
    this.#identities.set(latin1(handle.body), identity);
    return handle;
  }

  find(handle: Uint8Array): AuthSysIdentity | undefined {
    return this.#identities.get(latin1(handle));
  }
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

import type { Caller } from "../model/index.js";
import { principalOf } from "../onc/engine/index.js";

/**
 * Whose a caller's requests are. A user whom the kernel vouches for is the same over every protocol, whatever a credential
 * claims besides.
 */
export function ownerOf(caller: Caller): string {
  return caller.uid === undefined ? principalOf(caller) : `user ${caller.uid}`;
}

/** Callers without a name are all one owner: each knows its own ids, and is told nobody else's. */
export function isAnonymous({ identity, tls, uid }: Caller): boolean {
  return identity.principal === undefined && tls?.fingerprint256 === undefined && uid === undefined;
}

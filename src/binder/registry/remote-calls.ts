import type { Registration } from "./registry.js";
import { isLoopback, parseUniversalAddress } from "./uaddr.js";

/**
 * Programs that give callers of their own machine, or of an address, more than others. A call that the binder makes for
 * somebody comes from this machine, so none of them is ever called that way. Users add theirs.
 */
export const trustingPrograms: ReadonlyMap<number, string> = new Map([
  [100_000, "rpcbind"],
  [100_003, "nfs"],
  [100_004, "ypserv"],
  [100_005, "mountd"],
  [100_007, "ypbind"],
  [100_009, "yppasswdd"],
  [100_011, "rquotad"],
  [100_017, "rexd"],
  [100_020, "llockmgr"],
  [100_021, "nlockmgr"],
  [100_024, "status"],
  [100_026, "bootparam"],
  [100_028, "ypupdated"],
  [100_029, "keyserv"],
  [100_069, "fypxfrd"],
  [100_133, "nsm_addrand"],
  [100_227, "nfs_acl"],
]);

/**
 * Whether a call may be made for a caller. Procedure 0 does nothing, and is allowed everywhere.
 *
 * @param refused programs that a user added
 * @param local whether the caller is on this machine
 */
export function mayForward(
  call: { readonly prog: number; readonly proc: number },
  refused: ReadonlySet<number>,
  entry: Registration | undefined,
  local: boolean,
): boolean {
  // A server that listens on loopback wants callers of this machine only.
  const host = entry === undefined ? undefined : parseUniversalAddress(entry.addr)?.host;
  if (!local && host !== undefined && isLoopback(host)) return false;
  return call.proc === 0 || !(trustingPrograms.has(call.prog) || refused.has(call.prog));
}

// Setting attributes: RFC 1813, section 2.5, sattr3, and 3.3.2, SETATTR.
import { chmodSync, lutimesSync, truncateSync, utimesSync } from "node:fs";
import { nanosecondsOf } from "./attributes.js";
import type { Opened } from "./entry.js";
import { Nfsstat3, type Nfstime3, type Sattr3, TimeHow } from "./nfs.js";
import { NfsError } from "./status.js";
import type { Tree } from "./tree.js";

/**
 * The bits of a mode that clients may set. A set-user-id program made by whoever can reach the port would run with this
 * server's rights, so these two bits are dropped; the answer's attributes show it.
 */
const modeMask = 0o1777;

/** The mode of a new object. */
export function modeFor({ mode }: Sattr3, otherwise: number): number {
  return mode.setIt ? mode.mode & modeMask : otherwise;
}

/**
 * Sets what is to be set, the size first: it is what can fail for want of space.
 *
 * @throws NfsError PERM for another owner: files belong to who runs the server
 */
export function setAttributes(tree: Tree, opened: Opened, wanted: Sattr3): void {
  const { object } = opened;
  const { stat } = object;
  if (wanted.uid.setIt && BigInt(wanted.uid.uid) !== stat.uid) throw notOwner();
  if (wanted.gid.setIt && BigInt(wanted.gid.gid) !== stat.gid) throw notOwner();
  if (wanted.size.setIt) {
    if (stat.isDirectory()) throw new NfsError(Nfsstat3.NFS3ERR_ISDIR, "a directory has no size to set");
    if (!stat.isFile()) throw new NfsError(Nfsstat3.NFS3ERR_INVAL, "not a regular file");
    const size = Number(wanted.size.size);
    if (!Number.isSafeInteger(size)) throw new NfsError(Nfsstat3.NFS3ERR_FBIG, "beyond the largest file");
    truncateSync(object.self, size);
  }
  // Linux has no modes of links.
  if (wanted.mode.setIt && !stat.isSymbolicLink()) chmodSync(object.self, wanted.mode.mode & modeMask);
  setTimes(tree, opened, wanted);
}

function setTimes(tree: Tree, opened: Opened, { atime, mtime }: Sattr3): void {
  if (atime.setIt === TimeHow.DONT_CHANGE && mtime.setIt === TimeHow.DONT_CHANGE) return;
  const now = BigInt(Date.now()) * 1_000_000n;
  // Truncation has just changed the times.
  const stat = opened.object.restat();
  const wantedTime = (how: TimeHow, time: Nfstime3 | undefined, old: bigint): number => {
    if (how === TimeHow.DONT_CHANGE) return secondsOf(old);
    return secondsOf(time === undefined ? now : nanosecondsOf(time));
  };
  const a = wantedTime(atime.setIt, atime.setIt === TimeHow.SET_TO_CLIENT_TIME ? atime.atime : undefined, stat.atimeNs);
  const m = wantedTime(mtime.setIt, mtime.setIt === TimeHow.SET_TO_CLIENT_TIME ? mtime.mtime : undefined, stat.mtimeNs);
  if (stat.isSymbolicLink()) tree.inParent(opened.entry, (directory, name) => lutimesSync(directory.at(name), a, m));
  else utimesSync(opened.object.self, a, m);
}

/**
 * Seconds as Node takes them: a double, which holds today's times to a quarter of a microsecond, and of which whole
 * microseconds are kept. From the middle of a microsecond that is always the same one.
 */
function secondsOf(nanoseconds: bigint): number {
  return Number(nanoseconds / 1_000n) / 1e6 + 5e-7;
}

function notOwner(): NfsError {
  return new NfsError(Nfsstat3.NFS3ERR_PERM, "owners cannot be changed");
}

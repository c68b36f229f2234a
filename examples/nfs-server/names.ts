// Names as they come from a client: bytes that become one component of a path, or are refused.
import { Nfsstat3 } from "./nfs.js";
import { NfsError } from "./status.js";

const slash = 0x2f;

/** Most bytes of a name, as Linux has it. */
export const nameSizeMax = 255;

/**
 * A name as one component of a path.
 *
 * @returns a copy: the argument may be a view of a large buffer
 * @throws NfsError when it is none: RFC 1813 leaves the status to the server; `/` and an empty name are ACCES, as its
 *   predecessor had it
 */
export function componentOf(name: Uint8Array): Buffer {
  if (name.length > nameSizeMax) {
    throw new NfsError(Nfsstat3.NFS3ERR_NAMETOOLONG, `a name has at most ${nameSizeMax} bytes`);
  }
  if (name.length === 0 || name.includes(slash) || name.includes(0)) {
    throw new NfsError(Nfsstat3.NFS3ERR_ACCES, "a name is not empty and has neither a slash nor a zero byte");
  }
  if (dotsOf(name) > 0) throw new NfsError(Nfsstat3.NFS3ERR_INVAL, "`.` and `..` name no entry");
  return Buffer.from(name);
}

/** 1 for `.`, 2 for `..`, otherwise 0. */
export function dotsOf(name: Uint8Array): 0 | 1 | 2 {
  if (name.length > 2 || name.some((byte) => byte !== 0x2e)) return 0;
  return name.length as 0 | 1 | 2;
}

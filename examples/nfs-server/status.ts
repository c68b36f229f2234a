// How the operating system's errors, and the server's own refusals, are said in NFS: RFC 1813, section 2.6.
import { Nfsstat3 } from "./nfs.js";

export type FailStatus = Exclude<Nfsstat3, typeof Nfsstat3.NFS3_OK>;

/** An operation that is refused with a status. */
export class NfsError extends Error {
  readonly status: FailStatus;

  constructor(status: FailStatus, why: string) {
    super(why);
    this.name = "NfsError";
    this.status = status;
  }
}

const statusOfErrno: Readonly<Record<string, FailStatus>> = {
  EPERM: Nfsstat3.NFS3ERR_PERM,
  ENOENT: Nfsstat3.NFS3ERR_NOENT,
  EIO: Nfsstat3.NFS3ERR_IO,
  ENXIO: Nfsstat3.NFS3ERR_NXIO,
  EACCES: Nfsstat3.NFS3ERR_ACCES,
  EEXIST: Nfsstat3.NFS3ERR_EXIST,
  EXDEV: Nfsstat3.NFS3ERR_XDEV,
  ENODEV: Nfsstat3.NFS3ERR_NODEV,
  ENOTDIR: Nfsstat3.NFS3ERR_NOTDIR,
  EISDIR: Nfsstat3.NFS3ERR_ISDIR,
  EINVAL: Nfsstat3.NFS3ERR_INVAL,
  EFBIG: Nfsstat3.NFS3ERR_FBIG,
  ENOSPC: Nfsstat3.NFS3ERR_NOSPC,
  EROFS: Nfsstat3.NFS3ERR_ROFS,
  EMLINK: Nfsstat3.NFS3ERR_MLINK,
  ENAMETOOLONG: Nfsstat3.NFS3ERR_NAMETOOLONG,
  ENOTEMPTY: Nfsstat3.NFS3ERR_NOTEMPTY,
  EDQUOT: Nfsstat3.NFS3ERR_DQUOT,
  // Something is mounted there.
  EBUSY: Nfsstat3.NFS3ERR_ACCES,
  // A symbolic link where a file was: never followed.
  ELOOP: Nfsstat3.NFS3ERR_INVAL,
  // The server is short of something for a while: the client is to ask again.
  EMFILE: Nfsstat3.NFS3ERR_JUKEBOX,
  ENFILE: Nfsstat3.NFS3ERR_JUKEBOX,
  EAGAIN: Nfsstat3.NFS3ERR_JUKEBOX,
  ENOMEM: Nfsstat3.NFS3ERR_JUKEBOX,
};

/** The status for whatever an operation threw. Throws on what is no outcome of an operation, but a defect. */
export function statusOf(error: unknown): FailStatus {
  if (error instanceof NfsError) return error.status;
  const code = errnoOf(error);
  if (code === undefined) throw error;
  return statusOfErrno[code] ?? Nfsstat3.NFS3ERR_SERVERFAULT;
}

/** The name of the operating system's error, such as `ENOENT`; undefined when it is none. */
export function errnoOf(error: unknown): string | undefined {
  const { code, errno } = (error ?? {}) as NodeJS.ErrnoException;
  return error instanceof Error && typeof errno === "number" ? code : undefined;
}

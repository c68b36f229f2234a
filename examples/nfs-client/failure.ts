import { Mountstat3 } from "../nfs-server/mount.js";
import { Nfsstat3 } from "../nfs-server/nfs.js";

/** An operation that the server refused. */
export class NfsFailure extends Error {
  /** The status by its name in RFC 1813, such as `NFS3ERR_NOENT`. */
  readonly status: string;

  constructor(what: string, status: Nfsstat3 | Mountstat3 | string) {
    const name = typeof status === "string" ? status : (nameOf(Nfsstat3, status) ?? nameOf(Mountstat3, status) ?? "?");
    super(`${what}: ${name}`);
    this.name = "NfsFailure";
    this.status = name;
  }
}

function nameOf(statuses: Readonly<Record<string, number>>, status: number): string | undefined {
  return Object.keys(statuses).find((name) => statuses[name] === status);
}

/** The result of a procedure that succeeded. Throws NfsFailure for one that did not. */
export function must<R extends { status: Nfsstat3 }>(what: string, result: R): Extract<R, { status: 0 }> {
  if (result.status !== Nfsstat3.NFS3_OK) throw new NfsFailure(what, result.status);
  return result as Extract<R, { status: 0 }>;
}

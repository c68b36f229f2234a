// READ, WRITE and COMMIT: RFC 1813, sections 3.3.6, 3.3.7 and 3.3.21.
import { type BigIntStats, constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { wccOf } from "./attributes.js";
import type { Opened } from "./entry.js";
import { Nfsstat3, type NfsV3Handlers, StableHow, type Write3args, type Write3res } from "./nfs.js";
import { flush, inspect, type Share, writable } from "./operation.js";
import { NfsError, statusOf } from "./status.js";

/** Most bytes of one READ or WRITE: enough to be fast, little enough that many at once fit into memory. */
export const dataSizeMax: number = 512 * 1024;

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;

export function dataProcedures(share: Share): Pick<NfsV3Handlers, "read" | "write" | "commit"> {
  const { tree } = share;
  return {
    async read({ file, offset, count }) {
      const done = await inspect(tree.open(file), (opened) => read(opened, offset, count));
      if (!done.ok) return { status: done.status, resfail: { fileAttributes: done.attributes } };
      const { data, eof } = done.value;
      return {
        status: Nfsstat3.NFS3_OK,
        resok: { fileAttributes: done.attributes, count: data.length, eof, data },
      };
    },

    write: (args) => write(share, args),

    async commit({ file }) {
      // Nothing is changed, and a file is always committed whole: fsync knows no ranges.
      const done = await inspect(tree.open(file), async (opened) => {
        mustBeFile(opened);
        const before = opened.object.restat();
        await flush(share, opened);
        return before;
      });
      if (!done.ok)
        return {
          status: done.status,
          resfail: { fileWcc: { before: { attributesFollow: false }, after: done.attributes } },
        };
      const fileWcc = { before: wccOf(done.value, undefined).before, after: done.attributes };
      return { status: Nfsstat3.NFS3_OK, resok: { fileWcc, verf: share.verifier.value } };
    },
  };
}

async function read(opened: Opened, offset: bigint, count: number): Promise<{ data: Uint8Array; eof: boolean }> {
  mustBeFile(opened);
  const { size } = opened.object.restat();
  if (offset >= size || count === 0) return { data: new Uint8Array(0), eof: offset >= size };
  // No more is allocated than there is to read.
  const length = Number(least(BigInt(Math.min(count, dataSizeMax)), size - offset));
  return await withFile(opened, O_RDONLY, async (file) => {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafeSlow(length), 0, length, positionOf(offset));
    // The file may have shrunk meanwhile.
    return { data: buffer.subarray(0, bytesRead), eof: bytesRead < length || offset + BigInt(bytesRead) >= size };
  });
}

async function write(share: Share, { file, offset, count, stable, data }: Write3args): Promise<Write3res> {
  const { changes, verifier } = share;
  // What the data depend on if a flush fails while they are written.
  const verf = verifier.value;
  let before: BigIntStats | undefined;
  let after: BigIntStats | undefined;
  try {
    using opened = await share.tree.open(file);
    before = opened.object.restat();
    writable(share);
    mustBeFile(opened);
    if (count > data.length) throw new NfsError(Nfsstat3.NFS3ERR_INVAL, "fewer data than announced");
    const bytes = data.subarray(0, Math.min(count, dataSizeMax));
    let committed: StableHow = StableHow.UNSTABLE;
    let written = 0;
    const isAlone = changes.running === 0;
    const begun = ++changes.begun;
    changes.running++;
    try {
      if (bytes.length > 0) {
        const position = positionOf(offset + BigInt(bytes.length)) - bytes.length;
        await withFile(opened, O_WRONLY, async (handle) => {
          written = (await handle.write(bytes, 0, bytes.length, position)).bytesWritten;
        });
      }
      // Taken before anything else happens; told only if nothing else happened.
      after = opened.object.restat();
      if (!isAlone || changes.begun !== begun) before = undefined;
    } finally {
      changes.running--;
    }
    if (stable !== StableHow.UNSTABLE) {
      await flush(share, opened);
      committed = StableHow.FILE_SYNC;
    }
    return { status: Nfsstat3.NFS3_OK, resok: { fileWcc: wccOf(before, after), count: written, committed, verf } };
  } catch (error) {
    return { status: statusOf(error), resfail: { fileWcc: wccOf(undefined, after ?? before) } };
  }
}

/** Opens for reading or writing what is open by its place only: the same file, whatever its name is now. */
async function withFile<T>({ object }: Opened, flags: number, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(object.self, flags | O_NONBLOCK);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

function mustBeFile({ object }: Opened): void {
  if (!object.stat.isFile()) throw new NfsError(Nfsstat3.NFS3ERR_INVAL, "not a regular file");
}

function positionOf(offset: bigint): number {
  if (offset > BigInt(Number.MAX_SAFE_INTEGER)) throw new NfsError(Nfsstat3.NFS3ERR_FBIG, "beyond the largest file");
  return Number(offset);
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

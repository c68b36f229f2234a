// What makes new objects: RFC 1813, sections 3.3.8 to 3.3.11.
import {
  chmodSync,
  closeSync,
  constants,
  fsyncSync,
  futimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { postOp } from "./attributes.js";
import type { Opened } from "./entry.js";
import { componentOf } from "./names.js";
import { type Create3res, Createmode3, Nfsstat3, type NfsV3Handlers, type PostOpAttr, type Sattr3 } from "./nfs.js";
import { type Changed, change, type Share } from "./operation.js";
import { modeFor, setAttributes } from "./set-attributes.js";
import { errnoOf, NfsError } from "./status.js";
import type { Tree } from "./tree.js";

interface Made {
  readonly handle: { data: Uint8Array };
  readonly attributes: PostOpAttr;
}

const { O_CREAT, O_EXCL, O_WRONLY, O_NOFOLLOW } = constants;

export function creators(share: Share): Pick<NfsV3Handlers, "create" | "mkdir" | "symlink" | "mknod"> {
  const { tree } = share;
  return {
    async create({ where: { dir, name }, how }) {
      return answer(
        await change(share, tree.openDirectory(dir), (directory) => {
          const component = componentOf(name);
          if (how.mode === Createmode3.EXCLUSIVE) return createExclusive(share, directory, component, how.verf);
          return createFile(tree, directory, component, how.objAttributes, how.mode === Createmode3.GUARDED);
        }),
      );
    },

    async mkdir({ where: { dir, name }, attributes }) {
      return answer(
        await change(share, tree.openDirectory(dir), (directory) => {
          const component = componentOf(name);
          const mode = modeFor(attributes, 0o755);
          mkdirSync(directory.object.at(component), mode);
          using made = directory.object.child(component, "directory");
          // What the umask took away.
          chmodSync(made.self, mode);
          return madeOf(tree, directory, component);
        }),
      );
    },

    async symlink({ where: { dir, name }, symlink }) {
      return answer(
        await change(share, tree.openDirectory(dir), (directory) => {
          const component = componentOf(name);
          const target = symlink.symlinkData;
          if (target.length === 0 || target.includes(0)) {
            throw new NfsError(Nfsstat3.NFS3ERR_INVAL, "a link's text is not empty and has no zero byte");
          }
          // Whatever it points to: this server follows none, and clients read it as a path of their own.
          symlinkSync(Buffer.from(target), directory.object.at(component));
          return madeOf(tree, directory, component);
        }),
      );
    },

    async mknod({ where }) {
      return answer(
        await change(share, tree.openDirectory(where.dir), (): Made => {
          throw new NfsError(Nfsstat3.NFS3ERR_NOTSUPP, "no devices, sockets or pipes");
        }),
      );
    },
  };
}

function answer(done: Changed<Made>): Create3res {
  if (!done.ok) return { status: done.status, resfail: { dirWcc: done.wcc } };
  return {
    status: Nfsstat3.NFS3_OK,
    resok: {
      obj: { handleFollows: true, handle: done.value.handle },
      objAttributes: done.value.attributes,
      dirWcc: done.wcc,
    },
  };
}

function madeOf(tree: Tree, directory: Opened, name: Buffer): Made {
  const stat = directory.object.statOf(name);
  return { handle: tree.handleOf(tree.remember(directory.entry, name, stat)), attributes: postOp(stat) };
}

function createFile(tree: Tree, directory: Opened, name: Buffer, wanted: Sattr3, guarded: boolean): Made {
  let isNew = true;
  try {
    closeSync(openSync(directory.object.at(name), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, modeFor(wanted, 0o644)));
  } catch (error) {
    if (errnoOf(error) !== "EEXIST" || guarded) throw error;
    isNew = false;
  }
  using object = directory.object.child(name);
  // UNCHECKED takes a file that is there, but no directory and no link.
  if (!object.stat.isFile()) throw new NfsError(Nfsstat3.NFS3ERR_EXIST, "there is something else of this name");
  const entry = tree.remember(directory.entry, name, object.stat);
  const opened: Opened = { entry, object, [Symbol.dispose]: () => {} };
  try {
    // Of a file that is there only the size is set, as open(2) with O_TRUNC does.
    setAttributes(tree, opened, isNew ? wanted : { ...nothing, size: wanted.size });
  } catch (error) {
    if (isNew) unlinkSync(directory.object.at(name));
    throw error;
  }
  return { handle: tree.handleOf(entry), attributes: postOp(object.restat()) };
}

const nothing: Sattr3 = {
  mode: { setIt: false },
  uid: { setIt: false },
  gid: { setIt: false },
  size: { setIt: false },
  atime: { setIt: 0 },
  mtime: { setIt: 0 },
};

/**
 * EXCLUSIVE: whoever asks again with the same verifier, since the answer was lost, gets the file that the first request
 * made. The verifier is kept where RFC 1813 expects it, in the times; the client sets them afterwards.
 */
function createExclusive(share: Share, directory: Opened, name: Buffer, verf: Uint8Array): Made {
  const view = new DataView(verf.buffer, verf.byteOffset, verf.length);
  // File systems exist whose times end in 2038.
  const atime = view.getUint32(0) & 0x7fff_ffff;
  const mtime = view.getUint32(4) & 0x7fff_ffff;
  try {
    const fd = openSync(directory.object.at(name), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o644);
    try {
      futimesSync(fd, atime, mtime);
      // The verifier outlives a crash, or the request asked again would fail.
      if (share.durable) fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
    const stat = directory.object.statOf(name);
    const isSame =
      stat.isFile() &&
      stat.size === 0n &&
      stat.atimeNs === BigInt(atime) * 1_000_000_000n &&
      stat.mtimeNs === BigInt(mtime) * 1_000_000_000n;
    if (!isSame) throw error;
  }
  return madeOf(share.tree, directory, name);
}

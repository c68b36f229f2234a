// What changes and removes what is there: RFC 1813, sections 3.3.2 and 3.3.12 to 3.3.15.
import { type BigIntStats, linkSync, renameSync, rmdirSync, unlinkSync } from "node:fs";
import { nanosecondsOf, noAttributes, postOp, wccOf } from "./attributes.js";
import type { Opened } from "./entry.js";
import { componentOf } from "./names.js";
import {
  type Diropargs3,
  type Link3res,
  type NfsFh3,
  Nfsstat3,
  type NfsV3Handlers,
  type Remove3res,
  type Rename3res,
} from "./nfs.js";
import { change, flush, type Share, writable } from "./operation.js";
import { setAttributes } from "./set-attributes.js";
import { NfsError, statusOf } from "./status.js";

export function changers(share: Share): Pick<NfsV3Handlers, "setattr" | "remove" | "rmdir" | "rename" | "link"> {
  const { tree } = share;

  async function remove({ dir, name }: Diropargs3, unlink: (path: Buffer) => void): Promise<Remove3res> {
    const done = await change(share, tree.openDirectory(dir), ({ object }) => {
      const component = componentOf(name);
      const stat = object.statOf(component);
      unlink(object.at(component));
      tree.forget(stat);
    });
    if (!done.ok) return { status: done.status, resfail: { dirWcc: done.wcc } };
    return { status: Nfsstat3.NFS3_OK, resok: { dirWcc: done.wcc } };
  }

  return {
    async setattr({ object, newAttributes, guard }) {
      const done = await change(share, tree.open(object), (opened) => {
        if (guard.check && nanosecondsOf(guard.objCtime) !== opened.object.restat().ctimeNs) {
          throw new NfsError(Nfsstat3.NFS3ERR_NOT_SYNC, "changed since");
        }
        setAttributes(tree, opened, newAttributes);
      });
      if (!done.ok) return { status: done.status, resfail: { objWcc: done.wcc } };
      return { status: Nfsstat3.NFS3_OK, resok: { objWcc: done.wcc } };
    },

    remove: ({ object }) => remove(object, unlinkSync),
    rmdir: ({ object }) => remove(object, rmdirSync),
    rename: ({ from, to }) => rename(share, from, to),

    link: ({ file, link: { dir, name } }) => link(share, file, dir, name),
  };
}

async function link(share: Share, file: NfsFh3, dir: NfsFh3, name: Uint8Array): Promise<Link3res> {
  const { tree } = share;
  try {
    using opened = await tree.open(file);
    const done = await change(share, tree.openDirectory(dir), ({ object }) => {
      if (opened.object.stat.isDirectory()) throw new NfsError(Nfsstat3.NFS3ERR_INVAL, "a directory has one name");
      const component = componentOf(name);
      tree.inParent(opened.entry, (parent, old) => linkSync(parent.at(old), object.at(component)));
      // link(2) goes by name: somebody on the server itself may have put another file in its place at that moment.
      if (tree.is(opened.entry, object.statOf(component))) return;
      unlinkSync(object.at(component));
      throw new NfsError(Nfsstat3.NFS3ERR_STALE, "the file was replaced");
    });
    const fileAttributes = postOp(opened.object.restat());
    if (!done.ok) return { status: done.status, resfail: { fileAttributes, linkdirWcc: done.wcc } };
    return { status: Nfsstat3.NFS3_OK, resok: { fileAttributes, linkdirWcc: done.wcc } };
  } catch (error) {
    const resfail = { fileAttributes: noAttributes, linkdirWcc: wccOf(undefined, undefined) };
    return { status: statusOf(error), resfail };
  }
}

async function rename(share: Share, from: Diropargs3, to: Diropargs3): Promise<Rename3res> {
  const { tree } = share;
  const before: (BigIntStats | undefined)[] = [];
  const after: (BigIntStats | undefined)[] = [];
  const wcc = () => ({ fromdirWcc: wccOf(before[0], after[0]), todirWcc: wccOf(before[1], after[1]) });
  try {
    using source = await tree.openDirectory(from.dir);
    using target = await tree.openDirectory(to.dir);
    before.push(source.object.restat(), target.object.restat());
    after.push(...before);
    writable(share);
    const oldName = componentOf(from.name);
    const newName = componentOf(to.name);
    share.changes.begun++;
    const moved = source.object.statOf(oldName);
    const replaced = statOrNone(target, newName);
    try {
      renameSync(source.object.at(oldName), target.object.at(newName));
    } finally {
      after.splice(0, 2, source.object.restat(), target.object.restat());
    }
    // Two names of one file: rename(2) then does nothing, and both stay.
    if (replaced?.ino !== moved.ino) {
      tree.forget(replaced);
      tree.remember(target.entry, newName, moved);
    }
    await flush(share, target);
    await flush(share, source);
    return { status: Nfsstat3.NFS3_OK, resok: wcc() };
  } catch (error) {
    return { status: statusOf(error), resfail: wcc() };
  }
}

function statOrNone(directory: Opened, name: Buffer): BigIntStats | undefined {
  try {
    return directory.object.statOf(name);
  } catch {
    return undefined;
  }
}

// The procedures that only look: RFC 1813, sections 3.3.1, 3.3.3 to 3.3.5, 3.3.18 to 3.3.20.
import { accessSync, constants, readlinkSync } from "node:fs";
import { fattrOf, postOp } from "./attributes.js";
import { dataSizeMax } from "./data.js";
import type { Opened } from "./entry.js";
import { listSizePreferred } from "./listing.js";
import { componentOf, dotsOf, nameSizeMax } from "./names.js";
import {
  ACCESS3_DELETE,
  ACCESS3_EXECUTE,
  ACCESS3_EXTEND,
  ACCESS3_LOOKUP,
  ACCESS3_MODIFY,
  ACCESS3_READ,
  FSF3_CANSETTIME,
  FSF3_HOMOGENEOUS,
  FSF3_LINK,
  FSF3_SYMLINK,
  Nfsstat3,
  type NfsV3Handlers,
} from "./nfs.js";
import { inspect, type Share } from "./operation.js";
import { NfsError } from "./status.js";
import type { Tree } from "./tree.js";

type Queries = Pick<NfsV3Handlers, "getattr" | "lookup" | "access" | "readlink" | "fsstat" | "fsinfo" | "pathconf">;

export function queries(share: Share): Queries {
  const { tree } = share;
  return {
    async getattr({ object }) {
      const done = await inspect(tree.open(object), (opened) => fattrOf(opened.object.restat()));
      if (!done.ok) return { status: done.status };
      return { status: Nfsstat3.NFS3_OK, resok: { objAttributes: done.value } };
    },

    async lookup({ what }) {
      const done = await inspect(tree.openDirectory(what.dir), (directory) => lookup(tree, directory, what.name));
      if (!done.ok) return { status: done.status, resfail: { dirAttributes: done.attributes } };
      return { status: Nfsstat3.NFS3_OK, resok: { ...done.value, dirAttributes: done.attributes } };
    },

    async access({ object, access }) {
      const done = await inspect(tree.open(object), (opened) => access & allowed(opened, share.readOnly));
      if (!done.ok) return { status: done.status, resfail: { objAttributes: done.attributes } };
      return { status: Nfsstat3.NFS3_OK, resok: { objAttributes: done.attributes, access: done.value } };
    },

    async readlink({ symlink }) {
      const done = await inspect(tree.open(symlink), (opened) => readlink(tree, opened));
      if (!done.ok) return { status: done.status, resfail: { symlinkAttributes: done.attributes } };
      return { status: Nfsstat3.NFS3_OK, resok: { symlinkAttributes: done.attributes, data: done.value } };
    },

    async fsstat({ fsroot }) {
      const done = await inspect(tree.open(fsroot), () => tree.statfs());
      if (!done.ok) return { status: done.status, resfail: { objAttributes: done.attributes } };
      const { bsize, blocks, bfree, bavail, files, ffree } = done.value;
      return {
        status: Nfsstat3.NFS3_OK,
        resok: {
          objAttributes: done.attributes,
          tbytes: blocks * bsize,
          fbytes: bfree * bsize,
          abytes: bavail * bsize,
          tfiles: files,
          ffiles: ffree,
          afiles: ffree,
          invarsec: 0,
        },
      };
    },

    async fsinfo({ fsroot }) {
      const done = await inspect(tree.open(fsroot), () => undefined);
      if (!done.ok) return { status: done.status, resfail: { objAttributes: done.attributes } };
      return {
        status: Nfsstat3.NFS3_OK,
        resok: {
          objAttributes: done.attributes,
          rtmax: dataSizeMax,
          rtpref: dataSizeMax,
          rtmult: 4_096,
          wtmax: dataSizeMax,
          wtpref: dataSizeMax,
          wtmult: 4_096,
          dtpref: listSizePreferred,
          // Node counts positions in numbers.
          maxfilesize: BigInt(Number.MAX_SAFE_INTEGER),
          // Node sets times through a double, which is exact to the microsecond.
          timeDelta: { seconds: 0, nseconds: 1_000 },
          properties: FSF3_LINK | FSF3_SYMLINK | FSF3_HOMOGENEOUS | FSF3_CANSETTIME,
        },
      };
    },

    async pathconf({ object }) {
      const done = await inspect(tree.open(object), () => undefined);
      if (!done.ok) return { status: done.status, resfail: { objAttributes: done.attributes } };
      return {
        status: Nfsstat3.NFS3_OK,
        resok: {
          objAttributes: done.attributes,
          // What ext4 has, the lowest of the usual file systems; LINK says MLINK where it is really reached.
          linkmax: 65_000,
          nameMax: nameSizeMax,
          noTrunc: true,
          chownRestricted: true,
          caseInsensitive: false,
          casePreserving: true,
        },
      };
    },
  };
}

function lookup(tree: Tree, directory: Opened, name: Uint8Array) {
  const dots = dotsOf(name);
  if (dots > 0) {
    const { entry, stat } =
      dots === 1 ? { entry: directory.entry, stat: directory.object.restat() } : tree.above(directory);
    return { object: tree.handleOf(entry), objAttributes: postOp(stat) };
  }
  const component = componentOf(name);
  const stat = directory.object.statOf(component);
  const entry = tree.remember(directory.entry, component, stat);
  return { object: tree.handleOf(entry), objAttributes: postOp(stat) };
}

/** What this process may do, which is what every caller may: see README.md, "Who may what". */
function allowed({ object }: Opened, readOnly: boolean): number {
  if (object.stat.isSymbolicLink()) return ACCESS3_READ;
  const may = (mode: number): boolean => {
    try {
      accessSync(object.self, mode);
      return true;
    } catch {
      return false;
    }
  };
  const { R_OK, W_OK, X_OK } = constants;
  const isDirectory = object.stat.isDirectory();
  let rights = may(R_OK) ? ACCESS3_READ : 0;
  if (may(X_OK)) rights |= isDirectory ? ACCESS3_LOOKUP : ACCESS3_EXECUTE;
  if (!readOnly && may(isDirectory ? W_OK | X_OK : W_OK)) {
    rights |= ACCESS3_MODIFY | ACCESS3_EXTEND | (isDirectory ? ACCESS3_DELETE : 0);
  }
  return rights;
}

function readlink(tree: Tree, opened: Opened): Uint8Array {
  if (!opened.object.stat.isSymbolicLink()) throw new NfsError(Nfsstat3.NFS3ERR_INVAL, "not a symbolic link");
  return tree.inParent(opened.entry, (directory, name) => readlinkSync(directory.at(name), { encoding: "buffer" }));
}

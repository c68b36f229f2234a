// The MOUNT program: RFC 1813, appendix I. It gives the handle of the exported directory, or of one inside it.
import type { CallContext } from "farcall";
import type { Opened } from "./entry.js";
import { type Mountbody, Mountstat3, type MountV3Handlers } from "./mount.js";
import { componentOf } from "./names.js";
import { Nfsstat3 } from "./nfs.js";
import { type FailStatus, NfsError, statusOf } from "./status.js";
import type { Tree } from "./tree.js";

/** AUTH_SYS, and AUTH_NONE: RFC 5531, section 8.2. */
const flavors = [1, 0];

/** How many mounts to list. The list is advice; clients that are gone do not say so. */
const mountsMax = 1_000;

type MountFailure = Exclude<Mountstat3, typeof Mountstat3.MNT3_OK>;

/** @param exportName the path that clients ask for, such as `/export`, whatever the directory's own path is */
export function mountService(tree: Tree, exportName: string): MountV3Handlers {
  const mounts = new Map<string, { host: string; path: string }>();
  const keyOf = (host: string, path: Uint8Array): string => `${host} ${latin1(path)}`;

  return {
    async mnt(dirpath, { caller }) {
      try {
        const fhandle = await handleOf(tree, exportName, dirpath);
        if (mounts.size < mountsMax) {
          const host = hostOf(caller);
          mounts.set(keyOf(host, dirpath), { host, path: latin1(dirpath) });
        }
        return { fhsStatus: Mountstat3.MNT3_OK, mountinfo: { fhandle, authFlavors: flavors } };
      } catch (error) {
        return { fhsStatus: mountStatusOf(statusOf(error)) };
      }
    },

    dump() {
      let list: Mountbody | null = null;
      for (const { host, path } of mounts.values()) {
        list = { mlHostname: Buffer.from(host), mlDirectory: Buffer.from(path, "latin1"), mlNext: list };
      }
      return list;
    },

    umnt(dirpath, { caller }) {
      mounts.delete(keyOf(hostOf(caller), dirpath));
    },

    umntall({ caller }) {
      const host = hostOf(caller);
      for (const [key, mount] of mounts) if (mount.host === host) mounts.delete(key);
    },

    export: () => ({ exDir: Buffer.from(exportName), exGroups: null, exNext: null }),
  };
}

async function handleOf(tree: Tree, exportName: string, dirpath: Uint8Array): Promise<Uint8Array> {
  const path = latin1(dirpath);
  const asked = path.split("/").filter((part) => part !== "");
  const exported = latin1(Buffer.from(exportName))
    .split("/")
    .filter((part) => part !== "");
  if (!path.startsWith("/") || exported.some((part, i) => asked[i] !== part)) {
    throw new NfsError(Nfsstat3.NFS3ERR_ACCES, `only ${exportName} is exported`);
  }
  let entry = tree.root;
  for (const part of asked.slice(exported.length)) {
    const name = componentOf(Buffer.from(part, "latin1"));
    // Each step by the handle of the one before: no link is followed here either.
    using directory: Opened = await tree.openDirectory(tree.handleOf(entry));
    entry = tree.remember(directory.entry, name, directory.object.statOf(name));
  }
  const handle = tree.handleOf(entry);
  using _isDirectory = await tree.openDirectory(handle);
  return handle.data;
}

const shared: ReadonlySet<number> = new Set(Object.values(Mountstat3));

/** The two programs share their numbers; what MOUNT lacks is a fault of the server. */
function mountStatusOf(status: FailStatus): MountFailure {
  return shared.has(status) ? (status as number as MountFailure) : Mountstat3.MNT3ERR_SERVERFAULT;
}

/** The caller's machine as the network knows it; what the credential says of it proves nothing. */
function hostOf({ address }: CallContext["caller"]): string {
  return address
    .replace(/^\w+:\/\//, "")
    .replace(/:\d+$/, "")
    .slice(0, 255);
}

/** Bytes as text of one character each: paths are no more than bytes. */
function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

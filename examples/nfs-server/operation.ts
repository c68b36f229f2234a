// The frame of every procedure: open what the handle names, do the work, and answer with a status and attributes,
// whatever happened. What changes the tree is done in one go, without giving way to other calls, so that the attributes
// before and after are those of this change alone among all clients; only then is it brought to the disk.
import { type BigIntStats, constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { postOp, wccOf } from "./attributes.js";
import type { Opened } from "./entry.js";
import { Nfsstat3, type PostOpAttr, type WccData } from "./nfs.js";
import { errnoOf, type FailStatus, NfsError, statusOf } from "./status.js";
import type { Tree } from "./tree.js";

const { O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** What the procedures of one exported directory share. */
export interface Share {
  readonly tree: Tree;
  readonly readOnly: boolean;
  /** Whether changes are on the disk before they are answered, as RFC 1813 wants it. */
  readonly durable: boolean;
  readonly changes: Changes;
  readonly verifier: WriteVerifier;
}

/** Counts what changes files, so that an operation that takes time can tell whether it was alone. */
export class Changes {
  begun = 0;
  running = 0;
}

/** Identifies this instance to clients that hold data which are not on the disk: RFC 1813, section 3.3.7, verf. */
export interface WriteVerifier {
  readonly value: Uint8Array;
  /** Data may have been lost: clients are to write again what they have not committed. */
  renew(): void;
}

export type Done<T> =
  | { readonly ok: true; readonly value: T; readonly attributes: PostOpAttr }
  | { readonly ok: false; readonly status: FailStatus; readonly attributes: PostOpAttr };

/** Looks at an object. */
export async function inspect<T>(opening: Promise<Opened>, act: (opened: Opened) => T | Promise<T>): Promise<Done<T>> {
  let object: Opened["object"] | undefined;
  try {
    using opened = await opening;
    object = opened.object;
    const value = await act(opened);
    return { ok: true, value, attributes: postOp(object.restat()) };
  } catch (error) {
    return { ok: false, status: statusOf(error), attributes: postOp(object?.stat) };
  }
}

export type Changed<T> =
  | { readonly ok: true; readonly value: T; readonly wcc: WccData }
  | { readonly ok: false; readonly status: FailStatus; readonly wcc: WccData };

/**
 * Changes an object, or the entries of a directory.
 *
 * @param act must do its work synchronously
 */
export async function change<T>(
  share: Share,
  opening: Promise<Opened>,
  act: (opened: Opened) => T,
): Promise<Changed<T>> {
  let before: BigIntStats | undefined;
  let after: BigIntStats | undefined;
  try {
    using opened = await opening;
    before = opened.object.restat();
    after = before;
    writable(share);
    share.changes.begun++;
    try {
      const value = act(opened);
      after = opened.object.restat();
      await flush(share, opened);
      return { ok: true, value, wcc: wccOf(before, after) };
    } catch (error) {
      if (after === before) after = opened.object.restat();
      throw error;
    }
  } catch (error) {
    return { ok: false, status: statusOf(error), wcc: wccOf(before, after) };
  }
}

/** @throws NfsError where nothing may be changed */
export function writable(share: Share): void {
  if (share.readOnly) throw new NfsError(Nfsstat3.NFS3ERR_ROFS, "exported read-only");
}

/** Brings an object to the disk: a file's data and attributes, or a directory's entries. */
export async function flush(share: Share, { object }: Opened): Promise<void> {
  const isFile = object.stat.isFile();
  if (!share.durable || !(isFile || object.stat.isDirectory())) return;
  const handle = await openAsMayBe(object.self, isFile ? [O_RDONLY, O_WRONLY] : [O_RDONLY]);
  // A directory that this process may not read it cannot sync either; the system does so within half a minute.
  if (handle === undefined) return;
  try {
    await handle.sync();
  } catch (error) {
    // Linux gives up pages that could not be written, so earlier writes may be lost as well.
    share.verifier.renew();
    throw error;
  } finally {
    await handle.close();
  }
}

/** Opens in the first of some ways that is permitted; undefined when none is. */
async function openAsMayBe(path: string, ways: readonly number[]): Promise<FileHandle | undefined> {
  for (const way of ways) {
    try {
      return await open(path, way | O_NONBLOCK);
    } catch (error) {
      if (errnoOf(error) !== "EACCES") throw error;
    }
  }
  return undefined;
}

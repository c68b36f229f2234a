import type { Descriptor } from "./descriptor.js";
import type { FileId } from "./handle.js";

/** A file, and where it was last seen. The root has no parent. */
export interface Entry {
  readonly key: string;
  readonly id: FileId;
  parent: Entry | undefined;
  name: Buffer;
}

/** What a handle stands for, open. */
export interface Opened extends Disposable {
  readonly entry: Entry;
  readonly object: Descriptor;
}

/** A file's identity as the key of a map. */
export function keyOf({ inode, generation }: FileId): string {
  return `${inode.toString(36)}.${generation.toString(36)}`;
}

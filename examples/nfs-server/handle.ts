// File handles: RFC 1813, section 2.5, nfs_fh3. To clients they are opaque.
//
//   version 1 | inode 8 | generation 8 | seal 16
//
// A handle names the file, not its path, so it survives renames. The generation is the time of the inode's birth: file
// systems give the number of a deleted file to the next one at once, and an old handle must not open that. The seal is
// an HMAC under the server's key over the rest and the exported directory, so handles cannot be made up, nor taken from
// one directory to another that is served with the same key.
import { createHmac, timingSafeEqual } from "node:crypto";

const version = 1;
const bodySize = 17;
const sealSize = 16;
export const handleSize: number = bodySize + sealSize;

/** What tells a file from every other that is or was on the file system. */
export interface FileId {
  readonly inode: bigint;
  /** Nanoseconds since 1970 at which the inode was born; 0 where the file system does not say. */
  readonly generation: bigint;
}

/** Seals handles and checks their seals. */
export class HandleSealer {
  readonly #key: Buffer;

  /** @param key secret, best 32 random bytes @param root the exported directory */
  constructor(key: Uint8Array, root: FileId) {
    const bound = Buffer.alloc(16);
    bound.writeBigUInt64BE(BigInt.asUintN(64, root.inode), 0);
    bound.writeBigUInt64BE(BigInt.asUintN(64, root.generation), 8);
    this.#key = createHmac("sha256", key).update("handle").update(bound).digest();
  }

  /** The handle of a file. */
  seal({ inode, generation }: FileId): Uint8Array {
    const handle = Buffer.alloc(handleSize);
    handle[0] = version;
    handle.writeBigUInt64BE(BigInt.asUintN(64, inode), 1);
    handle.writeBigUInt64BE(BigInt.asUintN(64, generation), 9);
    this.#sealOf(handle).copy(handle, bodySize);
    return handle;
  }

  /** The file that a handle stands for; undefined when this server never gave it out. */
  open(handle: Uint8Array): FileId | undefined {
    if (handle.length !== handleSize || handle[0] !== version) return undefined;
    const bytes = Buffer.from(handle.buffer, handle.byteOffset, handle.length);
    if (!timingSafeEqual(this.#sealOf(bytes), bytes.subarray(bodySize))) return undefined;
    return { inode: bytes.readBigUInt64BE(1), generation: bytes.readBigUInt64BE(9) };
  }

  #sealOf(handle: Buffer): Buffer {
    return createHmac("sha256", this.#key).update(handle.subarray(0, bodySize)).digest().subarray(0, sealSize);
  }
}

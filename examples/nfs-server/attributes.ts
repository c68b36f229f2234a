// What stat(2) says, as NFS says it: RFC 1813, section 2.5, fattr3 and wcc_data.
import { type BigIntStats, constants } from "node:fs";
import type { FileId } from "./handle.js";
import { type Fattr3, Ftype3, type Nfstime3, type PostOpAttr, type PreOpAttr, type WccData } from "./nfs.js";

const types: Readonly<Record<number, Ftype3>> = {
  [constants.S_IFREG]: Ftype3.NF3REG,
  [constants.S_IFDIR]: Ftype3.NF3DIR,
  [constants.S_IFBLK]: Ftype3.NF3BLK,
  [constants.S_IFCHR]: Ftype3.NF3CHR,
  [constants.S_IFLNK]: Ftype3.NF3LNK,
  [constants.S_IFSOCK]: Ftype3.NF3SOCK,
  [constants.S_IFIFO]: Ftype3.NF3FIFO,
};

export function fattrOf(stat: BigIntStats): Fattr3 {
  const mode = Number(stat.mode);
  return {
    type: types[mode & constants.S_IFMT] ?? Ftype3.NF3REG,
    mode: mode & 0o7777,
    nlink: uint32(stat.nlink),
    uid: uint32(stat.uid),
    gid: uint32(stat.gid),
    size: stat.size,
    used: stat.blocks * 512n,
    rdev: deviceOf(stat.rdev),
    fsid: BigInt.asUintN(64, stat.dev),
    fileid: stat.ino,
    atime: timeOf(stat.atimeNs),
    mtime: timeOf(stat.mtimeNs),
    ctime: timeOf(stat.ctimeNs),
  };
}

/** The file's identity. `hasBirth`: whether the times of birth are true. */
export function idOf(stat: BigIntStats, hasBirth: boolean): FileId {
  return { inode: stat.ino, generation: hasBirth ? BigInt.asUintN(64, stat.birthtimeNs) : 0n };
}

export const noAttributes: PostOpAttr = { attributesFollow: false };

export function postOp(stat: BigIntStats | undefined): PostOpAttr {
  return stat === undefined ? noAttributes : { attributesFollow: true, attributes: fattrOf(stat) };
}

/** Attributes before and after an operation; one that is undefined is not told. */
export function wccOf(before: BigIntStats | undefined, after: BigIntStats | undefined): WccData {
  const pre: PreOpAttr =
    before === undefined
      ? { attributesFollow: false }
      : {
          attributesFollow: true,
          attributes: { size: before.size, mtime: timeOf(before.mtimeNs), ctime: timeOf(before.ctimeNs) },
        };
  return { before: pre, after: postOp(after) };
}

/** A time on the wire has 32 bits of seconds from 1970 on: what lies outside becomes the nearest that it can say. */
export function timeOf(nanoseconds: bigint): Nfstime3 {
  if (nanoseconds < 0n) return { seconds: 0, nseconds: 0 };
  const seconds = nanoseconds / 1_000_000_000n;
  if (seconds > 0xffff_ffffn) return { seconds: 0xffff_ffff, nseconds: 999_999_999 };
  return { seconds: Number(seconds), nseconds: Number(nanoseconds % 1_000_000_000n) };
}

export function nanosecondsOf({ seconds, nseconds }: Nfstime3): bigint {
  return BigInt(seconds) * 1_000_000_000n + BigInt(nseconds);
}

function uint32(value: bigint): number {
  return value > 0xffff_ffffn ? 0xffff_ffff : Number(value);
}

/** Linux's layout of a device number: gnu_dev_major and gnu_dev_minor. */
function deviceOf(rdev: bigint): Fattr3["rdev"] {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & ~0xffn);
  return { major: Number(BigInt.asUintN(32, major)), minor: Number(BigInt.asUintN(32, minor)) };
}

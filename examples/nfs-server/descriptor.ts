// Files by descriptor instead of by path, so that nobody can put another file, or a symbolic link, in their place.
//
// Node has no openat(2). Linux gives the same through /proc/self/fd/N: a path that begins there starts at the open
// directory N itself, wherever that was moved. Every other component is opened by itself with O_NOFOLLOW. O_PATH opens
// without reading or writing, so a pipe does not block and a device does nothing.
import { type BigIntStats, closeSync, constants, fstatSync, lstatSync, openSync } from "node:fs";

/** Not among Node's constants; this value on every architecture that Node runs on under Linux. */
const O_PATH = 0o10000000;
const { O_NOFOLLOW, O_DIRECTORY } = constants;

/** An open file, directory, link or other object, and its attributes when it was opened. */
export class Descriptor implements Disposable {
  readonly fd: number;
  readonly stat: BigIntStats;

  private constructor(fd: number, stat: BigIntStats) {
    this.fd = fd;
    this.stat = stat;
  }

  /** Opens what a path names, following links: for the exported directory alone. */
  static directory(path: string): Descriptor {
    return Descriptor.#open(path, O_PATH | O_DIRECTORY);
  }

  /** Opens an entry of this directory; a symbolic link itself, never what it points to. */
  child(name: Uint8Array, kind?: "directory"): Descriptor {
    return Descriptor.#open(this.at(name), O_PATH | O_NOFOLLOW | (kind === "directory" ? O_DIRECTORY : 0));
  }

  static #open(path: string | Buffer, flags: number): Descriptor {
    const fd = openSync(path, flags);
    try {
      return new Descriptor(fd, fstatSync(fd, { bigint: true }));
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** A path that is this very object; for files and directories only, since a link would be followed. */
  get self(): string {
    return `/proc/self/fd/${this.fd}`;
  }

  /** The path of an entry of this directory. */
  at(name: Uint8Array): Buffer {
    return Buffer.concat([Buffer.from(`${this.self}/`), name]);
  }

  /** The attributes as they are now. */
  restat(): BigIntStats {
    return fstatSync(this.fd, { bigint: true });
  }

  /** The attributes of an entry of this directory. */
  statOf(name: Uint8Array): BigIntStats {
    return lstatSync(this.at(name), { bigint: true });
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}

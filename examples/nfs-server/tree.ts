// Where files are: handles name files, the operating system wants paths, and here one becomes the other.
//
// For every handle given out the tree remembers where the file was last seen, as a chain of directories up to the root.
// To open a handle it walks down that chain by descriptors, one component at a time and following no link, and checks
// at each step that this is the very directory that it was. Whoever swaps one for a link or for another directory makes
// the walk fail; the walk can not leave the exported directory. A file that is not where it was is searched for.
import { type BigIntStats, existsSync, lstatSync, type StatsFsBase, statfsSync } from "node:fs";
import { idOf } from "./attributes.js";
import { Descriptor } from "./descriptor.js";
import { type Entry, keyOf, type Opened } from "./entry.js";
import { HandleSealer } from "./handle.js";
import { Nfsstat3 } from "./nfs.js";
import { Search } from "./search.js";
import { errnoOf, NfsError } from "./status.js";

/** Some 200 bytes each: what falls out, the longest unseen first, is searched for when it is asked for. */
const entriesMax = 500_000;

/** Linux's PATH_MAX leaves no room for more. Also ends a walk up a chain that was moved into itself. */
const depthMax = 2_048;

export class Tree implements Disposable {
  readonly root: Entry;
  readonly #directory: Descriptor;
  readonly #device: bigint;
  readonly #hasBirth: boolean;
  readonly #sealer: HandleSealer;
  readonly #entries = new Map<string, Entry>();
  readonly #search: Search;

  /** @throws the operating system's error when the directory cannot be opened */
  constructor(path: string, key: Uint8Array) {
    if (!existsSync("/proc/self/fd")) {
      throw new Error("this server needs Linux with /proc: without descriptors for paths it could be led out by links");
    }
    this.#directory = Descriptor.directory(path);
    const { stat } = this.#directory;
    // procfs knows no births. Where it seems to, the system call is missing and Node gives another time in their place.
    this.#hasBirth = lstatSync("/proc/version", { bigint: true }).birthtimeNs === 0n;
    this.#device = stat.dev;
    const id = idOf(stat, this.#hasBirth);
    this.#sealer = new HandleSealer(key, id);
    this.root = { key: keyOf(id), id, parent: undefined, name: Buffer.alloc(0) };
    this.#entries.set(this.root.key, this.root);
    this.#search = new Search({
      root: this.root,
      open: (entry) => this.#walk(entry),
      sighted: (parent, name, stat) => this.#sighted(parent, name, stat),
      enters: (stat) => this.#enters(stat),
      remember: (parent, name, stat) => this.remember(parent, name, stat),
    });
  }

  handleOf(entry: Entry): { data: Uint8Array } {
    return { data: this.#sealer.seal(entry.id) };
  }

  /**
   * Opens what a handle stands for.
   *
   * @throws NfsError BADHANDLE for a handle that was never given out, STALE when the file is gone
   */
  async open(handle: { readonly data: Uint8Array }): Promise<Opened> {
    const id = this.#sealer.open(handle.data);
    if (id === undefined) throw new NfsError(Nfsstat3.NFS3ERR_BADHANDLE, "no handle of this server");
    const key = keyOf(id);
    const known = this.#entries.get(key);
    const opened = known && this.#tryWalk(known);
    if (opened !== undefined) return opened;
    const found = await this.#search.find(key);
    const again = found && this.#tryWalk(found);
    if (again === undefined) throw stale();
    return again;
  }

  /** As `open`, for what must be a directory. */
  async openDirectory(handle: { readonly data: Uint8Array }): Promise<Opened> {
    const opened = await this.open(handle);
    if (opened.object.stat.isDirectory()) return opened;
    opened[Symbol.dispose]();
    throw new NfsError(Nfsstat3.NFS3ERR_NOTDIR, "not a directory");
  }

  /** Opens an entry that was just seen; undefined when it is no longer there. */
  #tryWalk(entry: Entry): Opened | undefined {
    try {
      return this.#walk(entry);
    } catch (error) {
      if (["ENOENT", "ENOTDIR", "ELOOP"].includes(errnoOf(error) ?? "")) return undefined;
      throw error;
    }
  }

  /** @returns undefined when another object is in its place */
  #walk(entry: Entry): Opened | undefined {
    const chain: Entry[] = [];
    for (let up: Entry = entry; up.parent !== undefined; up = up.parent) {
      if (chain.push(up) > depthMax) return undefined;
    }
    let current = this.#directory;
    try {
      while (true) {
        const next = chain.pop();
        if (next === undefined) break;
        const child = current.child(next.name, chain.length > 0 ? "directory" : undefined);
        if (current !== this.#directory) current[Symbol.dispose]();
        current = child;
        if (keyOf(idOf(child.stat, this.#hasBirth)) !== next.key) return this.#leave(current);
        // What is mounted inside is not exported.
        if (child.stat.isDirectory() && !this.#enters(child.stat)) {
          throw new NfsError(Nfsstat3.NFS3ERR_ACCES, "another file system is mounted there");
        }
      }
    } catch (error) {
      this.#leave(current);
      throw error;
    }
    // The root's descriptor stays open, and its attributes are those of the start.
    if (current === this.#directory) current = this.#directory.child(Buffer.from("."));
    const object = current;
    return { entry, object, [Symbol.dispose]: () => object[Symbol.dispose]() };
  }

  #leave(current: Descriptor): undefined {
    if (current !== this.#directory) current[Symbol.dispose]();
  }

  /** Notes where a file is, and gives its entry. */
  remember(parent: Entry, name: Uint8Array, stat: BigIntStats): Entry {
    const entry = this.#sighted(parent, name, stat);
    if (entry === this.root) return entry;
    // Put at the end: the map's order is that of the last sighting.
    this.#entries.delete(entry.key);
    this.#entries.set(entry.key, entry);
    if (this.#entries.size > entriesMax) this.#forgetOldest();
    return entry;
  }

  /** The entry of what was seen at a place: the known one, which is moved there, or a new one that is not kept. */
  #sighted(parent: Entry, name: Uint8Array, stat: BigIntStats): Entry {
    const id = idOf(stat, this.#hasBirth);
    const key = keyOf(id);
    const known = this.#entries.get(key);
    if (known === undefined) return { key, id, parent, name: Buffer.from(name) };
    if (known !== this.root) {
      known.parent = parent;
      if (!known.name.equals(name)) known.name = Buffer.from(name);
    }
    return known;
  }

  /** What is above a directory; above the root there is the root. */
  above(directory: Opened): { readonly entry: Entry; readonly stat: BigIntStats } {
    using opened = this.#walkOrStale(directory.entry.parent ?? this.root);
    return { entry: opened.entry, stat: opened.object.stat };
  }

  /**
   * Runs a piece of work on the name of an object in its directory: for links, which no descriptor can be used of.
   *
   * @throws NfsError STALE when the object is no longer there
   */
  inParent<T>(entry: Entry, act: (directory: Opened["object"], name: Buffer) => T): T {
    using opened = this.#walkOrStale(entry.parent ?? this.root);
    if (!this.is(entry, opened.object.statOf(entry.name))) throw stale();
    return act(opened.object, entry.name);
  }

  #walkOrStale(entry: Entry): Opened {
    const opened = this.#tryWalk(entry);
    if (opened === undefined) throw stale();
    return opened;
  }

  /** How full the file system is. */
  statfs(): StatsFsBase<bigint> {
    return statfsSync(this.#directory.self, { bigint: true });
  }

  #forgetOldest(): void {
    for (const [key, entry] of this.#entries) {
      if (entry === this.root) continue;
      this.#entries.delete(key);
      return;
    }
  }

  /** Forgets what has just lost its last name, whose attributes were `stat`. */
  forget(stat: BigIntStats | undefined): void {
    if (stat === undefined || (!stat.isDirectory() && stat.nlink > 1n)) return;
    const key = keyOf(idOf(stat, this.#hasBirth));
    if (key !== this.root.key) this.#entries.delete(key);
  }

  /** Whether an object is still the one that an entry means. */
  is(entry: Entry, stat: BigIntStats): boolean {
    return keyOf(idOf(stat, this.#hasBirth)) === entry.key;
  }

  /** Whether it may be entered: a directory of the exported file system. */
  #enters(stat: BigIntStats): boolean {
    return stat.isDirectory() && stat.dev === this.#device;
  }

  [Symbol.dispose](): void {
    this.#search.stop();
    this.#directory[Symbol.dispose]();
  }
}

function stale(): NfsError {
  return new NfsError(Nfsstat3.NFS3ERR_STALE, "the file is gone");
}

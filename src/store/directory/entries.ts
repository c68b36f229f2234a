import { type DirectoryEntry, type DirectoryUsage, entryBytes, entryKey } from "./contract.js";

/**
 * Entries in memory, by their keys in order, by their ids, and counted by owner: what is the whole store, or its copy of
 * what lies elsewhere.
 */
export class Entries {
  readonly #byKey = new Map<string, DirectoryEntry>();
  readonly #byId = new Map<string, DirectoryEntry>();
  readonly #byName = new Map<string, Set<string>>();
  readonly #ofOwner = new Map<string, number>();
  readonly #watchers = new Set<(name: string) => void>();
  #bytes = 0;
  /** The keys in order, made when they are asked for and thrown away when they change. */
  #ordered: readonly string[] | undefined;

  get size(): number {
    return this.#byKey.size;
  }

  get(id: string): DirectoryEntry | undefined {
    return this.#byId.get(id);
  }

  at(key: string): DirectoryEntry | undefined {
    return this.#byKey.get(key);
  }

  keys(): IterableIterator<string> {
    return this.#byKey.keys();
  }

  /** Puts an entry in place of the one with its key; tells watchers when that changes what callers see. */
  put(entry: DirectoryEntry): void {
    const key = entryKey(entry);
    const old = this.#byKey.get(key);
    if (old !== undefined) this.#drop(key, old);
    else this.#ordered = undefined;
    this.#byKey.set(key, entry);
    this.#byId.set(entry.id, entry);
    const keys = this.#byName.get(entry.name);
    if (keys === undefined) this.#byName.set(entry.name, new Set([key]));
    else keys.add(key);
    this.#ofOwner.set(entry.owner, (this.#ofOwner.get(entry.owner) ?? 0) + 1);
    this.#bytes += entryBytes(entry);
    if (old === undefined || !same(old, entry)) this.#tell(entry.name);
  }

  remove(key: string): boolean {
    const entry = this.#byKey.get(key);
    if (entry === undefined) return false;
    this.#drop(key, entry);
    this.#byKey.delete(key);
    this.#ordered = undefined;
    const keys = this.#byName.get(entry.name);
    keys?.delete(key);
    if (keys?.size === 0) this.#byName.delete(entry.name);
    this.#tell(entry.name);
    return true;
  }

  #drop(key: string, entry: DirectoryEntry): void {
    if (this.#byKey.get(key) === entry) this.#byId.delete(entry.id);
    const count = (this.#ofOwner.get(entry.owner) ?? 1) - 1;
    if (count === 0) this.#ofOwner.delete(entry.owner);
    else this.#ofOwner.set(entry.owner, count);
    this.#bytes -= entryBytes(entry);
  }

  find(name: string, version: number | undefined): DirectoryEntry[] {
    const found = [...(this.#byName.get(name) ?? [])].sort().map((key) => this.#byKey.get(key) as DirectoryEntry);
    return version === undefined ? found : found.filter((entry) => entry.version === version);
  }

  list(after: string, limit: number): DirectoryEntry[] {
    this.#ordered ??= [...this.#byKey.keys()].sort();
    const keys = this.#ordered;
    let [low, high] = [0, keys.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((keys[middle] as string) <= after) low = middle + 1;
      else high = middle;
    }
    return keys.slice(low, low + limit).map((key) => this.#byKey.get(key) as DirectoryEntry);
  }

  usage(owner: string): DirectoryUsage {
    return { entries: this.#byKey.size, ofOwner: this.#ofOwner.get(owner) ?? 0, bytes: this.#bytes };
  }

  watch(onChange: (name: string) => void): () => void {
    // A function of its own, so that one that is given twice is told twice.
    const watcher = (name: string): void => onChange(name);
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  #tell(name: string): void {
    for (const watcher of [...this.#watchers]) watcher(name);
  }
}

function same(one: DirectoryEntry, other: DirectoryEntry): boolean {
  return one.interface === other.interface && one.priority === other.priority && one.weight === other.weight;
}

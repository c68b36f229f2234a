import type { DirectoryStore } from "./contract.js";
import { entryKey } from "./contract.js";
import { Entries } from "./entries.js";
import { Leases } from "./leases.js";

export interface MemoryDirectoryStoreOptions {
  /** Milliseconds, monotonic; default `performance.now`. */
  readonly now?: (() => number) | undefined;
}

/** Keeps a directory's entries in this process. After a restart it is empty until its servers have registered again. */
export function memoryDirectoryStore(options: MemoryDirectoryStoreOptions = {}): DirectoryStore {
  const now = options.now ?? (() => performance.now());
  const entries = new Entries();
  const leases = new Leases((key) => entries.remove(key), now);
  const view = (found: ReturnType<Entries["find"]>) => ({ entries: found, complete: true });
  return {
    writable: true,
    durable: false,
    shared: false,
    async put(entry) {
      entries.put(entry);
      leases.start(entryKey(entry), entry.leaseMs);
    },
    async renew(id) {
      const entry = entries.get(id);
      if (entry !== undefined) leases.start(entryKey(entry), entry.leaseMs);
      return entry !== undefined;
    },
    async remove(id) {
      const entry = entries.get(id);
      if (entry === undefined) return false;
      leases.end(entryKey(entry));
      return entries.remove(entryKey(entry));
    },
    find: async (name, version) => view(entries.find(name, version)),
    list: async (after, limit) => view(entries.list(after, limit)),
    usage: async (owner) => entries.usage(owner),
    watch: (onChange) => entries.watch(onChange),
    async close() {
      leases.close();
    },
  };
}

import { openSqlite, type SqliteConnection, type SqliteDriver } from "../sqlite-driver.js";
import { isDurable, keepDurably, unlocked } from "../sqlite-session.js";
import type { DirectoryEntry, DirectoryStore, DirectoryUsage, DirectoryView } from "./contract.js";
import { entryKey } from "./contract.js";
import { Entries } from "./entries.js";
import { Leases } from "./leases.js";

export interface SqliteDirectoryStoreOptions {
  /** The database's file, which may hold other tables too; `:memory:` is neither durable nor shared. */
  readonly path: string;
  /** Default: the first of `node:sqlite`, `better-sqlite3` and `libsql` that is there. */
  readonly driver?: SqliteDriver | undefined;
  /** Milliseconds a change waits for another process's lock before it fails; default 5,000. */
  readonly lockTimeoutMs?: number | undefined;
  /** Milliseconds between two looks whether another process has changed the file; default 250. */
  readonly pollMs?: number | undefined;
  /** Milliseconds since 1970; default `Date.now`. Leases end by it, in all processes that share the file. */
  readonly now?: (() => number) | undefined;
}

const lockTimeoutMsDefault = 5_000;
const pollMsDefault = 250;

type Row = Omit<DirectoryEntry, "leaseMs"> & { readonly key: string; readonly lease: number; readonly expires: number };

const schema = `CREATE TABLE IF NOT EXISTS farcall_directory (
  key TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, version INTEGER NOT NULL, address TEXT NOT NULL,
  interface TEXT NOT NULL, owner TEXT NOT NULL, lease INTEGER NOT NULL, priority INTEGER NOT NULL,
  weight INTEGER NOT NULL, expires INTEGER NOT NULL)`;

/**
 * Keeps a directory's entries in an SQLite database, where they outlive its process. Several directories on one machine may
 * share the file; each sees what the others change within `pollMs`.
 *
 * Whoever opens it begins all leases anew: that nobody could renew while no directory ran was not the servers' fault.
 *
 * @throws Error when no driver is installed or the database cannot be opened
 */
export async function openSqliteDirectoryStore(options: SqliteDirectoryStoreOptions): Promise<DirectoryStore> {
  const connection = await openSqlite(options.path, options.driver);
  try {
    const waitMs = options.lockTimeoutMs ?? lockTimeoutMsDefault;
    await keepDurably(connection, waitMs);
    await unlocked(() => connection.exec(schema), waitMs);
    const now = options.now ?? Date.now;
    await unlocked(
      () => connection.prepare("UPDATE farcall_directory SET expires = max(expires, ? + lease)").run(now()),
      waitMs,
    );
    return new SqliteDirectoryStore(connection, options, now);
  } catch (error) {
    connection.close();
    throw error;
  }
}

class SqliteDirectoryStore implements DirectoryStore {
  readonly writable = true;
  readonly durable: boolean;
  readonly shared: boolean;
  readonly #connection: SqliteConnection;
  readonly #waitMs: number;
  readonly #now: () => number;
  /** What the table holds, as of the last look. */
  readonly #entries = new Entries();
  readonly #leases: Leases;
  readonly #timer: NodeJS.Timeout;
  /** What the database counts up when another connection has changed it. */
  #seen: unknown;
  #closed = false;

  constructor(connection: SqliteConnection, options: SqliteDirectoryStoreOptions, now: () => number) {
    this.#connection = connection;
    this.#waitMs = options.lockTimeoutMs ?? lockTimeoutMsDefault;
    this.#now = now;
    this.shared = !/^$|^:memory:$|mode=memory/.test(options.path);
    this.durable = this.shared && isDurable(connection);
    this.#leases = new Leases((key) => void this.#over(key), now);
    this.#load();
    this.#timer = setInterval(() => this.#poll(), options.pollMs ?? pollMsDefault);
    this.#timer.unref();
  }

  async put(entry: DirectoryEntry): Promise<void> {
    const { id, name, version, address, interface: text, owner, leaseMs, priority, weight } = entry;
    const key = entryKey(entry);
    await this.#change(
      `INSERT INTO farcall_directory VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET
      id = excluded.id, interface = excluded.interface, owner = excluded.owner, lease = excluded.lease,
      priority = excluded.priority, weight = excluded.weight, expires = excluded.expires`,
      ...[key, id, name, version, address, text, owner, leaseMs, priority, weight, this.#now() + leaseMs],
    );
    this.#entries.put(entry);
    this.#leases.start(key, leaseMs);
  }

  async renew(id: string): Promise<boolean> {
    const renewed = await this.#change(
      "UPDATE farcall_directory SET expires = ? + lease WHERE id = ?",
      this.#now(),
      id,
    );
    if (renewed === 0) return false;
    const entry = this.#entries.get(id);
    if (entry === undefined) this.#load();
    else this.#leases.start(entryKey(entry), entry.leaseMs);
    return true;
  }

  async remove(id: string): Promise<boolean> {
    const removed = await this.#change("DELETE FROM farcall_directory WHERE id = ?", id);
    const entry = this.#entries.get(id);
    if (entry !== undefined) this.#forget(entryKey(entry));
    return removed > 0;
  }

  async find(name: string, version?: number): Promise<DirectoryView> {
    return { entries: this.#entries.find(name, version), complete: true };
  }

  async list(after: string, limit: number): Promise<DirectoryView> {
    return { entries: this.#entries.list(after, limit), complete: true };
  }

  async usage(owner: string): Promise<DirectoryUsage> {
    return this.#entries.usage(owner);
  }

  watch(onChange: (name: string) => void): () => void {
    return this.#entries.watch(onChange);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    this.#leases.close();
    this.#connection.close();
  }

  /** @returns how many rows were changed */
  async #change(sql: string, ...params: (string | number)[]): Promise<number> {
    return await unlocked(() => {
      if (this.#closed) throw new Error("the store was closed");
      return Number(this.#connection.prepare(sql).run(...params).changes);
    }, this.#waitMs);
  }

  /** A lease is over here; another process may have renewed it. */
  async #over(key: string): Promise<void> {
    try {
      await this.#change("DELETE FROM farcall_directory WHERE key = ? AND expires <= ?", key, this.#now());
      if (!this.#closed) this.#load();
    } catch {
      // The file is locked for long, or gone: nobody else may hand it out, and it is looked at again.
      this.#leases.start(key, this.#waitMs);
    }
  }

  #poll(): void {
    try {
      const { data_version } = this.#connection.prepare("PRAGMA data_version").get() as { data_version: unknown };
      if (data_version === this.#seen) return;
      this.#load();
      this.#seen = data_version;
    } catch {
      // Locked just now: the next look is soon.
    }
  }

  /** Brings the copy in line with the table; only what is new is read whole. */
  #load(): void {
    const now = this.#now();
    const heads = this.#connection.prepare("SELECT key, id, expires FROM farcall_directory").all() as Row[];
    const keys = new Set(heads.map(({ key }) => key));
    for (const key of [...this.#entries.keys()]) if (!keys.has(key)) this.#forget(key);
    const whole = this.#connection.prepare("SELECT * FROM farcall_directory WHERE key = ?");
    for (const { key, id, expires } of heads) {
      if (this.#entries.at(key)?.id !== id) {
        const { lease, ...row } = whole.get(key) as Row;
        const { name, version, address, interface: text, owner, priority, weight } = row;
        this.#entries.put({ id, name, version, address, interface: text, owner, leaseMs: lease, priority, weight });
      }
      this.#leases.start(key, Math.max(0, expires - now));
    }
  }

  #forget(key: string): void {
    this.#leases.end(key);
    this.#entries.remove(key);
  }
}

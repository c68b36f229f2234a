import {
  type DirectoryEntry,
  type DirectoryStore,
  type DirectoryUsage,
  type DirectoryView,
  entryKey,
} from "./contract.js";
import { Entries } from "./entries.js";
import { base64, EtcdClient, EtcdError, type EtcdItem } from "./etcd-client.js";
import { Leases } from "./leases.js";

export interface EtcdDirectoryStoreOptions {
  /** Where etcd's members serve clients, such as `http://127.0.0.1:2379`. They stand in for each other. */
  readonly endpoints: readonly string[];
  /** What the keys begin with; default `/farcall/directory/`. Directories with the same prefix are one. */
  readonly prefix?: string | undefined;
  /** Milliseconds that a member may take to answer before the next is asked; default 1,000. */
  readonly timeoutMs?: number | undefined;
  /** Milliseconds between two looks whether the watch still tells everything, and what is owed to etcd; default 1,000. */
  readonly checkMs?: number | undefined;
  /** Sent with every request, such as `{ authorization: token }`. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Most entries that are taken over from etcd; default 65,536. */
  readonly entriesMax?: number | undefined;
  /** Default: the runtime's own. */
  readonly fetch?: typeof globalThis.fetch | undefined;
}

const timeoutMsDefault = 1_000;
const checkMsDefault = 1_000;
const entriesMaxDefault = 65_536;

/**
 * What is still to be told to etcd, of an entry that is registered here: that it is to go on, that its server has withdrawn
 * it, or that its lease is over, unless somebody else renews it.
 */
type Debt = "renew" | "remove" | "lapse";

/** An entry that is registered and renewed through this process. */
interface Own {
  readonly entry: DirectoryEntry;
  /** etcd's lease. */
  lease: string;
}

/**
 * Keeps a directory's entries in etcd, through its JSON gateway: directories on many machines are one. Each holds a copy,
 * which a watch keeps up to date, and which look-ups are answered from: also while etcd is away.
 *
 * Every entry hangs on a lease of etcd's. Whoever an entry is renewed through sees its lease end by its own clock, and takes
 * it out then; etcd does it where that process has died as well. While etcd has no majority, renewals are owed to it.
 *
 * @throws Error when no member answers
 */
export async function openEtcdDirectoryStore(options: EtcdDirectoryStoreOptions): Promise<DirectoryStore> {
  if (options.endpoints.length === 0)
    throw new RangeError("endpoints: give the address of at least one member of etcd");
  const store = new EtcdDirectoryStore(options);
  try {
    await store.open();
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

class EtcdDirectoryStore implements DirectoryStore {
  readonly writable = true;
  readonly durable = true;
  readonly shared = true;
  readonly #client: EtcdClient;
  readonly #prefix: string;
  readonly #checkMs: number;
  readonly #entriesMax: number;
  readonly #entries = new Entries();
  /** What is renewed here, by the key of the entry. */
  readonly #own = new Map<string, Own>();
  readonly #leases: Leases;
  readonly #debts = new Map<string, { readonly debt: Debt; readonly lease: string }>();
  /** etcd's lease of every entry that is known. */
  readonly #leaseOf = new Map<string, string>();
  /** The keys that etcd has, and the newest change that is known. */
  readonly #paths = new Set<string>();
  #revision = 0n;
  #complete = false;
  #watching: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #checking = false;
  #closed = false;

  constructor(options: EtcdDirectoryStoreOptions) {
    this.#client = new EtcdClient({
      endpoints: options.endpoints,
      timeoutMs: options.timeoutMs ?? timeoutMsDefault,
      headers: options.headers ?? {},
      fetch: options.fetch ?? globalThis.fetch,
    });
    this.#prefix = options.prefix ?? "/farcall/directory/";
    this.#checkMs = options.checkMs ?? checkMsDefault;
    this.#entriesMax = options.entriesMax ?? entriesMaxDefault;
    this.#leases = new Leases(
      (key) => void this.#over(key).catch(() => {}),
      () => performance.now(),
    );
  }

  async open(): Promise<void> {
    await this.#load();
    this.#timer = setInterval(() => void this.#check(), this.#checkMs);
    this.#timer.unref();
  }

  // --- changes

  async put(entry: DirectoryEntry): Promise<void> {
    const key = entryKey(entry);
    const lease = await this.#write(entry);
    this.#debts.delete(key);
    this.#own.set(key, { entry, lease });
    this.#leases.start(key, entry.leaseMs);
    this.#take(key, entry, lease);
  }

  /** @returns etcd's lease */
  async #write(entry: DirectoryEntry): Promise<string> {
    const granted = await this.#client.ask("lease/grant", { TTL: String(Math.ceil(entry.leaseMs / 1000)) });
    const lease = String(granted["ID"]);
    await this.#client.ask("kv/put", { key: base64(this.#keyOf(entry)), value: base64(JSON.stringify(entry)), lease });
    return lease;
  }

  async renew(id: string): Promise<boolean> {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    const key = entryKey(entry);
    const lease = this.#leaseOf.get(key) ?? "0";
    this.#own.set(key, { entry, lease });
    this.#leases.start(key, entry.leaseMs);
    this.#debts.set(key, { debt: "renew", lease });
    // Whether etcd answers now or later, the entry lives: its server has said so.
    void this.#pay(key).catch(() => {});
    return true;
  }

  async remove(id: string): Promise<boolean> {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    const key = entryKey(entry);
    const lease = this.#leaseOf.get(key) ?? "0";
    this.#forget(key);
    this.#debts.set(key, { debt: "remove", lease });
    await this.#pay(key).catch(() => {});
    return true;
  }

  /** Tells etcd what it is to know of an entry. */
  async #pay(key: string): Promise<void> {
    const owed = this.#debts.get(key);
    if (owed === undefined) return;
    const settled = (): void => {
      if (this.#debts.get(key) === owed) this.#debts.delete(key);
    };
    if (owed.debt === "remove") {
      await this.#withdraw(key, owed.lease);
      return settled();
    }
    if (owed.debt === "lapse") {
      // A server may change its binder, and one that has come back has a lease of its own.
      if (await this.#isRenewed(owed.lease)) return settled();
      if (this.#debts.get(key) !== owed) return;
      if (this.#leaseOf.get(key) === owed.lease) this.#forget(key);
      else settled();
      await this.#client.ask("lease/revoke", { ID: owed.lease }).catch(unlessUnknown);
      return;
    }
    const answer = await this.#client.ask("lease/keepalive", { ID: owed.lease });
    const { TTL = "0" } = (answer["result"] ?? {}) as { TTL?: string };
    settled();
    // etcd has given it up, as after a long time without a majority.
    if (Number(TTL) <= 0) await this.#again(key);
  }

  /** First marked and then taken out: a directory that renews it elsewhere would take a lost lease for etcd's mistake. */
  async #withdraw(key: string, lease: string): Promise<void> {
    const mark = { key: base64(this.#prefix + pathOf(key)), value: base64(withdrawn), ignore_lease: true };
    await this.#client.ask("kv/put", mark).catch(unlessUnknown);
    if (lease !== "0") await this.#client.ask("lease/revoke", { ID: lease }).catch(unlessUnknown);
  }

  /** Registers anew what etcd has lost and what lives. */
  async #again(key: string): Promise<void> {
    const own = this.#own.get(key);
    if (own === undefined || !this.#leases.has(key)) return;
    const lease = await this.#write(own.entry);
    if (this.#own.get(key) === own) {
      own.lease = lease;
      this.#take(key, own.entry, lease);
    }
  }

  /** An entry was not renewed here in time: it goes, unless it is renewed elsewhere, which only etcd can say. */
  async #over(key: string): Promise<void> {
    const own = this.#own.get(key);
    if (own === undefined) return;
    this.#own.delete(key);
    this.#debts.set(key, { debt: "lapse", lease: own.lease });
    await this.#pay(key);
  }

  /** Whether a lease that was not renewed here for its whole time has more than a rest of it left. */
  async #isRenewed(lease: string): Promise<boolean> {
    const answer = await this.#client.ask("lease/timetolive", { ID: lease });
    return Number(answer["TTL"] ?? 0) >= 1;
  }

  // --- look-ups

  async find(name: string, version?: number): Promise<DirectoryView> {
    return { entries: this.#entries.find(name, version), complete: this.#complete };
  }

  async list(after: string, limit: number): Promise<DirectoryView> {
    return { entries: this.#entries.list(after, limit), complete: this.#complete };
  }

  async usage(owner: string): Promise<DirectoryUsage> {
    return this.#entries.usage(owner);
  }

  watch(onChange: (name: string) => void): () => void {
    return this.#entries.watch(onChange);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#watching?.abort();
    this.#leases.close();
  }

  // --- the copy

  /** Takes over all that etcd has, and what changes from there on. */
  async #load(): Promise<void> {
    const { items, revision } = await this.#client.range(this.#prefix);
    const there = new Set<string>();
    this.#paths.clear();
    for (const item of items) {
      const key = this.#see(item);
      if (key !== undefined) there.add(key);
    }
    for (const key of [...this.#entries.keys()]) if (!there.has(key)) this.#lost(key);
    this.#revision = revision;
    this.#complete = true;
    this.#follow(revision + 1n);
  }

  #follow(from: bigint): void {
    this.#watching?.abort();
    if (this.#closed) return;
    const watching = new AbortController();
    this.#watching = watching;
    const startedAt = performance.now();
    const follow = async (): Promise<void> => {
      try {
        for await (const { events, revision } of this.#client.watch(this.#prefix, from, watching.signal)) {
          if (watching.signal.aborted) return;
          for (const event of events) {
            if (event.type === "put") this.#see(event);
            else {
              this.#paths.delete(event.key);
              this.#lost(this.#keyAt(event.key));
            }
          }
          if (revision > this.#revision) this.#revision = revision;
        }
      } catch {
        // Whatever ended it: what was missed is read when etcd is there again.
      }
      if (this.#watching !== watching) return;
      this.#watching = undefined;
      this.#complete = false;
      this.#client.turn();
      // One that ends as soon as it stands is taken up again at the next look, not in a circle.
      if (performance.now() - startedAt > this.#checkMs) void this.#check();
    };
    void follow();
  }

  /** Whether all is well: the watch stands and has told everything, and nothing is owed. */
  async #check(): Promise<void> {
    if (this.#checking || this.#closed) return;
    this.#checking = true;
    try {
      if (this.#watching === undefined) await this.#load();
      else {
        const { count, revision } = await this.#client.newest(this.#prefix);
        // What the majority has and the watch has not told by the next look, it will not tell: its member is cut off.
        const behind = revision > this.#revision || count !== this.#paths.size;
        if (behind && this.#behind) await this.#load();
        this.#behind = behind;
        this.#complete = true;
      }
      for (const key of [...this.#debts.keys()]) await this.#pay(key);
    } catch {
      this.#complete = false;
    } finally {
      this.#checking = false;
    }
  }

  /** Whether the watch was behind at the last look. */
  #behind = false;

  /** @returns the key of the entry, if it is one */
  #see({ key: path, value, lease }: EtcdItem): string | undefined {
    this.#paths.add(path);
    if (value === withdrawn) {
      this.#forget(this.#keyAt(path));
      return undefined;
    }
    const entry = entryIn(value);
    if (entry === undefined || this.#keyOf(entry) !== path) return undefined;
    const key = entryKey(entry);
    // A server that has come back has registered with somebody else.
    if (this.#own.has(key) && this.#own.get(key)?.entry.id !== entry.id) this.#disown(key);
    const owed = this.#debts.get(key);
    if (owed?.debt === "remove" && owed.lease === lease) return undefined;
    if (this.#entries.at(key) === undefined && this.#entries.size >= this.#entriesMax) return undefined;
    this.#take(key, entry, lease);
    return key;
  }

  #take(key: string, entry: DirectoryEntry, lease: string): void {
    this.#leaseOf.set(key, lease);
    if (this.#entries.at(key)?.id !== entry.id) this.#entries.put(entry);
  }

  /** etcd does not have it any more. */
  #lost(key: string): void {
    if (this.#own.has(key) && this.#leases.has(key)) {
      // It lives, as this process knows better.
      this.#debts.set(key, { debt: "renew", lease: "0" });
      void this.#again(key)
        .then(() => this.#debts.delete(key))
        .catch(() => {});
      return;
    }
    this.#forget(key);
  }

  #forget(key: string): void {
    this.#disown(key);
    this.#leaseOf.delete(key);
    this.#entries.remove(key);
  }

  #disown(key: string): void {
    this.#own.delete(key);
    this.#debts.delete(key);
    this.#leases.end(key);
  }

  #keyOf(entry: Pick<DirectoryEntry, "name" | "version" | "address">): string {
    return this.#prefix + pathOf(entryKey(entry));
  }

  #keyAt(path: string): string {
    const [, name = "", version = "", address = ""] =
      /^(.*)\/(\d+)\/(\w[\w+]*:.*)$/s.exec(path.slice(this.#prefix.length)) ?? [];
    return entryKey({ name, version: Number(version), address });
  }
}

/** Lets a refusal pass: the lease or the key is gone already. */
function unlessUnknown(error: unknown): void {
  if (!(error instanceof EtcdError)) throw error;
}

/** What stands in a key's value between its withdrawal and its end. */
const withdrawn = "withdrawn";

/** The key of an entry as etcd has it, so that `etcdctl get --prefix` can be read. */
function pathOf(key: string): string {
  const [, name = "", version = "", address = ""] = /^(\S*) (\d+) (.*)$/s.exec(key) ?? [];
  return `${name}/${Number(version)}/${address}`;
}

/** What is in a key's value; undefined for what nobody of us has written. */
function entryIn(value: string): DirectoryEntry | undefined {
  let entry: DirectoryEntry;
  try {
    entry = JSON.parse(value) as DirectoryEntry;
  } catch {
    return undefined;
  }
  if (typeof entry !== "object" || entry === null) return undefined;
  const { id, name, version, address, interface: text, owner, leaseMs, priority, weight } = entry;
  const texts = [id, name, address, text, owner].every((each) => typeof each === "string");
  const numbers = [version, leaseMs, priority, weight].every(
    (each) => Number.isInteger(each) && each >= 0 && each < 2 ** 32,
  );
  if (!texts || !numbers || !/^[0-9a-f]{32}$/.test(id) || /\s/.test(name)) return undefined;
  return { id, name, version, address, interface: text, owner, leaseMs, priority, weight };
}

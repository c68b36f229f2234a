/** One server that serves a version of a service under a name, as a store of the directory keeps it. */
export interface DirectoryEntry {
  /** 32 hexadecimal digits that nobody can guess: whoever knows them may renew and withdraw the entry. */
  readonly id: string;
  readonly name: string;
  readonly version: number;
  readonly address: string;
  /** The text of the `.x` file, or empty. */
  readonly interface: string;
  /** Who registered it: only they may replace it. */
  readonly owner: string;
  /** Milliseconds that it lasts without being renewed; 0 where no lease is known. */
  readonly leaseMs: number;
  /** Those with the lowest are asked first: RFC 2782. */
  readonly priority: number;
  /** Among those of one priority, how many of the callers it wants, compared with the others. */
  readonly weight: number;
}

/** What a store keeps its entries by: a name's versions and their addresses. There is no space in a name. */
export function entryKey({ name, version, address }: Pick<DirectoryEntry, "name" | "version" | "address">): string {
  return `${name} ${String(version).padStart(10, "0")} ${address}`;
}

/** The version of entries that serve any, since what they come from knows no versions. */
export const anyVersion = 0xffff_ffff;

/** What a store knows of a name. */
export interface DirectoryView {
  readonly entries: readonly DirectoryEntry[];
  /** False where there may be others: the store cannot be reached, and this is the last that it said. */
  readonly complete: boolean;
}

/**
 * Where a directory keeps its entries. Look-ups go on while what stands behind the store is away: they give what was known
 * last, and say that it may not be all.
 */
export interface DirectoryStore {
  /** Whether entries can be put into it. */
  readonly writable: boolean;
  /** Whether entries outlive the process, and whether other processes' directories see them. */
  readonly durable: boolean;
  readonly shared: boolean;
  /**
   * Keeps an entry, in place of the one with the same name, version and address.
   *
   * @throws Error when it cannot be kept now, or ever
   */
  put(entry: DirectoryEntry): Promise<void>;
  /**
   * Starts an entry's lease over; false when it is not known (any more).
   *
   * @throws Error when that cannot be said now
   */
  renew(id: string): Promise<boolean>;
  /** Takes an entry out; false when there is none. */
  remove(id: string): Promise<boolean>;
  /** The entries of a name, of one version or of all, in the order of their keys. */
  find(name: string, version?: number | undefined): Promise<DirectoryView>;
  /** Entries in the order of their keys, from the one after `after`; at most `limit`. */
  list(after: string, limit: number): Promise<DirectoryView>;
  /** How many entries there are, how many of an owner, and how many bytes they take: what a directory's limits go by. */
  usage(owner: string): Promise<DirectoryUsage>;
  /**
   * Tells of every change of a name's entries, until what it gives back is called. It does not tell that a lease was
   * renewed.
   */
  watch(onChange: (name: string) => void): () => void;
  close(): Promise<void>;
}

export interface DirectoryUsage {
  readonly entries: number;
  readonly ofOwner: number;
  readonly bytes: number;
}

/** What an entry takes in memory, about: its texts, and what the maps around it take. */
export function entryBytes({ name, address, interface: text, owner }: DirectoryEntry): number {
  return 2 * (name.length * 3 + address.length * 2 + owner.length + text.length) + 1_024;
}

// Finds files that are not where they were last seen: after a restart, or when somebody moved them on the server itself.
//
// One search through the whole tree serves everybody who asks meanwhile. It gives way to other work after each piece,
// and rests after each round for as long as that took, so that handles of deleted files cannot keep the server busy.
import { type BigIntStats, readdirSync } from "node:fs";
import { setImmediate as giveWay, setTimeout as rest } from "node:timers/promises";
import type { Entry, Opened } from "./entry.js";
import { Nfsstat3 } from "./nfs.js";
import { NfsError } from "./status.js";

/** How many entries to look at before other calls get their turn: about a millisecond's. */
const pieceSize = 100;

/** A caller is told to come back after this many milliseconds; the search goes on. Clients give up after far longer. */
const patienceMs = 5_000;

/** The tree, as far as the search needs it. */
export interface Searchable {
  readonly root: Entry;
  open(entry: Entry): Opened | undefined;
  /** The entry of what was seen at a place, without keeping it. */
  sighted(parent: Entry, name: Uint8Array, stat: BigIntStats): Entry;
  /** Whether to look inside. */
  enters(stat: BigIntStats): boolean;
  /** Keeps what was found. */
  remember(parent: Entry, name: Uint8Array, stat: BigIntStats): Entry;
}

interface Sighting {
  readonly entry: Entry;
  readonly parent: Entry;
  readonly name: Buffer;
  readonly stat: BigIntStats;
}

export class Search {
  readonly #tree: Searchable;
  readonly #wanted = new Map<string, { readonly promise: Promise<Entry | undefined>; settle(entry?: Entry): void }>();
  #running = false;
  #stopped = false;

  constructor(tree: Searchable) {
    this.#tree = tree;
  }

  /**
   * Looks for a file.
   *
   * @returns undefined when it is nowhere
   * @throws NfsError JUKEBOX when that takes long: the client is to ask again
   */
  async find(key: string): Promise<Entry | undefined> {
    let wanted = this.#wanted.get(key);
    if (wanted === undefined) {
      const { promise, resolve } = defer<Entry | undefined>();
      wanted = { promise, settle: resolve };
      this.#wanted.set(key, wanted);
    }
    if (!this.#running) void this.#run();
    const over = new AbortController();
    const late = rest(patienceMs, "late" as const, { signal: over.signal, ref: false }).catch(() => "late" as const);
    const outcome = await Promise.race([wanted.promise, late]);
    over.abort();
    if (outcome === "late") throw new NfsError(Nfsstat3.NFS3ERR_JUKEBOX, "still searching for the file");
    return outcome;
  }

  stop(): void {
    this.#stopped = true;
    for (const { settle } of this.#wanted.values()) settle();
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#wanted.size > 0 && !this.#stopped) {
      // Who asks during a round may ask for what it has passed by, and waits for the next.
      const round = new Map(this.#wanted);
      const start = performance.now();
      for await (const { entry, parent, name, stat } of this.#everything()) {
        const wanted = round.get(entry.key);
        if (wanted === undefined) continue;
        round.delete(entry.key);
        this.#wanted.delete(entry.key);
        wanted.settle(this.#tree.remember(parent, name, stat));
        if (round.size === 0 || this.#stopped) break;
      }
      for (const [key, wanted] of round) {
        this.#wanted.delete(key);
        wanted.settle();
      }
      await rest(performance.now() - start, undefined, { ref: false });
    }
    this.#running = false;
  }

  /** Every entry of the tree, as a walk down finds them. */
  async *#everything(): AsyncGenerator<Sighting> {
    const directories: Entry[] = [this.#tree.root];
    let seen = 0;
    for (let directory = directories.pop(); directory !== undefined; directory = directories.pop()) {
      let names: Buffer[];
      using opened = this.#tryOpen(directory);
      if (opened === undefined) continue;
      try {
        names = readdirSync(opened.object.self, { encoding: "buffer" });
      } catch {
        // Not ours to read, or gone.
        continue;
      }
      for (const name of names) {
        if (this.#stopped) return;
        if (++seen % pieceSize === 0) await giveWay();
        try {
          const stat = opened.object.statOf(name);
          const entry = this.#tree.sighted(directory, name, stat);
          if (this.#tree.enters(stat)) directories.push(entry);
          yield { entry, parent: directory, name, stat };
        } catch {
          // Gone meanwhile.
        }
      }
    }
  }

  #tryOpen(entry: Entry): Opened | undefined {
    try {
      return this.#tree.open(entry);
    } catch {
      return undefined;
    }
  }
}

function defer<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

import { bytesOf, dueOf, isSpent, type RequestEventRow, type RequestRow } from "../async/core/request.js";
import type { OwnedKey, RequestEngine, RequestNews, RequestTable, Usage } from "../async/core/table.js";
import { Linked, type Place } from "./linked.js";
import { Turns } from "./turns.js";

export interface MemoryRequestEngineOptions {
  /** Milliseconds since 1970; default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/** How long one transaction may wait for those before it, in milliseconds. */
const turnMs = 5_000;

interface Entry {
  row: RequestRow;
  readonly events: RequestEventRow[];
  /** Its place among those that wait. */
  place: { readonly list: Linked<string>; readonly at: Place<string> } | undefined;
}

/**
 * Asynchronous requests in the memory of one process: for tests, and for requests that need not outlive their server.
 * Several queues of the process may share one.
 */
export class MemoryRequestEngine implements RequestEngine {
  readonly durable = false;
  readonly shared = false;
  readonly #now: () => number;
  readonly #turns = new Turns();
  readonly #rows = new Map<string, Entry>();
  readonly #keys = new Map<string, string>();
  readonly #usage = new Map<string, { count: number; bytes: number }>();
  #all = { count: 0, bytes: 0 };
  /** Those that wait for the first time, and before them those that were interrupted. */
  readonly #fresh = new Linked<string>();
  readonly #returned = new Linked<string>();
  readonly #listeners = new Set<(news: RequestNews | undefined) => void>();

  constructor(options: MemoryRequestEngineOptions = {}) {
    this.#now = options.now ?? Date.now;
  }

  async transact<T>(work: (table: RequestTable) => Promise<T>, news: () => RequestNews): Promise<T> {
    const release = await this.#turns.take(turnMs);
    const undo: (() => void)[] = [];
    try {
      const result = await work(this.#table(undo));
      // Those who share it with whoever has changed it.
      for (const listener of this.#listeners) listener(news());
      return result;
    } catch (error) {
      for (const step of undo.reverse()) step();
      throw error;
    } finally {
      release();
    }
  }

  listen(listener: (news: RequestNews | undefined) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {}

  /** How many there are, whatever has become of them. */
  get size(): number {
    return this.#rows.size;
  }

  /** Whole milliseconds: that is what goes over the wire. */
  #time(): number {
    return Math.floor(this.#now());
  }

  #table(undo: (() => void)[]): RequestTable {
    const put = (entry: Entry, row: RequestRow): void => this.#put(entry, row, undo);
    return {
      now: this.#time(),
      find: (id) => copy(this.#rows.get(id)?.row),
      findKeys: (keys) => keys.flatMap((key) => copy(this.#rows.get(this.#keys.get(nameOf(key)) ?? "")?.row) ?? []),
      insert: (rows) => {
        const inserted = new Set<string>();
        for (const row of rows) {
          if (this.#keys.has(nameOf(row))) continue;
          const entry: Entry = { row: { ...row }, events: [], place: undefined };
          this.#rows.set(row.id, entry);
          this.#keys.set(nameOf(row), row.id);
          this.#count(row, 1);
          this.#queue(entry);
          undo.push(() => this.#remove(entry));
          inserted.add(row.id);
        }
        return inserted;
      },
      update: (row, events) => {
        const entry = this.#rows.get(row.id);
        if (entry === undefined) return;
        put(entry, { ...row });
        entry.events.push(...events);
        undo.push(() => entry.events.splice(entry.events.length - events.length));
      },
      remove: (id) => {
        const entry = this.#rows.get(id);
        if (entry === undefined) return;
        this.#remove(entry);
        undo.push(() => {
          this.#rows.set(id, entry);
          this.#keys.set(nameOf(entry.row), id);
          this.#count(entry.row, 1);
          this.#queue(entry);
        });
      },
      waiting: (procedures, count) => this.#waiting(new Set(procedures), count),
      due: (count) => {
        const now = this.#time();
        const due = [...this.#rows.values()].filter(({ row }) => dueOf(row) <= now).slice(0, count);
        return due.map(({ row }) => ({ ...row }));
      },
      nextDue: () => {
        let next: number | undefined;
        for (const { row } of this.#rows.values()) next = Math.min(next ?? Number.POSITIVE_INFINITY, dueOf(row));
        return next;
      },
      events: (id, after, count) =>
        (this.#rows.get(id)?.events ?? []).filter(({ number }) => number > after).slice(0, count),
      forgetEvents: (id, through) => {
        const entry = this.#rows.get(id);
        if (entry === undefined) return;
        const old = entry.events.filter(({ number }) => number <= through);
        entry.events.splice(0, old.length);
        undo.push(() => entry.events.unshift(...old));
      },
      usage: (owner) => ({ ...(owner === undefined ? this.#all : (this.#usage.get(owner) ?? none)) }),
      list: (owner, count) =>
        [...this.#rows.values()]
          .filter(({ row }) => row.owner === owner && !isSpent(row))
          .reverse()
          .slice(0, count)
          .map(({ row }) => ({ ...row })),
    };
  }

  #put(entry: Entry, row: RequestRow, undo: (() => void)[]): void {
    const before = entry.row;
    this.#count(before, -1);
    entry.row = row;
    this.#count(row, 1);
    this.#queue(entry);
    undo.push(() => {
      this.#count(entry.row, -1);
      entry.row = before;
      this.#count(before, 1);
      this.#queue(entry);
    });
  }

  #remove(entry: Entry): void {
    const { row, place } = entry;
    this.#rows.delete(row.id);
    this.#keys.delete(nameOf(row));
    this.#count(row, -1);
    place?.list.remove(place.at);
    entry.place = undefined;
  }

  #count(row: RequestRow, sign: 1 | -1): void {
    if (isSpent(row)) return;
    let own = this.#usage.get(row.owner);
    if (own === undefined) {
      own = { count: 0, bytes: 0 };
      this.#usage.set(row.owner, own);
    }
    for (const usage of [own, this.#all]) {
      usage.count += sign;
      usage.bytes += sign * bytesOf(row);
    }
    if (own.count === 0) this.#usage.delete(row.owner);
  }

  /** Sees to it that it stands among those that wait if it waits, and not otherwise. */
  #queue(entry: Entry): void {
    const waits = entry.row.state === "queued";
    if (waits === (entry.place !== undefined)) return;
    if (entry.place !== undefined) {
      entry.place.list.remove(entry.place.at);
      entry.place = undefined;
      return;
    }
    const list = entry.row.attempt === 0 ? this.#fresh : this.#returned;
    entry.place = { list, at: list.push(entry.row.id) };
  }

  #waiting(procedures: ReadonlySet<string>, count: number): RequestRow[] {
    const found: RequestRow[] = [];
    const now = this.#time();
    for (const list of [this.#returned, this.#fresh]) {
      for (const id of list.values()) {
        if (found.length >= count) return found;
        const { row } = this.#rows.get(id) as Entry;
        if (procedures.has(row.procedure) && row.expiresAt > now) found.push({ ...row });
      }
    }
    return found;
  }
}

const none: Usage = { count: 0, bytes: 0 };

const nameOf = ({ owner, key }: OwnedKey): string => `${owner.length} ${owner} ${key}`;

function copy(row: RequestRow | undefined): RequestRow | undefined {
  return row === undefined ? undefined : { ...row };
}

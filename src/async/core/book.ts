import { type Acceptance, Acceptor, type Submission } from "./accept.js";
import { Batches, type News, type Task } from "./batches.js";
import type { RequestLimits } from "./limits.js";
import {
  acknowledge,
  type Change,
  cancel,
  fall,
  finish,
  hasEnded,
  holds,
  interrupt,
  isOver,
  progress,
  type RequestEnd,
  type RequestEventRow,
  type RequestRow,
  type RequestState,
  renew,
  start,
} from "./request.js";
import type { RequestEngine, RequestNews, RequestTable } from "./table.js";

/** What a worker may run, and how many of it. */
export interface Taking {
  readonly worker: string;
  readonly procedures: readonly string[];
  readonly count: number;
  readonly leaseMs: number;
}

/** A run of a request: its id and the fencing token. */
export interface Holding {
  readonly id: string;
  readonly attempt: number;
}

/** `held`; `cancelled`: held, and to end; `lost`: another has it, or it has ended. */
export type Hold = "held" | "cancelled" | "lost";

/** What cancelling did: it never runs; its worker is told; or it had ended. */
export type Cancellation = "cancelled" | "requested" | "too-late";

/** A request, and the time by the engine's clock. */
export interface Seen {
  readonly request: RequestRow;
  readonly now: number;
}

export interface EventPage extends Seen {
  readonly events: readonly RequestEventRow[];
}

/** What was done without anybody asking. */
export interface Tending {
  readonly interrupted: number;
  readonly expired: number;
  readonly removed: number;
  /** Whether there was more than one transaction's worth. */
  readonly more: boolean;
  /** Milliseconds until something is due again; undefined when nothing is. */
  readonly nextMs: number | undefined;
}

/** Most requests that one transaction tends. */
const tendMax = 100;

/**
 * All that can be asked of the requests, over any engine. Each question is a task of a transaction; those that come together
 * share one. Owners are told nothing of what is not theirs: it is as if it were not there.
 */
export class RequestBook {
  readonly engine: RequestEngine;
  readonly limits: RequestLimits;
  readonly #batches: Batches;
  readonly #acceptor: Acceptor;
  readonly #listeners = new Set<(news: RequestNews | undefined) => void>();
  readonly #unlisten: () => void;

  constructor(engine: RequestEngine, limits: RequestLimits) {
    this.engine = engine;
    this.limits = limits;
    const acceptor = new Acceptor(limits);
    this.#acceptor = acceptor;
    this.#batches = new Batches(
      engine,
      (news) => this.#tell(news),
      () => acceptor.rolledBack(),
    );
    this.#unlisten = engine.listen((news) => this.#tell(news));
  }

  /** Transactions made, and the tasks in them. */
  get statistics(): { readonly transactions: number; readonly tasks: number } {
    return { transactions: this.#batches.transactions, tasks: this.#batches.tasks };
  }

  /** Is told what changes, here or elsewhere; `undefined` where nobody knows what. */
  listen(listener: (news: RequestNews | undefined) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(news: RequestNews | undefined): void {
    for (const listener of [...this.#listeners]) listener(news);
  }

  #do<T>(run: (table: RequestTable, news: News) => Promise<T>): Promise<T> {
    return this.#batches.do({ run } satisfies Task<T>);
  }

  // --- owners

  submit(submission: Submission): Promise<Acceptance> {
    return this.#batches.do(this.#acceptor.task(submission));
  }

  look(owner: string, id: string): Promise<Seen | undefined> {
    return this.#do(async (table) => {
      const request = await owned(table, owner, id, false);
      return request && { request, now: table.now };
    });
  }

  /** Its events behind `after`; and with `acknowledged`, those up to it are forgotten first. */
  events(
    owner: string,
    id: string,
    after: number,
    count: number,
    acknowledged?: number | undefined,
  ): Promise<EventPage | undefined> {
    return this.#do(async (table, news) => {
      const request = await owned(table, owner, id, acknowledged !== undefined);
      if (request === undefined) return undefined;
      if (acknowledged !== undefined) await this.#acknowledge(table, request, acknowledged, news);
      return { request, now: table.now, events: await table.events(id, after, count) };
    });
  }

  /** @returns whether there is such a request */
  acknowledge(owner: string, id: string, through: number): Promise<boolean> {
    return this.#do(async (table, news) => {
      const request = await owned(table, owner, id, true);
      if (request !== undefined) await this.#acknowledge(table, request, through, news);
      return request !== undefined;
    });
  }

  async #acknowledge(table: RequestTable, row: RequestRow, through: number, news: News): Promise<void> {
    const before = row.acknowledged;
    acknowledge(row, through, this.limits.requestKeyKeptMs, table.now);
    if (row.acknowledged === before) return;
    await table.update(row, []);
    await table.forgetEvents(row.id, row.acknowledged);
    news.ids.add(row.id);
  }

  cancel(owner: string, id: string): Promise<{ how: Cancellation; state: RequestState } | undefined> {
    return this.#do(async (table, news) => {
      const request = await owned(table, owner, id, true);
      if (request === undefined) return undefined;
      if (hasEnded(request)) return { how: "too-late", state: request.state };
      await save(table, request, cancel(request, table.now), news);
      news.cancelled.add(id);
      return { how: hasEnded(request) ? "cancelled" : "requested", state: request.state };
    });
  }

  list(owner: string, count: number): Promise<Seen[]> {
    return this.#do(async (table) => (await table.list(owner, count)).map((request) => ({ request, now: table.now })));
  }

  // --- workers

  /** Takes requests to run, the oldest first. */
  take({ worker, procedures, count, leaseMs }: Taking): Promise<RequestRow[]> {
    return this.#do(async (table, news) => {
      const taken = await table.waiting(procedures, count);
      for (const row of taken) await save(table, row, start(row, worker, leaseMs, table.now), news);
      return taken;
    });
  }

  renew(holdings: readonly Holding[], leaseMs: number): Promise<Hold[]> {
    return this.#do(async (table, news) => {
      const found: Hold[] = [];
      for (const { id, attempt } of holdings) {
        const row = await table.find(id, true);
        if (row === undefined || !holds(row, attempt)) {
          found.push("lost");
          continue;
        }
        renew(row, leaseMs, table.now);
        await save(table, row, [], news);
        found.push(row.cancelled ? "cancelled" : "held");
      }
      return found;
    });
  }

  /** How runs stand, without renewing anything. */
  standing(holdings: readonly Holding[]): Promise<Hold[]> {
    return this.#do(async (table) => {
      const found: Hold[] = [];
      for (const { id, attempt } of holdings) {
        const row = await table.find(id, false);
        found.push(row === undefined || !holds(row, attempt) ? "lost" : row.cancelled ? "cancelled" : "held");
      }
      return found;
    });
  }

  /** `full`: its owner has left too many events unread, so this one is not kept. */
  progress({ id, attempt }: Holding, step: number, data: Uint8Array): Promise<Hold | "full"> {
    return this.#do(async (table, news) => {
      const row = await table.find(id, true);
      if (row === undefined || !holds(row, attempt)) return "lost";
      // Its last events have a place of their own.
      if (row.lastEvent - row.acknowledged >= this.limits.requestEventsMax) return "full";
      await save(table, row, progress(row, step, data, table.now), news);
      return row.cancelled ? "cancelled" : "held";
    });
  }

  checkpoint({ id, attempt }: Holding, bytes: Uint8Array): Promise<Hold> {
    return this.#do(async (table, news) => {
      const row = await table.find(id, true);
      if (row === undefined || !holds(row, attempt)) return "lost";
      row.checkpoint = bytes;
      await save(table, row, [], news);
      return row.cancelled ? "cancelled" : "held";
    });
  }

  /** @returns whether the run was still the one that counts; what another says of it is not kept */
  finish({ id, attempt }: Holding, end: RequestEnd): Promise<boolean> {
    return this.#do(async (table, news) => {
      const row = await table.find(id, true);
      if (row === undefined || !holds(row, attempt)) return false;
      await save(table, row, finish(row, end, table.now), news);
      return true;
    });
  }

  /** The worker is ending and gives the request back. */
  release({ id, attempt }: Holding): Promise<boolean> {
    return this.#do(async (table, news) => {
      const row = await table.find(id, true);
      if (row === undefined || !holds(row, attempt)) return false;
      await save(table, row, interrupt(row, "its worker ended", table.now), news);
      return true;
    });
  }

  /** Does what is due: leases that are over, times to live, outcomes that nobody fetched. */
  tend(): Promise<Tending> {
    return this.#do(async (table, news) => {
      const counts = { interrupted: 0, expired: 0, removed: 0 };
      const rows = await table.due(tendMax);
      for (const row of rows) {
        if (isOver(row, table.now)) {
          await table.remove(row.id);
          counts.removed++;
          continue;
        }
        const change = fall(row, table.now);
        if (change.length === 0) continue;
        await save(table, row, change, news);
        counts[row.state === "expired" ? "expired" : "interrupted"]++;
      }
      const next = await table.nextDue();
      const more = rows.length === tendMax;
      return { ...counts, more, nextMs: next === undefined ? undefined : Math.max(0, next - table.now) };
    });
  }

  async close(): Promise<void> {
    this.#unlisten();
    this.#listeners.clear();
    await this.engine.close();
  }
}

async function owned(table: RequestTable, owner: string, id: string, write: boolean): Promise<RequestRow | undefined> {
  const row = await table.find(id, write);
  return row?.owner === owner ? row : undefined;
}

async function save(table: RequestTable, row: RequestRow, change: Change, news: News): Promise<void> {
  await table.update(row, change);
  if (change.length > 0) news.ids.add(row.id);
  news.waiting ||= row.state === "queued";
}

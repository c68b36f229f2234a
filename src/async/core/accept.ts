import type { News, Task } from "./batches.js";
import type { RequestLimits } from "./limits.js";
import { noBytes, type RequestRow, type RestartPolicy } from "./request.js";
import type { OwnedKey, RequestTable, Usage } from "./table.js";

/** A request that was validated and asks to be queued. */
export interface Submission {
  /** The id that it gets unless its key is known; 32 hexadecimal digits of chance. */
  readonly id: string;
  readonly owner: string;
  readonly key: string;
  readonly digest: string;
  readonly procedure: string;
  readonly args: Uint8Array;
  readonly restart: RestartPolicy;
  readonly ttlMs: number;
}

export type Acceptance =
  | {
      readonly state: "accepted";
      readonly id: string;
      readonly expiresAt: number;
      /** Milliseconds until it expires. */
      readonly leftMs: number;
      /** Whether the key was known. */
      readonly known: boolean;
    }
  /** A bound is reached; nothing was queued. */
  | { readonly state: "busy"; readonly limit: keyof RequestLimits }
  /** The key belongs to a request with another procedure or other arguments. */
  | { readonly state: "mismatch" };

const nameOf = ({ owner, key }: OwnedKey): string => `${owner.length} ${owner} ${key}`;

/** Accepts many at once: few statements, whatever their number. */
export class Acceptor {
  readonly #limits: RequestLimits;
  /** What all owners have, as of the last count and with what was added since. */
  #total: Usage | undefined;
  #countedAt = 0;

  constructor(limits: RequestLimits) {
    this.#limits = limits;
  }

  task(submission: Submission): Task<Acceptance> & { readonly submission: Submission } {
    return {
      submission,
      together: this.#together,
      run: async (table, news) => (await this.#accept(table, [submission], news))[0] as Acceptance,
    };
  }

  /** One function for all tasks, since that is what tells that they belong together. */
  readonly #together = (table: RequestTable, tasks: readonly Task[], news: News): Promise<Acceptance[]> =>
    this.#accept(
      table,
      tasks.map((task) => (task as unknown as { submission: Submission }).submission),
      news,
    );

  async #accept(table: RequestTable, submissions: readonly Submission[], news: News): Promise<Acceptance[]> {
    const known = new Map<string, RequestRow>();
    for (const row of await table.findKeys(submissions)) known.set(nameOf(row), row);
    const quota = new Quota(this.#limits, table, await this.#all(table));
    const fresh: RequestRow[] = [];
    const answers: (Acceptance | undefined)[] = [];
    for (const submission of submissions) {
      const name = nameOf(submission);
      const before = known.get(name);
      if (before !== undefined) {
        answers.push(answerFor(before, submission, true, table.now));
        continue;
      }
      const limit = await quota.exceeded(submission);
      if (limit !== undefined) {
        answers.push({ state: "busy", limit });
        continue;
      }
      const row = this.#row(submission, table.now);
      known.set(name, row);
      fresh.push(row);
      answers.push(undefined);
    }
    if (fresh.length > 0) {
      const inserted = await table.insert(fresh);
      // Another process may have used a key since we looked.
      const lost = fresh.filter(({ id }) => !inserted.has(id));
      if (lost.length > 0) for (const row of await table.findKeys(lost)) known.set(nameOf(row), row);
      news.waiting ||= inserted.size > 0;
      this.#total = quota.total;
    }
    return answers.map((answer, i) => {
      if (answer !== undefined) return answer;
      const submission = submissions[i] as Submission;
      const row = known.get(nameOf(submission)) as RequestRow;
      return answerFor(row, submission, row.id !== submission.id, table.now);
    });
  }

  /** What all have: counted now and then, and always before anybody is refused. */
  async #all(table: RequestTable): Promise<{ readonly usage: Usage; readonly fresh: boolean }> {
    const stale = this.#total === undefined || Math.abs(table.now - this.#countedAt) >= countMs;
    if (!stale) return { usage: this.#total as Usage, fresh: false };
    this.#countedAt = table.now;
    this.#total = await table.usage();
    return { usage: this.#total, fresh: true };
  }

  #row({ id, owner, key, digest, procedure, args, restart, ttlMs }: Submission, now: number): RequestRow {
    const { outcomeKeptMs, attemptsMax } = this.#limits;
    return {
      id,
      owner,
      key,
      digest,
      procedure,
      restart,
      attemptsMax,
      acceptedAt: now,
      expiresAt: now + ttlMs,
      keepMs: outcomeKeptMs,
      args,
      state: "queued",
      executed: "no",
      outcome: noBytes,
      reason: "",
      attempt: 0,
      worker: "",
      leaseUntil: 0,
      step: 0,
      cancelled: false,
      checkpoint: noBytes,
      lastEvent: 0,
      acknowledged: 0,
      keptUntil: 0,
    };
  }
}

/** How often all are counted, in milliseconds: it walks over an index of them. */
const countMs = 1_000;

function answerFor(row: RequestRow, { digest }: Submission, known: boolean, now: number): Acceptance {
  if (row.digest !== digest) return { state: "mismatch" };
  return { state: "accepted", id: row.id, expiresAt: row.expiresAt, leftMs: row.expiresAt - now, known };
}

/** What may still be added in this transaction. */
class Quota {
  readonly #limits: RequestLimits;
  readonly #table: RequestTable;
  readonly #owners = new Map<string, { count: number; bytes: number }>();
  #fresh: boolean;
  total: Usage;

  constructor(limits: RequestLimits, table: RequestTable, all: { readonly usage: Usage; readonly fresh: boolean }) {
    this.#limits = limits;
    this.#table = table;
    this.total = all.usage;
    this.#fresh = all.fresh;
  }

  /** Counts it, unless there is no room for it. */
  async exceeded({ owner, args }: Submission): Promise<keyof RequestLimits | undefined> {
    const { requestsMax, requestsPerOwnerMax, requestBytesPerOwnerMax } = this.#limits;
    let own = this.#owners.get(owner);
    if (own === undefined) {
      own = { ...(await this.#table.usage(owner)) };
      this.#owners.set(owner, own);
    }
    if (own.count >= requestsPerOwnerMax) return "requestsPerOwnerMax";
    if (own.bytes + args.length > requestBytesPerOwnerMax) return "requestBytesPerOwnerMax";
    if (this.total.count >= requestsMax && !this.#fresh) {
      // Some may have gone since. What this transaction has taken in is not in the rows yet.
      const { count, bytes } = await this.#table.usage();
      this.#fresh = true;
      this.total = { count: count + this.#added, bytes };
    }
    if (this.total.count >= requestsMax) return "requestsMax";
    own.count++;
    own.bytes += args.length;
    this.#added++;
    this.total = { count: this.total.count + 1, bytes: this.total.bytes + args.length };
    return undefined;
  }

  #added = 0;
}

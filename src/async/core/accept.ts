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
  readonly #tallies = new Tallies();

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

  /** A transaction was not made. */
  rolledBack(): void {
    this.#tallies.forget();
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
    const quota = new Quota(this.#limits, table, this.#tallies);
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
    }
    return answers.map((answer, i) => {
      if (answer !== undefined) return answer;
      const submission = submissions[i] as Submission;
      const row = known.get(nameOf(submission)) as RequestRow;
      return answerFor(row, submission, row.id !== submission.id, table.now);
    });
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

/** How often requests are counted, in milliseconds: it walks over an index of them. */
const countMs = 1_000;

function answerFor(row: RequestRow, { digest }: Submission, known: boolean, now: number): Acceptance {
  if (row.digest !== digest) return { state: "mismatch" };
  return { state: "accepted", id: row.id, expiresAt: row.expiresAt, leftMs: row.expiresAt - now, known };
}

/** Requests and their bytes: as of the last count, with what was added since. */
interface Tally {
  count: number;
  bytes: number;
  countedAt: number;
}

/**
 * What there is, of all and of each owner. It is counted now and then, and always before anybody is refused: what has gone
 * since the last count must not hold anything up. What other processes add in between is not seen, so their bounds are
 * exceeded by what they accept within a second at the most.
 */
class Tallies {
  readonly #known = new Map<string | undefined, Tally>();

  /** @param added what this transaction has taken in and the rows do not have yet */
  async of(table: RequestTable, owner: string | undefined, fresh: boolean, added: Usage): Promise<Tally> {
    const known = this.#known.get(owner);
    if (known !== undefined && !fresh && Math.abs(table.now - known.countedAt) < countMs) return known;
    const { count, bytes } = await table.usage(owner);
    const tally = { count: count + added.count, bytes: bytes + added.bytes, countedAt: table.now };
    // Owners that have not been heard of for a while make room.
    if (this.#known.size >= talliesMax) this.#known.clear();
    this.#known.set(owner, tally);
    return tally;
  }

  /** A transaction was not made: nobody knows what of it was counted. */
  forget(): void {
    this.#known.clear();
  }
}

/** Most owners whose counts are remembered. */
const talliesMax = 10_000;

/** What may still be added in this transaction. */
class Quota {
  readonly #limits: RequestLimits;
  readonly #table: RequestTable;
  readonly #tallies: Tallies;
  /** Whose counts are as of this transaction. */
  readonly #fresh = new Set<string | undefined>();
  /** What it has taken in so far. */
  readonly #added = new Map<string | undefined, { count: number; bytes: number }>();

  constructor(limits: RequestLimits, table: RequestTable, tallies: Tallies) {
    this.#limits = limits;
    this.#table = table;
    this.#tallies = tallies;
  }

  /** Counts it, unless there is no room for it. */
  async exceeded({ owner, args }: Submission): Promise<keyof RequestLimits | undefined> {
    const { requestsMax, requestsPerOwnerMax, requestBytesPerOwnerMax } = this.#limits;
    const size = args.length;
    const own = await this.#fitting(owner, ({ count, bytes }) => {
      if (count >= requestsPerOwnerMax) return "requestsPerOwnerMax";
      return bytes + size > requestBytesPerOwnerMax ? "requestBytesPerOwnerMax" : undefined;
    });
    if (typeof own === "string") return own;
    const all = await this.#fitting(undefined, ({ count }) => (count >= requestsMax ? "requestsMax" : undefined));
    if (typeof all === "string") return all;
    for (const [whose, tally] of [
      [owner, own],
      [undefined, all],
    ] as const) {
      tally.count++;
      tally.bytes += size;
      const added = this.#added.get(whose) ?? { count: 0, bytes: 0 };
      this.#added.set(whose, { count: added.count + 1, bytes: added.bytes + size });
    }
    return undefined;
  }

  async #fitting(
    owner: string | undefined,
    limit: (tally: Tally) => keyof RequestLimits | undefined,
  ): Promise<Tally | keyof RequestLimits> {
    const added = (): Usage => this.#added.get(owner) ?? { count: 0, bytes: 0 };
    const tally = await this.#tallies.of(this.#table, owner, false, added());
    const exceeded = limit(tally);
    if (exceeded === undefined) return tally;
    if (this.#fresh.has(owner)) return exceeded;
    this.#fresh.add(owner);
    const counted = await this.#tallies.of(this.#table, owner, true, added());
    return limit(counted) ?? counted;
  }
}

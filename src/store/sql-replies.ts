import {
  type ClaimRequest,
  type KnownCall,
  type Look,
  type LookRequest,
  type MaybePromise,
  type ReplyKey,
  type ResolvedReplyStoreLimits,
  replyEntryOverhead,
} from "../call/reply-cache.js";

// The reply cache as rows, once for all databases that speak SQL. Every method runs inside a transaction that its caller
// has begun, and that no other claim of the same key can interleave with.

export type SqlValue = string | number | Uint8Array | null;
export type SqlRow = Record<string, unknown>;

/** A transaction that is under way. Parameters are written `$1`, `$2`, ... */
export interface SqlSession {
  get(sql: string, params?: readonly SqlValue[]): MaybePromise<SqlRow | undefined>;
  /** @returns how many rows it changed */
  run(sql: string, params?: readonly SqlValue[]): MaybePromise<number>;
}

/** What gives many rows. */
export interface SqlRows {
  all(sql: string, params?: readonly SqlValue[]): MaybePromise<SqlRow[]>;
}

/**
 * The tables, given the database's type of byte strings. `until` is when a row may go, in milliseconds since 1970: all
 * processes that share the database must agree on it, and a boot's monotonic clock dies with it.
 */
export const sqlSchema = (bytes: string): readonly string[] => [
  `CREATE TABLE IF NOT EXISTS farcall_replies (
     caller TEXT NOT NULL, call_id TEXT NOT NULL, sequence BIGINT, fingerprint TEXT NOT NULL,
     owner TEXT NOT NULL, boot TEXT NOT NULL, state TEXT NOT NULL, reply ${bytes},
     lease_until BIGINT NOT NULL, until BIGINT NOT NULL, PRIMARY KEY (caller, call_id))`,
  "CREATE INDEX IF NOT EXISTS farcall_replies_until ON farcall_replies (until)",
  `CREATE TABLE IF NOT EXISTS farcall_callers (
     caller TEXT NOT NULL PRIMARY KEY, floor BIGINT NOT NULL, until BIGINT NOT NULL)`,
  "CREATE TABLE IF NOT EXISTS farcall_store (id TEXT NOT NULL PRIMARY KEY)",
];

/** Asks for the store's name, and gives it one the first time. */
export const sqlNaming: { readonly insert: string; readonly select: string } = {
  insert: "INSERT INTO farcall_store (id) SELECT $1 WHERE NOT EXISTS (SELECT 1 FROM farcall_store)",
  select: "SELECT id FROM farcall_store",
};

/** How often old rows are deleted and the rest is counted, at the most, in milliseconds: both walk over many rows. */
const sweepMs = 1_000;

const where = "caller = $1 AND call_id = $2";

export class SqlReplies {
  readonly #limits: ResolvedReplyStoreLimits;
  #sweptAt = Number.NEGATIVE_INFINITY;
  /** As of the last count, and what this process has added since. */
  #entries = 0;
  #bytes = 0;
  /** Something was deleted since the count, whose bytes are not known. */
  #freed = false;

  constructor(limits: ResolvedReplyStoreLimits) {
    this.#limits = limits;
  }

  /** Claims a call. The row stands once the transaction commits. */
  async claim(
    session: SqlSession,
    request: ClaimRequest,
    now: number,
  ): Promise<KnownCall | { readonly state: "fresh" | "mismatch" | "busy" }> {
    const fingerprint = String(request.fingerprint);
    const known = await this.#known(session, request, now, fingerprint);
    if (known !== undefined) return known;
    const added = await this.#add(session, request, fingerprint, "running", now, now + request.leaseMs);
    return { state: added ? "fresh" : "busy" };
  }

  async look(session: SqlSession, request: LookRequest, now: number): Promise<Look> {
    const known = await this.#known(session, request, now);
    if (known !== undefined) return known as KnownCall;
    if (request.fence !== true) return { state: "unseen" };
    return { state: (await this.#add(session, request, "", "fenced", now, now)) ? "fenced" : "busy" };
  }

  /** Keeps the reply of a call that this boot has claimed. Throws when the claim is not there any more. */
  async complete(session: SqlSession, { key, boot }: ClaimRequest, reply: Uint8Array, now: number): Promise<void> {
    const fits = reply.length <= this.#limits.replySizeMax && this.#bytes + reply.length <= this.#limits.replyBytesMax;
    const changed = await session.run(
      `UPDATE farcall_replies SET state = $4, reply = $5, until = $6 WHERE ${where} AND boot = $3 AND state = 'running'`,
      [...id(key), boot, fits ? "done" : "too-large", fits ? reply : null, now + this.#limits.replyWindowMs],
    );
    if (changed !== 1) throw new Error("the claim is gone: it outlived its lease and its window (leaseMs)");
    if (fits) this.#bytes += reply.length;
  }

  async abandon(session: SqlSession, { key, boot }: ClaimRequest): Promise<void> {
    const sql = `DELETE FROM farcall_replies WHERE ${where} AND boot = $3 AND state = 'running'`;
    if ((await session.run(sql, [...id(key), boot])) === 1) this.#gone(1);
  }

  /** Whether a call has been completed. */
  async isDone(session: SqlSession, key: ReplyKey): Promise<boolean> {
    const row = await session.get(`SELECT state FROM farcall_replies WHERE ${where}`, id(key));
    return row?.["state"] === "done" || row?.["state"] === "too-large";
  }

  /** A transaction that claimed a call was rolled back, and its row with it. */
  rolledBack(): void {
    this.#gone(1);
  }

  async forget(session: SqlSession, caller: string, through: number, now: number): Promise<void> {
    await this.#raise(session, caller, through, now);
    const deleted = await session.run(
      `DELETE FROM farcall_replies WHERE caller = $1 AND sequence <= $2 AND state IN ('done', 'too-large')`,
      [caller, through],
    );
    this.#gone(deleted);
  }

  /** What is known of a call; undefined when it is new. */
  async #known(
    session: SqlSession,
    asker: ClaimRequest | LookRequest,
    now: number,
    fingerprint?: string,
  ): Promise<KnownCall | { readonly state: "mismatch" } | undefined> {
    const { key } = asker;
    const row = await session.get(`SELECT * FROM farcall_replies WHERE ${where}`, id(key));
    if (row === undefined) {
      if (typeof key.call === "string") return undefined;
      const floor = await session.get("SELECT floor FROM farcall_callers WHERE caller = $1", [key.caller]);
      return floor !== undefined && key.call <= Number(floor["floor"]) ? { state: "forgotten" } : undefined;
    }
    const state = row["state"] as "running" | "done" | "too-large" | "fenced";
    if (state !== "running" && Number(row["until"]) <= now) {
      if (typeof key.call === "number") return { state: "forgotten" };
      await session.run(`DELETE FROM farcall_replies WHERE ${where}`, id(key));
      this.#gone(1);
      return undefined;
    }
    if (state === "fenced") return { state };
    if (fingerprint !== undefined && row["fingerprint"] !== fingerprint) return { state: "mismatch" };
    if (state === "done") return { state, reply: new Uint8Array(row["reply"] as Uint8Array) };
    if (state === "too-large" || row["boot"] === asker.boot) return { state };
    const dead = row["owner"] === asker.owner || Number(row["lease_until"]) <= now;
    return { state: dead ? "lost" : "running" };
  }

  async #add(
    session: SqlSession,
    { key, owner, boot }: ClaimRequest | LookRequest,
    fingerprint: string,
    state: "running" | "fenced",
    now: number,
    leaseUntil: number,
  ): Promise<boolean> {
    const { replyEntriesMax, replyEntriesPerCallerMax, replyBytesMax, replyWindowMs } = this.#limits;
    if (now - this.#sweptAt >= sweepMs || now < this.#sweptAt) await this.#sweep(session, now, boot);
    const ended = await session.get(
      "SELECT count(*) AS n FROM farcall_replies WHERE caller = $1 AND state <> 'running'",
      [key.caller],
    );
    if (Number(ended?.["n"]) >= replyEntriesPerCallerMax) {
      // A foreign client is promised its last so many replies; a session is promised all that it has not acknowledged.
      if (typeof key.call === "number") return false;
      const deleted = await session.run(
        `DELETE FROM farcall_replies WHERE caller = $1 AND call_id =
           (SELECT call_id FROM farcall_replies WHERE caller = $1 AND state <> 'running' ORDER BY until LIMIT 1)`,
        [key.caller],
      );
      this.#gone(deleted);
    }
    const full = (): boolean => this.#entries >= replyEntriesMax || this.#bytes >= replyBytesMax;
    if (full() && this.#freed) await this.#sweep(session, now, boot);
    if (full()) return false;
    await session.run(
      `INSERT INTO farcall_replies (caller, call_id, sequence, fingerprint, owner, boot, state, lease_until, until)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
      [
        ...id(key),
        typeof key.call === "number" ? key.call : null,
        fingerprint,
        owner,
        boot,
        state,
        leaseUntil,
        leaseUntil + replyWindowMs,
      ],
    );
    this.#entries++;
    this.#bytes += replyEntryOverhead;
    return true;
  }

  #gone(rows: number): void {
    this.#entries -= rows;
    this.#freed = true;
  }

  /** Deletes what is too old, and counts the rest. */
  async #sweep(session: SqlSession, now: number, boot: string): Promise<void> {
    this.#sweptAt = now;
    // What this boot runs is not old, however long it takes; of what others left, nobody can say more than that it is.
    const old = "until <= $1 AND NOT (state = 'running' AND boot = $2)";
    await session.run(
      `INSERT INTO farcall_callers (caller, floor, until)
       SELECT caller, max(sequence), $3 FROM farcall_replies WHERE ${old} AND sequence IS NOT NULL GROUP BY caller
       ON CONFLICT (caller) DO UPDATE SET until = excluded.until,
         floor = CASE WHEN excluded.floor > farcall_callers.floor THEN excluded.floor ELSE farcall_callers.floor END`,
      [now, boot, now + this.#limits.replyWindowMs],
    );
    await session.run(`DELETE FROM farcall_replies WHERE ${old}`, [now, boot]);
    await session.run(
      `DELETE FROM farcall_callers WHERE until <= $1
         AND NOT EXISTS (SELECT 1 FROM farcall_replies r WHERE r.caller = farcall_callers.caller)`,
      [now],
    );
    const count = await session.get("SELECT count(*) AS n, sum(length(reply)) AS bytes FROM farcall_replies");
    this.#entries = Number(count?.["n"]);
    this.#bytes = Number(count?.["bytes"] ?? 0) + this.#entries * replyEntryOverhead;
    this.#freed = false;
  }

  async #raise(session: SqlSession, caller: string, through: number, now: number): Promise<void> {
    await session.run(
      `INSERT INTO farcall_callers (caller, floor, until) VALUES ($1, $2, $3)
       ON CONFLICT (caller) DO UPDATE SET until = excluded.until,
         floor = CASE WHEN excluded.floor > farcall_callers.floor THEN excluded.floor ELSE farcall_callers.floor END`,
      [caller, through, now + this.#limits.replyWindowMs],
    );
  }
}

/** A number and a text must not meet. */
function id({ caller, call }: ReplyKey): [caller: string, call: string] {
  return [caller, typeof call === "number" ? `#${call}` : `=${call}`];
}

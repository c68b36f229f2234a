import { randomUUID } from "node:crypto";
import type { Pool, PoolClient, PoolConfig } from "pg";
import {
  type Claim,
  type ClaimRequest,
  type Look,
  type LookRequest,
  type ReplyKey,
  type ReplyStore,
  type ReplyStoreLimits,
  resolveReplyStoreLimits,
} from "../call/reply-cache.js";
import { clock, loadPg, schemaLock, sessionOf, setting } from "./postgres-session.js";
import { SqlReplies, type SqlRow, type SqlSession, sqlNaming, sqlSchema } from "./sql-replies.js";

export interface PostgresReplyStoreOptions extends ReplyStoreLimits {
  /** What `pg` connects with: an object of its options (`host`, `database`, `user`, `password`, `ssl`, ...), or a URL. */
  readonly connection: object | string;
  /** Most connections, and so most transactions at once; default 10. */
  readonly connectionsMax?: number | undefined;
  /** Milliseconds a request waits for a connection, or a statement for its answer; default 5,000. */
  readonly lockTimeoutMs?: number | undefined;
  /** Milliseconds after which a handler's transaction is rolled back; default 30,000. */
  readonly transactionTimeoutMs?: number | undefined;
  /** Milliseconds since 1970; default: the database's clock, which all its users share. */
  readonly now?: (() => number) | undefined;
}

/**
 * The transaction of an exactly-once call: what is done in it commits together with the call's reply, or not at all. It
 * ends with the call and throws afterwards.
 */
export interface PostgresTransaction {
  query(
    sql: string,
    params?: readonly unknown[],
  ): Promise<{ readonly rows: SqlRow[]; readonly rowCount: number | null }>;
}

type End = (how: "COMMIT" | "ROLLBACK") => Promise<void>;

/**
 * Opens a reply cache in a PostgreSQL database, which any number of processes on any number of machines may share.
 *
 * @throws Error when `pg` is not installed or the database cannot be used
 */
export async function openPostgresReplyStore(
  options: PostgresReplyStoreOptions,
): Promise<ReplyStore<PostgresTransaction>> {
  const { Pool } = await loadPg();
  const given = typeof options.connection === "string" ? { connectionString: options.connection } : options.connection;
  const lockTimeoutMs = options.lockTimeoutMs ?? 5_000;
  const config: PoolConfig = {
    ...given,
    max: options.connectionsMax ?? 10,
    connectionTimeoutMillis: lockTimeoutMs,
    query_timeout: lockTimeoutMs,
  };
  const pool = new Pool(config);
  // A connection that breaks while nobody uses it; whoever comes next gets another one.
  pool.on("error", () => {});
  try {
    const client = await pool.connect();
    try {
      await client.query("BEGIN");
      await client.query("SELECT pg_advisory_xact_lock($1)", [schemaLock]);
      for (const sql of sqlSchema("BYTEA")) await client.query(sql);
      await client.query(sqlNaming.insert, [randomUUID()]);
      const { id } = (await client.query(sqlNaming.select)).rows[0] as { id: string };
      await client.query("COMMIT");
      const durable = (await setting(client, "fsync")) && (await setting(client, "synchronous_commit"));
      return new PostgresReplyStore(pool, id, options, durable);
    } finally {
      client.release();
    }
  } catch (error) {
    await pool.end();
    throw error;
  }
}

class PostgresReplyStore implements ReplyStore<PostgresTransaction> {
  readonly id: string;
  readonly replyWindowMs: number;
  readonly durable: boolean;
  readonly shared = true;
  readonly transactional = true;
  readonly #pool: Pool;
  readonly #replies: SqlReplies;
  readonly #transactionTimeoutMs: number;
  readonly #now: (() => number) | undefined;
  #closed: Promise<void> | undefined;

  constructor(pool: Pool, id: string, options: PostgresReplyStoreOptions, durable: boolean) {
    this.id = id;
    this.#pool = pool;
    const limits = resolveReplyStoreLimits(options);
    this.replyWindowMs = limits.replyWindowMs;
    this.#replies = new SqlReplies(limits);
    this.#transactionTimeoutMs = options.transactionTimeoutMs ?? 30_000;
    this.#now = options.now;
    this.durable = durable;
  }

  async claim(request: ClaimRequest): Promise<Claim<PostgresTransaction>> {
    const { client, end } = await this.#begin();
    const session = sessionOf(client);
    let outcome: Awaited<ReturnType<SqlReplies["claim"]>>;
    try {
      const { mine, now } = await this.#lock(client, request.key);
      outcome = mine ? await this.#replies.claim(session, request, now) : { state: "running" };
    } catch (error) {
      await end("ROLLBACK");
      throw error;
    }
    if (outcome.state === "fresh" && request.transactional === true) return this.#inTransaction(request, client, end);
    await end("COMMIT");
    if (outcome.state !== "fresh") return outcome as Claim<never>;
    return {
      state: "fresh",
      transaction: undefined,
      complete: (reply) => this.#transact(async (own, now) => this.#replies.complete(own, request, reply, now)),
      abandon: () => this.#transact(async (own) => this.#replies.abandon(own, request)),
    };
  }

  /** The claim's transaction goes on: the handler's effect and the reply become part of it. */
  #inTransaction(request: ClaimRequest, client: PoolClient, end: End): Claim<PostgresTransaction> {
    let open = true;
    const rollBack = async (): Promise<void> => {
      if (!open) return;
      open = false;
      clearTimeout(timer);
      this.#replies.rolledBack();
      await end("ROLLBACK");
    };
    const timer = setTimeout(() => void rollBack().catch(() => {}), this.#transactionTimeoutMs);
    const check = (): void => {
      if (!open)
        throw new Error("the transaction is over: its call has ended, or took too long (transactionTimeoutMs)");
    };
    const query = async (sql: string, params: readonly unknown[] = []) => {
      check();
      // It would end the transaction without the reply.
      if (/^\s*(begin|start|commit|end|rollback(?!\s+to)|abort)\b/i.test(sql)) {
        throw new Error("a call's transaction is ended by its call");
      }
      const { rows, rowCount } = await client.query(sql, [...params]);
      return { rows: rows as SqlRow[], rowCount };
    };
    return {
      state: "fresh",
      transaction: { query },
      complete: async (reply) => {
        check();
        try {
          await this.#replies.complete(sessionOf(client), request, reply, await this.#time(client));
          check();
        } catch (error) {
          await rollBack();
          throw error;
        }
        open = false;
        clearTimeout(timer);
        try {
          await end("COMMIT");
        } catch (error) {
          if (await this.#committed(request)) return;
          this.#replies.rolledBack();
          throw error;
        }
      },
      abandon: rollBack,
    };
  }

  /**
   * The answer to a COMMIT was lost. The old connection's transaction holds the key's lock until it has ended one way or
   * the other, so whoever gets the lock sees how.
   */
  async #committed({ key }: ClaimRequest): Promise<boolean> {
    return this.#transact(async (session) => {
      await session.get("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [lockName(key)]);
      return this.#replies.isDone(session, key);
    });
  }

  async look(request: LookRequest): Promise<Look> {
    const { client, end } = await this.#begin();
    let outcome: Look;
    try {
      const { mine, now } = await this.#lock(client, request.key);
      outcome = mine ? await this.#replies.look(sessionOf(client), request, now) : { state: "running" };
    } catch (error) {
      await end("ROLLBACK");
      throw error;
    }
    await end("COMMIT");
    return outcome;
  }

  forget(caller: string, through: number): Promise<void> {
    return this.#transact((session, now) => this.#replies.forget(session, caller, through, now));
  }

  close(): Promise<void> {
    this.#closed ??= this.#pool.end();
    return this.#closed;
  }

  async #transact<T>(work: (session: SqlSession, now: number) => Promise<T>): Promise<T> {
    const { client, end } = await this.#begin();
    let result: T;
    try {
      result = await work(sessionOf(client), await this.#time(client));
    } catch (error) {
      await end("ROLLBACK");
      throw error;
    }
    await end("COMMIT");
    return result;
  }

  async #begin(): Promise<{ client: PoolClient; end: End }> {
    const client = await this.#pool.connect();
    // A connection that breaks in the middle fails the query that waits on it; unheard, the event would end the process.
    const unheard = (): void => {};
    client.on("error", unheard);
    const end: End = async (how) => {
      let broken: unknown = true;
      try {
        const { command } = await client.query(how);
        broken = false;
        // PostgreSQL answers the COMMIT of a transaction that has failed with ROLLBACK, and no error.
        if (command !== how) throw new Error("the transaction was rolled back: a statement in it had failed");
      } catch (error) {
        // Who rolls back has a better error to tell, and a connection that is closed has rolled back.
        if (how === "COMMIT") throw error;
      } finally {
        client.off("error", unheard);
        client.release(broken === true);
      }
    };
    try {
      await client.query("BEGIN");
    } catch (error) {
      await end("ROLLBACK");
      throw error;
    }
    return { client, end };
  }

  /** Takes the key's lock until the transaction's end, unless somebody has it: then the call is being worked on. */
  async #lock(client: PoolClient, key: ReplyKey): Promise<{ mine: boolean; now: number }> {
    const { rows } = await client.query(
      `SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS mine, ${clock} AS now`,
      [lockName(key)],
    );
    const [row] = rows as [{ mine: boolean; now: string }];
    return { mine: row.mine, now: this.#now?.() ?? Number(row.now) };
  }

  async #time(client: PoolClient): Promise<number> {
    if (this.#now !== undefined) return this.#now();
    const { rows } = await client.query(`SELECT ${clock} AS now`);
    return Number((rows as [{ now: string }])[0].now);
  }
}

const lockName = ({ caller, call }: ReplyKey): string => `farcall ${typeof call} ${call} ${caller}`;

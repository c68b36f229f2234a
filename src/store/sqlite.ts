import { randomUUID } from "node:crypto";
import {
  type Claim,
  type ClaimRequest,
  type Look,
  type LookRequest,
  type ReplyStore,
  type ReplyStoreLimits,
  resolveReplyStoreLimits,
} from "../call/reply-cache.js";
import { SqlReplies, type SqlRow, type SqlSession, type SqlValue, sqlNaming, sqlSchema } from "./sql-replies.js";
import { openSqlite, type SqliteConnection, type SqliteDriver } from "./sqlite-driver.js";
import { isDurable, keepDurably, sessionOf, unlocked } from "./sqlite-session.js";
import { Turns } from "./turns.js";

export interface SqliteReplyStoreOptions extends ReplyStoreLimits {
  /** The database's file, which may hold your own tables too; `:memory:` is neither durable nor shared. */
  readonly path: string;
  /** Default: the first of `node:sqlite`, `better-sqlite3` and `libsql` that is there. */
  readonly driver?: SqliteDriver | undefined;
  /** Milliseconds a request waits for its turn, or for another process's lock, before it fails; default 5,000. */
  readonly lockTimeoutMs?: number | undefined;
  /** Milliseconds after which a handler's transaction is rolled back; default 30,000. All other calls wait for it. */
  readonly transactionTimeoutMs?: number | undefined;
  /** Milliseconds since 1970; default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/**
 * The transaction of an exactly-once call: what is done in it commits together with the call's reply, or not at all. It
 * ends with the call and throws afterwards.
 */
export interface SqliteTransaction {
  /** @returns how many rows were changed */
  run(sql: string, ...params: SqlValue[]): number;
  get(sql: string, ...params: SqlValue[]): SqlRow | undefined;
  all(sql: string, ...params: SqlValue[]): SqlRow[];
}

const lockTimeoutMsDefault = 5_000;
const transactionTimeoutMsDefault = 30_000;

/**
 * Opens a reply cache in an SQLite database. It has a connection of its own, on which one transaction runs at a time:
 * on a shared one a rollback would take another call's writes with it. Who comes meanwhile waits, and the event loop
 * does not.
 *
 * @throws Error when no driver is installed or the database cannot be opened
 */
export async function openSqliteReplyStore(options: SqliteReplyStoreOptions): Promise<ReplyStore<SqliteTransaction>> {
  const connection = await openSqlite(options.path, options.driver);
  try {
    const waitMs = options.lockTimeoutMs ?? lockTimeoutMsDefault;
    await keepDurably(connection, waitMs);
    await unlocked(() => connection.exec("BEGIN IMMEDIATE"), waitMs);
    for (const sql of sqlSchema("BLOB")) connection.exec(sql);
    connection.prepare(sqlNaming.insert.replace("$1", "?")).run(randomUUID());
    const { id } = connection.prepare(sqlNaming.select).get() as { id: string };
    connection.exec("COMMIT");
    return new SqliteReplyStore(connection, id, options);
  } catch (error) {
    connection.close();
    throw error;
  }
}

class SqliteReplyStore implements ReplyStore<SqliteTransaction> {
  readonly id: string;
  readonly replyWindowMs: number;
  readonly durable: boolean;
  readonly shared: boolean;
  readonly transactional = true;
  readonly #connection: SqliteConnection;
  readonly #session: SqlSession;
  readonly #replies: SqlReplies;
  readonly #turns = new Turns();
  readonly #lockTimeoutMs: number;
  readonly #transactionTimeoutMs: number;
  readonly #now: () => number;
  #closed = false;

  constructor(connection: SqliteConnection, id: string, options: SqliteReplyStoreOptions) {
    this.id = id;
    this.#connection = connection;
    this.#session = sessionOf(connection);
    const limits = resolveReplyStoreLimits(options);
    this.replyWindowMs = limits.replyWindowMs;
    this.#replies = new SqlReplies(limits);
    this.#lockTimeoutMs = options.lockTimeoutMs ?? lockTimeoutMsDefault;
    this.#transactionTimeoutMs = options.transactionTimeoutMs ?? transactionTimeoutMsDefault;
    this.#now = options.now ?? Date.now;
    this.shared = !/^$|^:memory:$|mode=memory/.test(options.path);
    this.durable = this.shared && isDurable(connection);
  }

  async claim(request: ClaimRequest): Promise<Claim<SqliteTransaction>> {
    if (request.transactional === true) return this.#claimInTransaction(request);
    const outcome = await this.#transact(() => this.#replies.claim(this.#session, request, this.#now()));
    if (outcome.state !== "fresh") return outcome as Claim<never>;
    return {
      state: "fresh",
      transaction: undefined,
      complete: (reply) => this.#transact(() => this.#replies.complete(this.#session, request, reply, this.#now())),
      abandon: () => this.#transact(() => this.#replies.abandon(this.#session, request)),
    };
  }

  /** The claim, the handler's effect and the reply are one transaction: a crash anywhere leaves none of them. */
  async #claimInTransaction(request: ClaimRequest): Promise<Claim<SqliteTransaction>> {
    const end = await this.#begin();
    try {
      const outcome = await this.#replies.claim(this.#session, request, this.#now());
      if (outcome.state !== "fresh") {
        end("COMMIT");
        return outcome as Claim<never>;
      }
    } catch (error) {
      end("ROLLBACK");
      throw error;
    }
    let open = true;
    const finish = (how: "COMMIT" | "ROLLBACK"): void => {
      open = false;
      clearTimeout(timer);
      if (how === "ROLLBACK") this.#replies.rolledBack();
      end(how);
    };
    const timer = setTimeout(() => finish("ROLLBACK"), this.#transactionTimeoutMs);
    const check = (): void => {
      if (!open)
        throw new Error("the transaction is over: its call has ended, or took too long (transactionTimeoutMs)");
    };
    return {
      state: "fresh",
      transaction: transactionOf(this.#connection, check),
      complete: async (reply) => {
        check();
        try {
          await this.#replies.complete(this.#session, request, reply, this.#now());
          check();
        } catch (error) {
          if (open) finish("ROLLBACK");
          throw error;
        }
        finish("COMMIT");
      },
      abandon: () => {
        if (open) finish("ROLLBACK");
      },
    };
  }

  look(request: LookRequest): Promise<Look> {
    return this.#transact(() => this.#replies.look(this.#session, request, this.#now()));
  }

  forget(caller: string, through: number): Promise<void> {
    return this.#transact(() => this.#replies.forget(this.#session, caller, through, this.#now()));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    const release = await this.#turns.take(this.#transactionTimeoutMs);
    this.#closed = true;
    this.#connection.close();
    release();
  }

  async #transact<T>(work: () => Promise<T>): Promise<T> {
    const end = await this.#begin();
    let result: T;
    try {
      result = await work();
    } catch (error) {
      end("ROLLBACK");
      throw error;
    }
    end("COMMIT");
    return result;
  }

  /**
   * Waits for the turn and for the database's lock.
   *
   * @returns what ends the transaction; throws what a commit throws, and has then rolled back
   */
  async #begin(): Promise<(how: "COMMIT" | "ROLLBACK") => void> {
    const release = await this.#turns.take(this.#lockTimeoutMs);
    try {
      if (this.#closed) throw new Error("the store was closed");
      await unlocked(() => this.#connection.exec("BEGIN IMMEDIATE"), this.#lockTimeoutMs);
    } catch (error) {
      release();
      throw error;
    }
    return (how) => {
      try {
        this.#connection.exec(how);
      } catch (error) {
        // A commit that failed leaves the transaction open, or has rolled it back already.
        if (how === "COMMIT") attempt(() => this.#connection.exec("ROLLBACK"));
        throw error;
      } finally {
        release();
      }
    };
  }
}

function transactionOf(connection: SqliteConnection, check: () => void): SqliteTransaction {
  const prepare = (sql: string): ReturnType<SqliteConnection["prepare"]> => {
    check();
    // It would end the transaction without the reply.
    if (/^\s*(begin|commit|end|rollback)\b/i.test(sql)) throw new Error("a call's transaction is ended by its call");
    return connection.prepare(sql);
  };
  return {
    run: (sql, ...params) => Number(prepare(sql).run(...params).changes),
    get: (sql, ...params) => (prepare(sql).get(...params) as SqlRow | undefined) ?? undefined,
    all: (sql, ...params) => prepare(sql).all(...params) as SqlRow[],
  };
}

function attempt(step: () => void): void {
  try {
    step();
  } catch {
    // There was nothing left to undo.
  }
}

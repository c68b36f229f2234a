import { EngineError, type RequestEngine, type RequestNews, type RequestTable } from "../async/core/table.js";
import { type RequestDialect, requestSchema, SqlRequestTable } from "./request-sql.js";
import type { SqlRow, SqlRows, SqlSession } from "./sql-replies.js";
import { openSqlite, type SqliteConnection, type SqliteDriver } from "./sqlite-driver.js";
import { isDurable, keepDurably, sessionOf, unlocked } from "./sqlite-session.js";
import { Turns } from "./turns.js";

export interface SqliteRequestEngineOptions {
  /** The database's file, which may hold your own tables too; `:memory:` is neither durable nor shared. */
  readonly path: string;
  /** Default: the first of `node:sqlite`, `better-sqlite3` and `libsql` that is there. */
  readonly driver?: SqliteDriver | undefined;
  /** Milliseconds a transaction waits for another process's lock before it fails; default 5,000. */
  readonly lockTimeoutMs?: number | undefined;
  /** Milliseconds between two looks whether another process has changed something; default 100. */
  readonly pollMs?: number | undefined;
  /** Milliseconds since 1970; default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

const dialect: RequestDialect = {
  bytes: "BLOB",
  counter: "INTEGER PRIMARY KEY AUTOINCREMENT",
  // Its transactions run one at a time.
  lock: "",
  skip: "",
};

/**
 * Keeps asynchronous requests in an SQLite database, flushed to the disk before anybody is told. Processes of one machine
 * may share the file.
 *
 * @throws Error when no driver is installed or the database cannot be opened
 */
export async function openSqliteRequestEngine(options: SqliteRequestEngineOptions): Promise<RequestEngine> {
  const connection = await openSqlite(options.path, options.driver);
  const waitMs = options.lockTimeoutMs ?? 5_000;
  try {
    await keepDurably(connection, waitMs);
    await unlocked(() => connection.exec("BEGIN IMMEDIATE"), waitMs);
    for (const sql of requestSchema(dialect)) connection.exec(sql);
    connection.exec("COMMIT");
    return new SqliteRequestEngine(connection, options, waitMs);
  } catch (error) {
    connection.close();
    throw error;
  }
}

class SqliteRequestEngine implements RequestEngine {
  readonly durable: boolean;
  readonly shared: boolean;
  readonly #connection: SqliteConnection;
  readonly #session: SqlSession & SqlRows;
  readonly #turns = new Turns();
  readonly #waitMs: number;
  readonly #now: () => number;
  readonly #listeners = new Set<(news: RequestNews | undefined) => void>();
  readonly #poll: NodeJS.Timeout | undefined;
  #version = 0;
  #closed = false;

  constructor(connection: SqliteConnection, options: SqliteRequestEngineOptions, waitMs: number) {
    this.#connection = connection;
    this.#session = sessionOf(connection);
    this.#waitMs = waitMs;
    this.#now = options.now ?? Date.now;
    this.shared = !/^$|^:memory:$|mode=memory/.test(options.path);
    this.durable = this.shared && isDurable(connection);
    this.#version = this.#dataVersion();
    if (this.shared) {
      this.#poll = setInterval(() => this.#look(), options.pollMs ?? 100);
      this.#poll.unref();
    }
  }

  async transact<T>(work: (table: RequestTable) => Promise<T>, _news: () => RequestNews): Promise<T> {
    let release: () => void;
    try {
      release = await this.#turns.take(this.#waitMs);
    } catch (error) {
      throw new EngineError((error as Error).message, "no", error);
    }
    try {
      await this.#begin();
      let result: T;
      try {
        result = await work(new SqlRequestTable(this.#session, dialect, Math.floor(this.#now())));
      } catch (error) {
        this.#rollBack();
        throw isFailure(error) ? new EngineError(textOf(error), "no", error) : error;
      }
      try {
        this.#connection.exec("COMMIT");
      } catch (error) {
        // SQLite says of a commit that fails that it was not made.
        this.#rollBack();
        throw new EngineError(textOf(error), "no", error);
      }
      // The driver is synchronous: whoever writes without a pause would keep everything else from running. What arrives
      // meanwhile shares the next transaction.
      await new Promise((resolve) => setImmediate(resolve));
      return result;
    } finally {
      release();
    }
  }

  async #begin(): Promise<void> {
    if (this.#closed) throw new EngineError("the engine was closed", "no");
    try {
      await unlocked(() => this.#connection.exec("BEGIN IMMEDIATE"), this.#waitMs);
    } catch (error) {
      throw new EngineError(textOf(error), "no", error);
    }
  }

  #rollBack(): void {
    try {
      this.#connection.exec("ROLLBACK");
    } catch {
      // The failure has rolled it back already.
    }
  }

  listen(listener: (news: RequestNews | undefined) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The number changes when another connection has committed. */
  #dataVersion(): number {
    return Number((this.#connection.prepare("PRAGMA data_version").get() as SqlRow)["data_version"]);
  }

  #look(): void {
    if (this.#closed || this.#listeners.size === 0) return;
    let version: number;
    try {
      version = this.#dataVersion();
    } catch {
      return;
    }
    if (version === this.#version) return;
    this.#version = version;
    for (const listener of [...this.#listeners]) listener(undefined);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    const release = await this.#turns.take(this.#waitMs);
    this.#closed = true;
    clearInterval(this.#poll);
    this.#connection.close();
    release();
  }
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Whether the database failed, and not what was done with it: a full disk, a broken file, one that cannot be read. */
function isFailure(error: unknown): boolean {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  const failing = [5, 6, 7, 8, 10, 11, 13, 14, 26];
  if (
    typeof code === "string" &&
    /^SQLITE_(BUSY|LOCKED|NOMEM|READONLY|IOERR|CORRUPT|FULL|CANTOPEN|NOTADB)/.test(code)
  ) {
    return true;
  }
  return failing.includes(Number(errcode) & 0xff);
}

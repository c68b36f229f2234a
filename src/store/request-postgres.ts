import type { Client, Pool, PoolClient, PoolConfig } from "pg";
import { EngineError, type RequestEngine, type RequestNews, type RequestTable } from "../async/core/table.js";
import { clock, loadPg, schemaLock, sessionOf, setting } from "./postgres-session.js";
import { type RequestDialect, requestSchema, SqlRequestTable } from "./request-sql.js";

export interface PostgresRequestEngineOptions {
  /** What `pg` connects with: an object of its options (`host`, `database`, `user`, `password`, `ssl`, ...), or a URL. */
  readonly connection: object | string;
  /** Milliseconds a transaction waits for a connection, or a statement for its answer; default 5,000. */
  readonly lockTimeoutMs?: number | undefined;
  /** Milliseconds since 1970; default: the database's clock, which all its users share. */
  readonly now?: (() => number) | undefined;
}

const dialect: RequestDialect = {
  bytes: "BYTEA",
  counter: "BIGSERIAL PRIMARY KEY",
  lock: " FOR UPDATE",
  skip: " FOR UPDATE SKIP LOCKED",
};

const channel = "farcall_requests";

/** Ids that fit into a notification, which PostgreSQL allows 8,000 bytes. */
const idsMax = 200;

/** Milliseconds until the listening connection is made anew. */
const relistenMs = 500;

/**
 * Keeps asynchronous requests in a PostgreSQL database, which servers and workers on any number of machines share. Those who
 * wait are woken by NOTIFY, and workers pass over what others are about to take (SKIP LOCKED).
 *
 * @throws Error when `pg` is not installed or the database cannot be used
 */
export async function openPostgresRequestEngine(options: PostgresRequestEngineOptions): Promise<RequestEngine> {
  const pg = await loadPg();
  const given = typeof options.connection === "string" ? { connectionString: options.connection } : options.connection;
  const waitMs = options.lockTimeoutMs ?? 5_000;
  const config: PoolConfig = { ...given, max: 2, connectionTimeoutMillis: waitMs, query_timeout: waitMs };
  const pool = new pg.Pool(config);
  // A connection that breaks while nobody uses it; whoever comes next gets another one.
  pool.on("error", () => {});
  try {
    const client = await pool.connect();
    try {
      await client.query("BEGIN");
      await client.query("SELECT pg_advisory_xact_lock($1)", [schemaLock]);
      for (const sql of requestSchema(dialect)) await client.query(sql);
      await client.query("COMMIT");
      const durable = (await setting(client, "fsync")) && (await setting(client, "synchronous_commit"));
      return new PostgresRequestEngine(pool, () => new pg.Client(config), options.now, durable);
    } finally {
      client.release();
    }
  } catch (error) {
    await pool.end();
    throw error;
  }
}

class PostgresRequestEngine implements RequestEngine {
  readonly durable: boolean;
  readonly shared = true;
  readonly #pool: Pool;
  readonly #connect: () => Client;
  readonly #now: (() => number) | undefined;
  readonly #listeners = new Set<(news: RequestNews | undefined) => void>();
  #listening: Client | undefined;
  #relisten: NodeJS.Timeout | undefined;
  #closed: Promise<void> | undefined;

  constructor(pool: Pool, connect: () => Client, now: (() => number) | undefined, durable: boolean) {
    this.#pool = pool;
    this.#connect = connect;
    this.#now = now;
    this.durable = durable;
  }

  async transact<T>(work: (table: RequestTable) => Promise<T>, news: () => RequestNews): Promise<T> {
    const { client, now } = await this.#begin();
    const unheard = (): void => {};
    // A connection that breaks in the middle fails the query that waits on it; unheard, the event would end the process.
    client.on("error", unheard);
    const end = (broken: boolean): void => {
      client.off("error", unheard);
      client.release(broken);
    };
    let result: T;
    try {
      result = await work(new SqlRequestTable(sessionOf(client), dialect, now));
      const told = notice(news());
      if (told !== undefined) await client.query("SELECT pg_notify($1, $2)", [channel, told]);
    } catch (error) {
      const rolledBack = await client.query("ROLLBACK").then(
        () => true,
        () => false,
      );
      end(!rolledBack);
      // An error of the database's own has five characters; what is left is a connection that is gone.
      const { code } = error as { code?: unknown };
      const told = typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) && !/^(08|53|57|58|XX)/.test(code);
      throw rolledBack && told ? error : new EngineError(textOf(error), "no", error);
    }
    try {
      const { command } = await client.query("COMMIT");
      // PostgreSQL answers the COMMIT of a transaction that has failed with ROLLBACK, and no error.
      if (command !== "COMMIT") throw new EngineError("the transaction was rolled back", "no");
    } catch (error) {
      end(true);
      throw error instanceof EngineError ? error : new EngineError(textOf(error), "unknown", error);
    }
    end(false);
    return result;
  }

  async #begin(): Promise<{ client: PoolClient; now: number }> {
    let client: PoolClient;
    try {
      client = await this.#pool.connect();
    } catch (error) {
      throw new EngineError(textOf(error), "no", error);
    }
    try {
      await client.query("BEGIN");
      const { rows } = await client.query(`SELECT ${clock} AS now`);
      return { client, now: Math.floor(this.#now?.() ?? Number((rows as [{ now: string }])[0].now)) };
    } catch (error) {
      client.release(true);
      throw new EngineError(textOf(error), "no", error);
    }
  }

  listen(listener: (news: RequestNews | undefined) => void): () => void {
    this.#listeners.add(listener);
    if (this.#listening === undefined) void this.#listen();
    return () => this.#listeners.delete(listener);
  }

  async #listen(): Promise<void> {
    if (this.#closed !== undefined) return;
    const client = this.#connect();
    this.#listening = client;
    let lost = false;
    const again = (): void => {
      if (lost) return;
      lost = true;
      client.end().catch(() => {});
      if (this.#closed !== undefined) return;
      this.#relisten = setTimeout(() => void this.#listen(), relistenMs);
      this.#relisten.unref();
    };
    client.on("error", again);
    client.on("end", again);
    client.on("notification", ({ payload = "" }) => this.#tell(newsOf(payload)));
    try {
      await client.connect();
      // It alone is no reason for the process to stay.
      (client as unknown as { connection?: { stream?: { unref?(): void } } }).connection?.stream?.unref?.();
      await client.query(`LISTEN ${channel}`);
      // What happened before is not told any more.
      this.#tell(undefined);
    } catch {
      again();
    }
  }

  #tell(news: RequestNews | undefined): void {
    for (const listener of [...this.#listeners]) listener(news);
  }

  close(): Promise<void> {
    clearTimeout(this.#relisten);
    this.#closed ??= Promise.all([this.#pool.end(), this.#listening?.end().catch(() => {})]).then(() => {});
    return this.#closed;
  }
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** `+` when requests wait, then the ids, those to be cancelled with `!`; `*` where they are too many. */
function notice({ ids, cancelled, waiting }: RequestNews): string | undefined {
  if (ids.length === 0 && cancelled.length === 0 && !waiting) return undefined;
  const words = [...ids, ...cancelled.map((id) => `!${id}`)];
  return words.length > idsMax ? "*" : [waiting ? "+" : "", ...words].join(" ");
}

/** Undefined where it does not say what. */
function newsOf(text: string): RequestNews | undefined {
  if (text === "*") return undefined;
  const [waiting, ...words] = text.split(" ");
  return {
    waiting: waiting === "+",
    ids: words.filter((word) => !word.startsWith("!")),
    cancelled: words.filter((word) => word.startsWith("!")).map((word) => word.slice(1)),
  };
}

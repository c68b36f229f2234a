import type { SqlRow, SqlRows, SqlSession, SqlValue } from "./sql-replies.js";
import type { SqliteConnection } from "./sqlite-driver.js";

/** The longest pause between two attempts to get another process's lock, in milliseconds. */
const lockPauseMsMax = 20;

/** What the database says of itself: every commit reaches the disk before it returns. */
export function isDurable(connection: SqliteConnection): boolean {
  const pragma = (name: string): unknown => (connection.prepare(`PRAGMA ${name}`).get() as SqlRow)[name];
  const full = Number(pragma("synchronous")) >= 2;
  return full && ["wal", "delete", "truncate", "persist"].includes(String(pragma("journal_mode")));
}

/** Has every commit reach the disk, and nobody wait within SQLite, which would stop the whole process. */
export async function keepDurably(connection: SqliteConnection, waitMs: number): Promise<void> {
  connection.exec("PRAGMA busy_timeout = 0");
  // With WAL, readers of the database's other tables do not hold a store up.
  await unlocked(() => connection.prepare("PRAGMA journal_mode = WAL").get(), waitMs);
  connection.exec("PRAGMA synchronous = FULL");
}

/** Does something that needs a lock that another process may hold: again and again, without stopping the event loop. */
export async function unlocked<T>(step: () => T, waitMs: number): Promise<T> {
  const until = performance.now() + waitMs;
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, lockPauseMsMax)) {
    try {
      return step();
    } catch (error) {
      if (!isBusy(error)) throw error;
      if (performance.now() >= until) {
        throw new Error(`another process has locked the database for more than ${waitMs} ms`, { cause: error });
      }
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/** SQLITE_BUSY, 5, and its extended codes; each driver says it its own way. */
function isBusy(error: unknown): boolean {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  return (typeof code === "string" && code.startsWith("SQLITE_BUSY")) || (Number(errcode) & 0xff) === 5;
}

/** Statements are prepared once; their parameters are turned into `?`, which all drivers bind alike. */
export function sessionOf(connection: SqliteConnection): SqlSession & SqlRows {
  type Statement = ReturnType<SqliteConnection["prepare"]>;
  const known = new Map<string, { readonly statement: Statement; readonly order: readonly number[] }>();
  const prepare = (sql: string) => {
    let prepared = known.get(sql);
    if (prepared === undefined) {
      const order = [...sql.matchAll(/\$(\d+)/g)].map(([, number]) => Number(number) - 1);
      prepared = { statement: connection.prepare(sql.replaceAll(/\$\d+/g, "?")), order };
      known.set(sql, prepared);
    }
    return prepared;
  };
  const bound = (order: readonly number[], params: readonly SqlValue[]): SqlValue[] =>
    order.map((index) => params[index] as SqlValue);
  return {
    get(sql, params = []) {
      const { statement, order } = prepare(sql);
      return (statement.get(...bound(order, params)) as SqlRow | undefined) ?? undefined;
    },
    run(sql, params = []) {
      const { statement, order } = prepare(sql);
      return Number(statement.run(...bound(order, params)).changes);
    },
    all(sql, params = []) {
      const { statement, order } = prepare(sql);
      return statement.all(...bound(order, params)) as SqlRow[];
    },
  };
}

// Three drivers of SQLite with one synchronous interface. None is a dependency: each is loaded where it is used.

/** What the store uses of `node:sqlite`, `better-sqlite3` and `libsql` alike. */
export interface SqliteConnection {
  exec(sql: string): unknown;
  prepare(sql: string): {
    get(...params: unknown[]): unknown;
    all(...params: unknown[]): unknown[];
    run(...params: unknown[]): { readonly changes: number | bigint };
  };
  close(): unknown;
}

export type SqliteDriver = "node:sqlite" | "better-sqlite3" | "libsql";

type Constructor = new (path: string, options?: object) => SqliteConnection;

const loaders: Readonly<Record<SqliteDriver, () => Promise<Constructor>>> = {
  // Computed, so that compilers and bundlers on a Node without it do not look for it.
  "node:sqlite": async () =>
    (
      globalThis.process.getBuiltinModule("node:sqlite" as "node:fs") as unknown as
        | { DatabaseSync: Constructor }
        | undefined
    )?.DatabaseSync ?? missing("this Node has no node:sqlite; it comes with 22.13"),
  "better-sqlite3": async () => (await import("better-sqlite3")).default as unknown as Constructor,
  libsql: async () => (await import("libsql")).default as unknown as Constructor,
};

function missing(message: string): never {
  throw new Error(message);
}

/**
 * Opens a database with the driver named, or the first of the three that is there.
 *
 * @throws Error that says what to install
 */
export async function openSqlite(path: string, driver?: SqliteDriver | undefined): Promise<SqliteConnection> {
  const drivers = driver === undefined ? (Object.keys(loaders) as SqliteDriver[]) : [driver];
  const reasons: string[] = [];
  for (const name of drivers) {
    let Database: Constructor;
    try {
      Database = await loaders[name]();
    } catch (error) {
      reasons.push(`${name}: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}`);
      continue;
    }
    return new Database(path);
  }
  throw new Error(`no driver of SQLite: npm install libsql, or better-sqlite3 (${reasons.join("; ")})`);
}

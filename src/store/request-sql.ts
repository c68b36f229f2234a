import {
  bytesOf,
  dueOf,
  isSpent,
  type RequestEventKind,
  type RequestEventRow,
  type RequestRow,
  type RequestState,
  type RestartPolicy,
} from "../async/core/request.js";
import type { OwnedKey, RequestTable, Usage } from "../async/core/table.js";
import type { Executed } from "../model/index.js";
import type { SqlRow, SqlRows, SqlSession, SqlValue } from "./sql-replies.js";

// Asynchronous requests as rows, once for all databases that speak SQL. `place` is the order of acceptance, `due` is when
// something must be done though nobody asks, and `counts` is 0 once only a key is remembered.

/** What differs between databases. */
export interface RequestDialect {
  /** The types of byte strings, and of a number that counts up by itself. */
  readonly bytes: string;
  readonly counter: string;
  /** Behind a query whose rows are changed next; and where others' rows are passed over. */
  readonly lock: string;
  readonly skip: string;
}

export const requestSchema = ({ bytes, counter }: RequestDialect): readonly string[] => [
  `CREATE TABLE IF NOT EXISTS farcall_requests (
     place ${counter}, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, request_key TEXT NOT NULL, digest TEXT NOT NULL,
     procedure_name TEXT NOT NULL, restart TEXT NOT NULL, attempts_max INTEGER NOT NULL, accepted_at BIGINT NOT NULL,
     expires_at BIGINT NOT NULL, keep_ms BIGINT NOT NULL, args ${bytes} NOT NULL, state TEXT NOT NULL,
     executed TEXT NOT NULL, outcome ${bytes} NOT NULL, reason TEXT NOT NULL, attempt INTEGER NOT NULL,
     worker TEXT NOT NULL, lease_until BIGINT NOT NULL, step INTEGER NOT NULL, cancelled INTEGER NOT NULL,
     checkpoint ${bytes} NOT NULL, last_event INTEGER NOT NULL, acknowledged INTEGER NOT NULL,
     kept_until BIGINT NOT NULL, due BIGINT NOT NULL, size BIGINT NOT NULL, counts INTEGER NOT NULL,
     UNIQUE (owner, request_key))`,
  "CREATE INDEX IF NOT EXISTS farcall_requests_waiting ON farcall_requests (place) WHERE state = 'queued'",
  "CREATE INDEX IF NOT EXISTS farcall_requests_due ON farcall_requests (due)",
  "CREATE INDEX IF NOT EXISTS farcall_requests_counted ON farcall_requests (owner, size) WHERE counts = 1",
  `CREATE TABLE IF NOT EXISTS farcall_request_events (
     id TEXT NOT NULL, number INTEGER NOT NULL, at BIGINT NOT NULL, kind TEXT NOT NULL, data ${bytes} NOT NULL,
     PRIMARY KEY (id, number))`,
];

/** What stays as it was accepted, and what may change. */
const fixed = [
  "id",
  "owner",
  "request_key",
  "digest",
  "procedure_name",
  "restart",
  "attempts_max",
  "accepted_at",
  "expires_at",
  "keep_ms",
] as const;
const changing = [
  "args",
  "state",
  "executed",
  "outcome",
  "reason",
  "attempt",
  "worker",
  "lease_until",
  "step",
  "cancelled",
  "checkpoint",
  "last_event",
  "acknowledged",
  "kept_until",
  "due",
  "size",
  "counts",
] as const;
const columns: readonly string[] = [...fixed, ...changing];

/** How many rows one statement inserts: SQLite allows some thousand parameters at the least. */
const rowsMax = 32;

/** The rows of one transaction that its caller has begun. */
export class SqlRequestTable implements RequestTable {
  readonly now: number;
  readonly #session: SqlSession & SqlRows;
  readonly #dialect: RequestDialect;

  constructor(session: SqlSession & SqlRows, dialect: RequestDialect, now: number) {
    this.#session = session;
    this.#dialect = dialect;
    this.now = now;
  }

  async find(id: string, write: boolean): Promise<RequestRow | undefined> {
    const lock = write ? this.#dialect.lock : "";
    const row = await this.#session.get(`SELECT * FROM farcall_requests WHERE id = $1${lock}`, [id]);
    return row === undefined ? undefined : rowOf(row);
  }

  async findKeys(keys: readonly OwnedKey[]): Promise<RequestRow[]> {
    const found: RequestRow[] = [];
    for (const part of parts(keys)) {
      const pairs = part.map((_, i) => `($${2 * i + 1}, $${2 * i + 2})`).join(", ");
      const params = part.flatMap(({ owner, key }) => [owner, key]);
      const sql = `SELECT * FROM farcall_requests WHERE (owner, request_key) IN (VALUES ${pairs})`;
      for (const row of await this.#session.all(sql, params)) found.push(rowOf(row));
    }
    return found;
  }

  async insert(rows: readonly RequestRow[]): Promise<ReadonlySet<string>> {
    const inserted = new Set<string>();
    for (const part of parts(rows)) {
      const values = part.map((_, i) => `(${columns.map((__, j) => `$${i * columns.length + j + 1}`).join(", ")})`);
      const sql = `INSERT INTO farcall_requests (${columns.join(", ")}) VALUES ${values.join(", ")}
        ON CONFLICT (owner, request_key) DO NOTHING RETURNING id`;
      const params = part.flatMap((row) => [...fixedOf(row), ...changingOf(row)]);
      for (const { id } of await this.#session.all(sql, params)) inserted.add(id as string);
    }
    return inserted;
  }

  async update(row: RequestRow, events: readonly RequestEventRow[]): Promise<void> {
    await this.#session.run(update, [row.id, ...changingOf(row)]);
    for (const { number, at, kind, data } of events) {
      const sql = "INSERT INTO farcall_request_events (id, number, at, kind, data) VALUES ($1, $2, $3, $4, $5)";
      await this.#session.run(sql, [row.id, number, at, kind, data]);
    }
  }

  async remove(id: string): Promise<void> {
    await this.#session.run("DELETE FROM farcall_request_events WHERE id = $1", [id]);
    await this.#session.run("DELETE FROM farcall_requests WHERE id = $1", [id]);
  }

  async waiting(procedures: readonly string[], count: number): Promise<RequestRow[]> {
    if (procedures.length === 0) return [];
    const names = procedures.map((_, i) => `$${i + 3}`).join(", ");
    const rows = await this.#session.all(
      `SELECT * FROM farcall_requests WHERE state = 'queued' AND expires_at > $1 AND procedure_name IN (${names})
       ORDER BY place LIMIT $2${this.#dialect.skip}`,
      [this.now, count, ...procedures],
    );
    return rows.map(rowOf);
  }

  async due(count: number): Promise<RequestRow[]> {
    const sql = `SELECT * FROM farcall_requests WHERE due <= $1 ORDER BY due LIMIT $2${this.#dialect.skip}`;
    return (await this.#session.all(sql, [this.now, count])).map(rowOf);
  }

  async nextDue(): Promise<number | undefined> {
    const row = await this.#session.get("SELECT min(due) AS due FROM farcall_requests");
    const due = row?.["due"];
    return due === null || due === undefined ? undefined : Number(due);
  }

  async events(id: string, after: number, count: number): Promise<RequestEventRow[]> {
    const rows = await this.#session.all(
      "SELECT * FROM farcall_request_events WHERE id = $1 AND number > $2 ORDER BY number LIMIT $3",
      [id, after, count],
    );
    return rows.map((row) => ({
      number: Number(row["number"]),
      at: Number(row["at"]),
      kind: row["kind"] as RequestEventKind,
      data: bytesIn(row["data"]),
    }));
  }

  async forgetEvents(id: string, through: number): Promise<void> {
    await this.#session.run("DELETE FROM farcall_request_events WHERE id = $1 AND number <= $2", [id, through]);
  }

  async usage(owner?: string): Promise<Usage> {
    const select = "SELECT count(*) AS n, sum(size) AS bytes FROM farcall_requests WHERE counts = 1";
    const row =
      owner === undefined
        ? await this.#session.get(select)
        : await this.#session.get(`${select} AND owner = $1`, [owner]);
    return { count: Number(row?.["n"]), bytes: Number(row?.["bytes"] ?? 0) };
  }

  async list(owner: string, count: number): Promise<RequestRow[]> {
    const sql = "SELECT * FROM farcall_requests WHERE counts = 1 AND owner = $1 ORDER BY place DESC LIMIT $2";
    return (await this.#session.all(sql, [owner, count])).map(rowOf);
  }
}

const update = `UPDATE farcall_requests SET ${changing.map((name, i) => `${name} = $${i + 2}`).join(", ")} WHERE id = $1`;

function* parts<T>(all: readonly T[]): Iterable<readonly T[]> {
  for (let i = 0; i < all.length; i += rowsMax) yield all.slice(i, i + rowsMax);
}

function fixedOf(row: RequestRow): SqlValue[] {
  const { id, owner, key, digest, procedure, restart, attemptsMax, acceptedAt, expiresAt, keepMs } = row;
  return [id, owner, key, digest, procedure, restart, attemptsMax, acceptedAt, expiresAt, keepMs];
}

function changingOf(row: RequestRow): SqlValue[] {
  return [
    row.args,
    row.state,
    row.executed,
    row.outcome,
    row.reason,
    row.attempt,
    row.worker,
    row.leaseUntil,
    row.step,
    row.cancelled ? 1 : 0,
    row.checkpoint,
    row.lastEvent,
    row.acknowledged,
    row.keptUntil,
    dueOf(row),
    bytesOf(row),
    isSpent(row) ? 0 : 1,
  ];
}

function rowOf(row: SqlRow): RequestRow {
  const number = (name: string): number => Number(row[name]);
  const text = (name: string): string => row[name] as string;
  return {
    id: text("id"),
    owner: text("owner"),
    key: text("request_key"),
    digest: text("digest"),
    procedure: text("procedure_name"),
    restart: text("restart") as RestartPolicy,
    attemptsMax: number("attempts_max"),
    acceptedAt: number("accepted_at"),
    expiresAt: number("expires_at"),
    keepMs: number("keep_ms"),
    args: bytesIn(row["args"]),
    state: text("state") as RequestState,
    executed: text("executed") as Executed,
    outcome: bytesIn(row["outcome"]),
    reason: text("reason"),
    attempt: number("attempt"),
    worker: text("worker"),
    leaseUntil: number("lease_until"),
    step: number("step"),
    cancelled: number("cancelled") !== 0,
    checkpoint: bytesIn(row["checkpoint"]),
    lastEvent: number("last_event"),
    acknowledged: number("acknowledged"),
    keptUntil: number("kept_until"),
  };
}

/** Drivers give a Buffer, which may be a view into a larger one. */
function bytesIn(value: unknown): Uint8Array {
  return new Uint8Array(value as Uint8Array);
}

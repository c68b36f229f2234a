import type { PoolClient } from "pg";
import type { SqlRow, SqlRows, SqlSession, SqlValue } from "./sql-replies.js";

/** Held by who makes the tables, so that two servers that start together do not both: any number, always the same. */
export const schemaLock = 0x6661_7263;

export const clock = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/** `local`, `remote_write` and `remote_apply` reach this server's disk too; only `off` does not. */
export async function setting(client: PoolClient, name: string): Promise<boolean> {
  const { rows } = await client.query(`SHOW ${name}`);
  return (rows[0] as Record<string, string>)[name] !== "off";
}

export async function loadPg(): Promise<typeof import("pg")> {
  try {
    const { default: pg } = await import("pg");
    return pg as unknown as typeof import("pg");
  } catch (error) {
    throw new Error("a store in PostgreSQL needs pg: npm install pg", { cause: error });
  }
}

export function sessionOf(client: PoolClient): SqlSession & SqlRows {
  const bound = (params: readonly SqlValue[]): unknown[] =>
    params.map((value) => (value instanceof Uint8Array ? Buffer.from(value) : value));
  return {
    get: async (sql, params = []) => (await client.query(sql, bound(params))).rows[0] as SqlRow | undefined,
    run: async (sql, params = []) => (await client.query(sql, bound(params))).rowCount ?? 0,
    all: async (sql, params = []) => (await client.query(sql, bound(params))).rows as SqlRow[],
  };
}

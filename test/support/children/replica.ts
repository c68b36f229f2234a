// One of two servers that stand for the same service: `node replica OPTIONS`, which are ReplicaOptions as JSON. Prints
// `READY ADDRESS`, and at a step where the dice say so `killed STEP`, then kills itself.
import { writeSync } from "node:fs";
import { join } from "node:path";
import { Server } from "farcall";
import {
  openPostgresReplyStore,
  openSqliteReplyStore,
  type PostgresTransaction,
  type ReplyStore,
  type SqliteTransaction,
} from "farcall/store";
import pg from "pg";
import { openSqlite } from "../../../src/store/sqlite-driver.js";
import { seeded } from "../faults.js";
import { type CrashStep, type ReplicaOptions, ReplicatedV1 } from "../replicas.js";

const { memory, database, owner, crashes, seed } = JSON.parse(process.argv[2] ?? "") as ReplicaOptions;
const random = seeded(seed);

/** Here the process may end, as if the power had failed. */
function mayDie(step: CrashStep): void {
  if (random() >= crashes) return;
  // Not through a stream, whose bytes would die with the process.
  writeSync(1, `killed ${step}\n`);
  process.kill(process.pid, "SIGKILL");
}

type Transaction = SqliteTransaction | PostgresTransaction;
const insert = (call: number): string => `INSERT INTO effects VALUES (${call})`;

/** Takes effect by itself, committed when it returns. */
async function openEffects(): Promise<(call: number) => Promise<void>> {
  if (database.kind === "postgres") {
    const client = new pg.Client(database.connection);
    await client.connect();
    return async (call) => void (await client.query(insert(call)));
  }
  const connection = await openSqlite(join(database.folder, "effects.db"));
  connection.exec("PRAGMA busy_timeout = 10000");
  return async (call) => void connection.exec(insert(call));
}

async function openStore(): Promise<ReplyStore<Transaction>> {
  const lockTimeoutMs = 30_000;
  // Where the effect is not part of the store's transaction, it must not wait for its lock either.
  const file = memory === "atomic" ? "effects.db" : "replies.db";
  return database.kind === "postgres"
    ? await openPostgresReplyStore({ connection: database.connection, connectionsMax: 2, lockTimeoutMs })
    : await openSqliteReplyStore({ path: join(database.folder, file), lockTimeoutMs });
}

/** The same store, whose process may be killed after each of its steps. */
function mortal(store: ReplyStore<Transaction>): ReplyStore<Transaction> {
  const { id, replyWindowMs, durable, shared, transactional } = store;
  return {
    ...{ id, replyWindowMs, durable, shared, transactional },
    async claim(request) {
      const claim = await store.claim(request);
      if (claim.state !== "fresh") return claim;
      mayDie("claimed");
      return {
        state: "fresh",
        transaction: claim.transaction,
        async complete(reply) {
          await claim.complete(reply);
          mayDie("kept");
        },
        abandon: () => claim.abandon(),
      };
    },
    look: (request) => store.look(request),
    forget: (caller, through) => store.forget(caller, through),
    close: () => store.close(),
  };
}

const effects = memory === "atomic" ? undefined : await openEffects();
const shared = memory === "claim-first" || memory === "atomic";
const server = new Server<Transaction>({
  replyCache: memory === "none" ? false : shared ? { store: mortal(await openStore()), owner } : {},
  authorize: () => {
    mayDie("arrived");
    return undefined;
  },
});
server.export(ReplicatedV1, {
  async apply(call) {
    await effects?.(call);
    mayDie("taken effect");
    return call;
  },
  async applyOnce(call, { transaction }) {
    if ("query" in transaction) await transaction.query(insert(call));
    else transaction.run(insert(call));
    mayDie("taken effect");
    return call;
  },
});
process.stdout.write(`READY ${await server.listen("udp://127.0.0.1:0")}\n`);

// Whoever started this may be killed too.
const parent = process.ppid;
setInterval(() => process.ppid === parent || process.exit(), 1_000).unref();

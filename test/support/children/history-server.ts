// The server of a real history: `node history-server OPTIONS`, which are HistoryServerOptions as JSON. Prints `READY ADDRESS`.
import { join } from "node:path";
import { Server } from "farcall";
import {
  openPostgresReplyStore,
  openSqliteReplyStore,
  type PostgresTransaction,
  type ReplyStore,
  type SqliteTransaction,
} from "farcall/store";
import { later } from "../faults.js";
import { HistoricV1, type HistoryServerOptions, Journal, machineMs, type ProcedureName } from "../history.js";

const { address, journal: path, boot, database, busyMs } = JSON.parse(process.argv[2] ?? "") as HistoryServerOptions;
const journal = new Journal(path);
let runs = 0;

type Transaction = SqliteTransaction | PostgresTransaction;

async function openStore(): Promise<ReplyStore<Transaction> | undefined> {
  if (database === undefined) return undefined;
  return database.kind === "postgres"
    ? await openPostgresReplyStore({ connection: database.connection })
    : await openSqliteReplyStore({ path: join(database.folder, "effects.db") });
}

/** Says in the journal that the call runs, before it does anything. */
function run(procedure: ProcedureName, call: number): number {
  // Of each boot its own: no two executions give the same.
  const value = boot * 1_000_000 + ++runs;
  journal.write({ is: "run", call, procedure, value, ms: machineMs() });
  return value;
}

/** Some answer at once, some take their time. */
async function beBusy(): Promise<void> {
  if (Math.random() < 0.5) await later(Math.random() * busyMs);
}

const handler =
  (procedure: ProcedureName) =>
  async (call: number): Promise<number> => {
    const value = run(procedure, call);
    await beBusy();
    return value;
  };

const store = await openStore();
const server = new Server<Transaction>({
  replyCache: store === undefined ? {} : { store, owner: "historic" },
  // A store that was killed is no surprise here.
  onError: () => {},
});
server.export(HistoricV1, {
  hint: handler("hint"),
  often: handler("often"),
  once: handler("once"),
  async exactly(call, { transaction }) {
    const value = run("exactly", call);
    const sql = `INSERT INTO effects VALUES (${call}, ${value})`;
    if ("query" in transaction) await transaction.query(sql);
    else transaction.run(sql);
    await beBusy();
    return value;
  },
});
process.stdout.write(`READY ${await server.listen(address)}\n`);

// Whoever started this may be killed too.
const parent = process.ppid;
setInterval(() => process.ppid === parent || process.exit(), 1_000).unref();

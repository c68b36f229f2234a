// A server to be asked afterwards: `node settled-server ADDRESS [FOLDER]`; with a folder its replies are kept in SQLite
// there. Prints `READY ADDRESS`, then `ran CALL` as each call begins. Odd calls are never answered.
import { writeSync } from "node:fs";
import { join } from "node:path";
import { Server } from "farcall";
import { openSqliteReplyStore, type SqliteTransaction } from "farcall/store";
import { HistoricV1 } from "../history.js";

const [address = "", folder] = process.argv.slice(2);
const store = folder === undefined ? undefined : await openSqliteReplyStore({ path: join(folder, "replies.db") });
const server = new Server<SqliteTransaction>({ replyCache: store === undefined ? {} : { store, owner: "settled" } });
const run = (call: number): number | Promise<number> => {
  writeSync(1, `ran ${call}\n`);
  return call % 2 === 0 ? 2 * call : new Promise<number>(() => {});
};
server.export(HistoricV1, { hint: run, often: run, once: run, exactly: run });
process.stdout.write(`READY ${await server.listen(address)}\n`);

// Whoever started this may be killed too.
const parent = process.ppid;
setInterval(() => process.ppid === parent || process.exit(), 1_000).unref();

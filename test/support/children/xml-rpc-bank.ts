// One of the servers of one bank: `node xml-rpc-bank FOLDER OWNER LEASE-MS`. Prints `READY URL`. `bank.pay` writes a line of its owner
// into FOLDER/runs before it does anything, and ends when there is a file FOLDER/go.
import { appendFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { Server } from "farcall";
import { openSqliteReplyStore } from "farcall/store";
import { int, method, xmlRpcService } from "farcall/xmlrpc";
import { later } from "../faults.js";

const [folder = ".", owner = "", leaseMs = ""] = process.argv.slice(2);
const Bank = xmlRpcService({ pay: method("bank.pay", { params: [int], result: int }) });

const store = await openSqliteReplyStore({ path: join(folder, "replies.db"), lockTimeoutMs: 30_000 });
const server = new Server({ xmlRpc: { replyCache: { store, owner, leaseMs: Number(leaseMs) } } });
server.export(Bank, {
  async pay(amount) {
    appendFileSync(join(folder, "runs"), `${owner}\n`);
    while (!existsSync(join(folder, "go"))) await later(10);
    return amount * 2;
  },
});
process.stdout.write(`READY ${await server.listen("http://127.0.0.1:0/RPC2")}\n`);

// Runs inside the namespaces of cut-off-namespace.sh: `node cut-off TRANSPORT END SERVER_SCRIPT`. Calls a server on the
// other machine, cuts the cable at one end in the middle of the calls, and puts it back. Prints JSON lines.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect, RpcError } from "farcall";
import { later, until } from "../faults.js";
import { LedgerV1 } from "../ledger.js";
import { Running } from "../processes.js";

const [transport = "", end = "", script = ""] = process.argv.slice(2);
const say = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
const ip = (...args: string[]): void => void execFileSync("ip", args, { stdio: "pipe" });
const device = end === "near" ? ["near"] : ["far0"];
const at = end === "near" ? [] : ["-n", "far"];

const server = new Running("ip", ["netns", "exec", "far", process.execPath, script, `${transport}://10.77.0.2:0`]);
const [, address = ""] = await server.line(/^READY (\S+)$/);
const ran = (): Set<number> =>
  new Set(server.lines.filter((line) => line.startsWith("ran ")).map((line) => Number(line.slice(4))));

const ca = process.env["FARCALL_CA"];
const client = await connect(LedgerV1, address, {
  retry: { backoff: { initialMs: 20, maxMs: 100 } },
  connectTimeoutMs: 500,
  retransmit: { initialMs: 50 },
  probeAfterMs: 200,
  probeTimeoutMs: 200,
  tls: ca === undefined ? undefined : { ca: readFileSync(ca) },
});
await client.add(1);

/** Makes a call, and says how it ended and how long it took beyond its time. */
async function outcome(id: number, procedure: "add" | "read" | "hang" | "hangRead"): Promise<object> {
  const timeoutMs = 1_000;
  const startedAt = performance.now();
  try {
    return { id, procedure, code: "done", executed: "yes", value: await client[procedure](id, { timeoutMs }) };
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    const late = performance.now() - startedAt - timeoutMs;
    return { id, procedure, code: error.code, executed: error.executed, late };
  }
}

const procedures = ["add", "read", "hang", "hangRead"] as const;
const before = [outcome(2, "hang"), outcome(3, "hangRead")];
await until(() => ran().has(3));
ip(...at, "link", "set", ...device, "down");
const during = procedures.map((procedure, i) => outcome(10 + i, procedure));
for (const ended of await Promise.all([...before, ...during])) say(ended);
// By now the connection is known to say nothing.
for (const ended of await Promise.all(procedures.map((procedure, i) => outcome(20 + i, procedure)))) say(ended);
ip(...at, "link", "set", ...device, "up");
let value: number | undefined;
for (let tries = 0; value === undefined && tries < 20; tries++) {
  value = await client.read(30, { timeoutMs: 2_000 }).catch(() => undefined);
  if (value === undefined) await later(50);
}
const stats = client.$stats();
await client.$close();
say({ again: value, pending: stats.pending, queued: stats.queued, ran: [...ran()] });
await server.stop();
await later(100);
say({ timers: process.getActiveResourcesInfo().filter((name) => name === "Timeout").length });
process.exit(0);

// A client of a real history: `node history-client OPTIONS`, which are HistoryClientOptions as JSON. It makes its calls,
// and ends when the last of them has ended.
import { type Client, connect, RpcError } from "farcall";
import { later, seeded } from "../faults.js";
import {
  type Historic,
  HistoricV1,
  type HistoryClientOptions,
  Journal,
  machineMs,
  type ProcedureName,
} from "../history.js";

const options = JSON.parse(process.argv[2] ?? "") as HistoryClientOptions;
const journal = new Journal(options.journal);
const random = seeded(options.seed);
const oneOf = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;

// Whoever started this may be killed too.
const parent = process.ppid;
setInterval(() => process.ppid === parent || process.exit(1), 1_000).unref();

/** The server may be away just now. */
async function connected(): Promise<Client<Historic>> {
  for (let left = 500; ; left--) {
    try {
      const retry = { backoff: { initialMs: 5, maxMs: 100 } };
      return await connect(HistoricV1, options.address, { session: options.session, retry });
    } catch (error) {
      if (left === 0) throw error;
      await later(20);
    }
  }
}

const client = await connected();
let next = options.from;

async function callOne(call: number): Promise<boolean> {
  const procedure: ProcedureName = oneOf(options.procedures);
  const timeoutMs = oneOf(options.timeoutsMs);
  journal.write({ is: "call", call, procedure, timeoutMs, ms: machineMs() });
  try {
    const value = await client[procedure](call, { timeoutMs });
    journal.write({ is: "value", call, value, ms: machineMs() });
    return true;
  } catch (error) {
    // Anything else ends the process, which is found out.
    if (!(error instanceof RpcError)) throw error;
    const { code, executed, attempts, message } = error;
    journal.write({ is: "failure", call, code, executed, attempts, message, ms: machineMs() });
    if (executed === "unknown") await settle(procedure, call, error);
    return false;
  }
}

/** Asks a few times what became of a call: the server may be away for a while. */
async function settle(procedure: ProcedureName, call: number, error: RpcError): Promise<void> {
  for (let left = 5; left > 0; left--) {
    const settlement = await client.$settle(procedure, error, { timeoutMs: 1_000 });
    const { executed } = settlement;
    const value = "value" in settlement ? settlement.value : undefined;
    const reason = "reason" in settlement ? settlement.reason : undefined;
    if (executed === "unknown" && left > 1) continue;
    journal.write({ is: "settled", call, executed, value, reason, ms: machineMs() });
    return;
  }
}

async function work(): Promise<void> {
  while (next <= options.to) {
    // A server that is away refuses at once: no reason to use the numbers up.
    const pauseMs = (await callOne(next++)) ? 2 * options.paceMs * random() : 200;
    await later(pauseMs);
  }
}
await Promise.all(Array.from({ length: options.window }, work));
await client.$close();
journal.write({ is: "over" });

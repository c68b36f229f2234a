// Connects to the ledger and then does what it is told: `node ledger-client WHAT ADDRESS SESSION`. It never ends itself.
import { connect, RpcError } from "farcall";
import { OncClient } from "farcall/onc";
import { nothing, uint } from "farcall/xdr";
import { LedgerV1 } from "../ledger.js";

const [what = "", address = "", session = "off"] = process.argv.slice(2);
const print = (line: string): void => void process.stdout.write(`${line}\n`);
const client = await connect(LedgerV1, address, {
  timeoutMs: 300,
  session: session as "off" | "auto",
  retry: { backoff: { initialMs: 5 } },
});

// What ends before there is a session was never sent.
await client.$guarantee();

const told = (error: unknown): void => {
  if (!(error instanceof RpcError)) throw error;
  print(`${error.code} ${error.executed}`);
};

switch (what) {
  // A connection that nobody uses.
  case "idle":
    break;
  // One that was used.
  case "used":
    print(String(await client.add(21)));
    break;
  // A call that nobody awaits still gets its end.
  case "pending":
    void client.hang(1).catch(told);
    break;
  case "cancelled":
    void client.hang(1, { signal: AbortSignal.timeout(20) }).catch(told);
    break;
  case "closed":
    void client.hang(1).catch(told);
    void client.$close();
    break;
  // Nobody waits for an answer, so nothing keeps the process but what is still to be written.
  case "one-way": {
    const numbers = { program: LedgerV1.program, version: LedgerV1.version, procedure: 3 };
    const other = await OncClient.open(address);
    await other.call(numbers, uint, 7, nothing, { oneWay: true });
    break;
  }
  // Its server is gone, and it is not asked for again.
  case "crash":
    await client.crash().catch(told);
    break;
  default:
    throw new Error(`no such thing: ${what}`);
}
print("end of program");

// Talks to an instrument: npm run -s example:vxi11:client -- tcp://127.0.0.1:PORT
// Without a port it asks the instrument's port mapper, so this works with a real one too: tcp://192.0.2.17 "*IDN?"
import { RpcError } from "farcall";
import { Vxi11Instrument } from "./instrument.js";
import { Vxi11Error } from "./outcome.js";

const usage = `usage: vxi11-client [ADDRESS [COMMAND...]]
ADDRESS: tcp://HOST[:PORT] (default tcp://127.0.0.1); without a port the instrument's port mapper is asked
COMMAND: such as "*IDN?"; without one, a demonstration of what the simulator beside this can do`;

const [address = "tcp://127.0.0.1", ...commands] = process.argv.slice(2);
if (address.startsWith("-")) {
  console.error(usage);
  process.exit(address === "--help" || address === "-h" ? 0 : 2);
}

try {
  await using meter = await Vxi11Instrument.open(address, { connectTimeoutMs: 3_000, ioTimeoutMs: 5_000 });
  if (commands.length === 0) await show(meter);
  for (const command of commands) if (!(await tell(meter, command))) process.exitCode = 1;
} catch (error) {
  console.error(`failed: ${reasonOf(error)}`);
  process.exitCode = 1;
}

/** What our simulator can do. */
async function show(meter: Vxi11Instrument): Promise<void> {
  await tell(meter, "*IDN?");
  await tell(meter, "VOLT 2.5");
  await tell(meter, "MEAS:VOLT?");

  console.log("\nA question whose answer takes longer than we wait:");
  await tell(meter, "SLOW? 300", 100);
  console.log("The next question gets its own answer:");
  await tell(meter, "VOLT?");

  console.log("\nThe instrument hangs, and does not even keep its I/O timeout:");
  await tell(meter, "DIAG:STALL 60000");
  await tell(meter, "VOLT?", 100);
  console.log("What hangs is aborted, and the next question gets its own answer:");
  await tell(meter, "VOLT?");

  console.log("\nWhat the instrument did not like:");
  await tell(meter, "VOLT 1000");
  await tell(meter, "SYST:ERR?");
}

/** Sends a command, and prints what comes of it; whether it succeeded. */
async function tell(meter: Vxi11Instrument, command: string, ioTimeoutMs?: number): Promise<boolean> {
  try {
    if (command.includes("?")) console.log(`${command} -> ${await meter.query(command, { ioTimeoutMs })}`);
    else {
      await meter.write(command, { ioTimeoutMs });
      console.log(command);
    }
    return true;
  } catch (error) {
    console.log(`${command} -> ${reasonOf(error)}`);
    return false;
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Vxi11Error) return `${error.message}; executed: ${error.executed}`;
  if (error instanceof RpcError) return `${error.code}; executed: ${error.executed} (${error.message})`;
  throw error;
}

// Serves the simulated voltmeter: npm run -s example:vxi11 -- --register, and then lxi scpi -a 127.0.0.1 "*IDN?"
import { parseArgs } from "node:util";
import { RpcError } from "farcall";
import { Simulator } from "./simulator/simulator.js";

try {
  const { values } = parseArgs({
    options: {
      host: { type: "string", default: "127.0.0.1" },
      port: { type: "string", default: "0" },
      register: { type: "boolean", default: false },
    },
  });
  const port = Number(values.port);
  if (!/^\d+$/.test(values.port) || port > 65_535)
    throw new TypeError(`--port is a number up to 65535, not ${values.port}`);
  const simulator = await Simulator.start({ host: values.host, port, register: values.register });
  console.log(simulator.address);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void simulator.close());
} catch (error) {
  // An option that is not known, or lacks its value, is one too.
  const mistaken = error instanceof TypeError;
  if (!mistaken && !(error instanceof RpcError)) throw error;
  console.error((error as Error).message);
  if (mistaken) console.error("usage: vxi11 [--host ADDRESS] [--port PORT] [--register]");
  process.exit(mistaken ? 2 : 1);
}

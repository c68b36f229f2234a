// Serves the simulated voltmeter: npm run -s example:vxi11 -- --register, and then lxi scpi -a 127.0.0.1 "*IDN?"
import { parseArgs } from "node:util";
import { RpcError } from "farcall";
import { Simulator } from "./simulator/simulator.js";

const { values } = parseArgs({
  options: {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "0" },
    register: { type: "boolean", default: false },
  },
});

try {
  const simulator = await Simulator.start({ host: values.host, port: Number(values.port), register: values.register });
  console.log(simulator.address);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void simulator.close());
} catch (error) {
  if (!(error instanceof RpcError)) throw error;
  console.error(error.message);
  process.exit(1);
}

// Serves calc.x on TCP and UDP, and on a Unix socket if asked: npm run -s example:calc -- --port 20101
import { parseArgs } from "node:util";
import { RpcError, Server } from "farcall";
import { CalcV1 } from "./calc.js";
import { calc } from "./service.js";

const values = options();

const server = new Server();
server.export(CalcV1, calc);

try {
  const tcp = await server.listen(`tcp://127.0.0.1:${values.port}`);
  const { port } = new URL(tcp);
  await server.listen(`udp://127.0.0.1:${port}`);
  if (values.unix !== undefined) await server.listen(`unix:${values.unix}`);
  for (const address of server.addresses) console.log(address);
} catch (error) {
  if (!(error instanceof RpcError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
  await server.close();
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void server.close({ drainMs: 1_000 }));
}

function options(): { port: string; unix?: string } {
  try {
    return parseArgs({ options: { port: { type: "string", default: "20101" }, unix: { type: "string" } } }).values;
  } catch (error) {
    console.error(`${(error as Error).message}\nusage: calc [--port PORT] [--unix PATH]`);
    process.exit(2);
  }
}

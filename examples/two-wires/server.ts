// One implementation, two wires: C programs call it by ONC RPC, and Python by XML-RPC.
// npm run -s example:two-wires -- --port 20101 --http 20180 [--folder FOLDER]
import { parseArgs } from "node:util";
import { RpcError, Server } from "farcall";
import { overXmlRpc } from "farcall/xmlrpc";
import { CalcV1 } from "../calc/calc.js";
import { calc } from "../calc/service.js";
import { StatelessFilesV1 } from "../file-service/files.js";
import { Folder } from "../file-service/folder.js";
import { statelessFiles } from "../file-service/stateless.js";

const { port, http, folder } = options();

const files = statelessFiles(new Folder(folder));
const server = new Server();
server.export(CalcV1, calc).export(overXmlRpc(CalcV1), calc);
server.export(StatelessFilesV1, files).export(overXmlRpc(StatelessFilesV1, { prefix: "files" }), files);

try {
  await server.listen(`tcp://127.0.0.1:${port}`);
  await server.listen(`http://127.0.0.1:${http}`);
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

function options(): { port: string; http: string; folder: string } {
  try {
    return parseArgs({
      options: {
        port: { type: "string", default: "20101" },
        http: { type: "string", default: "20180" },
        folder: { type: "string", default: "." },
      },
    }).values;
  } catch (error) {
    console.error(`${(error as Error).message}\nusage: two-wires [--port PORT] [--http PORT] [--folder FOLDER]`);
    process.exit(2);
  }
}

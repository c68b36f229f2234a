// Runs inside the namespace of rpcbind-namespace.ts: registers a few programs, and lets rpcinfo and `farcall info` say
// what they see. Prints a line of JSON for each command.
//   node info-beside-rpcinfo FARCALL-MAIN C-SERVER COMMANDS-AS-JSON
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { Server } from "farcall";
import { type OncService, oncProgram } from "farcall/onc";

const [main = "", classicServer = "", commands = "[]"] = process.argv.slice(2);

const program = (number: number, version: number): OncService<object> =>
  oncProgram<object>({ name: "ANY", program: number, version, procedures: {} });

/** Serves and registers versions of programs. */
async function serve(versions: readonly (readonly [number, number])[], addresses: readonly string[]): Promise<Server> {
  const server = new Server();
  for (const [number, version] of versions) server.export(program(number, version), {});
  for (const address of addresses) await server.listen(address);
  await server.register();
  return server;
}

const run = (command: string, args: readonly string[]): Promise<object> =>
  new Promise((resolve) =>
    execFile(command, args, (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr })),
  );

const everywhere = ["tcp://0.0.0.0:0", "udp://0.0.0.0:0", "tcp://[::1]:0", "unix:/run/any.sock"];
await serve(
  [
    [100003, 3],
    [100003, 4],
    [100005, 1],
    [100005, 3],
    [0x3fffffff, 2_000_000_000],
  ],
  everywhere,
);
await serve([[100024, 1]], ["udp://127.0.0.1:0"]);
const c = spawn(classicServer, { stdio: ["ignore", "pipe", "inherit"] });
await once(c.stdout, "data");

for (const args of JSON.parse(commands) as string[][]) {
  const [theirs, ours] = [await run("rpcinfo", args), await run(process.execPath, [main, "info", ...args])];
  process.stdout.write(`${JSON.stringify({ theirs, ours })}\n`);
}
c.kill();
process.exit();

// Serves the ledger at the addresses it is given: prints `READY ADDRESS...`, then `ran ID` as each call begins.
import { Server } from "farcall";
import { LedgerV1 } from "../ledger.js";

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const ran = (id: number): void => print(`ran ${id}`);

const server = new Server();
server.export(LedgerV1, {
  add(id) {
    ran(id);
    return 2 * id;
  },
  read(id) {
    ran(id);
    return 2 * id;
  },
  hang(id) {
    ran(id);
    return new Promise<number>(() => {});
  },
  hangRead(id) {
    ran(id);
    return new Promise<number>(() => {});
  },
  crash() {
    process.kill(process.pid, "SIGKILL");
  },
});
const addresses: string[] = [];
for (const address of process.argv.slice(2)) addresses.push(await server.listen(address));
print(`READY ${addresses.join(" ")}`);

// Whoever started this may be killed too.
const parent = process.ppid;
setInterval(() => process.ppid === parent || process.exit(), 1_000).unref();

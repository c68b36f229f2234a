// Serves the ledger at the addresses it is given, over TLS where FARCALL_CERT and FARCALL_KEY name files: prints `READY
// ADDRESS...`, then `ran ID` as each call begins.
import { readFileSync, writeSync } from "node:fs";
import { Server } from "farcall";
import { LedgerV1 } from "../ledger.js";

const { FARCALL_CERT: cert, FARCALL_KEY: key } = process.env;
const tls = cert === undefined || key === undefined ? undefined : { cert: readFileSync(cert), key: readFileSync(key) };

// At once, and not by a stream that may hold it back: what a killed server did must be known.
const print = (line: string): number => writeSync(1, `${line}\n`);
const ran = (id: number): void => void print(`ran ${id}`);

const server = new Server({ tls });
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

// A server to attack: `node hostile-target OPTIONS ADDRESS...`, the options as JSON. Prints `READY ADDRESS...`.
import { readdirSync } from "node:fs";
import { Server, type ServerOptions } from "farcall";
import { TargetV1 } from "../hostile-target.js";

const [options = "{}", ...wanted] = process.argv.slice(2);
// One buffer for all: what handlers allocate is theirs to limit.
const large = new Uint8Array(8 * 1024 * 1024);

const server = new Server({ onError: () => {}, ...(JSON.parse(options) as ServerOptions) });
server.export(TargetV1, {
  take: (bytes) => bytes.length,
  give: (size) => Promise.resolve(large.subarray(0, size)),
  hold: (bytes) => new Promise((resolve) => setTimeout(() => resolve(bytes.length), 1_000)),
  usage() {
    // Without the option there is nothing to call; then the figures hold garbage too.
    (globalThis as { gc?: () => void }).gc?.();
    const { heapUsed, external, rss } = process.memoryUsage();
    const descriptors = readdirSync("/proc/self/fd").length;
    return JSON.stringify({ heapUsed, external, rss, descriptors });
  },
});
const addresses: string[] = [];
for (const address of wanted) addresses.push(await server.listen(address));
process.stdout.write(`READY ${addresses.join(" ")}\n`);

// Whoever started this may be killed too.
const parent = process.ppid;
setInterval(() => process.ppid === parent || process.exit(), 1_000).unref();

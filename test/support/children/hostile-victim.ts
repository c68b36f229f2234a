// A client of a hostile server: `node hostile-victim ADDRESS ROUNDS SESSION`. Makes calls, round after round, and prints how
// they ended: `ENDS JSON`, by `code executed`. It prints `UP` first, once it has answered itself to be warm.
import { connect, MemoryNetwork, RpcError, Server } from "farcall";
import { TargetV1 } from "../hostile-target.js";

const [address = "", rounds = "1", session = "off"] = process.argv.slice(2);
const print = (line: string): void => void process.stdout.write(`${line}\n`);

// What a client needs that is not attacked: its code compiled, its buffers made.
const network = new MemoryNetwork();
const server = new Server({ network });
server.export(TargetV1, {
  take: (bytes) => bytes.length,
  give: (size) => new Uint8Array(size),
  hold: () => 0,
  usage: () => "",
});
await server.listen("memory://warm");
const warm = await connect(TargetV1, "memory://warm", { network });
for (let i = 0; i < 200; i++) await warm.take(new Uint8Array(10_000));
await warm.$close();
await server.close();
print("UP");

const timeoutMs = 250;
const client = await connect(TargetV1, address, {
  timeoutMs,
  session: session as "off" | "auto" | "require",
  retry: { backoff: { initialMs: 5, maxMs: 20 } },
});
const ends: Record<string, number> = {};
let latest = 0;
for (let round = 0; round < Number(rounds); round++) {
  const startedAt = performance.now();
  const calls = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? client.take(new Uint8Array(40)) : client.give(i)));
  for (const outcome of await Promise.allSettled(calls)) {
    let end = "done";
    if (outcome.status === "rejected") {
      const error: unknown = outcome.reason;
      end = error instanceof RpcError ? `${error.code} ${error.executed}` : `CRASH ${String(error)}`;
    }
    ends[end] = (ends[end] ?? 0) + 1;
  }
  latest = Math.max(latest, performance.now() - startedAt - timeoutMs);
}
const { pending, queued } = client.$stats();
await client.$close();
// Its own word for the peak: the process may be gone before anybody looks.
const high = process.resourceUsage().maxRSS * 1024;
print(`ENDS ${JSON.stringify({ ends, pending, queued, latest, high })}`);

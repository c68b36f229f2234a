import { mkdirSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Client, connect, requests, Server } from "farcall";
import type { RequestEngine } from "farcall/async";
import { RequestQueue } from "farcall/async";
import { keepCalling } from "../calls.js";
import type { Caller, Contender } from "../contender.js";
import { BenchV1 } from "../generated/bench.js";

/** Asynchronous requests over TCP that are kept by an engine before they are answered; nobody runs them. */
export const acceptingWith = (open: () => Promise<RequestEngine>): Contender => ({
  async serve() {
    // Nobody takes any out, so that what is measured is taking them in.
    const queue = new RequestQueue({
      engine: await open(),
      requestsMax: 100_000_000,
      requestsPerOwnerMax: 100_000_000,
      requestBytesPerOwnerMax: 1e12,
    });
    queue.accept(BenchV1);
    const server = new Server();
    queue.serve(server, { over: "onc" });
    return await server.listen("tcp://127.0.0.1:0");
  },

  async connect(address): Promise<Caller> {
    const client = await connect(BenchV1, address);
    const queued = requests(client as Client<BenchV1>);
    const pair = { a: 20, b: 22 };
    return { kinds: ["accept"], run: (_kind, window, ms) => keepCalling(() => queued.add(pair), window, ms) };
  },
});

/** A new folder on the disk that the checkout is on: what is in memory only is flushed in no time. */
export function newFolder(): string {
  const home = fileURLToPath(new URL("../../../.build/bench-async", import.meta.url));
  mkdirSync(home, { recursive: true });
  return mkdtempSync(join(home, "run-"));
}

// Plays its share of the histories of scripts/simulate.mjs, in a thread of its own.
import { parentPort, workerData } from "node:worker_threads";
import type { Semantics } from "farcall";
import { simulate } from "farcall/testing";
import { simulateAsync } from "./async-simulate.js";
import { ledgerSimulation } from "./ledger.js";

const { seed, histories, guarantee, shared } = workerData as {
  readonly seed: number;
  readonly histories: number;
  readonly guarantee: Semantics | "async" | undefined;
  /** How many histories are given out, how many are played, and whether to stop. */
  readonly shared: SharedArrayBuffer;
};
const counters = new Int32Array(shared);

/** How many histories are taken at a time. */
const share = 100;

// Thousands of calls fail in each second, and nobody looks at where.
Error.stackTraceLimit = 0;

for (;;) {
  const first = Atomics.add(counters, 0, share);
  if (first >= histories || Atomics.load(counters, 2) !== 0) break;
  let before = 0;
  const part = {
    seed: (seed + first) >>> 0,
    histories: Math.min(share, histories - first),
    onProgress: (played: number) => {
      Atomics.add(counters, 1, played - before);
      before = played;
    },
  };
  const report =
    guarantee === "async" ? await simulateAsync(part) : await simulate({ ...ledgerSimulation(guarantee), ...part });
  if (report.violation !== undefined) Atomics.store(counters, 2, 1);
  parentPort?.postMessage(report);
}

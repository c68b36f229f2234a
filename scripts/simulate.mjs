// Plays histories of clients and servers in a simulated world in which everything goes wrong that may, and checks that
// every guarantee was kept.
//
//   npm run simulate [-- --histories 20000] [--seed S] [--guarantee at-most-once] [--workers 2]
//
// --guarantee async plays asynchronous requests, which outlive clients, servers and workers.
//
// Each history follows from its seed, which is S plus its number, so a history that breaks a guarantee is found again by
// what this prints. The last line is `histories N, violations N`; the exit code is 1 if there are any, or if a kind of fault
// never happened.
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { bundle } from "./bundle.mjs";
import { progressBar, wholeNumber } from "./long-run.mjs";

/** Fewer histories than that need not have every kind of fault. */
const enoughHistories = 1_000;

const guarantees = ["maybe", "at-least-once", "at-most-once", "exactly-once", "async"];

const { values } = parseArgs({
  options: {
    histories: { type: "string", default: "20000" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 32)) },
    guarantee: { type: "string" },
    workers: { type: "string", default: String(availableParallelism()) },
  },
});
const histories = wholeNumber("histories", values.histories, 1);
const seed = wholeNumber("seed", values.seed);
const workers = wholeNumber("workers", values.workers, 1);
const { guarantee } = values;
if (guarantee !== undefined && !guarantees.includes(guarantee)) {
  console.error(`--guarantee must be one of ${guarantees.join(", ")}, not ${guarantee}`);
  process.exit(2);
}

const shared = new SharedArrayBuffer(12);
const counters = new Int32Array(shared);
const script = await bundle("test/simulation/worker.ts", "simulation");
console.log(`seed ${seed}`);
const bar = progressBar(histories);
const watch = setInterval(() => {
  bar.update(counters[1]);
}, 500);

const sum = { histories: 0, calls: 0, executions: 0, faults: {} };
const violations = [];
const running = Array.from({ length: workers }, run);
let died;
try {
  await Promise.all(running);
} catch (error) {
  died = error;
}
clearInterval(watch);
bar.end(sum.histories);
end();

/** One worker, until the histories are played. */
function run() {
  const worker = new Worker(script, {
    workerData: { seed, histories, guarantee, shared },
    // What a history allocates is garbage soon after: room for it makes collections few.
    resourceLimits: { maxYoungGenerationSizeMb: 64 },
  });
  worker.on("message", (report) => {
    for (const name of ["histories", "calls", "executions"]) sum[name] += report[name];
    for (const [kind, count] of Object.entries(report.faults)) sum.faults[kind] = (sum.faults[kind] ?? 0) + count;
    if (report.violation !== undefined) violations.push(report.violation);
  });
  return new Promise((resolve, reject) => {
    worker.on("error", reject);
    worker.on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`a worker ended with code ${code}`))));
  });
}

function end() {
  if (died !== undefined) console.log(`\na worker died: ${died.stack ?? died}`);
  console.log(`${sum.calls} calls, ${sum.executions} executions`);
  for (const [kind, count] of Object.entries(sum.faults)) console.log(`  ${kind.padEnd(24)} ${count}`);
  for (const { seed, broken, timeline } of violations) {
    console.log(`\nseed ${seed}:`);
    for (const { message } of broken) console.log(`  ${message}`);
    console.log(`\n${timeline}\n`);
    const narrowed = guarantee === undefined ? "" : ` --guarantee ${guarantee}`;
    console.log(`  again: npm run simulate -- --seed ${seed} --histories 1${narrowed}`);
  }
  const silent = Object.keys(sum.faults).filter((kind) => sum.faults[kind] === 0);
  const expected = histories >= enoughHistories && violations.length === 0;
  if (silent.length > 0 && expected) console.log(`\nnever happened: ${silent.join(", ")}`);
  console.log(`histories ${sum.histories}, violations ${violations.length}`);
  process.exit(died === undefined && violations.length === 0 && !(silent.length > 0 && expected) ? 0 : 1);
}

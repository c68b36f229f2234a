// Throws mutated inputs at everything that reads what a peer or a user wrote: decoders, engines, record marking, the
// compiler, addresses.
//
//   npm run fuzz [-- --inputs 10000000] [--seed S] [--only TARGET] [--from INDEX]
//
// Each input follows from the seed, its target and its index, so a failure is found again by what it prints. The last
// line is `inputs N, failures N`; the exit code is 1 if there are any.
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import progress from "cli-progress";
import { bundle } from "./bundle.mjs";

/** How long one input may keep the worker before it is given up: far above what is a failure already. */
const stuckMs = 20_000;

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "10000000" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 32)) },
    only: { type: "string" },
    from: { type: "string" },
  },
});
const inputs = wholeNumber("inputs");
const seed = wholeNumber("seed");
const from = values.from === undefined ? undefined : wholeNumber("from");

const shared = new SharedArrayBuffer(12);
const counters = new Int32Array(shared);
const script = await bundle("test/fuzz/worker.ts", "fuzz");
console.log(`seed ${seed}`);
const bar = new progress.SingleBar({
  format: "{bar} {percentage} % | {value} of {total} | {rate}/s | {duration_formatted}",
  barsize: 30,
  hideCursor: true,
  noTTYOutput: true,
  notTTYSchedule: 30_000,
});
const startedAt = performance.now();
bar.start(inputs, 0, { rate: 0 });

const worker = new Worker(script, {
  workerData: { inputs, seed, only: values.only, from, shared },
  // Few collections, so that what an input allocates can be told from the heap's size.
  resourceLimits: { maxYoungGenerationSizeMb: 128 },
});
let lastInput = "";
let lastMove = performance.now();
const watch = setInterval(() => {
  const done = counters[2];
  bar.update(done, { rate: Math.round((1_000 * done) / (performance.now() - startedAt)) });
  const input = counters.join();
  if (input !== lastInput) {
    lastInput = input;
    lastMove = performance.now();
  } else if (performance.now() - lastMove > stuckMs) {
    end({ inputs: done, failures: [{ target: `target ${counters[0]}`, index: counters[1], message: "does not end" }] });
  }
}, 500);
worker.on("message", end);
worker.on("error", (error) =>
  end({
    inputs: counters[2],
    failures: [{ target: `target ${counters[0]}`, index: counters[1], message: `the worker died: ${error}` }],
  }),
);

function end({ inputs: done, failures, slowestMs, mostAllocated }) {
  clearInterval(watch);
  bar.update(done);
  bar.stop();
  for (const { target, index, message } of failures) {
    console.log(`\n${target}, input ${index}: ${message}`);
    console.log(`  again: npm run fuzz -- --seed ${seed} --only ${target} --from ${index} --inputs 1`);
  }
  if (slowestMs !== undefined) {
    console.log(`slowest ${slowestMs.toFixed(1)} ms; most allocated ${mostAllocated.toFixed(1)} bytes for a byte`);
  }
  console.log(`inputs ${done}, failures ${failures.length}`);
  process.exit(failures.length === 0 ? 0 : 1);
}

function wholeNumber(name) {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= 0 && value < 2 ** 32) return value;
  console.error(`--${name} must be a whole number from 0 to 2^32 - 1, not ${values[name]}`);
  process.exit(2);
}

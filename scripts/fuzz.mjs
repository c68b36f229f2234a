// Throws mutated inputs at everything that reads what a peer or a user wrote: decoders, engines, record marking, the
// compiler, addresses.
//
//   npm run fuzz [-- --inputs 10000000] [--seed S] [--only TARGET] [--from INDEX]
//
// Each input follows from the seed, its target and its index, so a failure is found again by what it prints. The last
// line is `inputs N, failures N`; the exit code is 1 if there are any.
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { bundle } from "./bundle.mjs";
import { progressBar, wholeNumber } from "./long-run.mjs";

/** Milliseconds of processor time that one input may take before it is given up: far above what is a failure already. */
const stuckMs = 20_000;

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "10000000" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 32)) },
    only: { type: "string" },
    from: { type: "string" },
  },
});
const inputs = wholeNumber("inputs", values.inputs);
const seed = wholeNumber("seed", values.seed);
const from = values.from === undefined ? undefined : wholeNumber("from", values.from);

const shared = new SharedArrayBuffer(12);
const counters = new Int32Array(shared);
const script = await bundle("test/fuzz/worker.ts", "fuzz");
console.log(`seed ${seed}`);
const bar = progressBar(inputs);

const worker = new Worker(script, {
  workerData: { inputs, seed, only: values.only, from, shared },
  // Few collections, so that what an input allocates can be told from the heap's size.
  resourceLimits: { maxYoungGenerationSizeMb: 128 },
});
/** The targets' names, which the worker says first. */
let names = [];
let lastInput = "";
let usedThen = 0;
const watch = setInterval(() => {
  const done = counters[2];
  bar.update(done);
  const input = counters.join();
  // The worker's time, and next to nothing of this thread's: a machine that does other things does not count.
  const { user, system } = process.cpuUsage();
  const used = (user + system) / 1_000;
  if (input !== lastInput) {
    lastInput = input;
    usedThen = used;
  } else if (used - usedThen > stuckMs) {
    end({ inputs: done, failures: [{ target: names[counters[0]], index: counters[1], message: "does not end" }] });
  }
}, 500);
worker.on("message", (message) => {
  if (message.targetNames === undefined) end(message);
  else names = message.targetNames;
});
worker.on("error", (error) =>
  end({
    inputs: counters[2],
    failures: [{ target: names[counters[0]], index: counters[1], message: `the worker died: ${error}` }],
  }),
);

function end({ inputs: done, failures, slowestMs, allocatedBeside }) {
  clearInterval(watch);
  bar.end(done);
  for (const { target, index, message } of failures) {
    console.log(`\n${target}, input ${index}: ${message}`);
    console.log(`  again: npm run fuzz -- --seed ${seed} --only ${target} --from ${index} --inputs 1`);
  }
  if (slowestMs !== undefined) {
    console.log(`slowest ${slowestMs.toFixed(1)} ms of processor time`);
    console.log(`most allocated beside 32 bytes for each: ${JSON.stringify(allocatedBeside)}`);
  }
  console.log(`inputs ${done}, failures ${failures.length}`);
  process.exit(failures.length === 0 ? 0 : 1);
}

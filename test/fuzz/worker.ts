// Runs the fuzzer beside scripts/fuzz.mjs, which watches it: an input that does not end cannot say so itself.
import { parentPort, workerData } from "node:worker_threads";
import { fuzz, targetNames } from "./fuzz.js";

const { inputs, seed, only, from, shared } = workerData as {
  inputs: number;
  seed: number;
  only: string | undefined;
  from: number | undefined;
  /** The target, the index and the count of inputs done. */
  shared: SharedArrayBuffer;
};
const progress = new Int32Array(shared);
parentPort?.postMessage({ targetNames });
const outcome = fuzz({
  inputs,
  seed,
  only,
  from,
  onInput(target, index, done) {
    progress[0] = target;
    progress[1] = index;
    progress[2] = done;
  },
});
parentPort?.postMessage(outcome);

// Runs targets on inputs that follow from a seed, and checks of each that it neither crashes, nor takes long, nor
// allocates more than its size allows.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Random } from "./random.js";
import { type Target, targets } from "./targets.js";

/** Milliseconds that one input may take. */
const hangMs = 100;

/** Bytes that may be allocated for one byte of input. */
const allocationMax = 32;

/** Of so many inputs, one has its allocations measured. */
const measureEvery = 2_000;

export interface Failure {
  readonly target: string;
  readonly index: number;
  readonly message: string;
}

export interface FuzzOptions {
  /** Inputs in all; the targets take their shares of them. */
  readonly inputs: number;
  readonly seed: number;
  /** One target alone. */
  readonly only?: string | undefined;
  /** The first index of each target: where a failure is found again. */
  readonly from?: number | undefined;
  /** Is told before each input, so that whoever watches can name the one that does not end. */
  readonly onInput?: ((target: number, index: number, done: number) => void) | undefined;
}

export interface FuzzOutcome {
  readonly inputs: number;
  readonly failures: readonly Failure[];
  /** Milliseconds of the slowest input, and the most bytes that were allocated per byte of input, allowance apart. */
  readonly slowestMs: number;
  readonly mostAllocated: number;
}

export const targetNames: readonly string[] = targets.map(({ name }) => name);

export function fuzz({ inputs, seed, only, from = 0, onInput }: FuzzOptions): FuzzOutcome {
  const chosen = targets.filter(({ name }) => only === undefined || name === only);
  if (chosen.length === 0) throw new RangeError(`no target ${only}; there are ${targetNames.join(", ")}`);
  const shares = chosen.reduce((sum, { share }) => sum + share, 0);
  const failures: Failure[] = [];
  let done = 0;
  let slowestMs = 0;
  let mostAllocated = 0;
  for (const [i, target] of chosen.entries()) {
    // The last takes what rounding left over.
    const count = i === chosen.length - 1 ? inputs - done : Math.round((inputs * target.share) / shares);
    const stream = targets.indexOf(target);
    for (let index = from; index < from + count; index++, done++) {
      onInput?.(stream, index, done);
      const measured = index % measureEvery === 0;
      const input = target.make(new Random(seed, stream, index), measured);
      const fail = (message: string): void => void failures.push({ target: target.name, index, message });
      const startedAt = performance.now();
      const problem = run(input.run);
      const ms = performance.now() - startedAt;
      if (problem !== undefined) fail(problem);
      if (ms > slowestMs) slowestMs = ms;
      if (ms > hangMs && hangs(input.run)) fail(`takes more than ${hangMs} ms`);
      if (!measured) continue;
      const allocated = allocatedBy(input.bare ?? input.run);
      const perByte = (allocated - target.allowance) / Math.max(1, input.size);
      if (perByte > mostAllocated) mostAllocated = perByte;
      if (perByte > allocationMax) fail(`allocates ${Math.round(allocated)} bytes for ${input.size}`);
      if (failures.length >= 100) return { inputs: done + 1, failures, slowestMs, mostAllocated };
    }
  }
  return { inputs: done, failures, slowestMs, mostAllocated };
}

function run(task: () => string | undefined): string | undefined {
  try {
    return task();
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

/** Whether it is slow by itself: a busy machine or a collection is slow once, not four times. */
function hangs(task: () => string | undefined): boolean {
  for (let i = 0; i < 3; i++) {
    const startedAt = performance.now();
    run(task);
    if (performance.now() - startedAt <= hangMs) return false;
  }
  return true;
}

// Collections empty the young generation before each measurement, so that none falls into it.
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as (options: { type: "minor" }) => void;

/** Bytes that one run allocates, garbage included: the least mean of three, as the heap's size tells. */
function allocatedBy(task: () => string | undefined): number {
  const times = 16;
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 3; attempt++) {
    collect({ type: "minor" });
    const before = process.memoryUsage();
    for (let i = 0; i < times; i++) run(task);
    const after = process.memoryUsage();
    const grown = after.heapUsed + after.external - before.heapUsed - before.external;
    // A full collection fell in between all the same: its figure says nothing.
    if (grown >= 0) least = Math.min(least, grown / times);
  }
  return least === Number.POSITIVE_INFINITY ? 0 : least;
}

export type { Target };

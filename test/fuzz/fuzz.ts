// Runs targets on inputs that follow from a seed, and checks of each that it neither crashes, nor takes long, nor
// allocates more than its size allows.
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Random } from "./random.js";
import type { Input } from "./target.js";
import { targets } from "./targets.js";

/** Milliseconds of processor time that one input may take. */
const hangMs = 100;

/** Bytes that may be allocated for one byte of input. */
const allocationMax = 32;

/** Of so many inputs, one is large. */
const largeEvery = 100;

/** Of so many inputs of a target that makes garbage, one is looked at for what it holds, which takes full collections. */
const heldEvery = 200;

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
  /** Milliseconds of processor time of the slowest input. */
  readonly slowestMs: number;
  /** By target, the most bytes that an input allocated beside {@link allocationMax} for each of its own. */
  readonly allocatedBeside: Readonly<Record<string, number>>;
}

export const targetNames: readonly string[] = targets.map(({ name }) => name);

export function fuzz(options: FuzzOptions): FuzzOutcome {
  const { stackTraceLimit } = Error;
  // Node's own. A test's runner asks for more, and each error takes memory for it.
  Error.stackTraceLimit = 10;
  try {
    return fuzzAll(options);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function fuzzAll({ inputs, seed, only, from = 0, onInput }: FuzzOptions): FuzzOutcome {
  const chosen = targets.filter(({ name }) => only === undefined || name === only);
  if (chosen.length === 0) throw new RangeError(`no target ${only}; there are ${targetNames.join(", ")}`);
  const shares = chosen.reduce((sum, { share }) => sum + share, 0);
  const failures: Failure[] = [];
  const allocatedBeside: Record<string, number> = {};
  let done = 0;
  let slowestMs = 0;
  for (const [i, target] of chosen.entries()) {
    // The last takes what rounding left over.
    const count = i === chosen.length - 1 ? inputs - done : Math.round((inputs * target.share) / shares);
    const stream = targets.indexOf(target);
    let beside = 0;
    for (let index = from; index < from + count; index++, done++) {
      onInput?.(stream, index, done);
      const input = target.make(new Random(seed, stream, index), index % largeEvery === 0);
      const fail = (message: string): void => void failures.push({ target: target.name, index, message });
      const { problem, ms, allocated } = run(input);
      if (problem !== undefined) fail(problem);
      // No thread has more processor time than has passed: only what seems slow has to be looked at.
      if (ms > hangMs || ms > slowestMs) {
        const really = processorMs(input);
        slowestMs = Math.max(slowestMs, really);
        if (really > hangMs) {
          fail(`takes ${Math.round(really)} ms`);
          continue;
        }
      }
      const due = (target.garbage ?? allocationMax) * input.size;
      if (allocated - due > beside || allocated < 0) {
        const really = allocatedBy(input, target.allowance + due);
        beside = Math.max(beside, really - due);
        if (really > target.allowance + due) fail(`allocates ${Math.round(really)} bytes for ${input.size}`);
      }
      if (target.garbage !== undefined && index % heldEvery === 0) {
        const held = heldBy(input);
        if (held > heldAllowance + allocationMax * input.size) fail(`holds ${held} bytes for ${input.size}`);
      }
      if (failures.length >= 100) return { inputs: done + 1, failures, slowestMs, allocatedBeside };
    }
    allocatedBeside[target.name] = Math.round(beside);
  }
  return { inputs: done, failures, slowestMs, allocatedBeside };
}

/** One run: what is wrong, how many milliseconds passed, and by how many bytes the heap grew. */
function run(input: Input): { problem: string | undefined; ms: number; allocated: number } {
  let allocated = 0;
  const startedAt = performance.now();
  let problem: string | undefined;
  try {
    const task = input.prepare();
    const before = heapSize();
    task.work();
    allocated = grownSince(before);
    problem = task.check();
  } catch (error) {
    problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  return { problem, ms: performance.now() - startedAt, allocated };
}

// --- time

/** This thread's processor time, where Node tells it; else the process's, in which nobody else does much. */
const processorUsage: () => NodeJS.CpuUsage =
  (process as { threadCpuUsage?: () => NodeJS.CpuUsage }).threadCpuUsage?.bind(process) ?? (() => process.cpuUsage());

/** Milliseconds of processor time that an input takes: the least of three, since a collection may fall into one. */
function processorMs(input: Input): number {
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 3; attempt++) {
    const before = processorUsage();
    run(input);
    const after = processorUsage();
    least = Math.min(least, (after.user + after.system - before.user - before.system) / 1_000);
  }
  return least;
}

// --- memory

// Collections empty the young generation before each measurement, so that none falls into it.
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as (options?: { type: "minor" }) => void;

/** Bytes in use and outside the heap. It grows with every allocation, and shrinks in collections only. */
function heapSize(): number {
  const { used_heap_size: used, external_memory: external } = getHeapStatistics();
  return used + external;
}

/** What asking takes itself, or less once V8 has compiled it. */
const measuring = 1_024;

/** By how much it has grown; negative when a collection fell in between, and the figure says nothing. */
function grownSince(before: number): number {
  const grown = heapSize() - before;
  return grown < 0 ? grown : Math.max(0, grown - measuring);
}

/**
 * Bytes that one run allocates, garbage included, as the heap's size tells: the least of several, since V8's own code
 * and notes fall into some. Looks on while they are more than `due`.
 */
function allocatedBy(input: Input, due: number): number {
  let least = Number.POSITIVE_INFINITY;
  collect({ type: "minor" });
  for (let attempt = 0; attempt < 8 || (attempt < 100 && least > due); attempt++) {
    const { allocated } = run(input);
    if (allocated >= 0) least = Math.min(least, allocated);
  }
  return least === Number.POSITIVE_INFINITY ? 0 : least;
}

/** What else is done beside it may hold: code that is compiled for it, and what its code remembers. */
const heldAllowance = 65_536;

/** Bytes that are still held when it has run and all garbage is collected: the least of three. */
function heldBy(input: Input): number {
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 3; attempt++) {
    const task = input.prepare();
    collect();
    const before = heapSize();
    task.work();
    collect();
    least = Math.min(least, heapSize() - before);
    // It is there until now, and so is what it holds.
    task.check();
  }
  return least;
}

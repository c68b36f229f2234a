import { type AsyncFaultCounts, asyncFaults, playAsync, type Sabotage } from "./async-world.js";

export interface AsyncReport {
  readonly histories: number;
  readonly calls: number;
  readonly executions: number;
  readonly faults: AsyncFaultCounts;
  readonly violation: AsyncViolation | undefined;
}

interface AsyncViolation {
  readonly seed: number;
  readonly broken: readonly { readonly message: string }[];
  readonly timeline: string;
}

/** Plays histories of asynchronous requests, until one breaks what must hold. */
export async function simulateAsync(options: {
  readonly seed: number;
  readonly histories: number;
  readonly sabotage?: Sabotage | undefined;
  readonly onProgress?: ((played: number) => void) | undefined;
}): Promise<AsyncReport> {
  const { seed, histories, sabotage, onProgress } = options;
  const faults = Object.fromEntries(asyncFaults.map((kind) => [kind, 0])) as AsyncFaultCounts;
  let calls = 0;
  let executions = 0;
  let played = 0;
  let violation: AsyncViolation | undefined;
  while (played < histories && violation === undefined) {
    const own = (seed + played) >>> 0;
    const outcome = await playAsync(own, sabotage);
    played++;
    calls += outcome.requests;
    executions += outcome.runs;
    for (const kind of asyncFaults) faults[kind] += outcome.faults[kind];
    if (outcome.broken.length > 0) {
      // The same once more, with what happened written down.
      const { notes } = await playAsync(own, sabotage, true);
      const broken = outcome.broken.map((message) => ({ message }));
      violation = { seed: own, broken, timeline: notes.join("\n") };
    }
    if (played % 20 === 0) {
      onProgress?.(played);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  onProgress?.(played);
  return { histories: played, calls, executions, faults, violation };
}

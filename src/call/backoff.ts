import type { BackoffOptions } from "../model/index.js";

/** The defaults; {@link BackoffOptions} has their reasons. */
export const backoffDefaults = { initialMs: 50, maxMs: 2_000, factor: 2 } as const;

/**
 * The wait after failure number `failures` (from 1), in milliseconds: exponential, and drawn from the upper half of its
 * step, so that clients that lost the same server do not return in the same instant.
 */
export function backoffMs(options: BackoffOptions, failures: number, random: () => number): number {
  const { initialMs = backoffDefaults.initialMs, maxMs = backoffDefaults.maxMs } = options;
  const step = Math.min(maxMs, initialMs * (options.factor ?? backoffDefaults.factor) ** (failures - 1));
  return step * (0.5 + random() / 2);
}

/** The waits between attempts that follow one another. */
export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: () => number;
  #failures = 0;

  constructor(options: BackoffOptions = {}, random: () => number = Math.random) {
    this.#options = options;
    this.#random = random;
  }

  /** The next wait in milliseconds. */
  next(): number {
    return backoffMs(this.#options, ++this.#failures, this.#random);
  }

  /** Starts over: the last attempt succeeded. */
  reset(): void {
    this.#failures = 0;
  }
}

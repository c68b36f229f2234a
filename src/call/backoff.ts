/** How long to wait between attempts; every time in milliseconds. */
export interface BackoffOptions {
  /** The first wait. Default 50: a restarting server is back in about that time, and a loop of calls stays harmless. */
  readonly initialMs?: number | undefined;
  /** The longest wait. Default 2,000: how long a user waits at most for a server that is back. */
  readonly maxMs?: number | undefined;
  /** What each wait is multiplied by. Default 2. */
  readonly factor?: number | undefined;
}

/**
 * Exponential backoff with jitter: each wait is drawn from the upper half of its step, so that clients that lost the
 * same server do not return in the same instant.
 */
export class Backoff {
  readonly #initial: number;
  readonly #max: number;
  readonly #factor: number;
  readonly #random: () => number;
  #step: number;

  constructor(options: BackoffOptions = {}, random: () => number = Math.random) {
    this.#initial = options.initialMs ?? 50;
    this.#max = options.maxMs ?? 2_000;
    this.#factor = options.factor ?? 2;
    this.#random = random;
    this.#step = this.#initial;
  }

  /** The next wait in milliseconds. */
  next(): number {
    const step = this.#step;
    this.#step = Math.min(this.#max, step * this.#factor);
    return step * (0.5 + this.#random() / 2);
  }

  /** Starts over: the last attempt succeeded. */
  reset(): void {
    this.#step = this.#initial;
  }
}

/** The longest that one of Node's timers can wait. */
const timerMax = 2 ** 31 - 1;

/** Leases by key: tells of those that ran out, with one timer that does not keep the process. */
export class Leases {
  readonly #ends = new Map<string, number>();
  readonly #onEnd: (key: string) => void;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;
  #due = Number.POSITIVE_INFINITY;

  /** @param now milliseconds, monotonic */
  constructor(onEnd: (key: string) => void, now: () => number) {
    this.#onEnd = onEnd;
    this.#now = now;
  }

  /** Begins a lease, or begins it anew. */
  start(key: string, leaseMs: number): void {
    const end = this.#now() + leaseMs;
    this.#ends.set(key, end);
    // A lease that is renewed leaves the timer alone: it looks again when it goes off.
    if (end < this.#due) this.#arm(end);
  }

  end(key: string): void {
    this.#ends.delete(key);
    if (this.#ends.size === 0) this.close();
  }

  has(key: string): boolean {
    return this.#ends.has(key);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#ends.clear();
    this.#due = Number.POSITIVE_INFINITY;
  }

  #arm(due: number): void {
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => this.#look(), Math.min(Math.max(1, Math.ceil(due - this.#now())), timerMax));
    this.#timer.unref();
  }

  #look(): void {
    const now = this.#now();
    this.#due = Number.POSITIVE_INFINITY;
    const over = [...this.#ends].filter(([, end]) => end <= now).map(([key]) => key);
    for (const key of over) {
      this.#ends.delete(key);
      this.#onEnd(key);
    }
    let next = Number.POSITIVE_INFINITY;
    for (const end of this.#ends.values()) next = Math.min(next, end);
    if (next < this.#due) this.#arm(next);
  }
}

/** Bounds of the retransmission timeout, in milliseconds. */
export interface RetransmitOptions {
  /** Before the first measurement. Default 500: a slow disk on a local network answers within it. */
  readonly initialMs?: number | undefined;
  /** Never sooner than this. Default 50: below it a busy server's own scheduling looks like loss. */
  readonly minMs?: number | undefined;
  /** Never later than this. Default 8,000, as a third of the default call timeout. */
  readonly maxMs?: number | undefined;
}

/**
 * Estimates a peer's round trip, and from it when to retransmit (RFC 6298, section 2: smoothed round trip plus four
 * times its variation). Answers to calls that were retransmitted are not measured, since it is not known which
 * transmission they answer (Karn's algorithm, section 3).
 */
export class RoundTrip {
  readonly #initial: number;
  readonly #min: number;
  readonly #max: number;
  #smoothed: number | undefined;
  #variation = 0;

  constructor(options: RetransmitOptions = {}) {
    this.#initial = options.initialMs ?? 500;
    this.#min = options.minMs ?? 50;
    this.#max = options.maxMs ?? 8_000;
  }

  /** Takes a measured round trip in milliseconds into account. */
  measure(ms: number): void {
    if (this.#smoothed === undefined) {
      this.#smoothed = ms;
      this.#variation = ms / 2;
      return;
    }
    this.#variation += (Math.abs(this.#smoothed - ms) - this.#variation) / 4;
    this.#smoothed += (ms - this.#smoothed) / 8;
  }

  /** The smoothed round trip in milliseconds; undefined before the first answer. */
  get smoothedMs(): number | undefined {
    return this.#smoothed;
  }

  /** How long to wait for the answer to transmission number `transmission` (from 1) before the next: doubles each time. */
  timeoutMs(transmission: number): number {
    const base = this.#smoothed === undefined ? this.#initial : this.#smoothed + 4 * this.#variation;
    const bounded = Math.max(this.#min, base) * 2 ** (transmission - 1);
    return Math.min(this.#max, bounded);
  }
}

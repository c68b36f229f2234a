/**
 * Numbers that look random and follow from a seed: sfc32, a small generator that passes the usual statistical tests. It
 * is not for secrets.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;
  readonly #seed: number;

  /** @param seed an unsigned 32-bit integer; the numbers of neighbouring seeds have nothing in common */
  constructor(seed: number) {
    this.#seed = seed;
    this.#a = mix(seed);
    this.#b = mix(seed ^ 0x9e3779b9);
    this.#c = mix(seed ^ 0x85ebca6b);
    for (let i = 0; i < 12; i++) this.uint32();
  }

  /**
   * A source of its own for one purpose, which follows from the seed and the purpose alone: so what one part of a history
   * draws, or whether that part is there at all, does not change what others get.
   */
  fork(purpose: string): Random {
    let hash = mix(this.#seed);
    for (let i = 0; i < purpose.length; i++) hash = Math.imul(hash ^ purpose.charCodeAt(i), 0x01000193) >>> 0;
    return new Random(hash);
  }

  /** An unsigned 32-bit integer. */
  uint32(): number {
    const t = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + t) | 0;
    return t >>> 0;
  }

  /** From 0 to below 1. */
  next(): number {
    return this.uint32() / 2 ** 32;
  }

  /** A whole number from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  /** A number from `low` to below `high`. */
  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  /** True in that share of all cases, from 0 to 1. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One of the items; throws RangeError when there are none. */
  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError("nothing to pick from");
    return items[Math.floor(this.next() * items.length)] as T;
  }

  bytes(size: number): Uint8Array {
    const bytes = new Uint8Array(size);
    for (let i = 0; i < size; i++) bytes[i] = this.uint32();
    return bytes;
  }
}

/** Spreads the bits of a seed (the finalizer of MurmurHash3). */
function mix(seed: number): number {
  let x = seed | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

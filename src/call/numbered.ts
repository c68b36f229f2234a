/** Most slots before what collides goes into a Map: a window of numbers is far below it. */
const slotsMax = 4_096;

/** Slots for each number, at most: whoever chooses numbers that collide gets no large table for two of them. */
const slotsPerNumber = 16;

/** With fewer slots an empty table is not worth making anew. */
const slotsKept = 256;

/**
 * Things by numbers that lie near one another, such as the calls of a window. It does what a Map does; but a Map whose
 * entries come and go makes itself anew all the time, and each of V8's old tables refers to the next one: once one of them
 * has grown old, everything that passes through is kept until a full collection.
 */
export class Numbered<T> {
  #numbers: number[] = new Array<number>(16).fill(-1);
  #values: (T | undefined)[] = new Array<T | undefined>(16).fill(undefined);
  #mask = 15;
  #far: Map<number, T> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(number: number): T | undefined {
    const slot = number & this.#mask;
    if (this.#numbers[slot] === number) return this.#values[slot];
    return this.#far?.get(number);
  }

  /** @param number a whole number, not below 0 */
  set(number: number, value: T): void {
    let slot = number & this.#mask;
    while (this.#numbers[slot] !== -1 && this.#numbers[slot] !== number) {
      const slots = this.#mask + 1;
      if (this.#far?.has(number) === true || slots >= slotsMax || slots >= slotsPerNumber * (this.#size + 1)) {
        this.#far ??= new Map();
        if (!this.#far.has(number)) this.#size++;
        this.#far.set(number, value);
        return;
      }
      this.#grow();
      slot = number & this.#mask;
    }
    if (this.#numbers[slot] === -1) {
      // It may stand among the far ones, since when its slot was another's.
      if (this.#far?.delete(number) !== true) this.#size++;
      this.#numbers[slot] = number;
    }
    this.#values[slot] = value;
  }

  delete(number: number): boolean {
    const slot = number & this.#mask;
    if (this.#numbers[slot] === number) {
      this.#numbers[slot] = -1;
      this.#values[slot] = undefined;
    } else if (this.#far?.delete(number) !== true) return false;
    this.#size--;
    // The room of a full window is not kept for what may never come again.
    if (this.#size === 0 && this.#mask >= slotsKept) this.#reset();
    return true;
  }

  #reset(): void {
    this.#numbers = new Array<number>(16).fill(-1);
    this.#values = new Array<T | undefined>(16).fill(undefined);
    this.#mask = 15;
    this.#far = undefined;
  }

  /** How many slots there are, empty ones too. */
  get slots(): number {
    return this.#mask + 1;
  }

  /** In no order. What is visited may be deleted. */
  values(): T[] {
    const values = this.#values.filter((_value, slot) => this.#numbers[slot] !== -1) as T[];
    return this.#far === undefined ? values : [...values, ...this.#far.values()];
  }

  /** Numbers that differ in their low bits differ in one more low bit too, so nothing collides. */
  #grow(): void {
    const [numbers, values] = [this.#numbers, this.#values];
    const length = numbers.length * 2;
    this.#mask = length - 1;
    this.#numbers = new Array<number>(length).fill(-1);
    this.#values = new Array<T | undefined>(length).fill(undefined);
    for (const [old, number] of numbers.entries()) {
      if (number === -1) continue;
      this.#numbers[number & this.#mask] = number;
      this.#values[number & this.#mask] = values[old];
    }
  }
}

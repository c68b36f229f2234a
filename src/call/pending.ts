/** What the table needs of an entry: the identifier that the wire carries, an unsigned 32-bit number. */
export interface Identified {
  id: number;
}

/**
 * The calls that wait for an answer, by a 32-bit identifier that this table hands out.
 *
 * Identifiers count upwards and wrap; the low bits choose a slot of a power-of-two array, so adding, finding and
 * removing are a few instructions and allocate nothing. An identifier whose slot is taken by an older call is
 * skipped: the wire compares identifiers for equality only, so which ones are used does not matter.
 */
export class PendingTable<T extends Identified> {
  #slots: (T | undefined)[];
  #mask: number;
  #next: number;
  #size = 0;

  /** @param firstId where to start counting; choose it at random, so that a restarted client does not repeat itself */
  constructor(firstId: number, slots = 1024) {
    this.#slots = new Array<T | undefined>(slots).fill(undefined);
    this.#mask = slots - 1;
    this.#next = firstId >>> 0;
  }

  get size(): number {
    return this.#size;
  }

  /** Gives the entry a fresh identifier and keeps it. */
  add(entry: T): void {
    if (this.#size * 2 > this.#mask) this.#grow();
    let id = this.#next;
    while (this.#slots[id & this.#mask] !== undefined) id = (id + 1) >>> 0;
    this.#next = (id + 1) >>> 0;
    entry.id = id;
    this.#slots[id & this.#mask] = entry;
    this.#size++;
  }

  find(id: number): T | undefined {
    const entry = this.#slots[id & this.#mask];
    return entry !== undefined && entry.id === id ? entry : undefined;
  }

  /** Forgets the entry; says whether it was there. */
  remove(entry: T): boolean {
    const slot = entry.id & this.#mask;
    if (this.#slots[slot] !== entry) return false;
    this.#slots[slot] = undefined;
    this.#size--;
    return true;
  }

  /**
   * Visits every entry. The visitor may remove the entry that it is given, and add others, which are visited or not.
   */
  forEach(visit: (entry: T) => void): void {
    if (this.#size === 0) return;
    // When the table grows meanwhile, this is the old array, in which what was removed since still stands.
    for (const entry of this.#slots) {
      if (entry !== undefined && this.find(entry.id) === entry) visit(entry);
    }
  }

  /** Identifiers that differ in their low bits differ in one more low bit too, so nothing collides. */
  #grow(): void {
    const length = this.#slots.length * 2;
    const slots = new Array<T | undefined>(length).fill(undefined);
    for (const entry of this.#slots) {
      if (entry !== undefined) slots[entry.id & (length - 1)] = entry;
    }
    this.#slots = slots;
    this.#mask = length - 1;
  }
}

/** A place in a {@link Linked} list. */
export interface Place<T> {
  readonly value: T;
  before: Place<T> | undefined;
  after: Place<T> | undefined;
}

/**
 * A list in the order of arrival from whose middle anything can be taken. A Map keeps the same order, but to find its first
 * entry it walks over all that were deleted before it, which a queue of many thousands does at every step.
 */
export class Linked<T> {
  size = 0;
  #first: Place<T> | undefined;
  #last: Place<T> | undefined;

  get first(): T | undefined {
    return this.#first?.value;
  }

  /** From the first to the last. What is looked at may be taken out meanwhile. */
  *values(): IterableIterator<T> {
    for (let place = this.#first; place !== undefined; ) {
      const { after, value } = place;
      yield value;
      place = after;
    }
  }

  push(value: T): Place<T> {
    const place: Place<T> = { value, before: undefined, after: undefined };
    this.add(place);
    return place;
  }

  /** Puts a place at the end, which stands in no list. */
  add(place: Place<T>): void {
    place.before = this.#last;
    if (this.#last === undefined) this.#first = place;
    else this.#last.after = place;
    this.#last = place;
    this.size++;
  }

  /** Takes out what stands at a place of this list; it must not be taken out twice. */
  remove(place: Place<T>): void {
    const { before, after } = place;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    // A place that has grown old would keep its neighbour alive until the next full collection, and that one the next:
    // then everything that was ever in the list grows old, and collecting it costs more than all else here.
    place.before = undefined;
    place.after = undefined;
    this.size--;
  }
}

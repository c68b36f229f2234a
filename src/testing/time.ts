/** Something that will happen. */
export interface Event {
  readonly at: number;
  readonly order: number;
  /** Whether it is part of what the network must carry out before a history is over; an alarm is not. */
  readonly work: boolean;
  task: (() => void) | undefined;
}

/** Asking it for a microtask costs a third of what `queueMicrotask` does, which Node wraps. */
const settled: Promise<void> = Promise.resolve();

/** A history that has not ended after so many events never will. */
const stepsMax = 200_000;

/**
 * The time of a simulated world: it stands still while anything runs, and jumps to whatever happens next. What happens
 * at the same time happens in the order in which it was arranged.
 */
export class VirtualTime {
  /** Milliseconds since the world began. */
  now = 0;
  /** How much of what was arranged is work that has not been done. */
  working = 0;
  readonly #heap: Event[] = [];
  #soon: (() => void)[] = [];
  #order = 0;
  #steps = 0;

  /** Arranges work, such as the arrival of a message: the history is not over before it is done. */
  work(at: number, task: () => void): Event {
    this.working++;
    return this.#push({ at: Math.max(at, this.now), order: this.#order++, work: true, task });
  }

  /** Arranges an alarm, which nobody waits for at the end. */
  alarm(at: number, task: () => void): Event {
    return this.#push({ at: Math.max(at, this.now), order: this.#order++, work: false, task });
  }

  /** Takes an event back. */
  cancel(event: Event): void {
    if (event.task === undefined) return;
    event.task = undefined;
    if (event.work) this.working--;
  }

  /** Runs a task when what runs now, promises included, has run. */
  soon(task: () => void): void {
    this.#soon.push(task);
  }

  /**
   * Lets time pass until `over` holds, which is asked between events, or until nothing is left to happen.
   *
   * @throws what an event throws, and an Error when there is no end of events
   */
  run(over: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = (): void => {
        try {
          if (!this.#step(over)) return resolve();
        } catch (error) {
          return reject(error);
        }
        // A tick asked for by a microtask comes after all microtasks, those included that they ask for in turn: so
        // every promise that the event settled has been heard before the next one happens.
        void settled.then(later);
      };
      const later = (): void => process.nextTick(step);
      process.nextTick(step);
    });
  }

  #step(over: () => boolean): boolean {
    if (++this.#steps > stepsMax) throw new Error(`there is no end of events at ${this.now.toFixed(1)} ms`);
    if (this.#soon.length > 0) {
      const tasks = this.#soon;
      this.#soon = [];
      for (const task of tasks) task();
      return true;
    }
    if (over()) return false;
    for (;;) {
      const event = this.#pop();
      if (event === undefined) return false;
      const { task } = event;
      if (task === undefined) continue;
      event.task = undefined;
      if (event.work) this.working--;
      this.now = event.at;
      task();
      return true;
    }
  }

  // A binary heap, by time and then by order.

  #push(event: Event): Event {
    const heap = this.#heap;
    let place = heap.length;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = heap[above] as Event;
      if (!before(event, parent)) break;
      heap[place] = parent;
      place = above;
    }
    heap[place] = event;
    return event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && before(heap[below + 1] as Event, heap[below] as Event)) below++;
      const child = heap[below] as Event;
      if (!before(child, last)) break;
      heap[place] = child;
      place = below;
    }
    heap[place] = last;
    return first;
  }
}

function before(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Where drives get their time and their timers; tests and the simulator bring their own. */
export interface Clock {
  /** Milliseconds, monotonic. */
  now(): number;
  /** Runs `task` once the time has come; a later call with the same alarm replaces it. */
  alarm(task: () => void): Alarm;
  /** Runs `task` when what runs now, promises included, has run. */
  soon(task: () => void): void;
}

/** A clock that is read once for several uses: reading it costs more than most of what a call wants the time for. */
export class ReadClock {
  /** The time as of the last reading, in milliseconds. */
  last: number;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.last = clock.now();
  }

  read(): number {
    this.last = this.#clock.now();
    return this.last;
  }
}

/** One timer that is set again and again. */
export interface Alarm {
  /** Sets it to go off at `at`, in the clock's milliseconds; infinity clears it. */
  set(at: number): void;
  /** Whether it keeps the process alive while it is set. */
  keepAlive(alive: boolean): void;
  clear(): void;
}

/** The longest that one of Node's timers can wait; a longer wait is made of several. */
const timerMax = 2 ** 31 - 1;

/** The real time, by `performance.now()`. */
export const realClock: Clock = {
  now: () => performance.now(),
  alarm: (task) => new RealAlarm(task),
  // After the microtasks: every promise that one batch of replies settles may add to the next batch of calls.
  soon: (task) => process.nextTick(task),
};

class RealAlarm implements Alarm {
  readonly #task: () => void;
  #at: number = Number.POSITIVE_INFINITY;
  /** In browsers it is a number, without `ref` and `unref`. */
  #timer: NodeJS.Timeout | undefined;
  #alive = false;

  constructor(task: () => void) {
    this.#task = task;
  }

  set(at: number): void {
    if (at === this.#at) return;
    this.#at = at;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (at !== Number.POSITIVE_INFINITY) this.#start();
  }

  keepAlive(alive: boolean): void {
    if (alive === this.#alive) return;
    this.#alive = alive;
    if (alive) this.#timer?.ref?.();
    else this.#timer?.unref?.();
  }

  clear(): void {
    this.set(Number.POSITIVE_INFINITY);
  }

  #start(): void {
    // Rounded up: a timer that goes off early would find nothing due.
    const wait = Math.min(Math.max(1, Math.ceil(this.#at - performance.now())), timerMax);
    this.#timer = setTimeout(() => {
      if (performance.now() < this.#at) return this.#start();
      this.#at = Number.POSITIVE_INFINITY;
      this.#timer = undefined;
      this.#task();
    }, wait);
    if (!this.#alive) this.#timer.unref?.();
  }
}

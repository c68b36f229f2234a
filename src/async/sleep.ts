import type { Clock } from "../drive/clock.js";

/** Something that can be waited for once or more, and woken. */
export class Bell {
  #waiting: (() => void)[] = [];

  ring(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Waits for the next ring, at most so many milliseconds. */
  wait(clock: Clock, ms: number, keepAlive = false): Promise<void> {
    return new Promise((resolve) => {
      const alarm = clock.alarm(() => {
        this.#waiting = this.#waiting.filter((other) => other !== wake);
        resolve();
      });
      const wake = (): void => {
        alarm.clear();
        resolve();
      };
      this.#waiting.push(wake);
      alarm.set(clock.now() + ms);
      alarm.keepAlive(keepAlive);
    });
  }
}

/** Waits, at most until the bell rings. */
export function pause(clock: Clock, ms: number, keepAlive = false): Promise<void> {
  return new Bell().wait(clock, ms, keepAlive);
}

import type { Alarm, Clock } from "../../src/drive/clock.js";
import { type Machine, realMachine } from "../../src/drive/machine.js";

/** A clock that stands still until a test moves it. */
export class HandClock implements Clock {
  #now = 1_000;
  readonly #alarms = new Set<{ at: number; readonly task: () => void }>();

  now(): number {
    return this.#now;
  }

  soon(task: () => void): void {
    process.nextTick(task);
  }

  alarm(task: () => void): Alarm {
    const alarm = { at: Number.POSITIVE_INFINITY, task };
    return {
      set: (at) => {
        alarm.at = at;
        if (at === Number.POSITIVE_INFINITY) this.#alarms.delete(alarm);
        else this.#alarms.add(alarm);
      },
      keepAlive: () => {},
      clear: () => this.#alarms.delete(alarm),
    };
  }

  /** Lets so many milliseconds pass; alarms go off in their order, and what they cause has happened when this resolves. */
  async pass(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      const [next] = [...this.#alarms].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#now = Math.max(this.#now, next.at);
      this.#alarms.delete(next);
      next.task();
      await turn();
    }
    this.#now = until;
    await turn();
  }
}

/** Some turns of the event loop: what has been sent in memory has arrived and been answered. */
export async function turn(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

export function machineWith(clock: Clock): Machine {
  return { ...realMachine, clock };
}

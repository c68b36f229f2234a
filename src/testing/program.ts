import type { Alarm, Clock } from "../drive/clock.js";
import type { Machine } from "../drive/machine.js";
import type { Random } from "./random.js";
import type { Event, VirtualTime } from "./time.js";

/**
 * One run of a client or server on its host, with the host's clock and a source of chance. When it dies, nothing that it
 * arranged happens any more: alarms do not go off, and what it waits for does not come.
 */
export class Program implements Machine {
  readonly host: string;
  /** Which run of this host's program it is, from 1. */
  readonly boot: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly randomBytes: (size: number) => Uint8Array;
  alive = true;
  /** When it began, in the world's time. */
  readonly since: number;
  /** What the first 4 bytes of chance are, where a history wants to choose them: a client's first xid. */
  firstWord: number | undefined = undefined;
  /** When its clock last leaped, in the world's time. */
  jumpedAt: number = Number.NEGATIVE_INFINITY;
  readonly #time: VirtualTime;
  readonly #alarms = new Set<ProgramAlarm>();
  readonly #deaths: (() => void)[] = [];
  /** What its clock is ahead of the world's time: the clocks of two programs have nothing to do with each other. */
  #ahead: number;

  constructor(time: VirtualTime, host: string, boot: number, random: Random) {
    this.#time = time;
    this.since = time.now;
    this.host = host;
    this.boot = boot;
    this.#ahead = random.integer(0, 1_000_000);
    this.random = () => random.next();
    this.randomBytes = (size) => {
      const bytes = random.bytes(size);
      if (size === 4 && this.firstWord !== undefined) {
        new DataView(bytes.buffer).setUint32(0, this.firstWord);
        this.firstWord = undefined;
      }
      return bytes;
    };
    this.clock = {
      now: () => time.now + this.#ahead,
      alarm: (task) => new ProgramAlarm(this, time, task, this.#alarms),
      soon: (task) => time.soon(() => this.alive && task()),
    };
  }

  get name(): string {
    return this.boot === 1 ? this.host : `${this.host}'${this.boot}`;
  }

  /** The world's time at which this program's clock shows `at`. */
  worldTime(at: number): number {
    return at - this.#ahead;
  }

  /** Waits. A program that dies meanwhile waits for ever. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (!this.alive) return;
      this.#time.work(this.#time.now + ms, () => this.alive && resolve());
    });
  }

  /** Its clock leaps forward. */
  jump(ms: number): void {
    this.#ahead += ms;
    this.jumpedAt = this.#time.now;
    for (const alarm of [...this.#alarms]) alarm.arrange();
  }

  /** Calls back when the program dies. */
  onDeath(task: () => void): void {
    this.#deaths.push(task);
  }

  kill(): void {
    if (!this.alive) return;
    this.alive = false;
    for (const alarm of [...this.#alarms]) alarm.clear();
    for (const task of this.#deaths) task();
  }
}

class ProgramAlarm implements Alarm {
  readonly #program: Program;
  readonly #time: VirtualTime;
  readonly #task: () => void;
  readonly #set: Set<ProgramAlarm>;
  #at: number = Number.POSITIVE_INFINITY;
  #event: Event | undefined;

  constructor(program: Program, time: VirtualTime, task: () => void, set: Set<ProgramAlarm>) {
    this.#program = program;
    this.#time = time;
    this.#task = task;
    this.#set = set;
  }

  set(at: number): void {
    if (at === this.#at) return;
    this.#at = at;
    this.arrange();
  }

  keepAlive(): void {}

  clear(): void {
    this.set(Number.POSITIVE_INFINITY);
  }

  arrange(): void {
    if (this.#event !== undefined) this.#time.cancel(this.#event);
    this.#event = undefined;
    this.#set.delete(this);
    if (this.#at === Number.POSITIVE_INFINITY || !this.#program.alive) return;
    this.#set.add(this);
    // As with the machine's own timers, an alarm goes off a millisecond later at the earliest.
    const at = Math.max(this.#program.worldTime(this.#at), this.#time.now + 1);
    this.#event = this.#time.alarm(at, () => {
      this.#set.delete(this);
      this.#event = undefined;
      this.#at = Number.POSITIVE_INFINITY;
      this.#task();
    });
  }
}

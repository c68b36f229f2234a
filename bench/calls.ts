import { build as buildHistogram } from "hdr-histogram-js";
import type { Sample } from "./contender.js";

/** Keeps `window` calls in flight until the time is up: what a program with that many tasks does. */
export async function keepCalling(call: () => Promise<unknown>, window: number, ms: number): Promise<Sample> {
  if (window === 1) return oneAfterAnother(call, ms);
  let running = true;
  let calls = 0;
  const task = async (): Promise<void> => {
    while (running) {
      await call();
      calls++;
    }
  };
  const start = performance.now();
  const timer = setTimeout(() => {
    running = false;
  }, ms);
  await Promise.all(Array.from({ length: window }, task));
  clearTimeout(timer);
  return { calls, ms: performance.now() - start };
}

/** The times between one answer and the next, at window 1. */
export class Stopwatch {
  readonly #histogram = buildHistogram({ lowestDiscernibleValue: 1, highestTrackableValue: 60_000_000 });
  readonly #start = performance.now();
  #before = this.#start;
  #calls = 0;

  /** An answer is there; gives the milliseconds since the start. */
  lap(): number {
    const now = performance.now();
    this.#histogram.recordValue(Math.round((now - this.#before) * 1000));
    this.#before = now;
    this.#calls++;
    return now - this.#start;
  }

  get sample(): Sample {
    return {
      calls: this.#calls,
      ms: this.#before - this.#start,
      p50: this.#histogram.getValueAtPercentile(50),
      p99: this.#histogram.getValueAtPercentile(99),
    };
  }
}

async function oneAfterAnother(call: () => Promise<unknown>, ms: number): Promise<Sample> {
  const watch = new Stopwatch();
  do await call();
  while (watch.lap() < ms);
  return watch.sample;
}

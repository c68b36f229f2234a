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

async function oneAfterAnother(call: () => Promise<unknown>, ms: number): Promise<Sample> {
  const histogram = buildHistogram({ lowestDiscernibleValue: 1, highestTrackableValue: 60_000_000 });
  const start = performance.now();
  let calls = 0;
  let before = start;
  while (before - start < ms) {
    await call();
    const now = performance.now();
    histogram.recordValue(Math.round((now - before) * 1000));
    before = now;
    calls++;
  }
  return {
    calls,
    ms: before - start,
    p50: histogram.getValueAtPercentile(50),
    p99: histogram.getValueAtPercentile(99),
  };
}

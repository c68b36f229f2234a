// Networks that misbehave on purpose, the same way again for the same seed.
import { type DatagramFate, MemoryNetwork, type MemoryNetworkOptions } from "farcall";
import type { Stream } from "../../src/net/index.js";

/** Numbers from 0 to below 1 that look random and follow from the seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What becomes of datagrams: probabilities from 0 to 1, times in milliseconds. */
export interface Weather {
  readonly lost: number;
  readonly duplicated: number;
  /** Each copy is late by up to this much, so that they overtake one another. */
  readonly delayMs: number;
}

/** A fate for every datagram, by the seed's numbers. */
export function weather(random: () => number, { lost, duplicated, delayMs }: Weather): DatagramFate {
  const delay = (): number => (random() < 0.3 ? 0 : Math.floor(random() * (delayMs + 1)));
  return () => {
    if (random() < lost) return [];
    return random() < duplicated ? [delay(), delay()] : [delay()];
  };
}

/** A memory network whose streams can be cut in the middle of anything. */
export class CuttableNetwork extends MemoryNetwork {
  readonly #streams = new Set<Stream>();
  /** How many streams were cut. */
  cuts = 0;
  /** Set to refuse every further connection. */
  down = false;

  constructor(options: MemoryNetworkOptions = {}) {
    super(options);
  }

  override async connect(name: string): Promise<Stream> {
    if (this.down) throw Object.assign(new Error("the network is down"), { code: "ENETDOWN" });
    const stream = await super.connect(name);
    this.#streams.add(stream);
    return stream;
  }

  /** Ends every stream; what is on its way in either direction is lost. */
  cut(): void {
    for (const stream of this.#streams) {
      this.cuts++;
      stream.destroy(new Error("the stream was cut"));
    }
    this.#streams.clear();
  }
}

/** Resolves after so many milliseconds of timers, and after everything that was due before. */
export function later(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Resolves once the condition holds; rejects, with its text, when it does not within a generous while. */
export async function until(condition: () => boolean, timeoutMs = 15_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${timeoutMs} ms: ${condition}`);
    await later(5);
  }
}

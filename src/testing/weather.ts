import type { FaultCounts } from "./faults.js";
import type { Random } from "./random.js";

/** How a network treats datagrams: probabilities from 0 to 1, times in milliseconds. */
export interface Weather {
  readonly loss: number;
  readonly duplication: number;
  /** Datagrams that are held back a little, so that later ones overtake them. */
  readonly reordering: number;
  /** Datagrams that are late by up to `delayMs`; on streams, everything behind them waits too. */
  readonly delay: number;
  readonly delayMs: number;
  readonly corruption: number;
  readonly "bit-flip": number;
  /** How long a message is under way at the least and at the most, when nothing is wrong. */
  readonly latencyMs: readonly [least: number, most: number];
}

export const calm: Weather = {
  loss: 0,
  duplication: 0,
  reordering: 0,
  delay: 0,
  delayMs: 0,
  corruption: 0,
  "bit-flip": 0,
  latencyMs: [0.1, 0.5],
};

/** How far a datagram is held back at most so that others overtake it, in milliseconds. */
const overtakingMs = 20;

/** One copy of a datagram: how long it is under way, and what arrives. */
export interface Copy {
  readonly ms: number;
  readonly bytes: Uint8Array;
  readonly held: boolean;
}

/** What becomes of one datagram, by the weather: each copy that arrives. */
export function fateOf(bytes: Uint8Array, weather: Weather, random: Random, counts: FaultCounts): Copy[] {
  const { latencyMs } = weather;
  if (random.chance(weather.loss)) {
    counts.loss++;
    return [];
  }
  const copies = random.chance(weather.duplication) ? 2 : 1;
  if (copies === 2) counts.duplication++;
  // What is damaged is damaged in every copy: two faults at once in one datagram would be another network.
  const arriving = damaged(bytes, weather, random, counts);
  const fate: Copy[] = [];
  for (let copy = 0; copy < copies; copy++) {
    let ms = random.between(latencyMs[0], latencyMs[1]);
    const held = random.chance(weather.reordering);
    if (held) ms += random.between(latencyMs[1], latencyMs[1] + overtakingMs);
    if (random.chance(weather.delay)) {
      counts.delay++;
      ms += random.between(0, weather.delayMs);
    }
    fate.push({ ms, bytes: arriving, held });
  }
  return fate;
}

function damaged(bytes: Uint8Array, weather: Weather, random: Random, counts: FaultCounts): Uint8Array {
  if (random.chance(weather.corruption)) {
    counts.corruption++;
    return corrupted(bytes, random);
  }
  if (random.chance(weather["bit-flip"])) {
    counts["bit-flip"]++;
    const flipped = new Uint8Array(bytes);
    const bit = random.integer(0, 8 * bytes.length - 1);
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
    return flipped;
  }
  return bytes;
}

/**
 * Damage that an ONC RPC peer can tell, since ONC RPC has no checksum of its own: the message is too short or too long
 * for what its lengths say, or is no message at all.
 */
export function corrupted(bytes: Uint8Array, random: Random): Uint8Array {
  switch (random.integer(0, 2)) {
    case 0:
      return bytes.slice(0, random.integer(0, bytes.length - 1));
    case 1: {
      const longer = new Uint8Array(bytes.length + 4 * random.integer(1, 8));
      longer.set(bytes);
      for (let i = bytes.length; i < longer.length; i++) longer[i] = random.integer(0, 255);
      return longer;
    }
    default: {
      // The type of the message, beyond what RFC 5531 knows.
      const destroyed = new Uint8Array(bytes);
      for (let i = 4; i < Math.min(8, destroyed.length); i++) destroyed[i] = random.integer(2, 255);
      return destroyed;
    }
  }
}

// Where every input comes from: numbers that follow from a seed, and the damage that they do.

/** Numbers that look random and follow from three others, so that any input of a run can be made again on its own. */
export class Random {
  #state: number;

  constructor(seed: number, stream: number, index: number) {
    this.#state =
      (Math.imul(seed, 0x9e3779b1) ^ Math.imul(stream + 1, 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35)) >>> 0;
    this.next();
  }

  /** 32 bits (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    const state = this.#state;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** A whole number from 0 to below `max`. */
  below(max: number): number {
    return max === 0 ? 0 : this.next() % max;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }
}

/** Words that have meant trouble to somebody. */
const words = [
  0, 1, 2, 3, 4, 7, 8, 0x10, 0x7f, 0x80, 0xff, 0x100, 400, 401, 0xffff, 0x1_0000, 0x1_0001, 0x00ff_ffff, 0x0100_0000,
  0x7fff_fffc, 0x7fff_ffff, 0x8000_0000, 0x8000_0001, 0xffff_fffc, 0xffff_fffe, 0xffff_ffff,
] as const;

/** Bytes with one to four things wrong: flipped, overwritten, cut off, put in, repeated, or replaced by another's. */
export function damageBytes(random: Random, whole: Uint8Array, other: Uint8Array): Uint8Array<ArrayBuffer> {
  let bytes = new Uint8Array(whole);
  for (let times = 1 + random.below(4); times > 0; times--) bytes = damageOnce(random, bytes, other);
  return bytes;
}

function damageOnce(random: Random, bytes: Uint8Array<ArrayBuffer>, other: Uint8Array): Uint8Array<ArrayBuffer> {
  const at = random.below(bytes.length);
  switch (random.below(8)) {
    case 0:
      if (bytes.length > 0) bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
      return bytes;
    case 1:
      if (bytes.length > 0) bytes[at] = random.below(256);
      return bytes;
    case 2:
    case 3: {
      // Most lengths, counts and discriminants are words of their own.
      if (bytes.length < 4) return bytes;
      new DataView(bytes.buffer).setUint32(4 * random.below(bytes.length >>> 2), random.pick(words));
      return bytes;
    }
    case 4:
      return bytes.slice(0, at);
    case 5: {
      const more = Uint8Array.from({ length: 4 * random.below(12) }, () => random.below(256));
      return join(bytes.subarray(0, at), more, bytes.subarray(at));
    }
    case 6: {
      const piece = bytes.subarray(at, at + random.below(64));
      return join(bytes.subarray(0, at), piece, bytes.subarray(at));
    }
    default:
      return join(bytes.subarray(0, at), other.subarray(random.below(other.length)));
  }
}

export function join(...pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let size = 0;
  for (const piece of pieces) size += piece.length;
  const whole = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** Text with one to six pieces cut out, put in, repeated, or taken from another. */
export function damageText(random: Random, whole: string, other: string, pieces: readonly string[]): string {
  let text = whole;
  for (let times = 1 + random.below(6); times > 0; times--) {
    const at = random.below(text.length + 1);
    const cut = at + (random.below(2) === 0 ? 0 : random.below(40));
    const from = random.below(other.length + 1);
    const insert = [
      "",
      random.pick(pieces),
      random.pick(pieces),
      other.slice(from, from + random.below(80)),
      text.slice(at, at + random.below(40)),
      String.fromCharCode(random.below(random.below(4) === 0 ? 0x1_0000 : 0x80)),
    ][random.below(6)];
    text = text.slice(0, at) + insert + text.slice(cut);
  }
  return text;
}

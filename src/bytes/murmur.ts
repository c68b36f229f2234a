/**
 * MurmurHash3 of 32 bits, seed 0, of the bytes from `from` to `to`: tells mistakes apart, not forgeries. It takes four bytes a
 * step, so that a short message costs some ten steps.
 */
export function murmur3(data: DataView, from: number, to: number): number {
  let hash = 0;
  let at = from;
  for (const last = to - 4; at <= last; at += 4) {
    hash ^= mixed(data.getInt32(at, true));
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  if (at < to) {
    let tail = 0;
    for (let shift = 0; at < to; at++, shift += 8) tail |= data.getUint8(at) << shift;
    hash ^= mixed(tail);
  }
  hash ^= to - from;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function mixed(word: number): number {
  const product = Math.imul(word, 0xcc9e2d51);
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593);
}

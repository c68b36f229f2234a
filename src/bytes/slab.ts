/** Bytes of a chunk; what is longer than a fraction of it gets memory of its own. */
const chunkSize = 8_192;
const ownSize = 1_024;

/** Below this, a loop copies faster than the call that does it for any length. */
const loopSize = 160;

/**
 * Copies of short messages that are kept for a while, many to a chunk of memory: a buffer of its own for each would cost
 * the collector more than everything else about it. A chunk lives as long as any of its copies.
 */
export class Slab {
  #chunk: Uint8Array = new Uint8Array(chunkSize);
  #end = 0;

  /** Where the last copy begins in what `copy` returned. */
  at = 0;

  /**
   * Copies the bytes from `from` to `to`. A view of each copy would cost more than the copying.
   *
   * @returns what the copy lies in, beginning at `at`
   */
  copy(bytes: Uint8Array, from: number, to: number): Uint8Array {
    const size = to - from;
    if (size > ownSize) {
      this.at = 0;
      return bytes.slice(from, to);
    }
    if (this.#end + size > chunkSize) {
      this.#chunk = new Uint8Array(chunkSize);
      this.#end = 0;
    }
    const at = this.#end;
    const chunk = this.#chunk;
    this.at = at;
    this.#end = at + size;
    if (size <= loopSize) for (let i = 0; i < size; i++) chunk[at + i] = bytes[from + i] as number;
    else chunk.set(bytes.subarray(from, to), at);
    return chunk;
  }
}

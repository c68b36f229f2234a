/** Buffers of one size, used again and again, so that writing allocates nothing and an idle connection holds nothing. */
export class BufferPool {
  readonly size: number;
  readonly #max: number;
  readonly #free: Uint8Array[] = [];

  /** @param max how many to keep; what comes back beyond it is left to the garbage collector */
  constructor(size: number, max: number) {
    this.size = size;
    this.#max = max;
  }

  take(): Uint8Array {
    return this.#free.pop() ?? new Uint8Array(this.size);
  }

  /** Takes a buffer back that nobody reads or writes any more. */
  give(buffer: Uint8Array): void {
    if (buffer.length === this.size && this.#free.length < this.#max) this.#free.push(buffer);
  }
}

// Record marking: RFC 5531, section 11. On a stream every message is a record, sent as fragments; each fragment
// starts with four bytes, of which the top bit says "last of the record" and the other 31 give its length.

/** Most bytes of a record unless a user says otherwise: 16 MiB, so that the 8 MiB that NFS peers send fits twice. */
export const recordSizeMax: number = 16 * 1024 * 1024;

/** Most fragments of a record. libtirpc cuts an 8 MiB message into some 130; a peer that sends far more is playing. */
export const recordFragmentsMax = 4_096;

/** The mark of the last fragment, or of the only one. */
const lastFragment = 0x8000_0000;

/** The record mark for a message of `length` bytes sent as one fragment, as farcall sends every message. */
export function recordMark(length: number): number {
  return (lastFragment | length) >>> 0;
}

/** A peer that does not keep to record marking, or to the limits. The stream is of no use any more. */
export class RecordError extends Error {
  override readonly name = "RecordError";
}

const nothing = new Uint8Array(0);

/**
 * Small chunks are copied together into blocks, so that a byte a chunk does not cost an object a byte. The first is
 * small and they double up to this size: a few bytes in two fragments must not cost thousands.
 */
const blockSize = 16_384;
const blockSizeMin = 64;

/**
 * Takes chunks as they come off a stream and gives records, whatever the fragments and however the bytes were split.
 *
 * After `push`, call `next` until it says false; each true leaves one record in `buffer` from `start` to `end`. A
 * record that lies whole in one chunk is given as a view of it. Nothing is allocated on the word of a length: what is
 * kept is at most twice what has arrived.
 */
export class RecordReader {
  buffer: Uint8Array = nothing;
  start = 0;
  end = 0;

  readonly #sizeMax: number;
  readonly #fragmentsMax: number;
  #chunk: Uint8Array = this.buffer;
  #at = 0;
  /** The mark as far as it has arrived, and how many of its four bytes have. */
  #mark = 0;
  #markBytes = 0;
  /** Bytes of the current fragment still to come. */
  #left = 0;
  #last = false;
  #fragments = 0;
  /** The pieces of an unfinished record. */
  #pieces: Uint8Array[] = [];
  #piecesSize = 0;
  /** A block of our own at the end of `pieces` with room left, as filled so far. */
  #block: Uint8Array | undefined;
  #blockUsed = 0;

  constructor(
    limits: { readonly recordSizeMax?: number | undefined; readonly fragmentsMax?: number | undefined } = {},
  ) {
    this.#sizeMax = limits.recordSizeMax ?? recordSizeMax;
    this.#fragmentsMax = limits.fragmentsMax ?? recordFragmentsMax;
  }

  /** Whether a record has begun and not ended. */
  get partial(): boolean {
    return this.#markBytes > 0 || this.#fragments > 0;
  }

  /** Bytes kept for an unfinished record, and of the last chunk not looked at yet. */
  get held(): number {
    return this.#piecesSize + (this.#chunk.length - this.#at);
  }

  /** How large the record that has begun is at the least, by the marks that have arrived. */
  get claimed(): number {
    return this.#piecesSize + this.#left;
  }

  /** Takes the next chunk. The caller has taken every record of the one before; the chunk must not change any more. */
  push(chunk: Uint8Array): void {
    this.#chunk = this.#at < this.#chunk.length ? concat([this.#chunk.subarray(this.#at), chunk]) : chunk;
    this.#at = 0;
  }

  /**
   * Finds the next record.
   *
   * @param sizeMax leaves a record that claims more bytes where it is, for now
   * @returns whether there is one; false asks for another chunk, or finds the next one `claimed` larger
   * @throws RecordError when a limit is exceeded
   */
  next(sizeMax: number = Number.POSITIVE_INFINITY): boolean {
    for (;;) {
      if (this.#markBytes < 4 && !this.#readMark()) return this.#starve();
      if (this.claimed > sizeMax) return false;
      const chunk = this.#chunk;
      const available = chunk.length - this.#at;
      if (this.#last && this.#left <= available && this.#piecesSize === 0) {
        this.buffer = chunk;
        this.start = this.#at;
        this.end = this.#at + this.#left;
        this.#at = this.end;
        this.#reset();
        return true;
      }
      const size = Math.min(this.#left, available);
      if (size > 0) {
        this.#keep(chunk.subarray(this.#at, this.#at + size));
        this.#at += size;
        this.#left -= size;
      }
      if (this.#left > 0) return this.#starve();
      this.#markBytes = 0;
      if (this.#last) {
        this.#sealBlock();
        this.buffer = concat(this.#pieces);
        this.start = 0;
        this.end = this.buffer.length;
        this.#reset();
        return true;
      }
    }
  }

  /** All was taken: an idle connection must not keep its last chunk, which thousands of them could not afford. */
  #starve(): false {
    this.#chunk = nothing;
    this.#at = 0;
    this.buffer = nothing;
    this.start = 0;
    this.end = 0;
    return false;
  }

  /** @returns whether the four bytes of a mark are complete */
  #readMark(): boolean {
    const chunk = this.#chunk;
    while (this.#markBytes < 4) {
      const byte = chunk[this.#at];
      if (byte === undefined) return false;
      this.#at++;
      this.#mark = ((this.#mark << 8) | byte) >>> 0;
      this.#markBytes++;
    }
    this.#last = this.#mark >= lastFragment;
    this.#left = this.#mark & 0x7fff_ffff;
    this.#fragments++;
    if (this.#left > this.#sizeMax - this.#piecesSize) {
      throw new RecordError(
        `a record of at least ${this.#piecesSize + this.#left} bytes is over the limit of ${this.#sizeMax} (recordSizeMax)`,
      );
    }
    if (this.#fragments > this.#fragmentsMax) {
      throw new RecordError(`a record of more than ${this.#fragmentsMax} fragments is over the limit (fragmentsMax)`);
    }
    return true;
  }

  #reset(): void {
    this.#markBytes = 0;
    this.#left = 0;
    this.#fragments = 0;
    if (this.#piecesSize > 0) {
      this.#pieces = [];
      this.#piecesSize = 0;
    }
  }

  #keep(piece: Uint8Array): void {
    this.#piecesSize += piece.length;
    if (piece.length >= blockSize / 4) {
      this.#sealBlock();
      this.#pieces.push(piece);
      return;
    }
    while (piece.length > 0) {
      if (this.#block === undefined) {
        this.#block = new Uint8Array(Math.max(blockSizeMin, Math.min(blockSize, this.#piecesSize)));
        this.#blockUsed = 0;
      }
      const part = piece.subarray(0, this.#block.length - this.#blockUsed);
      this.#block.set(part, this.#blockUsed);
      this.#blockUsed += part.length;
      piece = piece.subarray(part.length);
      if (this.#blockUsed === this.#block.length) this.#sealBlock();
    }
  }

  #sealBlock(): void {
    if (this.#block === undefined) return;
    this.#pieces.push(this.#block.subarray(0, this.#blockUsed));
    this.#block = undefined;
  }
}

function concat(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1 && pieces[0] !== undefined) return pieces[0];
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

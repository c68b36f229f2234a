// Whole files over READ and WRITE: RFC 1813, sections 3.3.6, 3.3.7 and 3.3.21. Several requests are under way at once,
// so that a file does not take a round trip for each piece.
import { type NfsFh3, type NfsV3Client, StableHow } from "../nfs-server/nfs.js";
import { must, NfsFailure } from "./failure.js";

/** Requests under way at once: enough to fill the line, little enough that the server's other clients get their turn. */
const window = 8;

/** What is written is kept until it is committed, and is committed whenever it is this much. */
const uncommittedMax: number = 32 * 1024 * 1024;

/** How often a file is written anew because the server restarted meanwhile. */
const rewritesMax = 5;

/** Reads the first `size` bytes of a file in order; fewer if it became shorter meanwhile. */
export async function* readPieces(
  nfs: NfsV3Client,
  file: NfsFh3,
  size: bigint,
  pieceSize: number,
): AsyncGenerator<Uint8Array> {
  const pieces: Promise<Uint8Array>[] = [];
  let next = 0n;
  const start = (): void => {
    const length = Number(size - next < BigInt(pieceSize) ? size - next : BigInt(pieceSize));
    const piece = readPiece(nfs, file, next, length);
    // If an earlier one fails nobody looks at this one any more.
    piece.catch(() => {});
    pieces.push(piece);
    next += BigInt(length);
  };
  while (next < size && pieces.length < window) start();
  for (let piece = pieces.shift(); piece !== undefined; piece = pieces.shift()) {
    const data = await piece;
    if (next < size) start();
    if (data.length > 0) yield data;
  }
}

/** A server may give less than it was asked for; what is missing is asked for again. */
async function readPiece(nfs: NfsV3Client, file: NfsFh3, offset: bigint, length: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let have = 0;
  while (have < length) {
    const { resok } = must("read", await nfs.read({ file, offset: offset + BigInt(have), count: length - have }));
    if (resok.data.length > length - have) throw new NfsFailure("read", "more data than asked for");
    parts.push(resok.data);
    have += resok.data.length;
    if (resok.eof) break;
    if (resok.data.length === 0) throw new NfsFailure("read", "no data and no end of the file");
  }
  return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts, have);
}

export interface Written {
  readonly bytes: bigint;
  /** How often a part was written anew, because the server restarted before it was on the disk. */
  readonly rewrites: number;
}

interface Piece {
  readonly offset: bigint;
  readonly data: Uint8Array;
}

/**
 * Writes a file from its beginning, and returns when all of it is on the server's disk.
 *
 * @param pieceSize most bytes of one WRITE
 */
export async function writePieces(
  nfs: NfsV3Client,
  file: NfsFh3,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  pieceSize: number,
): Promise<Written> {
  let offset = 0n;
  let rewrites = 0;
  let part = new Part(nfs, file);
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; at += pieceSize) {
      const data = chunk.subarray(at, at + pieceSize);
      await part.add({ offset, data });
      offset += BigInt(data.length);
      if (part.size < uncommittedMax) continue;
      rewrites += await part.commit();
      part = new Part(nfs, file);
    }
  }
  rewrites += await part.commit();
  return { bytes: offset, rewrites };
}

/** What was written since the last commit. */
class Part {
  readonly #nfs: NfsV3Client;
  readonly #file: NfsFh3;
  readonly #pieces: Piece[] = [];
  readonly #running = new Set<Promise<void>>();
  /** The verifiers of the answers that promised nothing; one, if the server stayed the same. */
  #verifiers = new Set<string>();
  #failure: { readonly error: unknown } | undefined;
  size = 0;

  constructor(nfs: NfsV3Client, file: NfsFh3) {
    this.#nfs = nfs;
    this.#file = file;
  }

  async add(piece: Piece): Promise<void> {
    this.#pieces.push(piece);
    this.size += piece.data.length;
    await this.#start(piece);
  }

  /** Resolves when there is room for the next. */
  async #start(piece: Piece): Promise<void> {
    const running = this.#write(piece)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
    if (this.#running.size >= window) await Promise.race(this.#running);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** A server may take less than it was given; the rest is given again. */
  async #write({ offset, data }: Piece): Promise<void> {
    for (let at = 0; at < data.length; ) {
      const rest = data.subarray(at);
      const { resok } = must(
        "write",
        await this.#nfs.write({
          file: this.#file,
          offset: offset + BigInt(at),
          count: rest.length,
          stable: StableHow.UNSTABLE,
          data: rest,
        }),
      );
      if (resok.count === 0 || resok.count > rest.length) throw new NfsFailure("write", "a wrong count of bytes");
      if (resok.committed === StableHow.UNSTABLE) this.#verifiers.add(hex(resok.verf));
      at += resok.count;
    }
  }

  /**
   * Brings the part to the disk. A verifier that is not the one of the commit means that the server restarted between,
   * and may have lost what it answered before: everything since the last commit is written again.
   *
   * @returns how often that was
   */
  async commit(): Promise<number> {
    for (let rewrites = 0; ; rewrites++) {
      await Promise.all(this.#running);
      if (this.#failure !== undefined) throw this.#failure.error;
      if (this.#verifiers.size === 0) return rewrites;
      const { resok } = must("commit", await this.#nfs.commit({ file: this.#file, offset: 0n, count: 0 }));
      this.#verifiers.delete(hex(resok.verf));
      if (this.#verifiers.size === 0) return rewrites;
      if (rewrites === rewritesMax) throw new NfsFailure("commit", "the server restarts again and again");
      this.#verifiers = new Set();
      for (const piece of this.#pieces) await this.#start(piece);
    }
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}

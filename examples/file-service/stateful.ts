import { randomBytes } from "node:crypto";
import type { FileHandle as File } from "node:fs/promises";
import {
  type FileHandle,
  FileStatus,
  OpenMode,
  type OpenResult,
  type PositionResult,
  type ReadResult,
  SeekFrom,
  type StatefulFilesV1Handlers,
} from "./files.js";
import { FileFault, type Folder, outcome } from "./folder.js";

/** Most files that one session has open: a client that forgets to close does not take all of the server's. */
export const openFilesMax = 64;

/** Tells one start of the server from another. */
export type BootId = Uint8Array;

export function newBootId(): BootId {
  return randomBytes(16);
}

/**
 * What the server knows of one client: the files it has open, and how far it is in each.
 *
 * There is one of these for each session, so another client's handle does not exist here, and it ends with the session.
 * A handle says in which boot it was given out: after a restart the client learns that it is stale.
 */
export class FileSession implements StatefulFilesV1Handlers, AsyncDisposable {
  readonly #folder: Folder;
  readonly #boot: BootId;
  readonly #open = new Map<string, OpenFile>();
  #opening = 0;
  #ended = false;

  constructor(folder: Folder, boot: BootId) {
    this.#folder = folder;
    this.#boot = boot;
  }

  open(filename: string, mode: OpenMode): Promise<OpenResult> {
    return outcome(async () => {
      if (this.#open.size + this.#opening >= openFilesMax) throw new FileFault(FileStatus.FILE_TOO_MANY_OPEN);
      this.#opening++;
      try {
        const file = await this.#folder.open(filename, mode);
        const id = randomBytes(16);
        this.#open.set(key(id), new OpenFile(this.#folder, file, mode));
        // The client may have gone in the meantime.
        if (this.#ended) await this.#closeAll();
        return { handle: { boot: this.#boot, id } };
      } finally {
        this.#opening--;
      }
    });
  }

  read(handle: FileHandle, n: number): Promise<ReadResult> {
    return outcome(async () => ({ data: await this.#find(handle).read(n) }));
  }

  write(handle: FileHandle, buffer: Uint8Array): Promise<PositionResult> {
    return outcome(async () => ({ position: await this.#find(handle).write(buffer) }));
  }

  seek(handle: FileHandle, offset: bigint, from: SeekFrom): Promise<PositionResult> {
    return outcome(async () => ({ position: await this.#find(handle).seek(offset, from) }));
  }

  async close(handle: FileHandle): Promise<FileStatus> {
    const { status } = await outcome(async () => {
      const file = this.#find(handle);
      this.#open.delete(key(handle.id));
      await file.close();
      return {};
    });
    return status;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    return this.#closeAll();
  }

  #find({ boot, id }: FileHandle): OpenFile {
    if (Buffer.compare(boot, this.#boot) !== 0) throw new FileFault(FileStatus.FILE_STALE);
    const file = this.#open.get(key(id));
    if (file === undefined) throw new FileFault(FileStatus.FILE_NOT_OPEN);
    return file;
  }

  async #closeAll(): Promise<void> {
    const files = [...this.#open.values()];
    this.#open.clear();
    await Promise.all(files.map((file) => file.close()));
  }
}

/** A file and the position in it. One call at a time: each begins where the one before has ended. */
class OpenFile {
  readonly #folder: Folder;
  readonly #file: File;
  readonly #mode: OpenMode;
  #position = 0n;
  #last: Promise<unknown> = Promise.resolve();

  constructor(folder: Folder, file: File, mode: OpenMode) {
    this.#folder = folder;
    this.#file = file;
    this.#mode = mode;
  }

  read(n: number): Promise<Uint8Array> {
    return this.#inTurn(async () => {
      const data = await this.#folder.read(this.#file, this.#position, n);
      this.#position += BigInt(data.length);
      return data;
    });
  }

  write(data: Uint8Array): Promise<bigint> {
    return this.#inTurn(async () => {
      if (this.#mode === OpenMode.OPEN_READ) throw new FileFault(FileStatus.FILE_NOT_WRITABLE);
      this.#position = await this.#folder.write(this.#file, this.#position, data);
      return this.#position;
    });
  }

  seek(offset: bigint, from: SeekFrom): Promise<bigint> {
    return this.#inTurn(async () => {
      const position = offset + (await this.#base(from));
      if (position < 0n) throw new FileFault(FileStatus.FILE_OUT_OF_RANGE);
      this.#position = position;
      return position;
    });
  }

  close(): Promise<void> {
    return this.#inTurn(() => this.#file.close());
  }

  async #base(from: SeekFrom): Promise<bigint> {
    if (from === SeekFrom.FROM_START) return 0n;
    if (from === SeekFrom.FROM_CURRENT) return this.#position;
    return BigInt((await this.#file.stat()).size);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}

function key(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString("hex");
}

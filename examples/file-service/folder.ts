import { constants, type FileHandle as File, open } from "node:fs/promises";
import { join } from "node:path";
import { FILE_DATA_MAX, FILE_NAME_MAX, FileStatus, OpenMode } from "./files.js";

/** The largest file that writing makes: 64 MiB. A position is 64 bits wide, and the disk is not. */
export const fileSizeMax: number = 64 * 2 ** 20;

/** A failure that the caller is told about by its number. */
export class FileFault extends Error {
  readonly status: Exclude<FileStatus, typeof FileStatus.FILE_OK>;

  constructor(status: FileFault["status"], options?: ErrorOptions) {
    super(`file status ${status}`, options);
    this.status = status;
  }
}

/** The plain files of one folder, and nothing else on the machine. */
export class Folder {
  readonly path: string;
  readonly #beforeIo: () => Promise<void>;

  /** @param beforeIo is waited for before each read and write: a demonstration kills the server there */
  constructor(path: string, beforeIo: () => Promise<void> = async () => {}) {
    this.path = path;
    this.#beforeIo = beforeIo;
  }

  async open(name: string, mode: OpenMode): Promise<File> {
    if (!isPlainName(name)) throw new FileFault(FileStatus.FILE_BAD_NAME);
    const { O_RDONLY, O_RDWR, O_CREAT } = constants;
    const access = mode === OpenMode.OPEN_READ ? O_RDONLY : O_RDWR | O_CREAT;
    let file: File;
    try {
      file = await open(join(this.path, name), access | guards, 0o600);
    } catch (error) {
      throw faultOf(error);
    }
    if ((await file.stat()).isFile()) return file;
    await file.close();
    throw new FileFault(FileStatus.FILE_BAD_NAME);
  }

  /** Reads n bytes at a position; fewer only at the end of the file. */
  async read(file: File, position: bigint, n: number): Promise<Uint8Array> {
    if (n > FILE_DATA_MAX) throw new FileFault(FileStatus.FILE_OUT_OF_RANGE);
    await this.#beforeIo();
    if (position > BigInt(Number.MAX_SAFE_INTEGER - FILE_DATA_MAX)) return new Uint8Array(0);
    const data = new Uint8Array(n);
    let size = 0;
    while (size < n) {
      const { bytesRead } = await file.read(data, size, n - size, Number(position) + size);
      if (bytesRead === 0) break;
      size += bytesRead;
    }
    return data.subarray(0, size);
  }

  /** Writes bytes at a position. @returns the position behind them */
  async write(file: File, position: bigint, data: Uint8Array): Promise<bigint> {
    const end = position + BigInt(data.length);
    if (end > BigInt(fileSizeMax)) throw new FileFault(FileStatus.FILE_OUT_OF_RANGE);
    await this.#beforeIo();
    let size = 0;
    while (size < data.length) {
      const { bytesWritten } = await file.write(data, size, data.length - size, Number(position) + size);
      size += bytesWritten;
    }
    return end;
  }
}

// A symbolic link may point anywhere, and opening a FIFO waits for its other end. (Windows has neither flag.)
const guards = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** A name that means the same with the folder in front of it as alone, on every system. */
function isPlainName(name: string): boolean {
  if (name === "" || name === "." || name === ".." || Buffer.byteLength(name) > FILE_NAME_MAX) return false;
  return !/[/\\:\0]/.test(name);
}

/** Runs what may fail with a status. What no status describes is told to whoever runs the server. */
export async function outcome<T extends object>(
  work: () => Promise<T>,
): Promise<({ status: typeof FileStatus.FILE_OK } & T) | { status: FileFault["status"] }> {
  try {
    return { status: FileStatus.FILE_OK, ...(await work()) };
  } catch (error) {
    return { status: faultOf(error).status };
  }
}

function faultOf(error: unknown): FileFault {
  if (error instanceof FileFault) return error;
  const status = statuses.get(String((error as NodeJS.ErrnoException).code)) ?? FileStatus.FILE_IO_ERROR;
  if (status === FileStatus.FILE_IO_ERROR) console.error("file service:", error);
  return new FileFault(status, { cause: error });
}

const statuses: ReadonlyMap<string, FileFault["status"]> = new Map([
  ["ENOENT", FileStatus.FILE_NO_ENTRY],
  ["ELOOP", FileStatus.FILE_BAD_NAME],
  ["EISDIR", FileStatus.FILE_BAD_NAME],
  ["ENXIO", FileStatus.FILE_BAD_NAME],
  ["ENAMETOOLONG", FileStatus.FILE_BAD_NAME],
  ["EILSEQ", FileStatus.FILE_BAD_NAME],
  ["EBADF", FileStatus.FILE_NOT_WRITABLE],
  ["EACCES", FileStatus.FILE_NOT_WRITABLE],
  ["EROFS", FileStatus.FILE_NOT_WRITABLE],
]);

import type { FileHandle as File } from "node:fs/promises";
import { OpenMode, type StatelessFilesV1Handlers } from "./files.js";
import { type Folder, outcome } from "./folder.js";

/** Every call says all that is needed, and nothing of it is remembered. */
export function statelessFiles(folder: Folder): StatelessFilesV1Handlers {
  async function using<T>(name: string, mode: OpenMode, work: (file: File) => Promise<T>): Promise<T> {
    const file = await folder.open(name, mode);
    try {
      return await work(file);
    } finally {
      await file.close();
    }
  }

  return {
    read: (filename, position, n) =>
      outcome(async () => ({
        data: await using(filename, OpenMode.OPEN_READ, (file) => folder.read(file, position, n)),
      })),
    write: (filename, position, buffer) =>
      outcome(async () => ({
        position: await using(filename, OpenMode.OPEN_WRITE, (file) => folder.write(file, position, buffer)),
      })),
  };
}

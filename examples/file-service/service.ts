import { Server } from "farcall";
import { FILE_DATA_MAX, StatefulFilesV1, StatelessFilesV1 } from "./files.js";
import { Folder } from "./folder.js";
import { type BootId, FileSession, newBootId } from "./stateful.js";
import { statelessFiles } from "./stateless.js";

export interface FileServiceOptions {
  /** The folder whose files are served. */
  readonly folder: string;
  /** Default: a free one. */
  readonly port?: number | undefined;
  /** Is waited for before each read and write; default: nothing. */
  readonly beforeIo?: (() => Promise<void>) | undefined;
}

/** Serves the files of a folder by both programs, on loopback. */
export class FileService implements AsyncDisposable {
  readonly address: string;
  readonly boot: BootId;
  readonly #server: Server;

  private constructor(address: string, boot: BootId, server: Server) {
    this.address = address;
    this.boot = boot;
    this.#server = server;
  }

  static async start({ folder, port = 0, beforeIo }: FileServiceOptions): Promise<FileService> {
    const files = new Folder(folder, beforeIo);
    const boot = newBootId();
    // What stands around the data of the largest write, a name among it, fits in another 4 KiB.
    const server = new Server({ recordSizeMax: FILE_DATA_MAX + 4_096 });
    server.export(StatefulFilesV1, () => new FileSession(files, boot), { lifetime: "per-session" });
    server.export(StatelessFilesV1, statelessFiles(files));
    return new FileService(await server.listen(`tcp://127.0.0.1:${port}`), boot, server);
  }

  async close(): Promise<void> {
    await this.#server.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

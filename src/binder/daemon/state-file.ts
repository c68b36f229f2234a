import { lstat, open, readFile, rename, unlink } from "node:fs/promises";
import type { Registration } from "../registry/registry.js";
import { formatState, parseState } from "../registry/state.js";

/** Most bytes of such a file. */
const sizeMax = 16 * 1024 * 1024;

/**
 * Reads what an earlier binder left.
 *
 * @returns nothing where there is no file
 * @throws Error that names the file and says what is wrong with it
 */
export async function readState(path: string): Promise<Registration[]> {
  const facts = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw new Error(`cannot read the state file ${path}: ${error.message}`, { cause: error });
  });
  if (facts === undefined) return [];
  const refuse = (why: string, cause?: unknown): Error =>
    new Error(`the state file ${path} is not used: ${why}`, { cause });
  if (!facts.isFile()) throw refuse("it is no plain file");
  if (facts.size > sizeMax) throw refuse(`it has more than ${sizeMax} bytes`);
  // Whoever can write it could send every client of this machine to a server of his own.
  const uid = process.getuid?.();
  if (uid !== undefined && facts.uid !== uid && facts.uid !== 0) throw refuse(`it belongs to user ${facts.uid}`);
  if (uid !== undefined && (facts.mode & 0o022) !== 0) throw refuse("others may write it; chmod go-w");
  try {
    return parseState(await readFile(path, "utf8"));
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error), error);
  }
}

/**
 * Keeps a file as the registrations are. It is whole at any time: a new one takes its place. Nothing waits for the disk,
 * since what kills the machine kills the servers too.
 */
export class StateFile {
  readonly #path: string;
  readonly #current: () => readonly Registration[];
  #writing: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(path: string, current: () => readonly Registration[]) {
    this.#path = path;
    this.#current = current;
  }

  /** Writes the registrations as they are now, or are when the present writing is done. */
  save(): Promise<void> {
    if (this.#writing === undefined) return this.#write();
    this.#next ??= this.#writing.then(
      () => this.#write(),
      () => this.#write(),
    );
    return this.#next;
  }

  #write(): Promise<void> {
    this.#next = undefined;
    const writing = this.#replace(formatState(this.#current())).finally(() => {
      if (this.#writing === writing) this.#writing = undefined;
    });
    this.#writing = writing;
    return writing;
  }

  async #replace(text: string): Promise<void> {
    const fresh = `${this.#path}.new`;
    await unlink(fresh).catch(() => {});
    const file = await open(fresh, "wx", 0o600);
    try {
      await file.writeFile(text);
    } finally {
      await file.close();
    }
    await rename(fresh, this.#path);
  }
}

import { type ClientStats, RpcError } from "farcall";
import { type IoOptions, type LinkOptions, type ReadOptions, Vxi11Link } from "./link.js";
import { Vxi11Error } from "./outcome.js";
import { ERROR_IO_TIMEOUT } from "./vxi11.js";

/** How far the two ends agree on what was asked and answered. */
type State =
  /** Fully. */
  | "agreed"
  /** An answer is still to come. A further read may wait for it. */
  | "answer-due"
  /** Something was begun, and how it ended is not known: it may still run, and take what the next one should get. */
  | "unknown";

/**
 * A client of one instrument, over VXI-11.
 *
 * It runs one operation after another. After one that failed it does not go on as if nothing had happened: whatever the
 * instrument still does is ended over the abort channel, and whatever it still has to say is cleared away. So the
 * answer to a question is never the late answer to the one before.
 *
 * Operations fail with a `Vxi11Error` when the instrument says so, and with an `RpcError` when it says nothing.
 */
export class Vxi11Instrument implements AsyncDisposable {
  readonly #link: Vxi11Link;
  #state: State = "agreed";
  /** Why there is no link any more: it ends with its connection. */
  #lost: RpcError | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #running = 0;
  #closed = false;

  private constructor(link: Vxi11Link) {
    this.#link = link;
  }

  /**
   * Opens a link to an instrument.
   *
   * @param address `tcp://HOST`, or `tcp://HOST:PORT` where the core channel's port is known
   * @throws RpcError `not-found` or `unavailable` when there is no instrument, always with `executed: "no"`
   * @throws Vxi11Error when it refuses, such as `device not accessible`
   */
  static async open(address: string, options: LinkOptions = {}): Promise<Vxi11Instrument> {
    return new Vxi11Instrument(await Vxi11Link.open(address, options));
  }

  /** Asks, and gives the answer without its line end. */
  query(command: string, options: ReadOptions = {}): Promise<string> {
    return this.#exclusive(async () => {
      await this.#write(command, options);
      // Until it is read.
      this.#state = "answer-due";
      const answer = await this.#read(options);
      return Buffer.from(answer)
        .toString("latin1")
        .replace(/\r?\n$/, "");
    });
  }

  /** Sends a message. Text is sent as Latin-1 with a line feed at its end, bytes as they are. */
  write(message: string | Uint8Array, options: IoOptions = {}): Promise<void> {
    return this.#exclusive(() => this.#write(message, options));
  }

  /** Reads a message to its end. After an I/O timeout it may be tried again, and waits for the same answer. */
  read(options: ReadOptions = {}): Promise<Uint8Array> {
    return this.#exclusive(async () => {
      if (this.#state === "unknown") await this.#agree();
      return await this.#read(options);
    });
  }

  /** The status byte of IEEE 488: bit 4, an answer waits; bit 2, the error queue is not empty. */
  readStatusByte(options: IoOptions = {}): Promise<number> {
    return this.#exclusive(() => this.#begin(() => this.#link.readStatusByte(options)));
  }

  trigger(options: IoOptions = {}): Promise<void> {
    return this.#exclusive(() => this.#begin(() => this.#link.trigger(options)));
  }

  /** Ends what runs for this link, and forgets what it was told and has not been asked. */
  clear(): Promise<void> {
    return this.#exclusive(() => this.#agree());
  }

  /** Keeps all other links out, until `unlock` or the end of this one. */
  lock(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    return this.#exclusive(() => this.#begin(() => this.#link.lock(options.signal)));
  }

  unlock(): Promise<void> {
    return this.#exclusive(() => this.#begin(() => this.#link.unlock()));
  }

  /** Ends the operation that runs, without waiting its turn: that one fails as aborted. */
  abort(): Promise<void> {
    return this.#link.abort();
  }

  /** Counters of the core channel; replies that came too late are its `strayReplies`. */
  stats(): ClientStats {
    return this.#link.stats;
  }

  /** Ends the link. What still runs is aborted, what has not begun fails as closed. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    // Best effort: without an abort channel the operation ends by its own time limit.
    if (this.#running > 0) await this.abort().catch(() => {});
    await this.#link.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #write(message: string | Uint8Array, options: IoOptions): Promise<void> {
    if (this.#state !== "agreed") await this.#agree();
    const bytes = typeof message === "string" ? Buffer.from(`${message}\n`, "latin1") : message;
    await this.#begin(() => this.#link.write(bytes, options));
  }

  async #read(options: ReadOptions): Promise<Uint8Array> {
    try {
      const message = await this.#link.read(options);
      this.#state = "agreed";
      return message;
    } catch (error) {
      this.#noteLoss(error);
      const isThere = (error instanceof Vxi11Error && error.code === ERROR_IO_TIMEOUT) || hasNotRun(error);
      this.#state = isThere ? "answer-due" : "unknown";
      throw error;
    }
  }

  /** Runs an operation after which, should it fail in its middle, nothing is sure. */
  async #begin<T>(operation: () => Promise<T>): Promise<T> {
    try {
      return await operation();
    } catch (error) {
      this.#noteLoss(error);
      if (!hasNotRun(error) || this.#link.isPartlyWritten) this.#state = "unknown";
      throw error;
    }
  }

  #noteLoss(error: unknown): void {
    if (error instanceof RpcError && error.code === "unavailable") this.#lost = error;
  }

  /** Brings both ends to where nothing runs and nothing is left to be read. */
  async #agree(): Promise<void> {
    try {
      await this.#link.abort();
    } catch (error) {
      // Not every instrument has an abort channel. Where nothing runs, none is needed.
      if (this.#state === "unknown") throw error;
    }
    await this.#begin(() => this.#link.clear({}));
    this.#state = "agreed";
  }

  /** Runs operations one after another. */
  #exclusive<T>(operation: () => Promise<T>): Promise<T> {
    const result = this.#last.then(async () => {
      if (this.#closed) throw new RpcError("closed", "the instrument was closed", { executed: "no" });
      if (this.#lost !== undefined) {
        const message = "the connection to the instrument was lost, and the link with it: open the instrument again";
        throw new RpcError("unavailable", message, { executed: "no", cause: this.#lost });
      }
      this.#running++;
      try {
        return await operation();
      } finally {
        this.#running--;
      }
    });
    this.#last = result.catch(() => {});
    return result;
  }
}

function hasNotRun(error: unknown): boolean {
  return (error instanceof RpcError || error instanceof Vxi11Error) && error.executed === "no";
}

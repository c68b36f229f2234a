import { FLAG_TERM_CHAR, REASON_END, REASON_REQUEST_COUNT, REASON_TERM_CHAR } from "../vxi11.js";
import { Changes } from "./changes.js";
import type { CommandLink, Instrument } from "./scpi.js";

/** Most bytes of a message that has not ended, and of answers that nobody has read: 1 MiB each. */
export const bufferSizeMax: number = 2 ** 20;

/** Most messages that wait for the one before. */
const queuedMessagesMax = 1_024;

/** Most bytes of one reply to a read: the client reads on. */
const replySizeMax = 65_536;

/** What a read asks for. */
export interface ReadRequest {
  readonly size: number;
  readonly flags: number;
  readonly termChar: number;
}

export interface ReadAnswer {
  readonly reason: number;
  readonly data: Uint8Array;
}

/**
 * The two queues of one link: messages come in, answers go out. Commands run one after another while the link goes on.
 *
 * Answers wait until they are read, however late: as with many real instruments, and against IEEE 488.2, a new command
 * does not throw the old one's answer away. So whoever has given up on an answer must clear the link, or reads it as
 * the answer to the next question.
 */
export class MessageExchange {
  readonly #instrument: Instrument;
  #input = "";
  readonly #output: Uint8Array[] = [];
  #outputSize = 0;
  readonly #changes = new Changes();
  /** The last command's end. */
  #work: Promise<void> = Promise.resolve();
  #link = newLink();

  constructor(instrument: Instrument) {
    this.#instrument = instrument;
  }

  /** Whether an answer waits: bit 4 of the status byte. */
  get hasOutput(): boolean {
    return this.#output.length > 0;
  }

  /** @returns whether there was room */
  write(data: Uint8Array, end: boolean): boolean {
    const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("latin1");
    if (this.#input.length + text.length > bufferSizeMax) {
      this.#input = "";
      this.#instrument.fail(-363, "Input buffer overrun");
      return false;
    }
    this.#input += text;
    // A message ends with END or with a line feed: IEEE 488.2, section 7.5.
    const lines = this.#input.split("\n");
    this.#input = end ? "" : (lines.pop() ?? "");
    const messages = lines.filter((line) => line.trim() !== "");
    if (this.#link.queued + messages.length > queuedMessagesMax) {
      this.#instrument.fail(-363, "Input buffer overrun");
      return false;
    }
    for (const message of messages) this.#enqueue(message);
    return true;
  }

  /**
   * Waits for an answer and takes what was asked for of it.
   *
   * @returns undefined when there is none within `ms` milliseconds
   * @throws the signal's reason
   */
  async read(request: ReadRequest, ms: number, signal: AbortSignal): Promise<ReadAnswer | undefined> {
    const link = this.#link;
    const { stallMs } = link;
    if (stallMs > 0) {
      link.stallMs = 0;
      await this.#changes.until(() => false, stallMs, signal);
    }
    if (request.size === 0) return { reason: REASON_REQUEST_COUNT, data: new Uint8Array(0) };
    const answer: { value?: ReadAnswer } = {};
    const take = (): boolean => {
      if (!this.hasOutput) return false;
      answer.value = this.#take(request);
      return true;
    };
    await this.#changes.until(take, ms, signal);
    return answer.value;
  }

  /** Forgets all that was not carried out or not read, and ends what runs. */
  clear(): void {
    this.#link.cleared.abort(new Error("the link was cleared"));
    this.#link = newLink();
    this.#work = Promise.resolve();
    this.#input = "";
    this.#output.splice(0);
    this.#outputSize = 0;
  }

  #take({ size, flags, termChar }: ReadRequest): ReadAnswer {
    const message = this.#output[0] as Uint8Array;
    let end = Math.min(size, replySizeMax, message.length);
    const wantsTermChar = (flags & FLAG_TERM_CHAR) !== 0;
    const at = wantsTermChar ? message.subarray(0, end).indexOf(termChar & 0xff) : -1;
    if (at >= 0) end = at + 1;
    const data = message.subarray(0, end);
    this.#outputSize -= end;
    if (end === message.length) this.#output.shift();
    else this.#output[0] = message.subarray(end);
    const reason =
      (end === size ? REASON_REQUEST_COUNT : 0) |
      (at >= 0 ? REASON_TERM_CHAR : 0) |
      (end === message.length ? REASON_END : 0);
    return { reason, data };
  }

  #enqueue(line: string): void {
    const link = this.#link;
    link.queued++;
    this.#work = this.#work.then(async () => {
      await this.#run(line, link);
      link.queued--;
    });
  }

  async #execute(command: string, link: CurrentLink): Promise<string | undefined> {
    try {
      return await this.#instrument.execute(command, link);
    } catch (error) {
      if (!link.signal.aborted) this.#instrument.fail(-300, "Device-specific error", String(error));
      return undefined;
    }
  }

  /** Runs a message of one or more commands; their answers are one message. */
  async #run(line: string, link: CurrentLink): Promise<void> {
    const answers: string[] = [];
    for (const command of line.split(";").map((part) => part.trim())) {
      // What was cleared must leave nothing behind.
      if (link.signal.aborted) return;
      if (command === "") continue;
      const answer = await this.#execute(command, link);
      if (answer !== undefined) answers.push(answer);
    }
    if (answers.length === 0 || link.signal.aborted) return;
    const message = Buffer.from(`${answers.join(";")}\n`, "latin1");
    if (this.#outputSize + message.length > bufferSizeMax) {
      this.#instrument.fail(-430, "Query DEADLOCKED");
      return;
    }
    this.#output.push(message);
    this.#outputSize += message.length;
    this.#changes.announce();
  }
}

/** The link from one clear to the next. */
interface CurrentLink extends CommandLink {
  /** Messages that run or wait. */
  queued: number;
  readonly cleared: AbortController;
}

function newLink(): CurrentLink {
  const cleared = new AbortController();
  return { stallMs: 0, queued: 0, signal: cleared.signal, cleared };
}

import type { Writable } from "node:stream";

/** Where lines go. A reader may be slower than the traffic. */
export interface Output {
  write(text: string): void;
  /** More is waiting than should: whoever can wait waits. */
  readonly blocked: boolean;
  /** Calls back once, when it is not blocked any more. */
  whenFree(callback: () => void): void;
}

/** Lines on a stream such as stdout, which queues without end what its reader has not taken. */
export class StreamOutput implements Output {
  readonly #stream: Writable;
  readonly #waiting: (() => void)[] = [];

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.on("drain", () => {
      for (const callback of this.#waiting.splice(0)) callback();
    });
  }

  get blocked(): boolean {
    return this.#stream.writableNeedDrain;
  }

  write(text: string): void {
    this.#stream.write(text);
  }

  whenFree(callback: () => void): void {
    if (this.blocked) this.#waiting.push(callback);
    else callback();
  }
}

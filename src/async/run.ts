import type { Clock } from "../drive/clock.js";
import { type CallContext, type RequestRun, RpcError } from "../model/index.js";
import type { Hold, Holding, RequestBook } from "./core/book.js";
import type { RequestRow } from "./core/request.js";
import { EngineError } from "./core/table.js";
import type { Job } from "./job.js";
import { pause } from "./sleep.js";

/** Milliseconds between two tries while the engine fails. */
const retryMs = 250;

/** One run of one request: what its handler sees of it. */
export class Run implements Holding, RequestRun<unknown> {
  readonly id: string;
  readonly attempt: number;
  readonly resumed: Uint8Array | undefined;
  /** When the request expires, and until when the lease holds, in milliseconds of the machine's clock. */
  readonly expiresAt: number;
  heldUntil: number;
  /** Whether its owner wants it to end. */
  cancelled = false;
  /** Its worker or its time has ended: nothing is told any more. */
  stopped = false;
  /** A question about it is under way. */
  looking = false;
  readonly #book: RequestBook;
  readonly #clock: Clock;
  readonly #job: Job;
  readonly #row: RequestRow;
  readonly #aborter = new AbortController();
  #step = 0;
  /** What was told last: one after another, in their order. */
  #told: Promise<unknown> = Promise.resolve();

  constructor(book: RequestBook, clock: Clock, job: Job, row: RequestRow, leaseMs: number) {
    this.#book = book;
    this.#clock = clock;
    this.#job = job;
    this.#row = row;
    this.id = row.id;
    this.attempt = row.attempt;
    this.resumed = row.checkpoint.length > 0 ? row.checkpoint : undefined;
    const takenAt = row.leaseUntil - leaseMs;
    this.expiresAt = clock.now() + (row.expiresAt - takenAt);
    this.heldUntil = clock.now() + leaseMs;
  }

  get context(): CallContext<undefined> {
    const { owner, id } = this.#row;
    return {
      signal: this.#aborter.signal,
      deadline: this.expiresAt,
      // Whoever submitted it need not be there any more; whose it is, is known.
      caller: { address: `request:${id}`, identity: { flavor: "request", verified: false, principal: owner } },
      procedure: this.#job.key,
      session: undefined,
      transaction: undefined,
      traceparent: undefined,
      request: this as RequestRun<never>,
      // Whoever submitted it may be gone, and another process may run it: there is no connection to call over.
      callback() {
        const message = "an asynchronous request has no connection to call its owner over; tell it of events instead";
        throw new RpcError("invalid-argument", message, { executed: "no" });
      },
    };
  }

  get aborted(): boolean {
    return this.#aborter.signal.aborted;
  }

  abort(why: string): void {
    if (!this.aborted) this.#aborter.abort(new Error(why));
  }

  /** The queue has said how the run stands. */
  is(hold: Hold | "full"): void {
    if (hold === "lost") this.abort("the run counts no more: the request has ended, or another worker has it");
    if (hold !== "cancelled") return;
    this.cancelled = true;
    this.abort("cancelled by its owner");
  }

  progress(value: unknown): Promise<boolean> {
    const { progress, label } = this.#job;
    if (progress === undefined) return Promise.reject(new TypeError(`${label} declares no progress`));
    let data: Uint8Array;
    try {
      data = progress.encode(value);
    } catch (error) {
      return Promise.reject(error);
    }
    const { progressSizeMax } = this.#book.limits;
    if (data.length > progressSizeMax) return tooLarge("progress", data, "progressSizeMax", progressSizeMax);
    const step = ++this.#step;
    return this.#tell(() => this.#book.progress(this, step, data));
  }

  checkpoint(bytes: Uint8Array): Promise<boolean> {
    const { checkpointSizeMax } = this.#book.limits;
    if (bytes.length > checkpointSizeMax) return tooLarge("checkpoint", bytes, "checkpointSizeMax", checkpointSizeMax);
    const own = bytes.slice();
    return this.#tell(() => this.#book.checkpoint(this, own));
  }

  /** Resolves when all that the handler told has arrived, or never will. */
  async settled(): Promise<void> {
    await this.#told;
  }

  /** In order, and again while the engine fails: what was told twice is kept once. */
  #tell(ask: () => Promise<Hold | "full">): Promise<boolean> {
    const told = this.#told.then(async () => {
      for (;;) {
        if (this.stopped) return false;
        try {
          const hold = await ask();
          this.is(hold);
          return hold === "held" || hold === "cancelled";
        } catch (error) {
          if (!(error instanceof EngineError)) throw error;
          // What comes after it must not be told without it, so it is given up with the run alone.
          if (this.#clock.now() >= this.expiresAt) this.stopped = true;
        }
        await pause(this.#clock, retryMs);
      }
    });
    this.#told = told.catch(() => {});
    return told;
  }
}

function tooLarge(what: string, { length }: Uint8Array, limit: string, max: number): Promise<never> {
  return Promise.reject(new RangeError(`${what} has ${length} bytes, and ${limit} allows ${max}`));
}

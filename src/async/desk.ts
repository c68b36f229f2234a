import { createHash } from "node:crypto";
import type { Machine } from "../drive/machine.js";
import type { CallContext, Caller } from "../model/index.js";
import type { Acceptance } from "./core/accept.js";
import type { RequestBook } from "./core/book.js";
import type { Job } from "./job.js";
import { ownerOf } from "./owner.js";
import { Bell } from "./sleep.js";
import { hex } from "./worker.js";

/** The longest that a question is held open, in milliseconds: below what clients and proxies give a call. */
const waitMsMax = 20_000;

/** How often is looked though nothing is told, in milliseconds. */
const lookMs = 2_000;

/** Where the protocols' faces bring requests and questions. */
export class RequestDesk {
  readonly book: RequestBook;
  readonly machine: Machine;
  /** What is accepted, by the names that workers know. */
  readonly jobs: Map<string, Job> = new Map();
  readonly #byMethod = new Map<string, Job>();
  readonly #authorize: ((caller: Caller, procedure: string) => boolean | Promise<boolean>) | undefined;
  /** Those who wait for something to happen to a request. */
  readonly #bells = new Map<string, Set<Bell>>();
  #ended = false;

  constructor(
    book: RequestBook,
    machine: Machine,
    authorize: ((caller: Caller, procedure: string) => boolean | Promise<boolean>) | undefined,
  ) {
    this.book = book;
    this.machine = machine;
    this.#authorize = authorize;
    book.listen((news) => {
      for (const id of [...(news?.ids ?? this.#bells.keys())]) this.#ring(id);
    });
  }

  /** @throws RangeError for a job that is there */
  add(jobs: readonly Job[]): void {
    for (const { name, label } of jobs) {
      if (this.jobs.has(name)) throw new RangeError(`requests for ${label} are accepted already`);
    }
    for (const job of jobs) {
      this.jobs.set(job.name, job);
      if (job.xml !== undefined) this.#byMethod.set(job.xml.name, job);
    }
  }

  /** By its name over XML-RPC. */
  ofMethod(method: string): Job | undefined {
    return this.#byMethod.get(method);
  }

  /** Whether this caller may submit such a request. */
  async allows(caller: Caller, job: Job): Promise<boolean> {
    return (await this.#authorize?.(caller, job.label)) !== false;
  }

  /** Queues a request whose arguments have been found good. */
  submit(
    caller: Caller,
    job: Job,
    args: Uint8Array,
    { key, ttlMs }: { readonly key: string; readonly ttlMs: number },
  ): Promise<Acceptance> {
    const { requestTtlMs, requestTtlMsMax } = this.book.limits;
    return this.book.submit({
      id: hex(this.machine.randomBytes(16)),
      owner: ownerOf(caller),
      key,
      digest: createHash("sha256").update(job.name).update("\0").update(args).digest("hex"),
      procedure: job.name,
      args,
      restart: job.restart,
      ttlMs: Math.min(ttlMs > 0 ? ttlMs : requestTtlMs, requestTtlMsMax),
    });
  }

  /** Asks again whenever something happens to the request, until the answer is one or the time is up. */
  async until<T>(
    id: string,
    waitMs: number,
    signal: CallContext["signal"] | undefined,
    ask: () => Promise<T>,
    isAnswer: (answer: T) => boolean,
  ): Promise<T> {
    const { clock } = this.machine;
    const until = clock.now() + Math.min(waitMs, waitMsMax);
    const bell = new Bell();
    const bells = this.#bells.get(id) ?? new Set();
    this.#bells.set(id, bells.add(bell));
    const ring = (): void => bell.ring();
    signal?.addEventListener("abort", ring, { once: true });
    try {
      for (;;) {
        // What happens while it is asked must not be missed.
        const heard = bell.wait(clock, Math.max(1, Math.min(until - clock.now(), lookMs)));
        const answer = await ask();
        if (isAnswer(answer) || clock.now() >= until || signal?.aborted === true || this.#ended) return answer;
        await heard;
      }
    } finally {
      bell.ring();
      signal?.removeEventListener("abort", ring);
      bells.delete(bell);
      if (bells.size === 0) this.#bells.delete(id);
    }
  }

  #ring(id: string): void {
    for (const bell of [...(this.#bells.get(id) ?? [])]) bell.ring();
  }

  /** Nobody is kept waiting any more. */
  end(): void {
    this.#ended = true;
    for (const id of [...this.#bells.keys()]) this.#ring(id);
  }
}

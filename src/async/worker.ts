import type { Machine } from "../drive/machine.js";
import type { Hold, RequestBook } from "./core/book.js";
import type { RequestEnd, RequestRow } from "./core/request.js";
import { EngineError } from "./core/table.js";
import type { Job } from "./job.js";
import { Run } from "./run.js";
import { Bell } from "./sleep.js";

/** How requests are run. */
export interface WorkerOptions {
  /** Names this worker where somebody looks at the rows; default: the process's id and some chance. */
  readonly name?: string | undefined;
  /** Most requests that run at once; default 8. */
  readonly concurrency?: number | undefined;
  /**
   * Milliseconds after which a worker that is not heard of is taken for dead, and its requests for interrupted; default
   * 30,000. It renews its leases three times as often.
   */
  readonly leaseMs?: number | undefined;
}

export interface WorkerHost {
  readonly book: RequestBook;
  readonly machine: Machine;
  readonly jobs: ReadonlyMap<string, Job>;
  /** A handler failed. Its caller learns only that. */
  report(error: unknown, job: Job, id: string): void;
}

/** Milliseconds between two tries while the engine fails, and between two looks when nothing is told. */
const retryMs = 250;
const lookMs = 5_000;

/** Runs requests: takes those that wait, renews their leases, and says how they ended. */
export class Worker {
  readonly #host: WorkerHost;
  readonly #name: string;
  readonly #concurrency: number;
  readonly #leaseMs: number;
  readonly #runs = new Map<string, Run>();
  readonly #work = new Bell();
  readonly #beat = new Bell();
  readonly #ended = new Bell();
  readonly #unlisten: () => void;
  #closing = false;
  readonly #loops: Promise<unknown>;

  constructor(host: WorkerHost, options: WorkerOptions) {
    const { name, concurrency = 8, leaseMs = 30_000 } = options;
    for (const [what, value] of Object.entries({ concurrency, leaseMs })) {
      if (!Number.isSafeInteger(value) || value < 1)
        throw new RangeError(`${what} must be a whole number from 1, not ${value}`);
    }
    this.#host = host;
    this.#name = name ?? `${process.pid}-${hex(host.machine.randomBytes(4))}`;
    this.#concurrency = concurrency;
    this.#leaseMs = leaseMs;
    this.#unlisten = host.book.listen((news) => {
      if (news === undefined || news.waiting) this.#work.ring();
      // Where nobody knows what has changed, it may be that.
      const runs =
        news === undefined ? [...this.#runs.values()] : news.cancelled.flatMap((id) => this.#runs.get(id) ?? []);
      void this.#look(runs.filter(({ looking }) => !looking));
    });
    this.#loops = Promise.all([this.#take(), this.#renew()]);
  }

  /** Requests that run here. */
  get running(): number {
    return this.#runs.size;
  }

  /** There are other jobs than before. */
  wake(): void {
    this.#work.ring();
  }

  async #take(): Promise<void> {
    const { book, machine, jobs } = this.#host;
    while (!this.#closing) {
      const count = this.#concurrency - this.#runs.size;
      const procedures = [...jobs.values()].filter(({ run }) => run !== undefined).map(({ name }) => name);
      let taken = 0;
      let pauseMs = lookMs;
      if (count > 0 && procedures.length > 0) {
        try {
          const rows = await book.take({ worker: this.#name, procedures, count, leaseMs: this.#leaseMs });
          taken = rows.length;
          for (const row of rows) void this.#run(row);
        } catch (error) {
          if (!(error instanceof EngineError)) throw error;
          pauseMs = retryMs;
        }
      }
      // A full hand may mean that there is more, once there is room.
      if (taken < count || count === 0) {
        if (!this.#closing) await this.#work.wait(machine.clock, pauseMs, true);
      }
    }
  }

  async #renew(): Promise<void> {
    const { book, machine } = this.#host;
    while (!this.#closing || this.#runs.size > 0) {
      await this.#beat.wait(machine.clock, this.#leaseMs / 3, this.#runs.size > 0);
      const runs = [...this.#runs.values()];
      if (runs.length === 0) continue;
      const askedAt = machine.clock.now();
      try {
        const holds = await book.renew(runs, this.#leaseMs);
        for (const [i, run] of runs.entries()) {
          run.heldUntil = askedAt + this.#leaseMs;
          run.is(holds[i] ?? "lost");
        }
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
        // Somebody else may have it by now.
        const now = machine.clock.now();
        for (const run of runs) if (run.heldUntil <= now) run.abort("its lease could not be renewed");
      }
    }
  }

  /** Something has happened to requests that run here: their owners may want them to end. */
  async #look(runs: readonly Run[]): Promise<void> {
    if (runs.length === 0) return;
    for (const run of runs) run.looking = true;
    let found: readonly Hold[] = [];
    try {
      found = await this.#host.book.standing(runs);
    } catch (error) {
      // The next renewal tells, too.
      if (!(error instanceof EngineError)) throw error;
    }
    for (const [i, run] of runs.entries()) {
      run.looking = false;
      run.is(found[i] ?? "held");
    }
  }

  async #run(row: RequestRow): Promise<void> {
    const { book, machine, jobs } = this.#host;
    const job = jobs.get(row.procedure) as Job;
    const run = new Run(book, machine.clock, job, row, this.#leaseMs);
    this.#runs.set(row.id, run);
    const end = await this.#execute(run, job, row);
    await run.settled();
    await this.#finish(run, end);
    if (this.#runs.get(row.id) === run) this.#runs.delete(row.id);
    this.#work.ring();
    this.#ended.ring();
  }

  /** @returns how it ended; undefined when it is given back */
  async #execute(run: Run, job: Job, row: RequestRow): Promise<RequestEnd | undefined> {
    const failed = (reason: string): RequestEnd => ({ state: "failed", reason });
    let args: readonly unknown[];
    try {
      args = job.args.decode(row.args);
    } catch (error) {
      this.#host.report(error, job, row.id);
      return { state: "failed", reason: "the arguments that were kept cannot be read here", executed: "no" };
    }
    let value: unknown;
    try {
      value = await job.run?.(args, run.context);
    } catch (error) {
      if (this.#closing && run.aborted && !run.cancelled) return undefined;
      if (!run.aborted) this.#host.report(error, job, row.id);
      return failed(run.cancelled ? "cancelled by its owner" : "the procedure failed");
    }
    try {
      const outcome = job.result.encode(value);
      const { resultSizeMax } = this.#host.book.limits;
      if (outcome.length <= resultSizeMax) return { state: "done", outcome };
      return failed(`the result has ${outcome.length} bytes, more than resultSizeMax allows`);
    } catch (error) {
      this.#host.report(error, job, row.id);
      return failed("the procedure's result cannot be sent");
    }
  }

  /** Until the engine has taken it in, or says that the run counts no more. */
  async #finish(run: Run, end: RequestEnd | undefined): Promise<void> {
    const { book, machine } = this.#host;
    for (;;) {
      try {
        if (end === undefined) await book.release(run);
        else await book.finish(run, end);
        return;
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
        // While the queue is closing, its lease will tell.
        if (this.#closing || machine.clock.now() >= run.expiresAt) return;
      }
      await new Bell().wait(machine.clock, retryMs, true);
    }
  }

  /** Takes nothing more, lets what runs end for `drainMs` milliseconds, then fires its signals and gives it back. */
  async close(drainMs: number): Promise<void> {
    this.#closing = true;
    this.#unlisten();
    this.#work.ring();
    const { clock } = this.#host.machine;
    await this.#drained(clock.now() + drainMs);
    for (const run of this.#runs.values()) run.abort("its worker is ending");
    await this.#drained(clock.now() + lastMs);
    // A handler that does not heed its signal runs on, and counts no more.
    const left = [...this.#runs.values()];
    for (const run of left) run.stopped = true;
    this.#runs.clear();
    await Promise.all(left.map((run) => this.#host.book.release(run).catch(() => {})));
    this.#beat.ring();
    await this.#loops;
  }

  async #drained(until: number): Promise<void> {
    const { clock } = this.#host.machine;
    while (this.#runs.size > 0 && clock.now() < until) await this.#ended.wait(clock, until - clock.now(), true);
  }
}

/** Milliseconds that handlers have to end once their signals have fired. */
const lastMs = 1_000;

export const hex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

import { type Machine, realMachine } from "../drive/machine.js";
import type { Caller, Handlers } from "../model/index.js";
import { FarcallAsyncV1 } from "./async.js";
import { RequestBook } from "./core/book.js";
import { type RequestLimitOptions, resolveRequestLimits } from "./core/limits.js";
import type { RestartPolicy } from "./core/request.js";
import { EngineError, type RequestEngine } from "./core/table.js";
import { RequestDesk } from "./desk.js";
import { type AnyRequestService, jobsOf } from "./job.js";
import { oncHandlers } from "./onc-face.js";
import { Bell } from "./sleep.js";
import { Worker, type WorkerOptions } from "./worker.js";
import { asyncXmlRpc, xmlRpcHandlers } from "./xml-rpc-face.js";

export interface RequestQueueOptions extends RequestLimitOptions {
  /** Where requests are kept: `openSqliteRequestEngine`, `openPostgresRequestEngine` or `MemoryRequestEngine`. */
  readonly engine: RequestEngine;
  /** How requests are run here. */
  readonly worker?: WorkerOptions | undefined;
  /** Refuses a request before it is looked at, by answering false. `procedure` is such as `CALC_PROG.add`. */
  readonly authorize?: ((caller: Caller, procedure: string) => boolean | Promise<boolean>) | undefined;
  /** Is told what a handler threw; the caller is not. Default: writes it to stderr. */
  readonly onError?:
    | ((error: unknown, request: { readonly id: string; readonly procedure: string }) => void)
    | undefined;
  /** Where time and chance come from; default: the machine that the process runs on. */
  readonly machine?: Machine | undefined;
}

/** What becomes of interrupted requests, by the names of their procedures. */
export interface RequestServiceOptions<C> {
  /**
   * Of a request whose worker is lost: `requeue` runs it again from the start, `resume` from its checkpoint, `fail` ends it
   * with `executed: "unknown"`. Default: `requeue` where the contract says that the procedure may run twice, else `fail`.
   */
  readonly restart?: { readonly [K in keyof C]?: RestartPolicy | undefined } | undefined;
}

/** Something that serves services, such as a `Server`. */
export interface Exporter {
  export(service: never, handlers: never): unknown;
}

/** Milliseconds between two looks at what is due. */
const tendMs = 500;
const tendMsMin = 10;

/**
 * Accepts requests, keeps them, and runs them.
 *
 * ```ts
 * const queue = new RequestQueue({ engine: await openSqliteRequestEngine({ path: "requests.db" }) });
 * queue.handle(RenderV1, handlers);                          // accepts these, and runs them here
 * queue.serve(server);                                       // on every address of the server
 * ```
 *
 * A process that only accepts calls `accept` instead of `handle`, and one that only runs does not call `serve`: any number of
 * both work on one queue in PostgreSQL, and on one machine in SQLite.
 */
export class RequestQueue implements AsyncDisposable {
  readonly #options: RequestQueueOptions;
  readonly #desk: RequestDesk;
  readonly #tended = new Bell();
  readonly #tending: Promise<void>;
  #worker: Worker | undefined;
  #closing = false;
  #closed: Promise<void> | undefined;

  /** @throws RangeError for a limit that is none */
  constructor(options: RequestQueueOptions) {
    this.#options = options;
    const book = new RequestBook(options.engine, resolveRequestLimits(options));
    this.#desk = new RequestDesk(book, options.machine ?? realMachine, options.authorize);
    this.#tending = this.#tend();
  }

  /** Whether what is accepted survives a crash, and whether other processes share it. */
  get guarantee(): { readonly durable: boolean; readonly shared: boolean } {
    const { durable, shared } = this.#desk.book.engine;
    return { durable, shared };
  }

  /** Requests that run in this process. */
  get running(): number {
    return this.#worker?.running ?? 0;
  }

  /**
   * Accepts requests for the procedures of a service, for whoever runs them.
   *
   * @throws RangeError for a service that is accepted already, or a policy for a procedure that it does not have
   */
  accept<C>(service: AnyRequestService<C>, options: RequestServiceOptions<NoInfer<C>> = {}): this {
    return this.#add(service, undefined, options.restart ?? {});
  }

  /** Accepts requests for the procedures of a service, and runs them here. Throws as `accept` does. */
  handle<C>(
    service: AnyRequestService<C>,
    handlers: Partial<Handlers<C, undefined>>,
    options: RequestServiceOptions<NoInfer<C>> = {},
  ): this {
    this.#add(service, handlers, options.restart ?? {});
    const { book, machine, jobs } = this.#desk;
    const { onError } = this.#options;
    this.#worker ??= new Worker(
      {
        book,
        machine,
        jobs,
        report: (error, { label }, id) => {
          if (onError !== undefined) onError(error, { id, procedure: label });
          // biome-ignore lint/suspicious/noConsole: an error that nobody asked to be told must not vanish
          else console.error(`farcall: request ${id}, ${label}:`, error);
        },
      },
      this.#options.worker ?? {},
    );
    this.#worker.wake();
    return this;
  }

  #add<C>(service: AnyRequestService<C>, handlers: object | undefined, restart: object): this {
    this.#desk.add(jobsOf(service, handlers, restart as Readonly<Record<string, RestartPolicy | undefined>>));
    return this;
  }

  /** Serves the async program, by which clients of ONC RPC submit and follow requests; and `async.*` over XML-RPC. */
  serve(server: Exporter, options: { readonly over?: "onc" | "xmlrpc" | undefined } = {}): this {
    const { over } = options;
    if (over !== "xmlrpc") server.export(FarcallAsyncV1 as never, oncHandlers(this.#desk) as never);
    if (over !== "onc") server.export(asyncXmlRpc as never, xmlRpcHandlers(this.#desk) as never);
    return this;
  }

  async #tend(): Promise<void> {
    while (!this.#closing) {
      let pauseMs = tendMs;
      try {
        const { more, nextMs = tendMs } = await this.#desk.book.tend();
        pauseMs = more ? 0 : Math.min(Math.max(nextMs, tendMsMin), tendMs);
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
      }
      if (!this.#closing) await this.#tended.wait(this.#desk.machine.clock, pauseMs, this.#worker !== undefined);
    }
  }

  /**
   * Stops: takes no request from the queue any more, lets those that run end for `drainMs` milliseconds (default 5,000), then
   * fires their signals and gives them back. Closes the engine.
   */
  close(options: { readonly drainMs?: number | undefined } = {}): Promise<void> {
    this.#closed ??= this.#close(options.drainMs ?? 5_000);
    return this.#closed;
  }

  async #close(drainMs: number): Promise<void> {
    await this.#worker?.close(drainMs);
    this.#closing = true;
    this.#tended.ring();
    this.#desk.end();
    await this.#tending;
    await this.#desk.book.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

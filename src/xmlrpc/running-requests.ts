import type { Alarm, Clock } from "../drive/clock.js";
import { type Caller, type Identity, isTraceparent } from "../model/index.js";
import type { ServedExchange, ServedHead } from "../net/exchange.js";
import { type Request, readFarcallHeader } from "./engine/index.js";
import { runningDefaults, type XmlRpcServerLimits } from "./server-options.js";

/** The requests of one server whose handlers run, and how many there may be. */
export class RunningRequests {
  readonly #running = new Set<RunningRequest>();
  #bytes = 0;
  readonly #callsMax: number;
  readonly #bytesMax: number;
  /** Wakes whoever waits for the last one. */
  #onEnded: () => void = () => {};

  constructor({
    runningCallsMax = runningDefaults.runningCallsMax,
    runningBytesMax = runningDefaults.runningBytesMax,
  }: XmlRpcServerLimits) {
    this.#callsMax = runningCallsMax;
    this.#bytesMax = runningBytesMax;
  }

  /** Whether one more has no room. The last one may be of any size: otherwise a large one would never run. */
  get full(): boolean {
    return this.#running.size >= this.#callsMax || this.#bytes >= this.#bytesMax;
  }

  begin(exchange: ServedExchange, identity: Identity, admits: Request["admits"], now: number): RunningRequest {
    const request = new RunningRequest(exchange, identity, admits, now);
    this.#running.add(request);
    this.#bytes += request.size;
    exchange.onGone = () => request.abort(new Error("the caller hung up"));
    return request;
  }

  end(request: RunningRequest): void {
    if (this.#running.delete(request)) this.#bytes -= request.size;
    this.#onEnded();
  }

  /** Waits until none runs, at most for `ms` milliseconds. */
  async idle(clock: Clock, ms: number): Promise<void> {
    if (this.#running.size === 0 || ms <= 0) return;
    await new Promise<void>((resolve) => {
      const limit: Alarm = clock.alarm(resolve);
      limit.keepAlive(true);
      limit.set(clock.now() + ms);
      this.#onEnded = () => {
        if (this.#running.size > 0) return;
        limit.clear();
        resolve();
      };
    });
    this.#onEnded = () => {};
  }

  /** Fires the signals of those that run. */
  abort(reason: Error): void {
    for (const request of this.#running) request.abort(reason);
  }
}

/** A request whose handlers run. */
export class RunningRequest implements Request {
  readonly #head: ServedHead;
  readonly #identity: Identity;
  readonly admits: Request["admits"];
  readonly arrivedAt: number;
  #caller: Caller | undefined;
  #aborter: AbortController | undefined;
  #reason: unknown;
  /** Bytes of its document. */
  readonly size: number;
  transaction: unknown = undefined;

  constructor(exchange: ServedExchange, identity: Identity, admits: Request["admits"], arrivedAt: number) {
    this.#head = exchange;
    this.size = exchange.body.length;
    this.#identity = identity;
    this.admits = admits;
    this.arrivedAt = arrivedAt;
  }

  get caller(): Caller {
    if (this.#caller === undefined) {
      const { peer: address, tls, credentials } = this.#head;
      this.#caller = { address, identity: this.#identity, ...(tls === undefined ? {} : { tls }), ...credentials };
    }
    return this.#caller;
  }

  get gone(): boolean {
    return this.#reason !== undefined;
  }

  get deadline(): number | undefined {
    const { timeoutMs } = readFarcallHeader(this.#head.header("farcall"));
    return timeoutMs === undefined ? undefined : this.arrivedAt + timeoutMs;
  }

  get traceparent(): string | undefined {
    const said = this.#head.header("traceparent");
    return said !== undefined && isTraceparent(said) ? said : undefined;
  }

  get aborter(): AbortController {
    if (this.#aborter === undefined) {
      this.#aborter = new AbortController();
      if (this.#reason !== undefined) this.#aborter.abort(this.#reason);
    }
    return this.#aborter;
  }

  /** Nobody waits for the answer any more. */
  abort(reason: Error): void {
    this.#reason ??= reason;
    this.#aborter?.abort(reason);
  }
}

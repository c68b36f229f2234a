import { Backoff } from "../call/backoff.js";
import { type BackoffOptions, RpcError, type RpcErrorCode } from "../model/index.js";
import type { Stream, StreamEvents } from "../net/stream.js";
import type { Alarm, Clock } from "./clock.js";
import { type Machine, realMachine } from "./machine.js";

/** What the drive needs of a client's protocol engine over streams. `Link` is the engine's state of one connection. */
export interface StreamEngine<Link extends EngineLink, Call> {
  deadline: number;
  readonly pendingCalls: number;
  readonly queuedCalls: number;
  readonly link: Link | undefined;
  start(call: Call): void;
  cancel(call: Call, reason: unknown, now: number): void;
  opened(now: number): Link;
  data(link: Link, chunk: Uint8Array, now: number): void;
  lost(link: Link, reason: Error | undefined, now: number): void;
  unreachable(error: RpcError, now: number, forGood?: boolean): void;
  sendQueued(now: number): void;
  tick(now: number): void;
  close(now: number): void;
}

export interface EngineLink {
  readonly outbox: {
    readonly size: number;
    /** Whether there is enough for a batch that does not wait for the end of the turn. */
    readonly full: boolean;
    take(): { readonly bytes: Uint8Array; readonly written: () => void } | undefined;
  };
  congested: boolean;
  readonly suspect: boolean;
  readonly waiting: number;
  readonly answered: boolean;
}

export interface StreamClientDriveOptions {
  /** Opens a connection; the signal says when to give up. Rejects with an `RpcError`. */
  readonly open: (signal: AbortSignal) => Promise<Stream>;
  /** Milliseconds for one attempt to connect, name look-up included. */
  readonly connectTimeoutMs: number;
  readonly backoff?: BackoffOptions | undefined;
  /** Connect once only: when the connection is lost, so is the client. */
  readonly once?: boolean | undefined;
  /**
   * Whether the server may call: then the connection keeps the process alive, and is made anew when it is lost, until the client is
   * closed.
   */
  readonly serves?: boolean | undefined;
  /** Is told of a connection that is gone, before the engine is. */
  readonly onLost?: ((link: object, reason: Error | undefined) => void) | undefined;
  readonly machine?: Machine | undefined;
}

/** How soon after the last call an idle connection stops keeping the process alive, in milliseconds. */
const idleAfterMs = 20;

/**
 * Runs a client's engine over streams: connects, and connects again when a call wants it, with backoff; writes each
 * turn's calls at once; arms the one timer.
 *
 * The process stays alive while calls are pending, not for an idle connection.
 */
export class StreamClientDrive<Link extends EngineLink, Call> {
  readonly engine: StreamEngine<Link, Call>;
  readonly #options: StreamClientDriveOptions;
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  readonly #idle: Alarm;
  readonly #backoff: Backoff;
  /** Every connection that still lives: the current one, and suspects that calls wait on. */
  readonly #streams = new Map<Link, Stream>();
  #connecting: AbortController | undefined;
  /** Not before this time is the next attempt made. */
  #retryAt = Number.NEGATIVE_INFINITY;
  #armedFor: number = Number.POSITIVE_INFINITY;
  #alive = false;
  /** Set a little after the last call: going idle and back for each of a row of calls would cost. */
  #goingIdle = false;
  #flushing = false;
  #closed = false;
  #connects = 0;
  #waitingForRoom: (() => void)[] = [];

  constructor(engine: StreamEngine<Link, Call>, options: StreamClientDriveOptions) {
    this.engine = engine;
    this.#options = options;
    const { clock, random } = options.machine ?? realMachine;
    this.#clock = clock;
    this.#alarm = this.#clock.alarm(() => this.#onAlarm());
    this.#idle = this.#clock.alarm(() => {
      this.#goingIdle = false;
      if (this.engine.pendingCalls === 0 && !this.#serves) this.#keepAlive(false);
    });
    this.#backoff = new Backoff(options.backoff, random);
  }

  get connects(): number {
    return this.#connects;
  }

  get closed(): boolean {
    return this.#closed;
  }

  now(): number {
    return this.#clock.now();
  }

  /** Connects now, so that a user learns at once whether somebody is there. Rejects with an `RpcError`. */
  async connect(): Promise<void> {
    const error = await this.#connect();
    if (error !== undefined) throw error;
  }

  start(call: Call): void {
    this.engine.start(call);
    this.#settleDown();
  }

  /** Something was added to what is to be sent. */
  changed(): void {
    this.#settleDown();
  }

  cancel(call: Call, reason: unknown): void {
    this.engine.cancel(call, reason, this.now());
    this.#settleDown();
  }

  /** Resolves once `hasRoom` holds, which is asked after everything that happens. */
  async ready(hasRoom: () => boolean): Promise<void> {
    while (!hasRoom() && !this.#closed) await new Promise<void>((resolve) => this.#waitingForRoom.push(resolve));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connecting?.abort(new Error("the client was closed"));
    this.engine.close(this.now());
    this.#flush();
    for (const stream of this.#streams.values()) stream.end();
    this.#settleDown();
    this.#alarm.clear();
    this.#idle.clear();
  }

  // --- after every event

  /** Brings sockets and the timer in line with what the engine now wants. */
  #settleDown(): void {
    const { engine } = this;
    const { link } = engine;
    if (link !== undefined) {
      if (link.outbox.full) this.#flush();
      else if (link.outbox.size > 0) this.#flushSoon();
    } else if (this.#wantsConnection) {
      this.#reconnect();
    }
    if (this.#streams.size > (link === undefined ? 0 : 1)) this.#flushOthers(link);
    this.#arm();
    if (engine.pendingCalls > 0 || this.#serves) {
      if (!this.#alive) this.#keepAlive(true);
    } else if (this.#alive && !this.#goingIdle) {
      this.#goingIdle = true;
      this.#idle.set(this.now() + idleAfterMs);
    }
    if (this.#waitingForRoom.length > 0) for (const wake of this.#waitingForRoom.splice(0)) wake();
  }

  get #serves(): boolean {
    return this.#options.serves === true && !this.#closed;
  }

  get #wantsConnection(): boolean {
    if (this.#closed) return false;
    // Whoever has given up connecting again does not do it for the server's sake.
    return this.engine.queuedCalls > 0 || (this.#serves && this.#options.once !== true && this.#connects > 0);
  }

  #keepAlive(alive: boolean): void {
    this.#alive = alive;
    for (const stream of this.#streams.values()) {
      if (alive) stream.ref();
      else stream.unref();
    }
    this.#alarm.keepAlive(alive);
  }

  #arm(): void {
    const waits = this.#connecting === undefined && this.engine.link === undefined && this.#wantsConnection;
    const due = waits ? Math.min(this.engine.deadline, this.#retryAt) : this.engine.deadline;
    // An alarm that is set too early costs one look; moving it for every call would cost more.
    if (due >= this.#armedFor) return;
    this.#armedFor = due;
    this.#alarm.set(due);
  }

  #onAlarm(): void {
    this.#armedFor = Number.POSITIVE_INFINITY;
    this.engine.tick(this.now());
    this.#dropDeserted();
    this.#settleDown();
  }

  /** A suspect connection ends when no call waits on it any more. */
  #dropDeserted(): void {
    for (const [link, stream] of this.#streams) {
      if (link.suspect && link.waiting === 0) {
        stream.destroy();
      }
    }
  }

  // --- writing

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#clock.soon(this.#flushNow);
  }

  readonly #flushNow = (): void => {
    this.#flushing = false;
    this.#flush();
    // Calls that wait for no reply end when they are written, and may have been the last.
    if (this.#alive && !this.#goingIdle && this.engine.pendingCalls === 0) this.#settleDown();
  };

  #flush(): void {
    for (;;) {
      const { link } = this.engine;
      const stream = link === undefined ? undefined : this.#streams.get(link);
      const batch = link?.outbox.take();
      if (link === undefined || stream === undefined || batch === undefined) return;
      if (!stream.write(batch.bytes, batch.written)) {
        link.congested = true;
        return;
      }
      if (this.engine.queuedCalls > 0) this.engine.sendQueued(this.now());
    }
  }

  /** Answers to calls that came over connections to which no new calls go. */
  #flushOthers(current: Link | undefined): void {
    for (const [link, stream] of this.#streams) {
      const batch = link === current ? undefined : link.outbox.take();
      if (batch !== undefined) stream.write(batch.bytes, batch.written);
    }
  }

  // --- connecting

  #reconnect(): void {
    if (this.#connecting !== undefined) return;
    if (this.#options.once === true) {
      const message = "the connection is lost or silent, and the client makes no other (reconnect: false)";
      // Not only those that may run once: there will be no next connection for anybody.
      this.engine.unreachable(new RpcError("unavailable", message, { executed: "no" }), this.now(), true);
      return;
    }
    if (this.now() < this.#retryAt) return; // #arm sees to it
    void this.#connect();
  }

  /** @returns why it failed, or undefined */
  async #connect(): Promise<RpcError | undefined> {
    const connecting = new AbortController();
    this.#connecting = connecting;
    const limit = this.#clock.alarm(() =>
      connecting.abort(new Error(`no connection within ${this.#options.connectTimeoutMs} ms`)),
    );
    limit.keepAlive(true);
    limit.set(this.now() + this.#options.connectTimeoutMs);
    try {
      const stream = await this.#options.open(connecting.signal);
      if (connecting.signal.aborted) {
        stream.destroy();
        throw connecting.signal.reason;
      }
      this.#opened(stream);
      return undefined;
    } catch (error) {
      return this.#failed(error);
    } finally {
      limit.clear();
      this.#settleDown();
    }
  }

  #opened(stream: Stream): void {
    this.#connecting = undefined;
    this.#connects++;
    const link = this.engine.opened(this.now());
    this.#streams.set(link, stream);
    if (!this.#alive) stream.unref();
    stream.start(this.#eventsOf(link, stream));
  }

  #failed(error: unknown): RpcError {
    this.#connecting = undefined;
    this.#retryAt = this.now() + this.#backoff.next();
    const failure = asRpcError(error, "unavailable");
    this.engine.unreachable(failure, this.now());
    return failure;
  }

  #eventsOf(link: Link, stream: Stream): StreamEvents {
    return {
      onData: (chunk) => {
        try {
          this.engine.data(link, chunk, this.now());
        } catch (error) {
          stream.destroy(error instanceof Error ? error : new Error(String(error)));
        }
        if (link.suspect && link.waiting === 0) stream.destroy();
        this.#settleDown();
      },
      onDrain: () => {
        link.congested = false;
        this.engine.sendQueued(this.now());
        this.#settleDown();
      },
      onClose: (error) => {
        this.#streams.delete(link);
        this.#options.onLost?.(link, error);
        // A server that accepts and hangs up has proved nothing: only an answer starts the backoff over.
        if (link.answered) this.#backoff.reset();
        else this.#retryAt = this.now() + this.#backoff.next();
        this.engine.lost(link, error, this.now());
        this.#settleDown();
      },
    };
  }
}

function asRpcError(error: unknown, code: RpcErrorCode): RpcError {
  if (error instanceof RpcError) return error;
  return new RpcError(code, error instanceof Error ? error.message : String(error), { executed: "no", cause: error });
}

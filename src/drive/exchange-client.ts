import type { Exchange, ExchangeEvents, ExchangeTransport, ResponseHead } from "../net/exchange.js";
import type { Alarm, Clock } from "./clock.js";

/** One transmission of a call, as an engine hands it out. */
export interface ExchangeAttempt {
  readonly place: { readonly origin: string; readonly target: string };
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly progress: boolean;
}

/** What the drive needs of a client's protocol engine over exchanges. */
export interface ExchangeEngine<Attempt extends ExchangeAttempt, Call> {
  deadline: number;
  readonly pendingCalls: number;
  /** Attempts to give up. The drive empties it. */
  readonly aborted: Attempt[];
  start(call: Call): void;
  cancel(call: Call, reason: unknown, now: number): void;
  take(now: number): Attempt | undefined;
  sent(attempt: Attempt, now: number): void;
  uploaded(attempt: Attempt, bytes: number): void;
  head(attempt: Attempt, head: ResponseHead): void;
  data(attempt: Attempt, chunk: Uint8Array, now: number): void;
  end(attempt: Attempt, now: number): void;
  failed(attempt: Attempt, error: Error, now: number): void;
  tick(now: number): void;
  close(now: number): void;
}

/** Runs a client's engine over exchanges: makes the attempts that it hands out, and arms the one timer. */
export class ExchangeClientDrive<Attempt extends ExchangeAttempt, Call> {
  readonly engine: ExchangeEngine<Attempt, Call>;
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  readonly #transport: (origin: string) => ExchangeTransport;
  readonly #transports = new Map<string, ExchangeTransport>();
  readonly #exchanges = new Map<Attempt, Exchange>();
  readonly #waitingForRoom: (() => void)[] = [];
  #settling = false;
  #closed = false;

  /** @param transport makes the way to an origin; each is made once */
  constructor(engine: ExchangeEngine<Attempt, Call>, transport: (origin: string) => ExchangeTransport, clock: Clock) {
    this.engine = engine;
    this.#transport = transport;
    this.#clock = clock;
    this.#alarm = clock.alarm(() => {
      this.engine.tick(this.now());
      this.#settleDown();
    });
  }

  /** How many connections were made. */
  get connects(): number {
    let connects = 0;
    for (const transport of this.#transports.values()) connects += transport.connects;
    return connects;
  }

  get closed(): boolean {
    return this.#closed;
  }

  now(): number {
    return this.#clock.now();
  }

  /**
   * Finds out whether somebody is there, where the transport can.
   *
   * @param timeoutMs milliseconds it may take
   * @returns how long it took
   * @throws the system's error
   */
  async open(origin: string, timeoutMs: number): Promise<number> {
    const startedAt = this.now();
    const aborter = new AbortController();
    const limit = this.#clock.alarm(() => aborter.abort(new Error(`no connection within ${timeoutMs} ms`)));
    limit.keepAlive(true);
    limit.set(startedAt + timeoutMs);
    try {
      await this.#to(origin).open(aborter.signal);
      return this.now() - startedAt;
    } finally {
      limit.clear();
    }
  }

  start(call: Call): void {
    this.engine.start(call);
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
    this.engine.close(this.now());
    this.#settleDown();
    this.#alarm.clear();
    for (const transport of this.#transports.values()) transport.close();
  }

  #to(origin: string): ExchangeTransport {
    let transport = this.#transports.get(origin);
    if (transport === undefined) {
      transport = this.#transport(origin);
      this.#transports.set(origin, transport);
    }
    return transport;
  }

  /** Brings exchanges and the timer in line with what the engine now wants. Runs after every event. */
  #settleDown(): void {
    // Starting an exchange may bring its first event along.
    if (this.#settling) return;
    this.#settling = true;
    const { engine } = this;
    for (let again = true; again; ) {
      again = false;
      for (const attempt of engine.aborted.splice(0)) {
        this.#exchanges.get(attempt)?.abort();
        this.#exchanges.delete(attempt);
      }
      for (;;) {
        const attempt = engine.take(this.now());
        if (attempt === undefined) break;
        this.#begin(attempt);
        again = true;
      }
    }
    this.#settling = false;
    this.#alarm.set(engine.deadline);
    this.#alarm.keepAlive(engine.pendingCalls > 0);
    if (this.#waitingForRoom.length > 0) for (const wake of this.#waitingForRoom.splice(0)) wake();
  }

  #begin(attempt: Attempt): void {
    const { place, headers, body, progress } = attempt;
    try {
      const request = { target: place.target, headers, body, progress };
      const exchange = this.#to(place.origin).start(request, this.#eventsOf(attempt));
      this.#exchanges.set(attempt, exchange);
    } catch (error) {
      this.engine.failed(attempt, error instanceof Error ? error : new Error(String(error)), this.now());
    }
  }

  #eventsOf(attempt: Attempt): ExchangeEvents {
    const { engine } = this;
    return {
      onSent: () => engine.sent(attempt, this.now()),
      onUploaded: (bytes) => engine.uploaded(attempt, bytes),
      onHead: (head) => engine.head(attempt, head),
      onData: (chunk) => {
        engine.data(attempt, chunk, this.now());
        if (engine.aborted.length > 0) this.#settleDown();
      },
      onEnd: () => {
        this.#exchanges.delete(attempt);
        engine.end(attempt, this.now());
        this.#settleDown();
      },
      onError: (error) => {
        this.#exchanges.delete(attempt);
        engine.failed(attempt, error, this.now());
        this.#settleDown();
      },
    };
  }
}

import type { Machine } from "../drive/machine.js";
import {
  type AsyncRequest,
  type Executed,
  type RequestEvent,
  type RequestEventOptions,
  type RequestInfo,
  type RequestOptions,
  type RequestWaitOptions,
  RpcError,
  type Signal,
} from "../model/index.js";
import { pause } from "./sleep.js";

// Requests as their owner sees them, over any protocol. A question that got no answer is asked again, across lost connections
// and restarts of the server, until its time is over: each may be asked twice, and submitting is safe by its key.

/** How an event arrives. */
export type WireEvent = { readonly number: number; readonly at: number } & (
  | { readonly kind: "running" | "interrupted" }
  | { readonly kind: "progress" | "done"; readonly value: unknown }
  | { readonly kind: "failed" | "cancelled" | "expired"; readonly executed: Executed; readonly reason: string }
);

export interface AskOptions {
  readonly timeoutMs: number;
  readonly signal: Signal | undefined;
}

export interface LookAnswer {
  readonly info: RequestInfo;
  /** How it ended, decoded as one of this procedure; undefined while it has not, and once that was acknowledged. */
  readonly end: (procedure: string) => WireEvent | undefined;
}

export interface EventsAnswer {
  readonly info: RequestInfo;
  readonly events: (procedure: string) => readonly WireEvent[];
}

/** The async program in the terms of one protocol. Each throws RpcError. */
export interface RequestPort {
  readonly address: string;
  /** Such as `CALC_PROG.add`, for messages. */
  label(procedure: string): string;
  /** @throws RpcError `invalid-argument` for a procedure or arguments that the contract does not have */
  prepare(procedure: string, args: readonly unknown[]): unknown;
  submit(
    prepared: unknown,
    key: string,
    ttlMs: number,
    options: AskOptions,
  ): Promise<{ readonly id: string; readonly ttlMs: number }>;
  look(id: string, waitMs: number, options: AskOptions): Promise<LookAnswer>;
  events(id: string, after: number, acknowledged: number, waitMs: number, options: AskOptions): Promise<EventsAnswer>;
  acknowledge(id: string, through: number, options: AskOptions): Promise<void>;
  cancel(id: string, options: AskOptions): Promise<"cancelled" | "requested" | "too-late">;
  list(count: number, options: AskOptions): Promise<RequestInfo[]>;
}

/** Milliseconds that the server may hold a question, that an answer may take beyond that, and between two tries. */
const waitMs = 15_000;
const answerMs = 10_000;
const retryMsMin = 50;
const retryMsMax = 1_000;
const timeoutMsDefault = 25_000;

export class RequestClient {
  readonly #port: RequestPort;
  readonly #machine: Machine;

  constructor(port: RequestPort, machine: Machine) {
    this.#port = port;
    this.#machine = machine;
  }

  async submit(procedure: string, args: readonly unknown[], options: RequestOptions = {}): Promise<Followed> {
    const { key = this.#randomKey(), ttlMs = 0, timeoutMs = timeoutMsDefault, signal } = options;
    if (Buffer.byteLength(key) > 255 || key === "") throw misuse("key must have 1 to 255 bytes");
    if (!Number.isSafeInteger(ttlMs) || ttlMs < 0) throw misuse(`ttlMs must be a whole number from 0, not ${ttlMs}`);
    const prepared = this.#port.prepare(procedure, args);
    const asking = new Asking(this.#machine, timeoutMs, signal);
    const accepted = await asking.ask((ask) => this.#port.submit(prepared, key, ttlMs, ask));
    return new Followed(this.#port, this.#machine, procedure, accepted.id, accepted.ttlMs);
  }

  async attach(procedure: string, id: string): Promise<Followed> {
    this.#port.label(procedure);
    const asking = new Asking(this.#machine, timeoutMsDefault, undefined);
    const { info } = await asking.ask((ask) => this.#port.look(id, 0, ask));
    if (info.procedure !== procedure) {
      const what = info.procedure ?? "another service's procedure";
      throw misuse(`request ${id} is one of ${what}, not of ${procedure}`);
    }
    return new Followed(this.#port, this.#machine, procedure, id, info.ttlMs);
  }

  async procedureOf(id: string): Promise<string | undefined> {
    const asking = new Asking(this.#machine, timeoutMsDefault, undefined);
    return (await asking.ask((ask) => this.#port.look(id, 0, ask))).info.procedure;
  }

  list(count = 100): Promise<RequestInfo[]> {
    const asking = new Asking(this.#machine, timeoutMsDefault, undefined);
    return asking.ask((ask) => this.#port.list(count, ask));
  }

  #randomKey(): string {
    return [...this.#machine.randomBytes(16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }
}

function misuse(message: string): RpcError {
  return new RpcError("invalid-argument", message, { executed: "no" });
}

/** One question, asked until it is answered or its time is over. */
class Asking {
  readonly #machine: Machine;
  readonly #until: number;
  readonly #signal: Signal | undefined;
  /** An earlier try may have done what it asked. */
  #doubt = false;
  #tries = 0;

  constructor(machine: Machine, timeoutMs: number, signal: Signal | undefined) {
    this.#machine = machine;
    this.#until = machine.clock.now() + timeoutMs;
    this.#signal = signal;
  }

  get leftMs(): number {
    return this.#until - this.#machine.clock.now();
  }

  async ask<T>(ask: (options: AskOptions) => Promise<T>): Promise<T> {
    let pauseMs = retryMsMin;
    for (;;) {
      const timeoutMs = Math.max(1, Math.min(this.leftMs, waitMs + answerMs));
      this.#tries++;
      try {
        return await ask({ timeoutMs, signal: this.#signal });
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        const again = retried.has(error.code) && this.leftMs > pauseMs;
        if (error.executed !== "no") this.#doubt = true;
        if (!again) throw this.#judged(error);
      }
      await pause(this.#machine.clock, pauseMs * (0.5 + this.#machine.random()), true);
      pauseMs = Math.min(pauseMs * 2, retryMsMax);
      if (this.#signal?.aborted === true) {
        throw this.#judged(new RpcError("cancelled", "cancelled by its caller", { executed: "no" }));
      }
    }
  }

  /** Over all tries: it was done by none only if each says so. */
  #judged(error: RpcError): RpcError {
    if (!this.#doubt || error.executed !== "no" || this.#tries === 1) return error;
    return new RpcError(error.code, `${error.message}; an earlier try got no answer`, {
      executed: "unknown",
      attempts: this.#tries,
      peer: error.peer,
      status: error.status,
      cause: error,
    });
  }
}

/** What may be otherwise a little later. A full queue is for the caller to decide about. */
const retried: ReadonlySet<string> = new Set(["unavailable", "deadline-exceeded", "stale"]);

/** A request that its owner follows. */
export class Followed implements AsyncRequest<unknown, unknown> {
  readonly id: string;
  readonly #port: RequestPort;
  readonly #machine: Machine;
  readonly #procedure: string;
  /** When it expires, in milliseconds of this machine's clock; the server has the last word. */
  readonly #expiresAt: number;
  #end: WireEvent | undefined;

  constructor(port: RequestPort, machine: Machine, procedure: string, id: string, ttlMs: number) {
    this.id = id;
    this.#port = port;
    this.#machine = machine;
    this.#procedure = procedure;
    this.#expiresAt = machine.clock.now() + ttlMs;
  }

  /** Until its time is over, and long enough beyond that for the server to say so. */
  #asking({ timeoutMs, signal }: RequestWaitOptions = {}): Asking {
    const left = Math.max(0, this.#expiresAt - this.#machine.clock.now()) + timeoutMsDefault;
    return new Asking(this.#machine, timeoutMs ?? left, signal);
  }

  async result(options: RequestWaitOptions = {}): Promise<unknown> {
    const asking = this.#asking(options);
    for (;;) {
      if (this.#end !== undefined) return this.#valueOf(this.#end);
      const { info, end } = await asking.ask((ask) => {
        const wait = Math.max(0, Math.min(waitMs, asking.leftMs - answerMs / 10));
        return this.#port.look(this.id, Math.floor(wait), ask);
      });
      this.#end = end(this.#procedure);
      if (this.#end !== undefined) continue;
      if (info.state !== "queued" && info.state !== "running") {
        throw new RpcError("not-found", `${this.#name}: its outcome was acknowledged, and is not kept any more`, {
          executed: info.executed,
          peer: this.#port.address,
        });
      }
      if (asking.leftMs <= answerMs / 10 || asking.leftMs <= 0) {
        throw new RpcError("deadline-exceeded", `${this.#name} is ${info.state}, and the time to wait for it is over`, {
          executed: "unknown",
          peer: this.#port.address,
        });
      }
      if (options.signal?.aborted === true) {
        throw new RpcError("cancelled", `${this.#name}: the wait was cancelled`, { executed: "unknown" });
      }
    }
  }

  async *events(options: RequestEventOptions = {}): AsyncGenerator<RequestEvent<unknown, unknown>, void> {
    let { after = 0 } = options;
    let acknowledged = 0;
    const asking = this.#asking(options);
    for (;;) {
      const { info, events } = await asking.ask((ask) =>
        this.#port.events(this.id, after, acknowledged, Math.floor(Math.max(0, Math.min(waitMs, asking.leftMs))), ask),
      );
      for (const event of events(this.#procedure)) {
        yield this.#told(event);
        // Whoever asks for the next one has dealt with this one.
        after = event.number;
        if (options.acknowledge === true) acknowledged = after;
        if (isEnd(event)) {
          if (options.acknowledge === true) await this.acknowledge(after);
          return;
        }
      }
      const over = info.state !== "queued" && info.state !== "running";
      // It has ended, and its last event has been acknowledged, or is not behind `after`.
      if (over && (info.acknowledged >= info.lastEvent || after >= info.lastEvent)) return;
      if (asking.leftMs <= 0) {
        throw new RpcError("deadline-exceeded", `${this.#name}: the time to wait for events is over`, {
          executed: "unknown",
          peer: this.#port.address,
        });
      }
      if (options.signal?.aborted === true) {
        throw new RpcError("cancelled", `${this.#name}: the wait was cancelled`, { executed: "unknown" });
      }
    }
  }

  acknowledge(through: number): Promise<void> {
    return this.#asking({ timeoutMs: timeoutMsDefault }).ask((ask) => this.#port.acknowledge(this.id, through, ask));
  }

  cancel(): Promise<"cancelled" | "requested" | "too-late"> {
    return this.#asking({ timeoutMs: timeoutMsDefault }).ask((ask) => this.#port.cancel(this.id, ask));
  }

  async look(): Promise<RequestInfo> {
    const asking = this.#asking({ timeoutMs: timeoutMsDefault });
    return (await asking.ask((ask) => this.#port.look(this.id, 0, ask))).info;
  }

  get #name(): string {
    return `${this.#port.label(this.#procedure)}, request ${this.id}`;
  }

  #told(event: WireEvent): RequestEvent<unknown, unknown> {
    const { number, at } = event;
    switch (event.kind) {
      case "running":
      case "interrupted":
        return { number, at, kind: event.kind };
      case "progress":
      case "done":
        return { number, at, kind: event.kind, value: event.value };
      default:
        return { number, at, kind: event.kind, error: this.#errorOf(event) };
    }
  }

  #valueOf(event: WireEvent): unknown {
    if (event.kind === "done") return event.value;
    throw this.#errorOf(event as Extract<WireEvent, { reason: string }>);
  }

  #errorOf({ kind, executed, reason }: Extract<WireEvent, { reason: string }>): RpcError {
    return new RpcError(codes[kind], `${this.#name} ${verbs[kind]}: ${reason}`, {
      executed,
      peer: this.#port.address,
    });
  }
}

function isEnd({ kind }: WireEvent): boolean {
  return kind !== "running" && kind !== "progress" && kind !== "interrupted";
}

const codes = { failed: "server-error", cancelled: "cancelled", expired: "deadline-exceeded" } as const;
const verbs = { failed: "failed", cancelled: "was cancelled", expired: "expired" } as const;

import { mayPass, noRetryText, type RetryPolicy } from "../../call/retry.js";
import { coarseTimeline } from "../../call/steps.js";
import {
  type ReachTimes,
  RpcError,
  type RpcErrorCode,
  type RpcErrorDetails,
  type Timeline,
} from "../../model/index.js";
import { encodeCall } from "../codec/message.js";
import type { Preset, Settings } from "../codec/options.js";
import { decodeResult, encodeProcedureCall } from "../codec/procedure.js";
import type { XmlRpcValue } from "../codec/value.js";
import { isRedirect, retryAfterMs } from "./answer.js";
import { Attempt, type Head, type Place } from "./attempt.js";
import type { ClientCall } from "./client-call.js";
import type { StoreNote } from "./farcall-header.js";
import { judge, pageDetails } from "./judgement.js";

/** Most exchanges of one client at once, unless a user says otherwise: each is a connection, and servers count them. */
export const exchangesMax = 16;

/** Most calls of one client that have not ended, unless a user says otherwise. */
export const pendingCallsMax = 65_536;

/** Most bytes of calls that have not ended, unless a user says otherwise: 64 MiB, four of the largest documents. */
export const queueBytesMax: number = 64 * 1024 * 1024;

/** Most redirects that one call follows. */
export const redirectsMax = 5;

export interface ClientEngineOptions {
  readonly settings: Settings;
  readonly preset?: Preset | undefined;
  /** For messages. */
  readonly peer: string;
  readonly place: Place;
  readonly retry: RetryPolicy;
  /** The headers of a request: the user's own and what proves who calls. Only for places that are trusted. */
  readonly headers: (place: Place) => Readonly<Record<string, string>>;
  /** Where a redirect leads, and whether that is the user's own server still; or why it is not followed. */
  readonly redirect: (location: string, from: Place) => (Place & { readonly trusted: boolean }) | string;
  /** Is told of cookies. */
  readonly setCookies?: ((cookies: readonly string[], from: Place) => void) | undefined;
  readonly exchangesMax?: number | undefined;
  readonly pendingCallsMax?: number | undefined;
  readonly queueBytesMax?: number | undefined;
  /** Whether calls that may not run twice are named, so that a server that keeps replies can tell. */
  readonly keys?: (() => string) | undefined;
  /** Whether to name them to servers that have not said that they keep replies. */
  readonly keysAlways?: boolean | undefined;
}

/**
 * The client's core: calls go in, attempts come out for whoever makes exchanges, what happens to these goes in, and each
 * call ends once. It owns no socket and no timer; times are milliseconds of the caller's clock.
 */
export class ClientEngine {
  /** When `tick` wants to be called next; infinite when nothing waits. */
  deadline: number = Number.POSITIVE_INFINITY;
  /** Attempts that are to be given up. The caller empties it after whatever it tells the engine. */
  readonly aborted: Attempt[] = [];
  reach: ReachTimes = {};
  /** Is told of a call that is to be sent again. */
  onRepeat: ((call: ClientCall, reason: "busy" | "connection-lost") => void) | undefined = undefined;
  readonly #options: ClientEngineOptions;
  readonly #calls = new Set<ClientCall>();
  #queue: ClientCall[] = [];
  #queueAt = 0;
  /** Attempts that follow a redirect: they take the place of the one that ended. */
  readonly #redirects: Attempt[] = [];
  #bytes = 0;
  #running = 0;
  #started = 0;
  #retransmissions = 0;
  /** Where the server keeps replies, as it last said. */
  #store: StoreNote | undefined;

  constructor(options: ClientEngineOptions) {
    this.#options = options;
  }

  /** Where the server keeps replies, as it last said; undefined while it has not. */
  get store(): StoreNote | undefined {
    return this.#store;
  }

  get pendingCalls(): number {
    return this.#calls.size;
  }

  /** Whether a producer should wait before it calls again. */
  get full(): boolean {
    const { pendingCallsMax: calls = pendingCallsMax, queueBytesMax: bytes = queueBytesMax } = this.#options;
    return this.#calls.size >= calls || this.#bytes >= bytes;
  }

  get stats(): {
    readonly calls: number;
    readonly pending: number;
    readonly queued: number;
    readonly queuedBytes: number;
    readonly retransmissions: number;
  } {
    let queued = 0;
    let queuedBytes = 0;
    for (const call of this.#calls) {
      if (call.state === "running") continue;
      queued++;
      queuedBytes += call.body.length;
    }
    return {
      calls: this.#started,
      pending: this.#calls.size,
      queued,
      queuedBytes,
      retransmissions: this.#retransmissions,
    };
  }

  // --- calls

  /** Starts a call. It ends by its `resolve` or `reject`, possibly before this returns. */
  start(call: ClientCall): void {
    this.#started++;
    const { settings, pendingCallsMax: calls = pendingCallsMax, queueBytesMax: bytes = queueBytesMax } = this.#options;
    call.life.record?.enter("stub");
    const refuse = (code: RpcErrorCode, text: string, cause?: unknown): void => {
      call.release?.();
      call.state = "ended";
      call.reject(this.#failure(call, code, text, { executed: "no", cause }, call.life.startedAt));
    };
    this.#options.retry.budget?.refill();
    if (this.#calls.size >= calls) return refuse("busy", `${calls} calls are pending already (pendingCallsMax)`);
    try {
      call.life.record?.enter("marshal");
      const { method, procedure } = call.target;
      call.body =
        procedure === undefined
          ? encodeCall(method, call.args, settings)
          : encodeProcedureCall(procedure, call.args, settings);
    } catch (error) {
      return refuse("invalid-argument", text(error), error);
    }
    if (this.#bytes + call.body.length > bytes) {
      return refuse("busy", `calls of ${this.#bytes} bytes are pending already (queueBytesMax ${bytes})`);
    }
    call.life.record?.enter("send");
    this.#calls.add(call);
    this.#bytes += call.body.length;
    this.#queue.push(call);
    if (call.life.deadline < this.deadline) this.deadline = call.life.deadline;
  }

  /** The call's caller does not want it any more. */
  cancel(call: ClientCall, reason: unknown, now: number): void {
    this.#fail(call, now, "cancelled", "cancelled by its caller", { cause: reason });
  }

  /** Ends every call: the client is being closed. */
  close(now: number): void {
    for (const call of [...this.#calls]) this.#fail(call, now, "closed", "the client was closed");
  }

  /** The time has come: ends the calls whose deadline has passed, and queues those whose pause is over. */
  tick(now: number): void {
    let next = Number.POSITIVE_INFINITY;
    for (const call of [...this.#calls]) {
      if (call.life.deadline <= now) {
        this.#timeOut(call, now);
        continue;
      }
      if (call.state === "pausing" && call.due <= now) {
        call.state = "queued";
        call.due = Number.POSITIVE_INFINITY;
        this.#queue.push(call);
      }
      next = Math.min(next, call.life.deadline, call.due);
    }
    this.deadline = next;
  }

  #timeOut(call: ClientCall, now: number): void {
    const waited = Math.round(call.life.deadline - call.life.startedAt);
    const where = call.sentAt < 0 ? "it was never sent" : "no answer came";
    this.#fail(call, now, "deadline-exceeded", `${where} within ${waited} ms`);
  }

  // --- attempts

  /** The next attempt to make, if there is one and there may be. */
  take(now: number): Attempt | undefined {
    for (let next = this.#redirects.shift(); next !== undefined; next = this.#redirects.shift()) {
      if (!next.ended) return next;
    }
    if (this.#running >= (this.#options.exchangesMax ?? exchangesMax)) return undefined;
    for (;;) {
      const call = this.#queue[this.#queueAt];
      if (call === undefined) {
        this.#queue.length = 0;
        this.#queueAt = 0;
        return undefined;
      }
      this.#queueAt++;
      // Calls that ended while they were queued are left in it.
      const attempt =
        call.state === "queued" ? this.#begin(call, { ...this.#options.place, trusted: true }, 0, now) : undefined;
      if (attempt !== undefined) return attempt;
      if (this.#queueAt > 1024) {
        this.#queue = this.#queue.slice(this.#queueAt);
        this.#queueAt = 0;
      }
    }
  }

  #begin(
    call: ClientCall,
    place: Place & { readonly trusted: boolean },
    redirects: number,
    now: number,
  ): Attempt | undefined {
    const headers: Record<string, string> = { "Content-Type": contentTypeOf(this.#options.settings) };
    try {
      if (place.trusted) Object.assign(headers, this.#options.headers(place), call.life.headers);
    } catch (error) {
      // The user's own function had no token to give.
      this.#fail(call, now, "invalid-argument", text(error), { cause: error });
      return undefined;
    }
    if (call.life.traceparent !== undefined) headers["traceparent"] = call.life.traceparent;
    this.#name(call, headers);
    // Only to those who have shown that they read it: nobody else is told what nobody else understands.
    if (this.#store !== undefined && place.trusted) {
      const left = Math.max(1, Math.floor(call.life.deadline - now));
      const timeout = `timeout=${left}`;
      headers["Farcall"] = call.store === undefined ? timeout : `store="${call.store.id}", ${timeout}`;
    }
    const attempt = new Attempt(call, place, redirects, place.trusted, headers);
    call.state = "running";
    call.attempt = attempt;
    call.attempts++;
    this.#running++;
    return attempt;
  }

  /** Names a call that may not run twice to a server that remembers; a further attempt goes to no other memory. */
  #name(call: ClientCall, headers: Record<string, string>): void {
    const { keys, keysAlways } = this.#options;
    const { semantics } = call.life;
    if (keys === undefined || semantics === "at-least-once" || semantics === "maybe") return;
    if (call.key === undefined && (this.#store !== undefined || keysAlways === true)) {
      call.key = keys();
    }
    if (call.key === undefined) return;
    // A call that surely did not run yet may go to another memory; one that may have run must meet the same again.
    if (call.executed === "no") call.store = this.#store;
    headers["Idempotency-Key"] = `"${call.key}"`;
  }

  /** The request is, or may be, with the server from now on. */
  sent(attempt: Attempt, now: number): void {
    const { call } = attempt;
    if (attempt.ended || attempt.sent) return;
    attempt.sent = true;
    call.transmissions++;
    if (call.sentAt < 0) call.sentAt = now;
    if (call.transmissions > 1) this.#retransmissions++;
    call.life.record?.enter("network");
    this.#progress(attempt);
  }

  uploaded(attempt: Attempt, bytes: number): void {
    if (attempt.ended) return;
    attempt.uploaded = bytes;
    this.#progress(attempt);
  }

  head(attempt: Attempt, head: Head): void {
    if (attempt.ended) return;
    attempt.begin(head);
    if (attempt.trusted && head.setCookie.length > 0) this.#options.setCookies?.(head.setCookie, attempt.place);
    if (attempt.trusted && attempt.note.store !== undefined) this.#store = attempt.note.store;
  }

  data(attempt: Attempt, chunk: Uint8Array, now: number): void {
    if (attempt.ended) return;
    const more = attempt.take(chunk, this.#options.settings);
    this.#progress(attempt);
    if (more) return;
    this.aborted.push(attempt);
    this.end(attempt, now);
  }

  /** The answer is whole, or as much of it as is wanted. */
  end(attempt: Attempt, now: number): void {
    if (attempt.ended) return;
    this.#leave(attempt);
    attempt.call.life.record?.enter("return");
    if (isRedirect(attempt.head?.status ?? 0) && attempt.head?.headers["location"] !== undefined) {
      return this.#redirected(attempt, attempt.head.headers["location"], now);
    }
    this.#answered(attempt, now);
  }

  /** There will be no whole answer. */
  failed(attempt: Attempt, error: Error, now: number): void {
    if (attempt.ended) return;
    this.#leave(attempt);
    const { call } = attempt;
    if (attempt.sent) {
      call.add("unknown");
      const what = attempt.head === undefined ? "no answer came" : "the answer did not come whole";
      this.#again(call, now, "unavailable", `${what}: ${error.message}`, { cause: error });
      return;
    }
    if (error instanceof RpcError) return this.#fail(call, now, error.code, error.message, { cause: error.cause });
    const unknownHost = isUnknownHost(error);
    const what = unknownHost ? "the host is not known" : "it cannot be reached";
    this.#again(call, now, unknownHost ? "not-found" : "unavailable", `${what}: ${error.message}`, { cause: error });
  }

  /** The attempt is over, whatever becomes of its call. */
  #leave(attempt: Attempt): void {
    attempt.ended = true;
    this.#running--;
    if (attempt.call.attempt === attempt) attempt.call.attempt = undefined;
  }

  #progress({ call, uploaded, received, head, body }: Attempt): void {
    const { progress } = call.life;
    if (progress === undefined) return;
    const length = Number(
      head?.headers["content-encoding"] === undefined ? head?.headers["content-length"] : Number.NaN,
    );
    const sent = head === undefined ? uploaded : body.length;
    progress({
      sent,
      toSend: body.length,
      received,
      toReceive: Number.isNaN(length) ? undefined : length,
    });
  }

  // --- answers

  #redirected(attempt: Attempt, location: string, now: number): void {
    const { call } = attempt;
    call.add("no");
    const to = this.#options.redirect(location, attempt.place);
    if (typeof to !== "string" && attempt.redirects < redirectsMax) {
      call.attempts--; // still the same attempt, at another door
      // What a place that is not trusted says cannot lead back to trust.
      const place = { ...to, trusted: to.trusted && attempt.trusted };
      const next = this.#begin(call, place, attempt.redirects + 1, now);
      if (next !== undefined) this.#redirects.push(next);
      return;
    }
    const why = typeof to === "string" ? to : `more than ${redirectsMax} redirects`;
    this.#fail(call, now, "not-found", `redirected to ${location}, not followed: ${why}`, pageDetails(attempt));
  }

  #answered(attempt: Attempt, now: number): void {
    const { call, note } = attempt;
    const judged = judge(attempt, this.#options.settings, this.#options.preset);
    if (judged.kind === "value") {
      call.add("yes");
      call.life.noted?.(note.inner);
      return this.#succeed(call, judged.value, now);
    }
    const { code, text, details } = judged;
    call.add(judged.executed);
    if (judged.kind === "refusal") this.#refused(attempt, now, code, text, details);
    else this.#fail(call, now, code, text, details);
  }

  #succeed(call: ClientCall, value: XmlRpcValue, now: number): void {
    const { procedure } = call.target;
    let decoded: unknown;
    try {
      decoded = procedure === undefined ? value : decodeResult(procedure, value);
    } catch (error) {
      this.#fail(call, now, "bad-reply", `the result is not what the contract says: ${text(error)}`, { cause: error });
      return;
    }
    if (!this.#end(call)) return;
    call.life.record?.end(call.transmissions, this.reach);
    call.resolve(decoded);
  }

  /** An answer that is no result. A server that is busy, and some that are down, may be asked again. */
  #refused(attempt: Attempt, now: number, code: RpcErrorCode, text: string, details: Partial<RpcErrorDetails>): void {
    const { call } = attempt;
    // Whoever lost the memory that the call was sent to first does not find it by being asked again.
    const forgotten = attempt.head?.status === 412 && call.executed !== "no";
    const passing = mayPass(code) && (code === "busy" || code === "unavailable") && !forgotten;
    if (!passing) return this.#fail(call, now, code, text, details);
    this.#again(call, now, code, text, details, retryAfterMs(attempt.head?.headers["retry-after"]));
  }

  // --- ends

  /** Tries the call again, where that is safe and not too late; ends it otherwise. */
  #again(
    call: ClientCall,
    now: number,
    code: RpcErrorCode,
    text: string,
    details: Partial<RpcErrorDetails>,
    pauseMs?: number | undefined,
  ): void {
    const { life, executed, attempts } = call;
    const retry = life.retry ?? this.#options.retry;
    const { semantics, deadline } = life;
    // A server that keeps replies knows the call again.
    const filtered = call.store !== undefined;
    const due = retry.next(
      { semantics, executed, filtered, attempts, now, deadline },
      { retryAfterMs: pauseMs, charged: call.transmissions > 0 },
    );
    if (typeof due === "string") return this.#fail(call, now, code, `${text}${noRetryText(due)}`, details);
    life.record?.enter("send");
    if (call.transmissions > 0) this.onRepeat?.(call, code === "busy" ? "busy" : "connection-lost");
    call.state = "pausing";
    call.due = due;
    if (due < this.deadline) this.deadline = due;
  }

  #fail(call: ClientCall, now: number, code: RpcErrorCode, text: string, details: Partial<RpcErrorDetails> = {}): void {
    if (!this.#end(call)) return;
    call.reject(this.#failure(call, code, text, details, now));
  }

  /** The one place where calls end. */
  #end(call: ClientCall): boolean {
    if (!this.#calls.delete(call)) return false;
    this.#bytes -= call.body.length;
    call.state = "ended";
    call.release?.();
    const attempt = call.attempt as Attempt | undefined;
    if (attempt !== undefined) {
      this.#leave(attempt);
      this.aborted.push(attempt);
    }
    return true;
  }

  #failure(
    call: ClientCall,
    code: RpcErrorCode,
    text: string,
    details: Partial<RpcErrorDetails>,
    now: number,
  ): RpcError {
    const { peer } = this.#options;
    return new RpcError(code, `${call.target.name} to ${peer}: ${text}`, {
      executed: call.executed,
      attempts: call.attempts,
      transmissions: call.transmissions,
      peer,
      timeline: this.#timelineOf(call, now),
      ...details,
    });
  }

  #timelineOf(call: ClientCall, now: number): Timeline {
    const { record, startedAt } = call.life;
    const { sentAt, transmissions } = call;
    if (record !== undefined) return record.end(transmissions, this.reach);
    return coarseTimeline({ startedAt, sentAt, transmissions }, now, this.reach);
  }
}

function contentTypeOf({ encoding }: Settings): string {
  // What the specification asks for, and nothing more where the document says it too.
  return encoding === "utf-8" ? "text/xml" : `text/xml; charset=${encoding}`;
}

function isUnknownHost(error: Error): boolean {
  const { code } = error as { code?: unknown };
  return code === "ENOTFOUND" || code === "EAI_AGAIN";
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

import { hasFreeHeaders, machine as ownMachine, publishRetry, transportTo, watchClientCall } from "#xmlrpc/platform";
import {
  checkTimeout,
  connectTimeoutMsDefault,
  listenTo,
  semanticsProblem,
  timeoutMsDefault,
  timeoutProblem,
  traceparentProblem,
} from "../call/call-options.js";
import { RetryPolicy, retryProblem } from "../call/retry.js";
import { CallRecord } from "../call/steps.js";
import { ExchangeClientDrive } from "../drive/exchange-client.js";
import type { Machine } from "../drive/machine.js";
import {
  type CallOptions,
  type ClientStats,
  type HedgeOptions,
  type RetryOptions,
  RpcError,
  type RpcErrorCode,
  type Timeline,
} from "../model/index.js";
import type { ExchangeTransport } from "../net/exchange.js";
import { type ExchangeAddress, formatExchangeAddress, parseExchangeAddress } from "../net/exchange-address.js";
import type { ClientCallWatch } from "../observe/client.js";
import type { ClientCallStart, ProcedureNames } from "../observe/events.js";
import { tellSafely } from "../observe/safely.js";
import { settingsOf, type XmlRpcOptions } from "./codec/options.js";
import {
  type Attempt,
  type CallProgress,
  type CallTarget,
  ClientCall,
  ClientEngine,
  CookieJar,
  type Place,
} from "./engine/index.js";
import { authorization, checkHeaders, type HttpAuth } from "./headers.js";
import { xmlRpc } from "./protocol.js";
import { type Redirects, redirected } from "./redirect.js";
import type { TransportOptions } from "./transport-options.js";

export interface XmlRpcClientOptions extends XmlRpcOptions, TransportOptions {
  /** Milliseconds a call takes at most unless it says otherwise; default 25,000. */
  readonly timeoutMs?: number | undefined;
  /** Milliseconds an attempt to connect takes at most; default 5,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Who calls. Default: what the address says before its `@`. */
  readonly auth?: HttpAuth | undefined;
  /** Headers of every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** How far redirects are followed; default `same-host`. Browsers follow none. */
  readonly redirects?: Redirects | undefined;
  /** How calls are tried again, where their guarantee allows it. `false` tries each once. */
  readonly retry?: RetryOptions | false | undefined;
  /** Most exchanges at once, each of which is a connection; default 16. Further calls wait. */
  readonly exchangesMax?: number | undefined;
  /** Most calls that have not ended; default 65,536. One more is refused as `busy`. */
  readonly pendingCallsMax?: number | undefined;
  /** Most bytes of calls that have not ended; default 64 MiB. More is refused as `busy`. */
  readonly queueBytesMax?: number | undefined;
  /**
   * Whether calls that may not run twice carry an `Idempotency-Key`, so that a server that keeps replies can be asked again:
   * `auto`, the default, where a farcall server has said that it does; `always` for other servers that know the header; `never`.
   * In a browser the server must allow it to pages of other origins, so the default there is `never`.
   */
  readonly idempotencyKeys?: "auto" | "always" | "never" | undefined;
  /** Records the steps of every call, as the option of a call does, and is given them when it ends. */
  readonly explain?: ((timeline: Timeline) => void) | undefined;
  /** Makes the connections in place of the runtime's own. */
  readonly transport?: ((address: ExchangeAddress) => ExchangeTransport) | undefined;
  /** Where time and chance come from; default: the machine that the process runs on. */
  readonly machine?: Machine | undefined;
}

/** What calls over HTTP take besides the usual options. */
export interface HttpCallOptions {
  /** Headers of this request, beside those of the client. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Is told how a large body gets on, either way. */
  readonly progress?: ((progress: CallProgress) => void) | undefined;
}

/** What the parts of a client tell each other with a call. */
interface OwnCallOptions extends CallOptions, HttpCallOptions {
  /** Is told what a farcall server said of the inner calls of a `system.multicall`. */
  readonly noted?: ((inner: string | undefined) => void) | undefined;
}

/** The path that a server has unless its address says another. */
const targetDefault = "/RPC2";

/** One client's way to one server: calls of any method go in, promises come out. */
export class XmlRpcChannel {
  /** The server's address, without user and password. */
  readonly address: string;
  readonly #place: Place;
  readonly #drive: ExchangeClientDrive<Attempt, ClientCall>;
  readonly #engine: ClientEngine;
  readonly #retry: RetryPolicy;
  readonly #timeoutMs: number;
  readonly #connectTimeoutMs: number;
  readonly #explain: XmlRpcClientOptions["explain"];

  /** Whether the server was asked what it keeps replies in. */
  #asked = false;

  /** @throws RpcError `invalid-argument` for a bad address or option */
  constructor(address: string, options: XmlRpcClientOptions) {
    const parsed = parseExchangeAddress(address);
    this.#timeoutMs = checkTimeout(options.timeoutMs ?? timeoutMsDefault, "timeoutMs");
    this.#connectTimeoutMs = checkTimeout(options.connectTimeoutMs ?? connectTimeoutMsDefault, "connectTimeoutMs");
    this.#explain = options.explain;
    this.#place = { origin: formatExchangeAddress(parsed, ""), target: parsed.target ?? targetDefault };
    this.address = formatExchangeAddress(parsed, this.#place.target);
    const machine = options.machine ?? ownMachine;
    const badRetry = retryProblem(options.retry ?? {});
    if (badRetry !== undefined) throw new RpcError("invalid-argument", badRetry, { executed: "no" });
    this.#retry = new RetryPolicy(options.retry, machine.random);
    if (options.requirePeer !== undefined && options.transport !== undefined) {
      const message = "requirePeer cannot be asked of connections that the option transport makes";
      throw new RpcError("invalid-argument", message, { executed: "no" });
    }
    const connect = options.transport ?? ((to) => transportTo(to, options));
    const first = connect(parsed);
    const jar = options.cookies === true && hasFreeHeaders ? new CookieJar() : undefined;
    const { redirects = "same-host", idempotencyKeys = hasFreeHeaders ? "auto" : "never" } = options;
    this.#engine = new ClientEngine({
      settings: settingsOf(options),
      preset: options.preset,
      peer: this.address,
      place: this.#place,
      retry: this.#retry,
      headers: headersOf(options, parsed, jar),
      redirect: (location, from) => redirected(location, from, redirects),
      setCookies: (cookies, { origin }) => {
        for (const cookie of cookies) jar?.set(cookie, isSecure(origin), Date.now());
      },
      keys: idempotencyKeys === "never" ? undefined : () => hex(machine.randomBytes(16)),
      keysAlways: idempotencyKeys === "always",
      exchangesMax: options.exchangesMax,
      pendingCallsMax: options.pendingCallsMax,
      queueBytesMax: options.queueBytesMax,
    });
    const transport = (origin: string): ExchangeTransport =>
      origin === this.#place.origin ? first : connect(parseExchangeAddress(origin));
    this.#engine.onRepeat = ({ target, transmissions, life }, reason) => {
      const call = life.record?.subject as ClientCallStart | undefined;
      publishRetry({ ...namesOf(target), address: this.address, transmission: transmissions + 1, reason, call });
    };
    this.#drive = new ExchangeClientDrive(this.#engine, transport, machine.clock);
  }

  /**
   * Finds out whether somebody is there; a browser cannot, and calls tell.
   *
   * @throws RpcError `not-found` or `unavailable`
   */
  async open(): Promise<void> {
    try {
      this.#engine.reach = { connectMs: await this.#drive.open(this.#place.origin, this.#connectTimeoutMs) };
    } catch (error) {
      this.close();
      if (error instanceof RpcError) throw error;
      const { code, message } = error as { code?: unknown; message?: unknown };
      const unknown = code === "ENOTFOUND" || code === "EAI_AGAIN";
      const what = unknown ? "the host is not known" : "it cannot be reached";
      throw new RpcError(unknown ? "not-found" : "unavailable", `${this.address}: ${what}: ${String(message)}`, {
        executed: "no",
        peer: this.address,
        cause: error,
      });
    }
  }

  get stats(): ClientStats {
    return { ...this.#engine.stats, connects: this.#drive.connects, strayReplies: 0, roundTripMs: undefined };
  }

  /** Makes a call. Never throws: every mistake is a rejection. */
  call(target: CallTarget, args: readonly unknown[], options: OwnCallOptions = {}): Promise<unknown> {
    const { semantics = target.semantics, context, traceparent = context?.traceparent } = options;
    return watchClientCall(
      () => ({ names: namesOf(target), address: this.address, semantics, context, traceparent }),
      (watch) => this.#call(target, args, options, watch),
    );
  }

  #call(
    target: CallTarget,
    args: readonly unknown[],
    options: OwnCallOptions,
    watch: ClientCallWatch | undefined,
    startedAt: number = this.#drive.now(),
    record: CallRecord | undefined = this.#recordOf(options.explain, startedAt, watch),
  ): Promise<unknown> {
    const drive = this.#drive;
    const refuse = (code: RpcErrorCode, message: string, cause?: unknown): Promise<never> =>
      Promise.reject(
        new RpcError(code, `${target.name} to ${this.address}: ${message}`, {
          executed: "no",
          peer: this.address,
          cause,
          timeline: record?.end(0, this.#engine.reach),
        }),
      );
    if (drive.closed) return refuse("closed", "the client was closed");
    const { timeoutMs = this.#timeoutMs, context, semantics = target.semantics, headers, progress } = options;
    const traceparent = watch === undefined ? (options.traceparent ?? context?.traceparent) : watch.traceparent;
    const hedge: HedgeOptions | false | undefined = options.hedge;
    const badTimeout = timeoutProblem(timeoutMs);
    const problem =
      (badTimeout === undefined ? undefined : `timeoutMs ${badTimeout}`) ??
      semanticsProblem(target.semantics, semantics) ??
      retryProblem(options.retry ?? {}) ??
      (hedge === undefined || hedge === false ? undefined : "calls over HTTP are not hedged") ??
      traceparentProblem(traceparent);
    if (problem !== undefined) return refuse("invalid-argument", problem);
    try {
      if (headers !== undefined) checkHeaders(headers);
    } catch (error) {
      return refuse("invalid-argument", (error as Error).message, error);
    }
    const signals = [options.signal, context?.signal].filter((signal) => signal !== undefined);
    const fired = signals.find((signal) => signal.aborted);
    if (fired !== undefined) return refuse("cancelled", "cancelled by its caller", fired.reason);
    if (semantics === "exactly-once" && this.#engine.store?.transactional !== true) {
      if (this.#asked) return refuse("invalid-argument", "this server cannot give exactly-once");
      // It says what it keeps replies in with its first answer, whatever that is.
      this.#asked = true;
      const ask = this.call(pingTarget, [], { timeoutMs, signal: options.signal, retry: false });
      const make = (): Promise<unknown> => this.#call(target, args, options, watch, startedAt, record);
      return ask.then(make, (error: unknown) => {
        if (error instanceof RpcError && isAnswer(error)) return make();
        this.#asked = false;
        throw error;
      });
    }
    const retry = options.retry === undefined ? undefined : this.#retry.narrowed(options.retry);
    return new Promise((resolve, reject) => {
      const call = new ClientCall(
        target,
        args,
        {
          semantics,
          retry,
          startedAt,
          deadline: Math.min(startedAt + timeoutMs, context?.deadline ?? Number.POSITIVE_INFINITY),
          record,
          traceparent,
          headers,
          progress: progress === undefined ? undefined : (told) => tellSafely(() => progress(told)),
          noted: options.noted,
        },
        resolve,
        reject,
      );
      if (signals.length > 0) call.release = listenTo(signals, (reason) => drive.cancel(call, reason));
      drive.start(call);
    });
  }

  /** What measures a call's steps; undefined where nobody asks. */
  #recordOf(
    explain: CallOptions["explain"],
    startedAt: number,
    watch: ClientCallWatch | undefined,
  ): CallRecord | undefined {
    const asked = [explain, this.#explain].filter((tell) => tell !== undefined);
    if (asked.length === 0 && watch === undefined) return undefined;
    return new CallRecord({
      now: () => this.#drive.now(),
      startedAt,
      asksServer: false,
      subject: watch,
      tell: (timeline) => {
        if (watch !== undefined) watch.timeline = timeline;
        for (const tell of asked) tellSafely(() => tell(timeline));
      },
    });
  }

  async ready(): Promise<void> {
    await this.#drive.ready(() => !this.#engine.full);
  }

  close(): void {
    this.#drive.close();
  }
}

/** A procedure for those who watch. A method that is called without a contract goes by its own name. */
function namesOf({ name, method, procedure }: CallTarget): ProcedureNames {
  const dot = procedure === undefined ? -1 : name.lastIndexOf(".");
  return {
    protocol: xmlRpc.name,
    service: dot < 0 ? undefined : name.slice(0, dot),
    procedure: dot < 0 ? method : name.slice(dot + 1),
    numbers: undefined,
  };
}

/** A harmless question that any XML-RPC server answers, be it by a fault. */
export const pingTarget: CallTarget = {
  name: "$ping",
  method: "system.listMethods",
  semantics: "at-least-once",
};

/** Whether a failure is an answer of XML-RPC all the same. */
export function isAnswer({ status, cause }: RpcError): boolean {
  return status !== undefined && cause === undefined;
}

/** The headers of every request to the user's own server. */
function headersOf(
  options: XmlRpcClientOptions,
  address: ExchangeAddress,
  jar: CookieJar | undefined,
): (place: Place) => Readonly<Record<string, string>> {
  const { headers = {}, auth = address.credentials } = options;
  checkHeaders(headers);
  // A password that cannot be sent is the user's mistake at once, not at every call.
  if (auth !== undefined && !("token" in auth && typeof auth.token === "function")) authorization(auth);
  const own = { ...(hasFreeHeaders ? { "User-Agent": "farcall" } : {}), ...headers };
  if (auth === undefined && jar === undefined) return () => own;
  return ({ origin, target }) => {
    const cookie = jar?.header(target, isSecure(origin), Date.now());
    return {
      ...own,
      ...(auth === undefined ? {} : { Authorization: authorization(auth) }),
      ...(cookie === undefined ? {} : { Cookie: cookie }),
    };
  };
}

function isSecure(origin: string): boolean {
  return origin.startsWith("https:");
}

function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

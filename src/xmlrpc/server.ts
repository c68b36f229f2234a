import type { IncomingMessage, ServerResponse } from "node:http";
import { gzip } from "node:zlib";
import { type Lifetime, ObjectProvider } from "../call/lifetime.js";
import type { LocalAccess } from "../call/local-access.js";
import type { MaybePromise } from "../call/reply-cache.js";
import { ServerRecord } from "../call/steps.js";
import type { Alarm } from "../drive/clock.js";
import { listenExchanges } from "../drive/exchange-server.js";
import { localAccessOf, localListening } from "../drive/local-access.js";
import { type Machine, realMachine } from "../drive/machine.js";
import {
  type CallContext,
  type Caller,
  type Identity,
  isTraceparent,
  type LocalOptions,
  RpcError,
  type ServiceAccess,
} from "../model/index.js";
import type {
  ExchangeHandler,
  ExchangeListener,
  ExchangeResponse,
  ServedExchange,
  ServedHead,
} from "../net/exchange.js";
import { parseExchangeAddress } from "../net/exchange-address.js";
import { type ExchangeLimits, ExchangeLoad } from "../net/exchange-limits.js";
import { type FetchPeer, serveFetch } from "../net/fetch-server.js";
import { serveHttp } from "../net/http-exchange.js";
import type { CredentialReader } from "../net/peer-credentials.js";
import { httpUse, type TlsServerCredentials, tlsLayer } from "../net/tls.js";
import type { ProcedureNames } from "../observe/events.js";
import { type ServerCallResult, ServerCallWatch, serverCallsObserved } from "../observe/server.js";
import { settingsOf, type XmlRpcOptions } from "./codec/options.js";
import type { XmlRpcProcedure } from "./codec/procedure.js";
import {
  type Answer,
  charsetOf,
  Dispatcher,
  MethodTable,
  type ReadCall,
  type Request,
  readFarcallHeader,
  type ServedMethod,
  type ServerCall,
  writeFarcallHeader,
} from "./engine/index.js";
import { HttpFace, type HttpFaceOptions, plain } from "./http-face.js";
import { Idempotency, type IdempotencyOptions, type Kept, keyOf } from "./idempotency.js";
import { xmlRpc } from "./protocol.js";
import type { XmlRpcService } from "./service.js";

/** What a server reports beside an error of a handler. */
export interface FailedXmlRpcCall {
  /** The service and procedure, such as `CALC_PROG.add`, or the method. */
  readonly procedure: string;
  readonly caller: Caller;
}

/** What an XML-RPC server allows whoever calls. The size of a body is the document's: `documentSizeMax`. */
export interface XmlRpcServerLimits extends Omit<ExchangeLimits, "bodySizeMax"> {
  /** Most requests whose handlers run at once; default 16,384. One more is answered with 503, and has not run. */
  readonly runningCallsMax?: number | undefined;
  /** Most bytes of the requests whose handlers run; default 256 MiB. As with `runningCallsMax`. */
  readonly runningBytesMax?: number | undefined;
}

/** @typeParam Tx what the reply cache's store lets exactly-once calls work in */
export interface XmlRpcServerOptions<Tx = unknown> extends XmlRpcServerLimits, XmlRpcOptions, HttpFaceOptions {
  /** Refuses a call before its handler runs, by answering false. Asked for each inner call of a `system.multicall`. */
  readonly authorize?: ((context: CallContext & { readonly method: string }) => MaybePromise<boolean>) | undefined;
  /**
   * Local authentication: the kernel says who calls over Unix sockets, and who is on no list is denied. Needs Linux and the
   * package koffi. Default: none.
   */
  readonly local?: LocalOptions | true | undefined;
  /** Records the steps of every call at the server, and is given them once its answer is made. */
  readonly explain?: ((call: ServerCallResult) => void) | undefined;
  /** Is told what a handler threw; the caller is not. Default: writes it to stderr. */
  readonly onError?: ((error: unknown, call: FailedXmlRpcCall) => void) | undefined;
  /** TLS for `https:` addresses. */
  readonly tls?: TlsServerCredentials | undefined;
  /** How calls with an Idempotency-Key are told from new ones when they are sent again; default: in memory. `false` runs them again. */
  readonly replyCache?: IdempotencyOptions<Tx> | false | undefined;
  /** Whether callers may learn the methods (`system.listMethods` and its kin); default true. */
  readonly introspection?: boolean | undefined;
  /** Whether calls may come together (`system.multicall`, at most `multicallMax`); default true. */
  readonly multicall?: boolean | undefined;
  /** Where time and chance come from; default: the machine that the process runs on. */
  readonly machine?: Machine | undefined;
}

/** Handlers of requests, for servers of other makes. */
export interface HttpHandlers {
  /**
   * For Node's `http` and frameworks over it: `createServer(node)`, Express' `app.post("/RPC2", node)`. It reads the body
   * itself, or takes what a body parser has left as text.
   */
  readonly node: (request: IncomingMessage, response: ServerResponse) => void;
  /** For servers in the shape of `fetch`: Hono's `app.post("/RPC2", (c) => fetch(c.req.raw))`. */
  readonly fetch: (request: globalThis.Request, peer?: FetchPeer) => Promise<Response>;
}

/** The defaults, whose reasons are in docs/limits.md. */
export const runningDefaults: { readonly runningCallsMax: number; readonly runningBytesMax: number } = {
  runningCallsMax: 16_384,
  runningBytesMax: 256 * 1024 * 1024,
};

/** The paths that are served where an address says none: that of the specification's example, and the root. */
const pathsDefault = ["/RPC2", "/"];

/**
 * Serves methods by their names: over HTTP and SCGI at addresses of its own, or within somebody else's server. `Server` of
 * the package's root runs it for every service of this protocol.
 */
export class XmlRpcServer {
  readonly #options: XmlRpcServerOptions;
  readonly #methods: MethodTable;
  readonly #dispatcher: Dispatcher;
  readonly #face: HttpFace;
  readonly #load: ExchangeLoad;
  readonly #machine: Machine;
  readonly #idempotency: Idempotency | undefined;
  readonly #access: LocalAccess | undefined;
  /** What asks who calls at a server of another make. */
  #credentials: CredentialReader | undefined;
  /** Of an answer that is a result. */
  readonly #usualHeaders: Readonly<Record<string, string>>;
  readonly #listeners: ExchangeListener[] = [];
  readonly #running = new Set<RunningRequest>();
  #runningBytes = 0;
  readonly #runningMax: number;
  readonly #runningBytesMax: number;
  #closing = false;
  /** Wakes `close` when a request has ended. */
  #onEnded: () => void = () => {};

  /** @throws RpcError `invalid-argument` or RangeError for an option that cannot be used */
  constructor(options: XmlRpcServerOptions = {}) {
    this.#options = options;
    this.#access = localAccessOf(options.local);
    this.#machine = options.machine ?? realMachine;
    const settings = settingsOf(options);
    this.#methods = new MethodTable(settings, options.introspection !== false, options.multicall !== false);
    const report = (error: unknown, call: CallContext, label: string): void => this.#report(error, call.caller, label);
    this.#dispatcher = new Dispatcher(this.#methods, settings, {
      authorize: options.authorize,
      report,
      invoke: (method, args, call) => this.#invoke(method, args, call),
    });
    this.#face = new HttpFace(options);
    this.#load = new ExchangeLoad({ ...options, bodySizeMax: settings.documentSizeMax });
    this.#idempotency =
      options.replyCache === false ? undefined : new Idempotency(options.replyCache ?? {}, settings, this.#machine);
    const { encoding } = settings;
    this.#usualHeaders = {
      "Content-Type": encoding === "utf-8" ? "text/xml" : `text/xml; charset=${encoding}`,
      ...this.#farcallHeader(""),
    };
    this.#runningMax = options.runningCallsMax ?? runningDefaults.runningCallsMax;
    this.#runningBytesMax = options.runningBytesMax ?? runningDefaults.runningBytesMax;
  }

  // --- what is served

  /** Serves a service. Throws RangeError when one of its methods is served already, TypeError for a missing handler. */
  exportService<C>(
    service: XmlRpcService<C>,
    lifetime: Lifetime,
    make: () => object,
    given: ServiceAccess<C> = {},
  ): void {
    if (lifetime === "per-session") {
      throw new TypeError(`${service.name}: XML-RPC has no sessions, so per-session objects cannot be served`);
    }
    const procedures = Object.entries(service.procedures) as [string, XmlRpcProcedure][];
    if (lifetime === "persistent") {
      const object = make() as Record<string, unknown>;
      const missing = procedures.filter(([key, { isNull }]) => isNull !== true && typeof object[key] !== "function");
      if (missing.length > 0) {
        throw new TypeError(`${service.name}: no handler for ${missing.map(([key]) => key).join(", ")}`);
      }
    }
    const provider = new ObjectProvider(lifetime, make, (error) => this.#tell(error, `${service.name}: disposal`));
    this.#access?.add(service, service.name, given);
    for (const [key, procedure] of procedures) {
      this.#methods.add({
        name: procedure.name,
        label: `${service.name}.${key}`,
        key,
        procedure,
        service,
        semantics: procedure.semantics ?? "at-most-once",
        invoke: (args, call) => invoke(provider, key, procedure, args, call),
      });
    }
  }

  /**
   * Serves one method without a contract. Its parameters come by JavaScript's own types, and nothing behind them.
   *
   * @throws RangeError when there is a method of this name
   */
  exportMethod(name: string, handler: (...params: never[]) => unknown): void {
    this.#methods.add({
      name,
      label: name,
      key: name,
      procedure: undefined,
      semantics: "at-most-once",
      invoke: (args) => handler(...(args as never[])),
    });
  }

  /**
   * Serves an object's methods: its own functions and those of its class, as `NAME.METHOD`. Names that begin with `_` or `$`
   * are not served. The name `$default` serves them without a prefix. A function alone is served under the name itself.
   *
   * Parameters come by JavaScript's own types; a handler that wants its caller, or parameters checked against types, is
   * exported with a contract by `Server`.
   *
   * @throws RangeError for a method that is served already, TypeError for an object without methods
   */
  addHandler(name: string, handler: object): this {
    if (typeof handler === "function") {
      this.exportMethod(name, handler as (...params: never[]) => unknown);
      return this;
    }
    const methods = methodsOf(handler);
    if (methods.length === 0) throw new TypeError(`the handler ${name} has no methods`);
    for (const method of methods) {
      const full = name === "$default" ? method : `${name}.${method}`;
      this.exportMethod(full, (...params) =>
        (handler as Record<string, (...params: never[]) => unknown>)[method]?.(...params),
      );
    }
    return this;
  }

  // --- where it is served

  /**
   * Serves at an address, `http://HOST:PORT/PATH`, `https://...`, `http+unix:/SOCKET:/PATH`, `scgi://HOST:PORT/PATH` or
   * `scgi+unix:/SOCKET:/PATH`. Port 0 takes a free one; without a path, `/RPC2` and `/` are served.
   *
   * @returns the address in use
   * @throws RpcError `invalid-argument` for a bad address, `unavailable` when it cannot be had
   */
  async listen(text: string): Promise<string> {
    const address = parseExchangeAddress(text);
    if (address.scheme === "https" && this.#options.tls === undefined) {
      const message = `${text} needs the server's tls option, with cert and key`;
      throw new RpcError("invalid-argument", message, { executed: "no" });
    }
    if (address.credentials !== undefined) {
      const message = "a server's address has no user and password; who may call is said by the option auth";
      throw new RpcError("invalid-argument", message, { executed: "no" });
    }
    const [first = ""] = pathsDefault;
    const target = address.target ?? first;
    if (target.includes("?")) {
      throw new RpcError("invalid-argument", `${text}: a server is not at a query`, { executed: "no" });
    }
    const face = this.#face;
    for (const path of address.target === undefined ? pathsDefault : [target]) face.paths.add(path);
    const local = await localListening(text, address.socketPath !== "", this.#options.local, this.#access);
    const handler = this.#handler(false);
    const layer = address.scheme === "https" ? tlsLayer(this.#options.tls ?? {}, "", httpUse) : undefined;
    try {
      const { clock } = this.#machine;
      const listener = await listenExchanges({ ...address, target }, handler, this.#load, layer, clock, local);
      this.#listeners.push(listener);
      return listener.address;
    } catch (error) {
      if (error instanceof RpcError) throw error;
      const why = error instanceof Error ? error.message : String(error);
      throw new RpcError("unavailable", `cannot listen on ${text}: ${why}`, { executed: "no", cause: error });
    }
  }

  #handlers(): HttpHandlers {
    const handler = this.#handler(true);
    const options = { handler, load: this.#load, credentials: () => this.#credentials };
    return {
      node: (request, response) => serveHttp(request, response, options),
      fetch: (request, peer) => serveFetch(request, handler, this.#load, peer),
    };
  }

  /**
   * What servers of other makes hand requests to. With local authentication, requests over their Unix sockets are served.
   *
   * @throws RpcError `unavailable` where the kernel cannot be asked who calls
   */
  async handlers(): Promise<HttpHandlers> {
    const local = await localListening("a server of another make", true, this.#options.local, this.#access);
    this.#credentials = local?.credentials;
    return this.#handlers();
  }

  /** @param mounted whether somebody else has chosen the path, and has pages of its own */
  #handler(mounted: boolean): ExchangeHandler {
    return {
      admit: (head) => this.#admit(head, mounted),
      handle: (exchange) => this.#handle(exchange),
    };
  }

  #admit(head: ServedHead, mounted: boolean): ExchangeResponse | undefined {
    const refusal = this.#face.admit(head, mounted) ?? this.#strange(head) ?? this.#overload();
    return refusal === undefined ? undefined : this.#face.readable(refusal, head);
  }

  /** Before the body is read: whoever may call nothing need not send it. */
  #strange(head: ServedHead): ExchangeResponse | undefined {
    if (this.#access === undefined || this.#isRemote(head) || this.#access.admitsAny(head.credentials))
      return undefined;
    return plain(403, "this user may not call this server", { Farcall: "executed=no" });
  }

  /** Whether it comes from where the kernel vouches for nobody, and that is allowed in so many words. */
  #isRemote({ peer }: { readonly peer: string }): boolean {
    const { local } = this.#options;
    return local !== undefined && local !== true && local.remote === "serve" && !peer.startsWith("unix:");
  }

  /** Whether whoever asks may call a method; undefined where everybody may. */
  #admission(head: ServedHead): Request["admits"] {
    const access = this.#access;
    if (access === undefined || this.#isRemote(head)) return undefined;
    const { credentials } = head;
    return ({ service, key }) =>
      service === undefined ? access.admitsAny(credentials) : access.admits(credentials, service, key);
  }

  /** Why no further call may run now. */
  #overload(): ExchangeResponse | undefined {
    if (this.#closing) return busy("the server is closing");
    // The last one may be of any size: otherwise a large one would never run.
    if (this.#running.size < this.#runningMax && this.#runningBytes < this.#runningBytesMax) return undefined;
    return busy("too many calls run (runningCallsMax, runningBytesMax)");
  }

  // --- requests

  #handle(exchange: ServedExchange): void {
    const identity = this.#face.identify(exchange);
    if (identity instanceof Promise) {
      identity.then(
        (known) => this.#identified(exchange, known),
        (error: unknown) => {
          this.#report(error, { address: exchange.peer, identity: unknownCaller }, "auth");
          this.#refuse(exchange, plain(500, "who calls could not be found out", { Farcall: "executed=no" }));
        },
      );
    } else this.#identified(exchange, identity);
  }

  #identified(exchange: ServedExchange, identity: Identity | undefined): void {
    if (identity === undefined) return this.#refuse(exchange, this.#face.unauthorized());
    // Many may have arrived together.
    const overload = this.#overload();
    if (overload !== undefined) return this.#refuse(exchange, overload);
    const admits = this.#admission(exchange);
    const read = this.#dispatcher.read(exchange.body, charsetOf(exchange.header("content-type")), admits);
    if ("body" in read) return this.#respond(exchange, read);
    const request = new RunningRequest(exchange, identity, admits, this.#machine.clock.now());
    this.#running.add(request);
    this.#runningBytes += exchange.body.length;
    exchange.onGone = () => request.abort(new Error("the caller hung up"));
    const kept = this.#run(read, request, exchange);
    if (!(kept instanceof Promise)) return this.#ended(request, exchange, kept);
    kept.then(
      (answer) => this.#ended(request, exchange, answer),
      (error: unknown) => {
        this.#report(error, request.caller, "replyCache");
        const text = "the store of answers failed";
        this.#ended(request, exchange, { status: 500, text });
      },
    );
  }

  #run(read: ReadCall, request: RunningRequest, exchange: ServedExchange): MaybePromise<Kept> {
    const idempotency = this.#idempotency;
    const { semantics } = read.method;
    const transactional = semantics === "exactly-once";
    const said = idempotency === undefined ? undefined : keyOf(exchange.header("idempotency-key"));
    if (idempotency === undefined || (said === undefined && !transactional)) {
      return this.#dispatcher.run(read, request);
    }
    if (idempotency.isStranger(exchange.header("farcall"))) {
      return { status: 412, text: "this server does not remember what the call was sent to first" };
    }
    const { identity, uid } = request.caller;
    const { flavor, principal } = identity;
    const call = {
      key: said ?? idempotency.newKey(),
      caller: `http ${flavor} ${principal ?? ""}${uid === undefined ? "" : ` of user ${uid}`}`,
      target: exchange.target,
      document: exchange.body,
      transactional,
    };
    return idempotency.run(call, (transaction) => {
      request.transaction = transaction;
      return this.#dispatcher.run(read, request);
    });
  }

  #ended(request: RunningRequest, exchange: ServedExchange, kept: Kept): void {
    this.#running.delete(request);
    this.#runningBytes -= exchange.body.length;
    if ("body" in kept) this.#respond(exchange, kept);
    else {
      // What another request is at may still run; whatever else has a status did not run by this one.
      const note = kept.status === 409 || kept.status === 500 ? "" : "executed=no";
      const after = kept.retryAfter === true ? { "Retry-After": "1" } : {};
      this.#refuse(exchange, plain(kept.status, kept.text, { ...this.#farcallHeader(note), ...after }));
    }
    this.#onEnded();
  }

  #refuse(exchange: ServedExchange, refusal: ExchangeResponse): void {
    exchange.respond(this.#face.readable(refusal, exchange));
  }

  #respond(exchange: ServedExchange, { body, executed, inner, failed }: Answer): void {
    let headers = this.#usualHeaders;
    if (failed || inner !== undefined) {
      const note = writeFarcallHeader({ executed: failed ? executed : undefined, inner });
      headers = { ...headers, ...this.#farcallHeader(note) };
    }
    if (this.#options.cors !== undefined) headers = { ...headers, ...this.#face.headers(exchange.header("origin")) };
    const { gzipFrom } = this.#options;
    if (gzipFrom === undefined || body.length < gzipFrom || !takesGzip(exchange)) {
      return exchange.respond({ status: 200, headers, body });
    }
    const vary = "Vary" in headers ? `${headers["Vary"]}, Accept-Encoding` : "Accept-Encoding";
    const zipped = { ...headers, "Content-Encoding": "gzip", Vary: vary };
    gzip(body, (error, small) => {
      if (error === null) exchange.respond({ status: 200, headers: zipped, body: small });
      else exchange.respond({ status: 200, headers, body });
    });
  }

  /** What the answer says to a farcall client, and where answers are kept. */
  #farcallHeader(note: string): { readonly Farcall?: string } {
    const store = this.#idempotency?.note;
    const said = store === undefined ? note : note === "" ? store : `${note}, ${store}`;
    return said === "" ? {} : { Farcall: said };
  }

  /** Calls a handler, and tells those who watch. */
  #invoke(method: ServedMethod, args: readonly unknown[], call: ServerCall): unknown {
    const { explain } = this.#options;
    if (explain === undefined && !serverCallsObserved()) return method.invoke(args, call);
    const { clock } = this.#machine;
    const record = new ServerRecord(() => clock.now(), call.arrivedAt);
    const watch = new ServerCallWatch(namesOf(method), call.caller, undefined, call.traceparent);
    call.record = record;
    call.onEnd = (failure) => {
      // Whether a transaction was rolled back is not known here.
      if (failure !== undefined) {
        watch.fail(failure.error, call.transaction === undefined ? failure.executed : "unknown");
      }
      watch.end(record, explain);
    };
    watch.start();
    call.traceparent = watch.traceparent;
    record.enter("execute");
    const { run } = watch;
    return run === undefined ? method.invoke(args, call) : run(() => method.invoke(args, call));
  }

  #report(error: unknown, caller: Caller, procedure: string): void {
    const { onError } = this.#options;
    if (onError === undefined) return this.#tell(error, procedure);
    try {
      onError(error, { procedure, caller });
    } catch (hookError) {
      this.#tell(hookError, `onError of ${procedure}`);
    }
  }

  #tell(error: unknown, where: string): void {
    // biome-ignore lint/suspicious/noConsole: an error that nobody asked to be told must not vanish
    console.error(`farcall: ${where}:`, error);
  }

  // --- the end

  /**
   * Stops accepting, gives the requests that run `drainMs` milliseconds to end, then fires the signals of those that
   * still run and ends every connection.
   */
  async close(drainMs: number): Promise<void> {
    this.#closing = true;
    const listeners = this.#listeners.splice(0);
    for (const listener of listeners) listener.stop();
    await this.#idle(drainMs);
    for (const request of this.#running) request.abort(new Error("the server is closing"));
    await Promise.all(listeners.map((listener) => listener.close()));
  }

  /** Waits until no request runs, at most for `ms` milliseconds. */
  async #idle(ms: number): Promise<void> {
    if (this.#running.size === 0 || ms <= 0) return;
    const { clock } = this.#machine;
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
}

export { XmlRpcServer as ProtocolServer };

/** A request whose handlers run. */
class RunningRequest implements Request {
  readonly #head: ServedHead;
  readonly #identity: Identity;
  readonly admits: Request["admits"];
  readonly arrivedAt: number;
  #caller: Caller | undefined;
  #aborter: AbortController | undefined;
  #reason: unknown;
  transaction: unknown = undefined;

  constructor(head: ServedHead, identity: Identity, admits: Request["admits"], arrivedAt: number) {
    this.#head = head;
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

const unknownCaller: Identity = { flavor: "none", verified: false };

function takesGzip(head: ServedHead): boolean {
  return /\bgzip\b/i.test(head.header("accept-encoding") ?? "");
}

function busy(text: string): ExchangeResponse {
  return plain(503, text, { "Retry-After": "1", Farcall: "executed=no" });
}

/** A procedure for those who watch. A method without a contract goes by its own name. */
function namesOf({ procedure, label, key, name }: ServedMethod): ProcedureNames {
  const service = procedure === undefined ? undefined : label.slice(0, -key.length - 1);
  return { protocol: xmlRpc.name, service, procedure: procedure === undefined ? name : key, numbers: undefined };
}

/** Calls the handler; one of procedure 0 need not be there. */
function invoke(
  provider: ObjectProvider,
  key: string,
  procedure: XmlRpcProcedure,
  args: readonly unknown[],
  call: CallContext,
): unknown {
  const object = provider.acquire(undefined) as Record<string, unknown>;
  const handler = object[key];
  let value: unknown;
  try {
    if (typeof handler === "function") value = handler.call(object, ...args, call);
    else if (procedure.isNull !== true) throw new TypeError(`the exported object has no handler ${key}`);
  } catch (error) {
    provider.release(object);
    throw error;
  }
  if (!isPromise(value)) {
    provider.release(object);
    return value;
  }
  return Promise.resolve(value).finally(() => provider.release(object));
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

/** The names of an object's functions, up to what every object has. Getters are not asked. */
function methodsOf(object: object): string[] {
  const names = new Set<string>();
  for (let at: object = object; at !== Object.prototype && at !== null; at = Object.getPrototypeOf(at) as object) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (typeof value === "function" && name !== "constructor" && !/^[_$]/.test(name)) names.add(name);
    }
  }
  return [...names];
}

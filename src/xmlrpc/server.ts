import type { IncomingMessage, ServerResponse } from "node:http";
import type { Lifetime } from "../call/lifetime.js";
import type { LocalAccess } from "../call/local-access.js";
import type { MaybePromise } from "../call/reply-cache.js";
import { listenExchanges } from "../drive/exchange-server.js";
import { localAccessOf, localListening } from "../drive/local-access.js";
import { type Machine, realMachine } from "../drive/machine.js";
import { type CallContext, type Caller, type Identity, RpcError, type ServiceAccess } from "../model/index.js";
import type {
  ExchangeHandler,
  ExchangeListener,
  ExchangeResponse,
  ServedExchange,
  ServedHead,
} from "../net/exchange.js";
import { parseExchangeAddress } from "../net/exchange-address.js";
import { ExchangeLoad } from "../net/exchange-limits.js";
import { type FetchPeer, serveFetch } from "../net/fetch-server.js";
import { serveHttp } from "../net/http-exchange.js";
import type { CredentialReader } from "../net/peer-credentials.js";
import { httpUse, tlsLayer } from "../net/tls.js";
import { settingsOf } from "./codec/options.js";
import { charsetOf, Dispatcher, MethodTable, type ReadCall, type Request } from "./engine/index.js";
import { handlerMethods, looseMethod, serviceMethods } from "./exported-methods.js";
import { HttpFace, plain } from "./http-face.js";
import { Idempotency, type Kept, keyOf } from "./idempotency.js";
import { invokeObserved } from "./observed.js";
import { Responder } from "./responder.js";
import { type RunningRequest, RunningRequests } from "./running-requests.js";
import type { XmlRpcServerOptions } from "./server-options.js";
import type { XmlRpcService } from "./service.js";

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
  readonly #responder: Responder;
  readonly #listeners: ExchangeListener[] = [];
  readonly #running: RunningRequests;
  #closing = false;

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
      invoke: (method, args, call) => invokeObserved(method, args, call, options.explain, this.#machine.clock),
    });
    this.#face = new HttpFace(options);
    this.#load = new ExchangeLoad({ ...options, bodySizeMax: settings.documentSizeMax });
    this.#idempotency =
      options.replyCache === false ? undefined : new Idempotency(options.replyCache ?? {}, settings, this.#machine);
    this.#responder = new Responder(this.#face, options, settings.encoding, this.#idempotency?.note);
    this.#running = new RunningRequests(options);
  }

  // --- what is served

  /** Serves a service. Throws RangeError when one of its methods is served already, TypeError for a missing handler. */
  exportService<C>(
    service: XmlRpcService<C>,
    lifetime: Lifetime,
    make: () => object,
    given: ServiceAccess<C> = {},
  ): void {
    const methods = serviceMethods(service, lifetime, make, (error) => this.#tell(error, `${service.name}: disposal`));
    this.#access?.add(service, service.name, given);
    for (const method of methods) this.#methods.add(method);
  }

  /**
   * Serves one method without a contract. Its parameters come by JavaScript's own types, and nothing behind them.
   *
   * @throws RangeError when there is a method of this name
   */
  exportMethod(name: string, handler: (...params: never[]) => unknown): void {
    this.#methods.add(looseMethod(name, handler));
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
    for (const method of handlerMethods(name, handler)) this.#methods.add(method);
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
    return this.#running.full ? busy("too many calls run (runningCallsMax, runningBytesMax)") : undefined;
  }

  // --- requests

  #handle(exchange: ServedExchange): void {
    const identity = this.#face.identify(exchange);
    if (identity instanceof Promise) {
      identity.then(
        (known) => this.#identified(exchange, known),
        (error: unknown) => {
          this.#report(error, { address: exchange.peer, identity: unknownCaller }, "auth");
          this.#responder.refuse(exchange, plain(500, "who calls could not be found out", { Farcall: "executed=no" }));
        },
      );
    } else this.#identified(exchange, identity);
  }

  #identified(exchange: ServedExchange, identity: Identity | undefined): void {
    if (identity === undefined) return this.#responder.refuse(exchange, this.#face.unauthorized());
    // Many may have arrived together.
    const overload = this.#overload();
    if (overload !== undefined) return this.#responder.refuse(exchange, overload);
    const admits = this.#admission(exchange);
    const read = this.#dispatcher.read(exchange.body, charsetOf(exchange.header("content-type")), admits);
    if ("body" in read) return this.#responder.answer(exchange, read);
    const request = this.#running.begin(exchange, identity, admits, this.#machine.clock.now());
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
    // Before its answer: with that the connection's next request may come.
    this.#running.end(request);
    this.#responder.kept(exchange, kept);
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
    await this.#running.idle(this.#machine.clock, drainMs);
    this.#running.abort(new Error("the server is closing"));
    await Promise.all(listeners.map((listener) => listener.close()));
  }
}

export { XmlRpcServer as ProtocolServer };

const unknownCaller: Identity = { flavor: "none", verified: false };

function busy(text: string): ExchangeResponse {
  return plain(503, text, { "Retry-After": "1", Farcall: "executed=no" });
}

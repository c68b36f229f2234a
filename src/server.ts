import { type Registration, registerAll, unregisterAll } from "./binder/rpcbind/registration.js";
import type { Lifetime } from "./call/lifetime.js";
import { type CallContext, type Handlers, RpcError } from "./model/index.js";
import { parseAddress } from "./net/index.js";
import { type OncService, proceduresOf } from "./onc/program.js";
import type { DuplicateFiltering } from "./onc/reply-cache.js";
import type { OncServer, OncServerOptions } from "./onc/server.js";

/** Options of a {@link Server}. */
export type ServerOptions<Tx = undefined> = OncServerOptions<Tx>;

/** How long `close` lets running calls finish unless it is told otherwise, in milliseconds. */
export const drainMsDefault = 5_000;

/**
 * Serves services: any number of them, on any number of addresses.
 *
 * ```ts
 * const server = new Server();
 * server.export(CalcV1, { add: ({ a, b }) => a + b });
 * const address = await server.listen("tcp://127.0.0.1:0");
 * ```
 *
 * @typeParam Tx what handlers of exactly-once procedures work in: it follows from the store of `replyCache`
 */
export class Server<Tx = undefined> implements AsyncDisposable {
  readonly #options: ServerOptions<Tx>;
  readonly #exports: {
    readonly service: OncService<unknown>;
    readonly lifetime: Lifetime;
    readonly make: () => object;
  }[] = [];
  readonly #addresses: string[] = [];
  #half: Promise<OncServer> | undefined;
  #closed = false;
  #registered: Registration[] = [];

  constructor(options: ServerOptions<Tx> = {}) {
    this.#options = options;
  }

  /**
   * Serves a service with one object for all callers.
   *
   * @throws RangeError when the program and version are exported already
   * @throws TypeError when a handler is missing
   */
  export<C>(service: OncService<C>, handlers: Handlers<C, Tx>): this;
  /**
   * Serves a service with an object for each session or each call; `Symbol.dispose` or `Symbol.asyncDispose` ends it.
   * Until sessions exist a session is a connection; datagrams have none, and `listen` refuses them.
   */
  export<C>(
    service: OncService<C>,
    make: () => Handlers<C, Tx>,
    options: { readonly lifetime: "per-session" | "per-call" },
  ): this;
  export<C>(
    service: OncService<C>,
    implementation: Handlers<C, Tx> | (() => Handlers<C, Tx>),
    options: { readonly lifetime?: Lifetime } = {},
  ): this {
    const { lifetime = "persistent" } = options;
    const isFactory = typeof implementation === "function";
    if (isFactory !== (lifetime !== "persistent")) {
      throw new TypeError(
        isFactory
          ? `${service.name}: a function makes objects, so say how long each lives: { lifetime: "per-session" | "per-call" }`
          : `${service.name}: ${lifetime} objects are made by a function`,
      );
    }
    const make = isFactory ? (implementation as () => object) : () => implementation as object;
    this.#check(service, lifetime, make);
    this.#exports.push({ service: service as OncService<unknown>, lifetime, make });
    // A server that listens already serves it from now on.
    if (this.#half !== undefined) void this.#load();
    return this;
  }

  /** Finds mistakes at once, where the half that would find them is not loaded yet. */
  #check<C>(service: OncService<C>, lifetime: Lifetime, make: () => object): void {
    if (
      this.#exports.some(
        (other) => other.service.program === service.program && other.service.version === service.version,
      )
    ) {
      throw new RangeError(
        `${service.name}: program ${service.program} version ${service.version} is exported already`,
      );
    }
    if (lifetime === "persistent") {
      const object = make() as Record<string, unknown>;
      const missing = proceduresOf(service)
        .filter(([name, { number }]) => number !== 0 && typeof object[name] !== "function")
        .map(([name]) => name);
      if (missing.length > 0) throw new TypeError(`${service.name}: no handler for ${missing.join(", ")}`);
    }
  }

  /**
   * Serves at an address, `tcp://HOST:PORT`, `udp://HOST:PORT`, `unix:/PATH` or `memory://NAME`; port 0 takes a free one.
   *
   * @returns the address in use, with the port
   * @throws RpcError `invalid-argument` when nothing is exported or the address does not fit, `unavailable` when it
   *   cannot be had
   */
  async listen(address: string): Promise<string> {
    if (this.#closed) throw new RpcError("closed", "the server was closed", { executed: "no" });
    parseAddress(address);
    const half = await this.#load();
    const bound = await half.listen(address);
    this.#addresses.push(bound);
    return bound;
  }

  async #load(): Promise<OncServer> {
    const [first] = this.#exports;
    if (first === undefined) {
      throw new RpcError("invalid-argument", "nothing is exported; call export before listen", { executed: "no" });
    }
    this.#half ??= first.service.protocol.server().then(({ OncServer }) => new OncServer(this.#options));
    const half = await this.#half.catch((error: unknown) => {
      // Options that cannot be used: there is nothing to close later.
      this.#half = undefined;
      throw error;
    });
    const served = new Set(half.served.map(({ program, version }) => `${program}.${version}`));
    for (const { service, lifetime, make } of this.#exports) {
      if (!served.has(`${service.program}.${service.version}`)) half.export(service, lifetime, make);
    }
    return half;
  }

  /** Which calls that are sent again are told from new ones, and how far that holds; known once the server listens. */
  async duplicateFiltering(): Promise<DuplicateFiltering> {
    return (await this.#load()).duplicateFiltering;
  }

  /** Where the server listens. */
  get addresses(): readonly string[] {
    return [...this.#addresses];
  }

  /**
   * Tells this machine's rpcbind about every exported program, at every TCP, UDP and Unix address in use.
   *
   * @throws RpcError `unavailable` when there is no rpcbind, `denied` when it refuses
   */
  async register(options: { readonly binder?: string | undefined } = {}): Promise<void> {
    const services = this.#exports.map(({ service }) => service);
    this.#registered = await registerAll(services, this.#addresses, options.binder);
  }

  /** Takes back what `register` told. */
  async unregister(): Promise<void> {
    await unregisterAll(this.#registered.splice(0));
  }

  /**
   * Ends the server: accepts nobody any more, lets running calls finish for `drainMs` milliseconds (default 5,000),
   * then fires the signals of those that still run and ends every connection. Takes registrations back.
   */
  async close(options: { readonly drainMs?: number | undefined } = {}): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.unregister();
    } finally {
      await (await this.#half)?.close(options.drainMs ?? drainMsDefault);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

export type { CallContext };

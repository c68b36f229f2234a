import { directoryLimitDefaults } from "./binder/directory/limits.js";
import { type NameRegistration, Registrar } from "./binder/directory/registrar.js";
import { type Registration, registerAll, unregisterAll } from "./binder/rpcbind/registration.js";
import type { Lifetime } from "./call/lifetime.js";
import {
  type CallContext,
  type Handlers,
  type Protocol,
  RpcError,
  type Service,
  type ServiceAccess,
  type ServingHalf,
} from "./model/index.js";
import { isExchangeAddress, parseExchangeAddress } from "./net/exchange-address.js";
import { parseAddress } from "./net/index.js";
import { interfaceText } from "./onc/interface-text.js";
import type { OncService } from "./onc/program.js";
import type { DuplicateFiltering } from "./onc/reply-cache.js";
import type { OncServer, OncServerOptions } from "./onc/server.js";
import type { HttpHandlers, XmlRpcServer } from "./xmlrpc/server.js";
import type { XmlRpcServerOptions } from "./xmlrpc/server-options.js";
import type { XmlRpcService } from "./xmlrpc/service.js";

/** Options of a {@link Server}: those of ONC RPC, and apart from them those of XML-RPC. */
export interface ServerOptions<Tx = undefined> extends OncServerOptions<Tx> {
  /**
   * How services of XML-RPC are served. What both protocols have (`onError`, `machine`, the certificate of `tls`, `local`, the store of
   * `replyCache`) is taken from above unless it is said here.
   */
  readonly xmlRpc?: XmlRpcServerOptions<Tx> | undefined;
}

/** How a server is registered by name. */
export interface RegisterByNameOptions extends NameRegistration {
  /** Which of the exported services; default: all, which then are versions of one. */
  readonly service?: Service<unknown> | undefined;
  /**
   * The text of the interface, as in the `.x` file: with it others call the service without having the file. Default: made of
   * the contract, without its comments. Empty: not told.
   */
  readonly interface?: string | undefined;
}

/** A service of any protocol that can be served. */
type AnyService<C> = OncService<C> | XmlRpcService<C>;

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
  readonly #exports: Export[] = [];
  readonly #addresses: string[] = [];
  /** What serves each protocol, by its name. */
  readonly #halves = new Map<string, Half>();
  #closed = false;
  #registered: Registration[] = [];
  readonly #registrars: Registrar[] = [];

  constructor(options: ServerOptions<Tx> = {}) {
    this.#options = options;
  }

  /**
   * Serves a service with one object for all callers.
   *
   * @param options who may call it, where the server has local authentication
   * @throws RangeError when the program and version are exported already
   * @throws TypeError when a handler is missing, or a list of users is given to a server without local authentication
   */
  export<C>(service: AnyService<C>, handlers: Handlers<C, Tx>, options?: ServiceAccess<NoInfer<C>>): this;
  /**
   * Serves a service with an object for each session or each call; `Symbol.dispose` or `Symbol.asyncDispose` ends it.
   * For callers without a session that is their connection; datagrams have none, and `listen` refuses them.
   */
  export<C>(
    service: AnyService<C>,
    make: () => Handlers<C, Tx>,
    options: { readonly lifetime: "per-session" | "per-call" } & ServiceAccess<NoInfer<C>>,
  ): this;
  export<C>(
    service: AnyService<C>,
    implementation: Handlers<C, Tx> | (() => Handlers<C, Tx>),
    options: { readonly lifetime?: Lifetime } & ServiceAccess<C> = {},
  ): this {
    const { lifetime = "persistent", allow, allowProcedures } = options;
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
    this.#checkAccess(service, allowProcedures);
    if ((allow ?? allowProcedures) !== undefined && this.#localOf(service) === undefined) {
      throw new TypeError(`${service.name}: lists of who may call need the server's option local`);
    }
    this.#exports.push({ service, lifetime, make, access: { allow, allowProcedures } });
    // A server that listens already serves it from now on.
    if (this.#halves.has(service.protocol.name)) void this.#load(service.protocol);
    return this;
  }

  #localOf<C>(service: AnyService<C>): object | true | undefined {
    const { local, xmlRpc } = this.#options;
    return service.protocol.name === "xmlrpc" ? (xmlRpc?.local ?? local) : local;
  }

  #checkAccess<C>(service: AnyService<C>, lists: object = {}): void {
    const unknown = Object.keys(lists).find((name) => !Object.hasOwn(service.procedures, name));
    if (unknown !== undefined) throw new RangeError(`${service.name} has no procedure ${unknown} to allow`);
  }

  /** Finds mistakes at once, where the half that would find them is not loaded yet. */
  #check<C>(service: AnyService<C>, lifetime: Lifetime, make: () => object): void {
    const { protocol, name } = service;
    for (const { service: other } of this.#exports) {
      const clash = other.protocol.name === protocol.name ? protocol.clash(service, other) : undefined;
      if (clash !== undefined) throw new RangeError(`${name}: ${clash}`);
    }
    if (lifetime !== "persistent") return;
    const object = make() as Record<string, unknown>;
    const missing = Object.entries(service.procedures as Record<string, object>)
      .filter(([key, procedure]) => !protocol.isNull(procedure) && typeof object[key] !== "function")
      .map(([key]) => key);
    if (missing.length > 0) throw new TypeError(`${name}: no handler for ${missing.join(", ")}`);
  }

  /**
   * Serves at an address. It says the transport, and with that the protocol: the services of the one that goes there are
   * served at it. Port 0 takes a free one.
   *
   * ONC RPC: `tcp://HOST:PORT`, `udp://HOST:PORT`, `tls://HOST:PORT`, `unix:/PATH` or `memory://NAME`. XML-RPC:
   * `http://HOST:PORT/PATH`, `https://...`, `http+unix:/SOCKET:/PATH`, `scgi://HOST:PORT/PATH` or `scgi+unix:/SOCKET:/PATH`;
   * without a path, `/RPC2` and `/`.
   *
   * @returns the address in use, with the port
   * @throws RpcError `invalid-argument` when nothing is exported or the address does not fit, `unavailable` when it
   *   cannot be had
   */
  async listen(address: string): Promise<string> {
    if (this.#closed) throw new RpcError("closed", "the server was closed", { executed: "no" });
    if (isExchangeAddress(address)) parseExchangeAddress(address);
    else parseAddress(address);
    const half = await this.#load(this.#protocolAt(address));
    const bound = await half.listen(address);
    this.#addresses.push(bound);
    return bound;
  }

  /** The one protocol whose services can be served at an address. */
  #protocolAt(address: string): Protocol {
    const protocols = new Map(this.#exports.map(({ service: { protocol } }) => [protocol.name, protocol]));
    const fitting = [...protocols.values()].filter((protocol) => protocol.fits(address));
    const [first] = fitting;
    if (first !== undefined && fitting.length === 1) return first;
    const exported = [...protocols.keys()].join(" and ");
    const problem =
      protocols.size === 0
        ? "nothing is exported; call export before listen"
        : first === undefined
          ? `no exported service goes over ${address}: there are services of ${exported} only`
          : `services of ${exported} go over ${address}; give each protocol a server of its own`;
    throw new RpcError("invalid-argument", problem, { executed: "no" });
  }

  async #load(protocol: Protocol): Promise<ServingHalf> {
    const { name } = protocol;
    let half = this.#halves.get(name);
    if (half === undefined) {
      const options = name === "xmlrpc" ? xmlRpcOptions(this.#options) : this.#options;
      const serving = protocol.server().then(({ ProtocolServer }) => new ProtocolServer(options as never));
      half = { serving, exported: 0 };
      this.#halves.set(name, half);
    }
    const serving = await half.serving.catch((error: unknown) => {
      // Options that cannot be used: there is nothing to close later.
      this.#halves.delete(name);
      throw error;
    });
    const services = this.#exports.filter(({ service }) => service.protocol.name === name);
    for (const { service, lifetime, make, access } of services.slice(half.exported)) {
      half.exported++;
      serving.exportService(service as never, lifetime, make, access);
    }
    return serving;
  }

  async #loadOf<H>(name: string): Promise<H> {
    const found = this.#exports.find(({ service }) => service.protocol.name === name);
    if (found !== undefined) return (await this.#load(found.service.protocol)) as H;
    throw new RpcError("invalid-argument", `no service of the protocol ${name} is exported`, { executed: "no" });
  }

  /**
   * What servers of other makes hand requests to: the exported services of XML-RPC within `node:http`, Express, Fastify, Hono.
   *
   * ```ts
   * const { node, fetch } = await server.httpHandlers();
   * createServer(node);                                      // node:http
   * app.post("/RPC2", node);                                 // Express
   * app.post("/RPC2", (c) => fetch(c.req.raw));              // Hono
   * ```
   *
   * @throws RpcError `invalid-argument` when no service of XML-RPC is exported, `unavailable` where local authentication is
   *   on and the kernel cannot be asked
   */
  async httpHandlers(): Promise<HttpHandlers> {
    return await (await this.#loadOf<XmlRpcServer>("xmlrpc")).handlers();
  }

  /** Which calls that are sent again are told from new ones, and how far that holds; known once the server listens. */
  async duplicateFiltering(): Promise<DuplicateFiltering> {
    return (await this.#loadOf<OncServer>("onc")).duplicateFiltering;
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
  async register(options?: { readonly binder?: string | undefined }): Promise<void>;
  /**
   * Registers the server with a directory under a name, which callers find it by: `connect(CalcV1, "name:calc")`. The
   * registration is renewed as long as the server lives, and made again where the directory has forgotten it.
   *
   * ```ts
   * await server.register({ name: "calc" });
   * ```
   *
   * @throws RpcError `unavailable` when no binder answers, `denied`, `busy` or `invalid-argument` when it refuses
   */
  async register(options: RegisterByNameOptions): Promise<void>;
  async register(options: { readonly binder?: string | undefined } | RegisterByNameOptions = {}): Promise<void> {
    if ("name" in options) return await this.#registerName(options);
    const services = this.#exports.map(({ service }) => service).filter(isOnc);
    this.#registered = await registerAll(services, this.#addresses, options.binder);
  }

  async #registerName(options: RegisterByNameOptions): Promise<void> {
    const all = this.#exports.map(({ service }) => service);
    const services = all.filter((service) => options.service === undefined || service === options.service);
    const addresses = this.#addresses.filter((address) => services.some(({ protocol }) => protocol.fits(address)));
    const versions = new Map(services.map((service) => [service.version, service]));
    const problem =
      services.length === 0
        ? "there is nothing to register: export the service first"
        : addresses.length === 0
          ? "there is nothing to register: listen first"
          : versions.size < services.length
            ? `${services.map(({ name }) => name).join(" and ")} have the same version; say which one with the option service`
            : undefined;
    if (problem !== undefined) throw new RpcError("invalid-argument", problem, { executed: "no" });
    const registered = [...versions].map(([version, service]) => ({
      version,
      interface: options.interface ?? toldOf(service, services),
    }));
    const { machine, network } = this.#options;
    this.#registrars.push(await Registrar.start(options, registered, addresses, { machine, network }));
  }

  /** Takes back what `register` told. */
  async unregister(): Promise<void> {
    await Promise.all(this.#registrars.splice(0).map((registrar) => registrar.close()));
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
      const halves = await Promise.all([...this.#halves.values()].map(({ serving }) => serving));
      await Promise.all(halves.map((half) => half.close(options.drainMs ?? drainMsDefault)));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

interface Export {
  readonly service: Service<unknown>;
  readonly lifetime: Lifetime;
  readonly make: () => object;
  readonly access: ServiceAccess<Record<string, unknown>>;
}

interface Half {
  readonly serving: Promise<ServingHalf>;
  /** How many of its services it has been given. */
  exported: number;
}

function isOnc(service: Service<unknown>): service is OncService<unknown> {
  return service.protocol.name === "onc";
}

/** The interface of a service as text, together with its other versions; empty where there is none, or it is too long. */
function toldOf(service: Service<unknown>, all: readonly Service<unknown>[]): string {
  if (!isOnc(service)) return "";
  const text = interfaceText(all.filter(isOnc).filter(({ program }) => program === service.program)) ?? "";
  return Buffer.byteLength(text) <= directoryLimitDefaults.interfaceSizeMax ? text : "";
}

/** What XML-RPC takes from the options of all. */
function xmlRpcOptions<Tx>({
  onError,
  machine,
  tls,
  local,
  replyCache,
  xmlRpc,
}: ServerOptions<Tx>): XmlRpcServerOptions<Tx> {
  const cache = replyCache === false || replyCache === undefined ? replyCache : onlyStore(replyCache);
  return { onError, machine, tls, local, replyCache: cache, ...xmlRpc };
}

/** The store is shared; what stands beside it in the options is about datagrams. */
function onlyStore<Tx>({
  store,
  owner,
  leaseMs,
}: Exclude<OncServerOptions<Tx>["replyCache"], false | undefined>): object {
  return store === undefined ? {} : { store, owner, leaseMs };
}

export type { CallContext };

import { randomBytes } from "node:crypto";
import { endSession, type Lifetime, ObjectProvider } from "../call/lifetime.js";
import { realClock } from "../drive/clock.js";
import { StreamServerDrive } from "../drive/stream-server.js";
import { type CallContext, type Caller, RpcError } from "../model/index.js";
import {
  type Address,
  bindDatagram,
  type CompleteAddress,
  type Datagram,
  isDatagram,
  listenStream,
  type MemoryNetwork,
  parseAddress,
  type Stream,
  type StreamLayer,
  type StreamListener,
} from "../net/index.js";
import { nothing, type XdrCodec } from "../xdr/index.js";
import { argsCodec } from "./args.js";
import { type ServerAuth, serverAuthNone, serverAuthSys } from "./auth/index.js";
import {
  DatagramServer,
  type DatagramServerLink,
  runningCallsMax,
  type ServedProcedure,
  type ServedVersion,
  type ServerCall,
  ServerEngine,
  type ServerHost,
  type ServerLink,
  StreamServerLink,
} from "./engine/index.js";
import type { Target } from "./message.js";
import { type OncService, proceduresOf } from "./program.js";
import type { AuthStat } from "./status.js";

/** What a server reports beside an error of a handler. */
export interface FailedCall {
  /** The service and procedure, such as `CALC_PROG.add`. */
  readonly procedure: string;
  readonly caller: Caller;
}

export interface OncServerOptions {
  /** The flavors that are accepted; default AUTH_NONE and AUTH_SYS. */
  readonly auth?: readonly ServerAuth[] | undefined;
  /** Refuses a call before its handler runs, by giving an `auth_stat` such as AUTH_TOOWEAK. */
  readonly authorize?: ((context: CallContext) => AuthStat | undefined) | undefined;
  /** Is told what a handler threw; the caller is not. Default: writes it to stderr. */
  readonly onError?: ((error: unknown, call: FailedCall) => void) | undefined;
  /** Most bytes of a call; default 16 MiB. A peer that sends more loses the connection. */
  readonly recordSizeMax?: number | undefined;
  /** Most bytes of a reply in one datagram; default 65,507. A larger one is answered with SYSTEM_ERR. */
  readonly datagramSizeMax?: number | undefined;
  /** Most calls of one connection that run at once; default 1,024. The connection is not read meanwhile. */
  readonly runningPerConnectionMax?: number | undefined;
  /** Most calls that run at once; default 16,384. Connections are not read, and datagrams dropped, meanwhile. */
  readonly runningCallsMax?: number | undefined;
  /** What is put between a stream and its use when a flavor asks for an upgrade (`AuthAccepted.upgrade`). */
  readonly layer?: StreamLayer | undefined;
  /** How many AUTH_SHORT handles to give out; default 0, none. */
  readonly shortHandles?: number | undefined;
  /** The network of `memory:` addresses; default: the process's own. */
  readonly network?: MemoryNetwork | undefined;
}

interface DynamicExport {
  readonly served: ServedVersion;
  readonly procedures: Map<number, ServedProcedure>;
  readonly handlers: Record<string, unknown>;
}

/** The server's half of ONC RPC: what `Server` of the package's root runs for every service of this protocol. */
export class OncServer {
  readonly #options: OncServerOptions;
  readonly #engine: ServerEngine;
  readonly #runningMax: number;
  readonly #exports = new Map<ServedVersion, ObjectProvider>();
  readonly #dynamic = new Map<string, DynamicExport>();
  readonly #listeners: StreamListener[] = [];
  readonly #connections = new Map<StreamServerLink, StreamServerDrive>();
  readonly #sockets = new Map<Datagram, DatagramServer>();
  /** Wakes `close` when something has ended. */
  #onEnded: () => void = () => {};

  constructor(options: OncServerOptions = {}) {
    this.#options = options;
    this.#runningMax = options.runningCallsMax ?? runningCallsMax;
    const auth = options.auth ?? [
      serverAuthNone,
      ...serverAuthSys({ shortHandles: options.shortHandles, randomBytes: (size) => randomBytes(size) }),
    ];
    const host: ServerHost = {
      dispatch: (call) => this.#dispatch(call),
      report: (error, call) => this.#report(error, call),
      authorize: options.authorize,
      newAborter: () => new AbortController(),
    };
    this.#engine = new ServerEngine(host, auth);
  }

  /** Serves a version of a program. Throws RangeError when it is served already, TypeError for a missing handler. */
  export<C>(service: OncService<C>, lifetime: Lifetime, make: () => object): void {
    const procedures = new Map<number, ServedProcedure>([[0, nullProcedure]]);
    for (const [name, procedure] of proceduresOf(service)) {
      procedures.set(procedure.number, {
        number: procedure.number,
        name,
        args: argsCodec(procedure.args),
        result: procedure.result,
      });
    }
    const served: ServedVersion = {
      name: service.name,
      program: service.program,
      version: service.version,
      procedures,
    };
    if (lifetime === "persistent") checkHandlers(served, make());
    this.#engine.serve(served);
    const provider = new ObjectProvider(lifetime, make, (error) => this.#tell(error, `${service.name}: disposal`));
    this.#exports.set(served, provider);
  }

  /**
   * Serves one procedure, by its numbers: for programs that are put together at run time. Procedures of one program
   * and version may be added one after another.
   */
  exportProcedure<A, R>(
    target: Target,
    args: XdrCodec<A>,
    result: XdrCodec<R>,
    handler: (arg: A, context: CallContext) => R | Promise<R>,
  ): void {
    const { program, version, procedure } = target;
    const key = `${program}.${version}`;
    let dynamic = this.#dynamic.get(key);
    if (dynamic === undefined) {
      const procedures = new Map<number, ServedProcedure>([[0, nullProcedure]]);
      const handlers: Record<string, unknown> = Object.create(null);
      dynamic = { served: { name: `program ${program}`, program, version, procedures }, procedures, handlers };
      this.#engine.serve(dynamic.served);
      this.#dynamic.set(key, dynamic);
      this.#exports.set(dynamic.served, new ObjectProvider("persistent", () => handlers, () => {}));
    }
    const name = `procedure ${procedure}`;
    dynamic.procedures.set(procedure, {
      number: procedure,
      name,
      args: argsCodec([args]),
      result,
    });
    dynamic.handlers[name] = handler;
  }

  /** The programs and versions that are served. */
  get served(): readonly ServedVersion[] {
    return this.#engine.served;
  }

  /** Whether this protocol can be served at the address. */
  static fits(address: Address): boolean {
    return ["tcp", "udp", "unix", "memory", "memory+datagram"].includes(address.scheme);
  }

  /**
   * Serves at an address. Port 0 takes a free one.
   *
   * @returns the address in use
   * @throws RpcError `invalid-argument` for a bad address, `unavailable` when it cannot be had
   */
  async listen(text: string): Promise<string> {
    const address = parseAddress(text);
    if ("port" in address && address.port === undefined) {
      const message = `${text} has no port; write ${text}:0 for a free one`;
      throw new RpcError("invalid-argument", message, { executed: "no" });
    }
    const datagrams = isDatagram(address);
    if (datagrams && [...this.#exports.values()].some(({ lifetime }) => lifetime === "per-session")) {
      const message = `${text} has no sessions, so per-session objects cannot be served there`;
      throw new RpcError("invalid-argument", message, { executed: "no" });
    }
    try {
      return await (datagrams ? this.#bind(address as CompleteAddress) : this.#accept(address as CompleteAddress));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new RpcError("unavailable", `cannot listen on ${text}: ${why}`, { executed: "no", cause: error });
    }
  }

  async #accept(address: CompleteAddress): Promise<string> {
    const { network } = this.#options;
    const listener = await listenStream(address, (stream) => this.#connected(stream), { network });
    this.#listeners.push(listener);
    return listener.address;
  }

  #connected(stream: Stream): void {
    const link = new StreamServerLink(this.#engine, stream.peer, this.#options);
    const drive = new StreamServerDrive(link, stream, {
      onClose: (reason) => {
        this.#connections.delete(link);
        abandon(link, reason);
        endSession(link.session);
        this.#onEnded();
      },
      layer: this.#options.layer,
    });
    this.#connections.set(link, drive);
  }

  async #bind(address: CompleteAddress): Promise<string> {
    const { network } = this.#options;
    const socket = await bindDatagram(address, { network });
    const side = new DatagramServer(this.#engine, this.#options);
    this.#sockets.set(socket, side);
    socket.start({
      onDatagram: (bytes, from) =>
        side.receive(bytes, from.port === 0 ? from.host : `udp://${from.host}:${from.port}`, (reply) =>
          socket.send(reply, from),
        ),
      // An earlier reply found nobody: the caller is gone, and would have to ask again.
      onError: () => {},
    });
    return socket.local;
  }

  // --- calls

  #dispatch(call: ServerCall): void {
    const provider = this.#exports.get(call.served);
    let object: object | undefined;
    try {
      object = provider?.acquire(call.link.session);
      const value = invoke(object as Record<string, unknown>, call);
      if (isPromise(value)) {
        this.#later(call, value, provider, object);
        return;
      }
      this.#engine.succeed(call, value);
    } catch (error) {
      this.#engine.fail(call, error);
    }
    if (object !== undefined) provider?.release(object);
  }

  /** A handler that answers in a later turn. */
  #later(call: ServerCall, value: PromiseLike<unknown>, provider: ObjectProvider | undefined, object: object | undefined): void {
    const end = (): void => {
      if (object !== undefined) provider?.release(object);
      this.#ended(call.link);
    };
    value.then(
      (result) => {
        this.#engine.succeed(call, result);
        end();
      },
      (error: unknown) => {
        this.#engine.fail(call, error);
        end();
      },
    );
  }

  #ended(link: ServerLink): void {
    // The last place of all was taken: whoever waits for it may be any connection.
    if (this.#engine.running === this.#runningMax - 1) for (const drive of this.#connections.values()) drive.ended();
    else if (link instanceof StreamServerLink) this.#connections.get(link)?.ended();
    if (!(link instanceof StreamServerLink)) for (const side of this.#sockets.values()) side.ended(link as DatagramServerLink);
    this.#onEnded();
  }

  #report(error: unknown, call: ServerCall): void {
    const procedure = `${call.served.name}.${call.target.name}`;
    const { onError } = this.#options;
    if (onError === undefined) return this.#tell(error, procedure);
    try {
      onError(error, { procedure, caller: call.caller });
    } catch (hookError) {
      this.#tell(hookError, `onError of ${procedure}`);
    }
  }

  #tell(error: unknown, where: string): void {
    console.error(`farcall: ${where}:`, error);
  }

  // --- the end

  /**
   * Stops accepting, gives the calls that run `drainMs` milliseconds to end, then fires the signals of those that
   * still run and ends every connection.
   */
  async close(drainMs: number): Promise<void> {
    const listeners = this.#listeners.splice(0);
    await Promise.all(listeners.map((listener) => listener.close()));
    for (const drive of this.#connections.values()) drive.drain();
    for (const side of this.#sockets.values()) side.draining = true;
    await this.#idle(drainMs);
    for (const drive of this.#connections.values()) drive.destroy(new Error("the server is closing"));
    for (const [socket, side] of this.#sockets) {
      for (const link of side.links) abandon(link, new Error("the server is closing"));
      await socket.close();
    }
    this.#sockets.clear();
    await this.#idle(1_000);
  }

  /** Waits until no call runs and no connection is left, at most for `ms` milliseconds. */
  async #idle(ms: number): Promise<void> {
    const isIdle = (): boolean =>
      this.#connections.size === 0 && [...this.#sockets.values()].every(({ links }) => links.size === 0);
    if (isIdle() || ms <= 0) return;
    await new Promise<void>((resolve) => {
      const limit = realClock.alarm(resolve);
      limit.keepAlive(true);
      limit.set(realClock.now() + ms);
      this.#onEnded = () => {
        if (!isIdle()) return;
        limit.clear();
        resolve();
      };
    });
    this.#onEnded = () => {};
  }
}

/** RFC 5531, section 12.1: procedure 0 of every program, void to void. */
const nullProcedure: ServedProcedure = { number: 0, name: "NULL", args: argsCodec([]), result: nothing };

/** Calls the handler; procedure 0 needs none. */
function invoke(object: Record<string, unknown>, call: ServerCall): unknown {
  const { args, target } = call;
  const handler = object[target.name];
  if (typeof handler !== "function") {
    if (target.number === 0) return undefined;
    throw new TypeError(`the exported object has no handler ${target.name}`);
  }
  switch (args.length) {
    case 0:
      return handler.call(object, call);
    case 1:
      return handler.call(object, args[0], call);
    default:
      return handler.call(object, ...args, call);
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

function checkHandlers(served: ServedVersion, object: object): void {
  const missing = [...served.procedures.values()].filter(
    ({ name, number }) => number !== 0 && typeof (object as Record<string, unknown>)[name] !== "function",
  );
  if (missing.length === 0) return;
  throw new TypeError(`${served.name}: no handler for ${missing.map(({ name }) => name).join(", ")}`);
}

/** Nobody waits for this link's answers any more. */
function abandon(link: ServerLink, reason: Error | undefined): void {
  link.gone = true;
  link.aborter?.abort(reason ?? new Error("the caller hung up"));
}

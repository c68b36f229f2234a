import { endSession, type Lifetime, ObjectProvider } from "../call/lifetime.js";
import type { LocalAccess } from "../call/local-access.js";
import { ServerRecord } from "../call/steps.js";
import { ReadClock } from "../drive/clock.js";
import { localAccessOf, localListening } from "../drive/local-access.js";
import { type Machine, realMachine } from "../drive/machine.js";
import {
  type CallbackOptions,
  type CallContext,
  type Caller,
  type LocalOptions,
  RpcError,
  type ServiceAccess,
} from "../model/index.js";
import { isPromise } from "../model/promise.js";
import {
  type CompleteAddress,
  isDatagram,
  type Network,
  parseAddress,
  type StreamLayer,
  type TlsServerCredentials,
  tlsLayer,
} from "../net/index.js";
import { channelOf } from "../observe/channels.js";
import { type ServerCallResult, ServerCallWatch, serverCallsObserved } from "../observe/server.js";
import { nothing, type XdrCodec } from "../xdr/index.js";
import { argsCodec } from "./args.js";
import { type ServerAuth, serverAuthNone, serverAuthSys, serverAuthTls } from "./auth/index.js";
import { Callbacks } from "./callback-channel.js";
import { abandon, Endpoints } from "./endpoints.js";
import {
  type DatagramServerOptions,
  type ServedProcedure,
  type ServedVersion,
  type ServerCall,
  ServerEngine,
  type ServerHost,
  type ServerLink,
  type ServerRefusal,
  type StreamServerLink,
} from "./engine/index.js";
import type { Target } from "./message.js";
import { callStatusName, namesOfServed } from "./observed.js";
import { declaredBy, type OncService, proceduresOf } from "./program.js";
import { onc } from "./protocol.js";
import { type DuplicateFiltering, ReplyCache, type ReplyCacheOptions } from "./reply-cache.js";
import { checkServerLimits, type ServerLimits } from "./server-limits.js";
import { type SessionOptions, Sessions, sessionProgram } from "./sessions.js";
import { AuthStat } from "./status.js";

/** What a server reports beside an error of a handler. */
export interface FailedCall {
  /** The service and procedure, such as `CALC_PROG.add`. */
  readonly procedure: string;
  readonly caller: Caller;
}

/** TLS at the server's end. */
export interface ServerTls extends TlsServerCredentials {
  /**
   * `required` answers calls in clear text with AUTH_TOOWEAK, and refuses to listen on UDP, which Node cannot protect;
   * `opportunistic`, the default, serves both.
   */
  readonly policy?: "required" | "opportunistic" | undefined;
}

/** @typeParam Tx what the reply cache's store lets exactly-once calls work in */
export interface OncServerOptions<Tx = unknown> extends ServerLimits, Pick<DatagramServerOptions, "noAmplification"> {
  /** The flavors that are accepted; default AUTH_NONE and AUTH_SYS. */
  readonly auth?: readonly ServerAuth[] | undefined;
  /** Refuses a call before its handler runs, by giving an `auth_stat` such as AUTH_TOOWEAK. */
  readonly authorize?: ((context: CallContext) => AuthStat | undefined) | undefined;
  /**
   * Local authentication: the kernel says who calls over Unix sockets, and who is on no list is denied. Needs Linux and the
   * package koffi. Default: none.
   */
  readonly local?: LocalOptions | true | undefined;
  /** Whether handlers may call their callers back, by `context.callback`; default true. */
  readonly callbacks?: boolean | undefined;
  /** Records the steps of every call at the server, and is given them once it was answered. */
  readonly explain?: ((call: ServerCallResult) => void) | undefined;
  /** Is told what a handler threw; the caller is not. Default: writes it to stderr. */
  readonly onError?: ((error: unknown, call: FailedCall) => void) | undefined;
  /** Serves TLS 1.3 on `tls:` addresses, and on `tcp:` ones to clients that ask for it by AUTH_TLS (RFC 9289). */
  readonly tls?: ServerTls | undefined;
  /** What is put between a stream and its use when a flavor asks for an upgrade (`AuthAccepted.upgrade`). */
  readonly layer?: StreamLayer | undefined;
  /** How calls that are sent again are told from new ones; default: over UDP, in memory. `false` runs them again. */
  readonly replyCache?: ReplyCacheOptions<Tx> | false | undefined;
  /**
   * What sessions are allowed: through them farcall's own clients make calls that survive their connections, and have
   * deadlines that the server knows. `false` serves none.
   */
  readonly sessions?: SessionOptions | false | undefined;
  /** How many AUTH_SHORT handles to give out; default 0, none. */
  readonly shortHandles?: number | undefined;
  /** The network of `memory:` addresses; default: the process's own. */
  readonly network?: Network | undefined;
  /** Where time and chance come from; default: the machine that the process runs on. `farcall/testing` simulates others. */
  readonly machine?: Machine | undefined;
}

const refusals = channelOf("farcall:server:refuse");

interface DynamicExport {
  readonly served: ServedVersion;
  readonly procedures: Map<number, ServedProcedure>;
  readonly handlers: Record<string, unknown>;
}

/** The server's half of ONC RPC: what `Server` of the package's root runs for every service of this protocol. */
export class OncServer {
  readonly #options: OncServerOptions;
  readonly #machine: Machine;
  readonly #engine: ServerEngine;
  readonly #exports = new Map<ServedVersion, ObjectProvider>();
  readonly #dynamic = new Map<string, DynamicExport>();
  readonly #endpoints: Endpoints;
  /** TLS for `tls:` addresses and for AUTH_TLS. */
  readonly #tls: StreamLayer | undefined;
  readonly #replyCache: ReplyCache | undefined;
  readonly #sessions: Sessions | undefined;
  readonly #access: LocalAccess | undefined;
  readonly #callbacks: Callbacks;
  readonly #time: ReadClock;

  /** @throws RangeError for a limit that is none */
  constructor(options: OncServerOptions = {}) {
    checkServerLimits(options);
    this.#options = options;
    this.#tls = options.tls === undefined ? undefined : tlsLayer(options.tls);
    this.#access = localAccessOf(options.local);
    const machine = options.machine ?? realMachine;
    this.#machine = machine;
    const auth = options.auth ?? [
      serverAuthNone,
      ...serverAuthSys({ shortHandles: options.shortHandles, randomBytes: machine.randomBytes }),
    ];
    const time = new ReadClock(machine.clock);
    this.#time = time;
    this.#replyCache =
      options.replyCache === false ? undefined : new ReplyCache(options.replyCache ?? {}, machine, time);
    this.#sessions =
      options.sessions === false ? undefined : new Sessions(options.sessions ?? {}, this.#replyCache, machine);
    const host: { -readonly [K in keyof ServerHost]: ServerHost[K] } = {
      dispatch: (call) => this.#dispatch(call),
      report: (error, call) => this.#report(error, call),
      admit: this.#access && ((link, served, target) => this.#admit(link, served, target)),
      authorize: (call) => this.#authorize(call),
      answered: (call) => this.#ended(call),
      callback:
        options.callbacks === false ? undefined : (call, service, given) => this.#callback(call, service, given),
      newAborter: () => new AbortController(),
      record: (link) => this.#recordOf(link),
      refused: (link, refusal, target) => this.#refused(link, refusal, target),
      now: () => time.read(),
      watch: (call) => this.#sessions?.watch(call),
      unwatch: (call) => this.#sessions?.unwatch(call),
    };
    const flavors = this.#tls === undefined ? auth : [...auth, serverAuthTls];
    this.#engine = new ServerEngine(host, flavors, this.#replyCache?.filter, this.#sessions?.table, options);
    if (this.#sessions !== undefined) this.#serveSessions(this.#sessions);
    host.replies = this.#replyCache?.requests(this.#engine, (call) => this.#ended(call));
    this.#callbacks = new Callbacks(options.callbacksPerCallerMax, machine);
    const onLost = (link: StreamServerLink, reason: Error | undefined): void => {
      this.#sessions?.lost(link);
      this.#callbacks.lost(link, reason);
    };
    this.#endpoints = new Endpoints(this.#engine, { ...options, layer: options.layer ?? this.#tls, onLost });
  }

  #serveSessions({ handlers }: Sessions): void {
    this.#engine.serve(sessionProgram);
    this.#exports.set(
      sessionProgram,
      new ObjectProvider(
        "persistent",
        () => handlers,
        () => {},
      ),
    );
  }

  /** Not even procedure 0 is for whoever is on no list. */
  #admit(link: ServerLink, served: ServedVersion, target: ServedProcedure): AuthStat | undefined {
    const access = this.#access as LocalAccess;
    // Where the kernel vouches for nobody: listening there was allowed in so many words.
    if (!link.peer.startsWith("unix:")) return undefined;
    const session = served === sessionProgram;
    const admitted = session
      ? access.admitsAny(link.credentials)
      : access.admits(link.credentials, served, target.name);
    return admitted ? undefined : AuthStat.AUTH_TOOWEAK;
  }

  /** RFC 9289, section 4.2: where TLS is required, clear text is too weak for anything but procedure 0. */
  #authorize(call: ServerCall): AuthStat | undefined {
    const { tls, authorize } = this.#options;
    if (tls?.policy === "required" && call.target.number !== 0 && call.link.tls === undefined) {
      // What stays on this machine needs none.
      if (/^(tcp|udp):/.test(call.link.peer)) return AuthStat.AUTH_TOOWEAK;
    }
    // What a session is used for is authorised, call by call.
    return call.served === sessionProgram ? undefined : authorize?.(call);
  }

  /** Serves a version of a program. Throws RangeError when it is served already, TypeError for a missing handler. */
  exportService<C>(service: OncService<C>, lifetime: Lifetime, make: () => object, given: ServiceAccess<C> = {}): void {
    const procedures = new Map<number, ServedProcedure>([[0, nullProcedure]]);
    for (const [name, procedure] of proceduresOf(service)) {
      procedures.set(procedure.number, {
        number: procedure.number,
        name,
        args: argsCodec(procedure.args),
        result: procedure.result,
        semantics: declaredBy(procedure),
        oneWay: procedure.oneWay,
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
    this.#access?.add(served, service.name, given);
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
      this.#access?.add(dynamic.served, dynamic.served.name, {});
      this.#dynamic.set(key, dynamic);
      this.#exports.set(
        dynamic.served,
        new ObjectProvider(
          "persistent",
          () => handlers,
          () => {},
        ),
      );
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
    return this.#engine.served.filter((version) => version !== sessionProgram);
  }

  /** Which duplicates are filtered, and how far that holds. */
  get duplicateFiltering(): DuplicateFiltering {
    return this.#replyCache?.filtering ?? { datagrams: false, streams: false, durable: false, shared: false };
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
    if (address.scheme === "udp" && this.#options.tls?.policy === "required") {
      const message = `${text} cannot be protected: Node has no DTLS, and the server's tls.policy is "required"`;
      throw new RpcError("invalid-argument", message, { executed: "no" });
    }
    if (address.scheme === "tls" && this.#tls === undefined) {
      throw new RpcError("invalid-argument", `${text} needs the server's tls option, with cert and key`, {
        executed: "no",
      });
    }
    const local = await localListening(text, address.scheme === "unix", this.#options.local, this.#access);
    try {
      const complete = address as CompleteAddress;
      if (datagrams) return await this.#endpoints.bind(complete);
      if (address.scheme !== "tls") return await this.#endpoints.accept(complete, undefined, local);
      return (await this.#endpoints.accept(complete, this.#tls)).replace(/^tcp:/, "tls:");
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new RpcError("unavailable", `cannot listen on ${text}: ${why}`, { executed: "no", cause: error });
    }
  }

  // --- calls

  /** Takes a message from a link that is none of the endpoints' own. What is no call is dropped. */
  receive(link: ServerLink, buffer: Uint8Array, start: number, end: number): void {
    this.#engine.receive(link, buffer, start, end);
  }

  /** Such a link is gone. */
  linkLost(link: ServerLink, reason: Error | undefined): void {
    abandon(link, reason);
    this.#sessions?.lost(link);
    if (link.session !== undefined && link.running === 0) endSession(link.session);
  }

  /** A call has ended in a later turn than it began in. */
  #ended(call: ServerCall): void {
    if (call.link.onEnded === undefined) this.#endpoints.ended(call);
    else call.link.onEnded();
  }

  #callback(call: ServerCall, service: object, given: CallbackOptions): object {
    return this.#callbacks.clientFor(call, service as OncService<unknown>, given);
  }

  #dispatch(call: ServerCall): void {
    const provider = this.#exports.get(call.served);
    let object: object | undefined;
    const { record } = call;
    const run = record === undefined ? undefined : this.#watch(call, record);
    try {
      object = provider?.acquire(call.session);
      record?.enter("execute");
      const value = run === undefined ? invoke(object, call) : run(() => invoke(object, call));
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

  /** What measures the steps of a call; undefined where nobody asks. */
  #recordOf({ heardAt }: ServerLink): ServerRecord | undefined {
    if (this.#options.explain === undefined && !serverCallsObserved()) return undefined;
    const { clock } = this.#machine;
    return new ServerRecord(() => clock.now(), heardAt ?? clock.now());
  }

  /** Tells those who watch that a handler is about to run; a subscriber may put another trace into the call's place. */
  #watch(call: ServerCall, record: ServerRecord): ServerCallWatch["run"] {
    const { explain } = this.#options;
    if (explain === undefined && !serverCallsObserved()) return undefined;
    // What sessions say to each other is not the user's.
    if (call.served === sessionProgram) return undefined;
    const watch = new ServerCallWatch(namesOfServed(call), call.caller, call.link.local, call.traceparent);
    record.subject = watch;
    record.onEnd = () => watch.end(record, explain);
    watch.start();
    call.traceparent = watch.traceparent;
    return watch.run;
  }

  #refused(link: ServerLink, refusal: ServerRefusal, target: Target | undefined): void {
    if (!refusals.hasSubscribers) return;
    const numbers = target && { program: target.program, version: target.version, procedure: target.procedure };
    const reason = refusal.stat === "SESSION" ? callStatusName(refusal.status) : refusal.stat;
    refusals.publish({ protocol: onc.name, peer: link.peer, reason, numbers });
  }

  /** A handler that answers in a later turn. */
  #later(
    call: ServerCall,
    value: PromiseLike<unknown>,
    provider: ObjectProvider | undefined,
    object: object | undefined,
  ): void {
    const end = (): void => {
      if (object !== undefined) provider?.release(object);
      this.#ended(call);
    };
    value.then(
      (result) => {
        this.#time.read();
        this.#engine.succeed(call, result);
        end();
      },
      (error: unknown) => {
        this.#time.read();
        this.#engine.fail(call, error);
        end();
      },
    );
  }

  #report(error: unknown, call: ServerCall): void {
    const watch = call.record?.subject;
    // Whether a transaction was rolled back is not known here.
    if (watch instanceof ServerCallWatch) watch.fail(error, call.transaction === undefined ? "yes" : "unknown");
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
    // biome-ignore lint/suspicious/noConsole: an error that nobody asked to be told must not vanish
    console.error(`farcall: ${where}:`, error);
  }

  // --- the end

  /**
   * Stops accepting, gives the calls that run `drainMs` milliseconds to end, then fires the signals of those that
   * still run and ends every connection.
   */
  async close(drainMs: number): Promise<void> {
    await this.#endpoints.close(drainMs);
    this.#sessions?.close();
  }
}

export { OncServer as ProtocolServer };

/** RFC 5531, section 12.1: procedure 0 of every program, void to void. */
const nullProcedure: ServedProcedure = { number: 0, name: "NULL", args: argsCodec([]), result: nothing };

/** Calls the handler; procedure 0 needs none. */
function invoke(exported: object | undefined, call: ServerCall): unknown {
  const object = exported as Record<string, unknown>;
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

function checkHandlers(served: ServedVersion, object: object): void {
  const missing = [...served.procedures.values()].filter(
    ({ name, number }) => number !== 0 && typeof (object as Record<string, unknown>)[name] !== "function",
  );
  if (missing.length === 0) return;
  throw new TypeError(`${served.name}: no handler for ${missing.map(({ name }) => name).join(", ")}`);
}

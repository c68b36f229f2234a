import {
  type CallOptions,
  type Client,
  type NarrowedBy,
  type Narrowing,
  narrowingProblem,
  type Outcome,
  RpcError,
  remote,
  type Semantics,
} from "../model/index.js";
import { type HttpCallOptions, isAnswer, pingTarget, XmlRpcChannel, type XmlRpcClientOptions } from "./channel.js";
import type { XmlRpcProcedure } from "./codec/procedure.js";
import type { XmlRpcValue } from "./codec/value.js";
import type { CallTarget } from "./engine/index.js";
import { questionsAbout, readDescriptions, readSignatures, type XmlRpcMethodDescription } from "./introspection.js";
import { Multicall, outcomeOf } from "./multicall.js";
import type { XmlRpcService } from "./service.js";

export type { HttpCallOptions, XmlRpcClientOptions } from "./channel.js";

/** A contract of XML-RPC seen by its caller. */
export type XmlRpcServiceClient<C> = Client<C, HttpCallOptions> & {
  /**
   * Makes several calls in one `system.multicall`, and one by one where the server does not have it. Each ends by itself:
   *
   * ```ts
   * const [square, sum] = await client.$multicall((calls) => [calls.square(14), calls.add(1, 2)]);
   * if (square.ok) square.value; else square.executed;
   * ```
   *
   * @param collect calls the procedures; options of single calls are not looked at
   * @returns how each call of the list ended
   */
  $multicall<const Calls extends readonly Promise<unknown>[]>(
    collect: (calls: Calling<C>) => Calls,
    options?: (CallOptions & HttpCallOptions) | undefined,
  ): Promise<{ -readonly [I in keyof Calls]: Outcome<Awaited<Calls[I]>> }>;
};

/** The procedures alone, without the controls. */
type Calling<C> = Omit<Client<C>, keyof Client<unknown>>;

/**
 * Connects to an XML-RPC server and gives a client with one method per procedure. `connect` of the package's root comes
 * here for every service of this protocol; in a browser it is called by itself.
 *
 * @param address `http://HOST[:PORT]/PATH`, `https://...`, `http+unix:/SOCKET:/PATH`, `scgi://HOST:PORT/PATH` or
 *   `scgi+unix:/SOCKET:/PATH`; without a path, `/RPC2`
 * @throws RpcError `invalid-argument` for a bad address or option, `not-found` for an unknown host, `unavailable` when nobody
 *   answers; always with `executed: "no"`
 */
export async function connectXmlRpc<C, const N extends Narrowing<C> = Record<never, never>>(
  service: XmlRpcService<C>,
  address: string,
  options: TypedXmlRpcClientOptions<NoInfer<C>, N> = {},
): Promise<XmlRpcServiceClient<NarrowedBy<C, N>>> {
  const targets = targetsOf(service, (options.semantics ?? {}) as Readonly<Record<string, Semantics | undefined>>);
  const channel = new XmlRpcChannel(address, options);
  await channel.open();
  const client = typedClient<NarrowedBy<C, N>>(targets, channel, new Multicall(channel, options));
  return Object.defineProperty(client, remote, { value: { protocol: "xmlrpc", service, channel } });
}

export { connectXmlRpc as connectService };

/** {@link XmlRpcClientOptions} of a client whose contract is known. */
export interface TypedXmlRpcClientOptions<C, N extends Narrowing<C>> extends XmlRpcClientOptions {
  /** Narrows the guarantees of some procedures, for every call of this client: `{ add: "at-most-once" }`. */
  readonly semantics?: (N & { readonly [K in Exclude<keyof N, keyof C>]: never }) | undefined;
}

function typedClient<C>(
  targets: ReadonlyMap<string, CallTarget>,
  channel: XmlRpcChannel,
  multicall: Multicall,
): XmlRpcServiceClient<C> {
  // Without a prototype: a procedure may have any name, and `toString` is not one of ours.
  const client: Record<string, unknown> = Object.create(null);
  const outcomes: Record<string, (...values: unknown[]) => Promise<Outcome<unknown>>> = Object.create(null);
  for (const [key, target] of targets) {
    const arity = target.procedure?.params.length ?? 0;
    const call = (...values: unknown[]): Promise<unknown> =>
      channel.call(target, values.slice(0, arity), values[arity] as CallOptions | undefined);
    client[key] = call;
    outcomes[key] = (...values) => outcomeOf(call(...values));
  }
  const controls = {
    $try: outcomes,
    $address: channel.address,
    $ping: async (options?: CallOptions) => {
      // Whoever asks whether somebody is there wants to know now.
      const outcome = await outcomeOf(channel.call(pingTarget, [], { retry: false, ...options }));
      if (!outcome.ok && !isAnswer(outcome.error)) throw outcome.error;
    },
    $ready: () => channel.ready(),
    $stats: () => channel.stats,
    $multicall: (collect: (calls: object) => readonly Promise<unknown>[], options?: CallOptions & HttpCallOptions) =>
      multicall.collect(targets, collect, options),
    $close: () => {
      channel.close();
      return Promise.resolve();
    },
    [Symbol.asyncDispose]: () => {
      channel.close();
      return Promise.resolve();
    },
  };
  return Object.assign(client, controls) as unknown as XmlRpcServiceClient<C>;
}

/** What each procedure's calls have in common, by the procedure's name in the contract. */
function targetsOf<C>(
  service: XmlRpcService<C>,
  asked: Readonly<Record<string, Semantics | undefined>>,
): ReadonlyMap<string, CallTarget> {
  const procedures = Object.entries(service.procedures) as [string, XmlRpcProcedure][];
  const declared = new Map(procedures.map(([key, { semantics }]) => [key, semantics ?? "at-most-once"] as const));
  const problem = narrowingProblem(asked, declared);
  if (problem !== undefined) throw new RpcError("invalid-argument", `${service.name}: ${problem}`, { executed: "no" });
  const targets = new Map<string, CallTarget>();
  for (const [key, procedure] of procedures) {
    targets.set(key, {
      name: `${service.name}.${key}`,
      method: procedure.name,
      procedure,
      semantics: asked[key] ?? procedure.semantics ?? "at-most-once",
    });
  }
  return targets;
}

/** Options of a call whose contract is not known: any guarantee may be asked for, since nothing declares one. */
export interface XmlRpcExecuteOptions extends CallOptions<Semantics>, HttpCallOptions {}

/** What a server says of itself in `system.getCapabilities`. */
export interface XmlRpcCapability {
  readonly specUrl: string;
  readonly specVersion: number;
}

/**
 * The classic client: calls any method of a server by its name, without a contract.
 *
 * ```ts
 * const client = new XmlRpcClient("http://127.0.0.1:4444/RPC2");
 * const square = await client.execute("test.square", [14]);          // 196
 * ```
 */
export class XmlRpcClient implements AsyncDisposable {
  readonly #channel: XmlRpcChannel;
  readonly #multicall: Multicall;

  /**
   * Connects to nobody yet: the first call does.
   *
   * @param address as in {@link connectXmlRpc}
   * @throws RpcError `invalid-argument` for a bad address or option
   */
  constructor(address: string, options: XmlRpcClientOptions = {}) {
    this.#channel = new XmlRpcChannel(address, options);
    this.#multicall = new Multicall(this.#channel, options);
  }

  /** The server's address, without user and password. */
  get address(): string {
    return this.#channel.address;
  }

  /**
   * Calls a method.
   *
   * @param params its parameters, in their order; default none
   * @returns the result by JavaScript's own types
   * @throws RpcError with `executed`; a fault's number and text are in `status`
   */
  execute(method: string, params: readonly unknown[] = [], options: XmlRpcExecuteOptions = {}): Promise<XmlRpcValue> {
    return this.#channel.call(this.#target(method, options.semantics), params, options) as Promise<XmlRpcValue>;
  }

  /**
   * Makes several calls in one `system.multicall`, and one by one where the server does not have it.
   *
   * @returns how each ended, in their order
   */
  multicall(
    calls: readonly (readonly [method: string, params?: readonly unknown[]])[],
    options: XmlRpcExecuteOptions = {},
  ): Promise<Outcome<XmlRpcValue>[]> {
    const targets = calls.map(([method, args = []]) => ({ target: this.#target(method, options.semantics), args }));
    return this.#multicall.run(targets, { ...options, semantics: undefined }) as Promise<Outcome<XmlRpcValue>[]>;
  }

  /** The server's methods, by `system.listMethods`. */
  async listMethods(options: XmlRpcExecuteOptions = {}): Promise<string[]> {
    const names = await this.#ask("system.listMethods", [], options);
    return Array.isArray(names) ? names.filter((name) => typeof name === "string") : [];
  }

  /**
   * The signatures of a method, by `system.methodSignature`: of each the result's type, then the parameters'. Undefined when
   * the server does not say.
   */
  async methodSignature(method: string, options: XmlRpcExecuteOptions = {}): Promise<string[][] | undefined> {
    return readSignatures(await this.#ask("system.methodSignature", [method], options));
  }

  /** A text about a method, by `system.methodHelp`; empty when there is none. */
  async methodHelp(method: string, options: XmlRpcExecuteOptions = {}): Promise<string> {
    const help = await this.#ask("system.methodHelp", [method], options);
    return typeof help === "string" ? help : "";
  }

  /**
   * What the server says of its methods, in as few requests as it allows.
   *
   * @param methods default: all that `system.listMethods` names
   * @throws RpcError when the server does not answer; `unimplemented`, or another fault, where it does not name its methods
   */
  async describeMethods(
    methods?: readonly string[],
    options: XmlRpcExecuteOptions = {},
  ): Promise<XmlRpcMethodDescription[]> {
    const names = methods ?? (await this.listMethods(options));
    const answers = await this.multicall(questionsAbout(names), { semantics: "at-least-once", ...options });
    return readDescriptions(names, answers);
  }

  /** What the server says that it can, by `system.getCapabilities`. */
  async getCapabilities(options: XmlRpcExecuteOptions = {}): Promise<Record<string, XmlRpcCapability>> {
    return (await this.#ask("system.getCapabilities", [], options)) as unknown as Record<string, XmlRpcCapability>;
  }

  /** What is asked of `system.` changes nothing, so it may be asked again. */
  #ask(method: string, params: readonly unknown[], options: XmlRpcExecuteOptions): Promise<XmlRpcValue> {
    return this.execute(method, params, { semantics: "at-least-once", ...options });
  }

  #target(method: string, semantics: Semantics = "at-most-once"): CallTarget {
    return { name: method, method, semantics };
  }

  /** Ends the client: pending calls fail with `closed`. */
  close(): Promise<void> {
    this.#channel.close();
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

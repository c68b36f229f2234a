import {
  type CallOptions,
  type Client,
  type HedgeOptions,
  type NarrowedBy,
  type Narrowing,
  type Outcome,
  RpcError,
  remote,
  type Semantics,
} from "../model/index.js";
import type { XdrCodec } from "../xdr/index.js";
import { argsCodec } from "./args.js";
import { BalancedChannel } from "./balanced-channel.js";
import { type Channel, OncChannel, type OncClientOptions, type TypedClientOptions } from "./channel.js";
import { type CallTarget, nullTarget } from "./engine/index.js";
import type { Target } from "./message.js";
import type { OncService } from "./program.js";
import { type ProcedureOptions, targetsOf } from "./targets.js";

export type { OncClientOptions, TypedClientOptions } from "./channel.js";

/**
 * Connects to an ONC RPC server and gives a client with one method per procedure. `connect` of the package's root
 * comes here for every service of this protocol.
 *
 * @throws RpcError `invalid-argument` for a bad address or option, `not-found` for an unknown host or a program that
 *   is not registered, `unavailable` when nobody answers; always with `executed: "no"`
 */
export async function connectOnc<C, const N extends Narrowing<C> = Record<never, never>>(
  service: OncService<C>,
  address: string,
  options: TypedClientOptions<NoInfer<C>, N> = {},
): Promise<Client<NarrowedBy<C, N>>> {
  const targets = targetsOf(service, options as ProcedureOptions);
  // A client that must not connect again has nothing to gain from a session.
  const session = options.session ?? (options.reconnect === false && options.order === undefined ? "off" : "auto");
  const { balance } = options;
  if (balance !== undefined && balance !== "round-robin" && balance !== "least-pending") {
    const text = `balance must be "round-robin" or "least-pending", not ${JSON.stringify(balance)}`;
    throw new RpcError("invalid-argument", text, { executed: "no" });
  }
  const Way = balance === undefined ? OncChannel : BalancedChannel;
  const channel = await Way.open(address, service.program, service.version, { ...options, session });
  return typedClient(service, targets, channel);
}

export { connectOnc as connectService };

/** The names that every client has, whatever its contract. */
const controls = (service: { name: string; program: number; version: number }, channel: Channel): object => {
  // Whoever asks whether somebody is there wants to know now.
  const ping = {
    ...nullTarget(service.program, service.version, `${service.name}.$ping`),
    retry: channel.retry.narrowed(false),
  };
  return {
    $ping: (options?: CallOptions) => channel.call(ping, [], options),
    $ready: () => channel.ready(),
    $stats: () => channel.stats,
    $guarantee: () => channel.guarantee(),
    $renew: () => channel.renew(),
    $settle: (_procedure: string, error: RpcError, options: { timeoutMs?: number | undefined } = {}) =>
      channel.settle(error, options.timeoutMs),
    $close: () => channel.close(),
    [Symbol.asyncDispose]: () => channel.close(),
  };
};

/** A client of a service over a channel that is there. */
export function typedClient<C>(
  service: { readonly name: string; readonly program: number; readonly version: number },
  targets: ReadonlyMap<string, CallTarget>,
  channel: Channel,
): Client<C> {
  // Without a prototype: a procedure may have any name, and `toString` is not one of ours.
  const client = Object.assign(Object.create(null) as Record<string, unknown>, controls(service, channel));
  Object.defineProperty(client, "$address", { get: () => channel.address, enumerable: true });
  const outcomes = Object.create(null) as Record<string, (...values: never[]) => Promise<Outcome<unknown>>>;
  for (const [key, target] of targets) {
    const call = method(channel, target, target.args.shapes.length);
    client[key] = call;
    outcomes[key] = (...values) => outcomeOf(call(...values));
  }
  client["$try"] = outcomes;
  Object.defineProperty(client, remote, { value: { protocol: "onc", service, channel } });
  return client as Client<C>;
}

/** A failure as a value. */
function outcomeOf(call: Promise<unknown>): Promise<Outcome<unknown>> {
  return call.then(
    (value) => ({ ok: true, value }),
    (error: unknown) => {
      if (error instanceof RpcError) return { ok: false, error, executed: error.executed };
      throw error;
    },
  );
}

/** A stub: the procedure's arguments, then the call's options. */
function method(channel: Channel, target: CallTarget, arity: number): (...values: never[]) => Promise<unknown> {
  if (target.semantics === "exactly-once") {
    // Not the short way: whether the server can give it is asked where options are looked at.
    return (...values: unknown[]) => channel.call(target, values.slice(0, arity), values[arity] ?? {});
  }
  const none: readonly unknown[] = [];
  if (arity === 0) return (options?: CallOptions) => channel.call(target, none, options);
  if (arity === 1) return (arg: unknown, options?: CallOptions) => channel.call(target, [arg], options);
  return (...values: unknown[]) =>
    channel.call(target, values.slice(0, arity), values[arity] as CallOptions | undefined);
}

/** Options of a call whose contract is not known: any guarantee may be asked for, since nothing declares one. */
export interface DynamicCallOptions extends CallOptions<Semantics> {
  readonly semantics?: Semantics | undefined;
  readonly hedge?: HedgeOptions | undefined;
  /** The server does not reply: the call ends when it was sent. Its result codec is `nothing`, its guarantee `maybe`. */
  readonly oneWay?: boolean | undefined;
}

/**
 * Calls any procedure of any program at one address, with codecs given at each call: for tools, for programs whose
 * numbers are known only at run time, and for hand-made stubs.
 */
export class OncClient implements AsyncDisposable {
  readonly #channel: OncChannel;

  private constructor(channel: OncChannel) {
    this.#channel = channel;
  }

  /**
   * @param options beside the usual: the `program` and `version` to look up when the address has no port
   * @throws RpcError as {@link connectOnc}
   */
  static async open(
    address: string,
    options: OncClientOptions & { readonly program?: number | undefined; readonly version?: number | undefined } = {},
  ): Promise<OncClient> {
    return new OncClient(await OncChannel.open(address, options.program ?? 0, options.version ?? 0, options));
  }

  get address(): string {
    return this.#channel.address;
  }

  /**
   * Calls one procedure.
   *
   * @param target its numbers
   * @param args the codec of the argument, and its value
   * @param result the codec of the result
   * @throws RpcError
   */
  call<A, R>(
    target: Target,
    args: XdrCodec<A>,
    value: A,
    result: XdrCodec<R>,
    options: DynamicCallOptions = {},
  ): Promise<R> {
    const { program, version, procedure } = target;
    for (const number of [program, version, procedure]) {
      if (!Number.isInteger(number) || number < 0 || number > 0xffff_ffff) {
        const text = `program, version and procedure are unsigned 32-bit integers, not ${number}`;
        return Promise.reject(new RpcError("invalid-argument", text, { executed: "no" }));
      }
    }
    const oneWay = options.oneWay === true;
    if (oneWay && result.shape.kind !== "void") {
      const text = "a one-way call has no result, so its codec can only be `nothing`";
      return Promise.reject(new RpcError("invalid-argument", text, { executed: "no" }));
    }
    const byNumber = procedure === 0 ? "at-least-once" : "at-most-once";
    const call: CallTarget = {
      name: `program ${program} version ${version} procedure ${procedure}`,
      program,
      version,
      procedure,
      args: argsCodec([args]),
      result,
      semantics: oneWay ? "maybe" : (options.semantics ?? byNumber),
      oneWay,
    };
    return this.#channel.call(call, [value], options) as Promise<R>;
  }

  close(): Promise<void> {
    return this.#channel.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

import type { ArgsOf, DeclaredOf, Procedure, ResultOf, Semantics, Service } from "../model/index.js";
import type { XmlRpcProcedure } from "./codec/procedure.js";
import type { ValueOf, XmlRpcType } from "./codec/type.js";
import { type XmlRpc, xmlRpc } from "./protocol.js";

/** A service that is reached by the names of its methods. */
export interface XmlRpcService<C> extends Service<C, XmlRpc> {
  readonly procedures: {
    readonly [K in keyof C]: XmlRpcProcedure<ArgsOf<C[K]>, ResultOf<C[K]>> & {
      readonly semantics?: DeclaredOf<C[K]> | undefined;
    };
  };
}

/** The arguments of a procedure, from the types of its parameters. */
export type ArgsOfTypes<P> = P extends readonly [infer First, ...infer Rest]
  ? First extends { readonly optional: true }
    ? [arg?: ValueOf<First>, ...ArgsOfTypes<Rest>]
    : [arg: ValueOf<First>, ...ArgsOfTypes<Rest>]
  : P extends readonly []
    ? []
    : P extends readonly (infer Each)[]
      ? ValueOf<Each>[]
      : never;

declare const declared: unique symbol;

/** What {@link method} gives: a procedure that knows its contract. */
export interface XmlRpcMethod<Args extends readonly unknown[], Result, Declared extends Semantics>
  extends XmlRpcProcedure<Args, Result> {
  readonly semantics: Declared;
  readonly [declared]?: Procedure<Args, Result, Declared>;
}

/** The contract of some methods. */
export type ContractOf<M> = {
  [K in keyof M]: M[K] extends XmlRpcMethod<infer Args, infer Result, infer Declared>
    ? Procedure<Args, Result, Declared>
    : never;
};

/**
 * Describes a method.
 *
 * ```ts
 * method("supervisor.startProcess", { params: [string, optional(boolean)], result: boolean });
 * ```
 *
 * @param name on the wire
 * @param types of the parameters and of the result; what the method declares about repetition, by default
 *   `at-most-once`; and a text for `system.methodHelp`
 * @throws RangeError for an empty name, for a parameter that may not be left out behind one that may, and for one behind the rest
 */
export function method<const Params extends readonly XmlRpcType<unknown>[], Result>(
  name: string,
  types: MethodTypes<Params, Result> & { readonly semantics?: undefined },
): XmlRpcMethod<ArgsOfTypes<Params>, Result, "at-most-once">;
export function method<const Params extends readonly XmlRpcType<unknown>[], Result, Declared extends Semantics>(
  name: string,
  types: MethodTypes<Params, Result> & { readonly semantics: Declared },
): XmlRpcMethod<ArgsOfTypes<Params>, Result, Declared>;
// One signature would not do: where a wider type is wanted, as within xmlRpcService, an absent declaration would be inferred from it.
export function method(
  name: string,
  types: MethodTypes<readonly XmlRpcType<unknown>[], unknown> & { readonly semantics?: Semantics | undefined },
): XmlRpcProcedure {
  const { params, result, help } = types;
  if (name === "") throw new RangeError("a method needs a name");
  const early = params.findIndex((type, i) => type.rest !== undefined && i < params.length - 1);
  if (early >= 0) throw new RangeError(`${name}: parameter ${early} is the rest, so there is none behind it`);
  const left = params.findIndex((type) => type.optional === true);
  if (left >= 0 && params.slice(left).some((type) => type.optional !== true && type.rest === undefined)) {
    throw new RangeError(`${name}: parameter ${left} may be left out, so those behind it must be optional too`);
  }
  const semantics = types.semantics ?? "at-most-once";
  return { name, params, result, semantics, help };
}

/** The types of a method's parameters and result, and a text for `system.methodHelp`. */
export interface MethodTypes<Params, Result> {
  readonly params: Params;
  readonly result: XmlRpcType<Result>;
  readonly help?: string | undefined;
}

/**
 * Describes a service.
 *
 * ```ts
 * const Squares = xmlRpcService({ square: method("test.square", { params: [int], result: int }) });
 * const squares = await connect(Squares, "http://127.0.0.1:4444/RPC2");
 * await squares.square(14);                                            // 196
 * ```
 *
 * @param methods by their names in JavaScript
 * @param options.name for messages and tools; default: what the methods' names begin with
 * @throws RangeError for two methods of one name on the wire, and for a name in JavaScript that clients cannot have
 */
export function xmlRpcService<M extends Readonly<Record<string, XmlRpcProcedure>>>(
  methods: M,
  options: { readonly name?: string | undefined; readonly version?: number | undefined } = {},
): XmlRpcService<ContractOf<M>> {
  const names = Object.values(methods).map((method) => method.name);
  return makeService(methods, options.name ?? commonPrefix(names), options.version ?? 1) as XmlRpcService<
    ContractOf<M>
  >;
}

/** The service without its contract's types: what checks the names, for every way to describe one. */
export function makeService(
  procedures: Readonly<Record<string, XmlRpcProcedure>>,
  name: string,
  version: number,
): XmlRpcService<unknown> {
  const seen = new Map<string, string>();
  for (const [key, procedure] of Object.entries(procedures)) {
    if (key.startsWith("$") || reserved.has(key)) throw new RangeError(`${name}: a procedure cannot be called ${key}`);
    const other = seen.get(procedure.name);
    if (other !== undefined)
      throw new RangeError(`${name}: ${other} and ${key} are both ${procedure.name} on the wire`);
    seen.set(procedure.name, key);
  }
  return { protocol: xmlRpc, name, version, procedures };
}

/** A promise would call `then`, and the others are JavaScript's own. */
const reserved: ReadonlySet<string> = new Set(["then", "constructor", "__proto__"]);

/** Such as `supervisor` of `supervisor.getState` and `supervisor.startProcess`. */
function commonPrefix(names: readonly string[]): string {
  const [first = ""] = names;
  const prefix = first.includes(".") ? first.slice(0, first.lastIndexOf(".")) : "";
  return prefix !== "" && names.every((name) => name.startsWith(`${prefix}.`)) ? prefix : "XML-RPC";
}

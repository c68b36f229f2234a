// Calls and answers of one procedure of a contract.

import { describe } from "../../model/describe.js";
import { DecodeError, EncodeError, type Semantics } from "../../model/index.js";
import { XmlRpcDecodeError } from "./error.js";
import { encodeCall, encodeResponse } from "./message.js";
import type { XmlRpcOptions } from "./options.js";
import type { XmlRpcType } from "./type.js";
import type { XmlRpcValue } from "./value.js";

/** A procedure in XML-RPC's terms: its name on the wire, and its types. */
export interface XmlRpcProcedure<Args extends readonly unknown[] = readonly unknown[], Result = unknown> {
  /** The method's name, such as `test.square`. */
  readonly name: string;
  readonly params: { readonly [I in keyof Args]-?: XmlRpcType<Args[I]> };
  readonly result: XmlRpcType<Result>;
  /** What the contract declares about repetition; default `at-most-once`. */
  readonly semantics?: Semantics | undefined;
  /** For `system.methodHelp`. */
  readonly help?: string | undefined;
  /** Void to void, and answered without a handler: procedure 0 of an ONC RPC program. */
  readonly isNull?: true | undefined;
}

/**
 * The document of a call. Optional parameters at the end that are `undefined` are left out.
 *
 * @throws EncodeError for arguments that are not of their types
 */
export function encodeProcedureCall(
  procedure: XmlRpcProcedure,
  args: readonly unknown[],
  options: XmlRpcOptions = {},
): Uint8Array<ArrayBuffer> {
  const given = givenArgs(procedure, args);
  return encodeCall(procedure.name, given, options, paramTypes(procedure, given.length));
}

/** The types of so many parameters of a call. */
export function paramTypes({ params }: XmlRpcProcedure, count: number): readonly XmlRpcType<unknown>[] {
  const types = params as readonly XmlRpcType<unknown>[];
  const rest = types.at(-1)?.rest;
  return rest === undefined
    ? types
    : Array.from({ length: count }, (_, i) => (i < types.length - 1 ? types[i] : rest) ?? rest);
}

/**
 * The arguments that go: optional ones at the end that are `undefined` are left out, and the rest is one after another.
 *
 * @throws EncodeError for more than there are parameters
 */
export function givenArgs({ name, params }: XmlRpcProcedure, args: readonly unknown[]): unknown[] {
  if (args.length > params.length) {
    throw new EncodeError(`${name} takes ${params.length} parameters, and there are ${args.length}`);
  }
  const more = params.at(-1)?.rest === undefined ? none : restOf(params.length - 1, args);
  let count = more === none ? params.length : params.length - 1;
  if (more.length === 0) {
    while (count > 0 && params[count - 1]?.optional === true && args[count - 1] === undefined) count--;
  }
  const given = Array.from({ length: count }, (_, i) => args[i]);
  return more.length === 0 ? given : [...given, ...more];
}

const none: readonly unknown[] = [];

/** The parameters that come as one array. */
function restOf(index: number, args: readonly unknown[]): readonly unknown[] {
  const rest = args[index];
  if (Array.isArray(rest)) return rest;
  throw new EncodeError(`params[${index}]: expected an array of the further parameters, got ${describe(rest)}`);
}

/**
 * The arguments of a call that was decoded, one for each parameter: one that was left out is `undefined`.
 *
 * @throws XmlRpcDecodeError `value` when their number or one of them is not what the contract says
 */
export function decodeParams({ name, params }: XmlRpcProcedure, given: readonly XmlRpcValue[]): unknown[] {
  const rest = params.at(-1)?.rest;
  const single = rest === undefined ? params : params.slice(0, -1);
  let least = single.length;
  while (least > 0 && single[least - 1]?.optional === true) least--;
  if (given.length < least || (given.length > single.length && rest === undefined)) {
    const wanted =
      rest !== undefined ? `${least} or more` : least === single.length ? least : `${least} to ${single.length}`;
    throw new XmlRpcDecodeError("value", `${name} takes ${wanted} parameters, and there are ${given.length}`);
  }
  const decode = (type: XmlRpcType<unknown>, i: number): unknown =>
    located(`params[${i}]`, () => type.decode(given[i]));
  const args = (single as readonly XmlRpcType<unknown>[]).map(decode);
  if (rest !== undefined) args.push(given.slice(single.length).map((_, i) => decode(rest, single.length + i)));
  return args;
}

/** @throws EncodeError for a result that is not of its type */
export function encodeResult(
  { result }: XmlRpcProcedure,
  value: unknown,
  options: XmlRpcOptions = {},
): Uint8Array<ArrayBuffer> {
  return encodeResponse(value, options, result);
}

/** @throws XmlRpcDecodeError `value` for a result that is not of its type */
export function decodeResult({ result }: XmlRpcProcedure, value: XmlRpcValue): unknown {
  return located("result", () => result.decode(value));
}

function located<T>(root: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof DecodeError) || error instanceof XmlRpcDecodeError) throw error;
    const path = error.path === "" || error.path.startsWith("[") ? root + error.path : `${root}.${error.path}`;
    throw new XmlRpcDecodeError("value", error.message, path);
  }
}

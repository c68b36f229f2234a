// `system.multicall` (Eric Kidd, 2001): an array of structs, each a call, and an array of their results, each an array of
// one value, or a fault.

import { isProperties } from "../../model/property.js";
import { XmlRpcDecodeError } from "./error.js";
import type { Fault } from "./fault-document.js";
import { givenArgs, paramTypes, type XmlRpcProcedure } from "./procedure.js";
import type { XmlRpcType } from "./type.js";
import type { XmlRpcValue } from "./value.js";
import type { XmlRpcWriter } from "./writer.js";

/** One call of many. */
export interface InnerCall {
  readonly method: string;
  /** With the types of its parameters, where a contract gives them. */
  readonly procedure?: XmlRpcProcedure | undefined;
  readonly args: readonly unknown[];
}

const innerCalls: XmlRpcType<readonly InnerCall[]> = {
  signature: "array",
  encode(writer: XmlRpcWriter, calls) {
    writer.beginArray(calls);
    for (const [i, call] of calls.entries()) {
      writer.element(i);
      writer.beginStruct(call);
      writer.member("methodName");
      writer.string(call.method);
      writer.endMember();
      writer.member("params");
      encodeParams(writer, call);
      writer.endMember();
      writer.endStruct();
    }
    writer.endArray();
  },
  decode() {
    throw new Error("servers read the calls one by one");
  },
};

function encodeParams(writer: XmlRpcWriter, { procedure, args }: InnerCall): void {
  const given = procedure === undefined ? args : givenArgs(procedure, args);
  const types = procedure === undefined ? undefined : paramTypes(procedure, given.length);
  writer.beginArray(args);
  for (const [j, arg] of given.entries()) {
    writer.element(j);
    const type = types?.[j];
    if (type === undefined) writer.value(arg);
    else type.encode(writer, arg);
  }
  writer.endArray();
}

const results: XmlRpcType<readonly XmlRpcValue[]> = {
  signature: "array",
  encode() {
    throw new Error("servers write the results one by one");
  },
  decode(value) {
    if (Array.isArray(value)) return value;
    throw new XmlRpcDecodeError("message", "the result of system.multicall is no array", "result");
  },
};

/** The procedure as a client calls it. */
export const multicallProcedure: XmlRpcProcedure<[readonly InnerCall[]], readonly XmlRpcValue[]> = {
  name: "system.multicall",
  params: [innerCalls],
  result: results,
};

/**
 * One of the results.
 *
 * @param bare whether the server gives values as they are, as supervisord and Perl's RPC::XML do, and not each in an array of its own
 * @throws XmlRpcDecodeError for what is neither a result nor a fault
 */
export function innerResult(
  value: XmlRpcValue | undefined,
  bare: boolean,
): { readonly value: XmlRpcValue; readonly fault?: undefined } | { readonly fault: Fault } {
  if (value === undefined) throw new XmlRpcDecodeError("message", "system.multicall gave fewer results than calls");
  if (isFault(value)) return { fault: { code: value.faultCode, string: value.faultString } };
  if (bare) return { value };
  if (Array.isArray(value) && value.length === 1) return { value: value[0] as XmlRpcValue };
  throw new XmlRpcDecodeError("message", "a result of system.multicall is neither an array of one value nor a fault");
}

function isFault(value: XmlRpcValue): value is { faultCode: number; faultString: string } {
  if (!isProperties(value) || Array.isArray(value)) return false;
  return typeof value["faultCode"] === "number" && typeof value["faultString"] === "string";
}

/**
 * One of the calls, as a server reads it.
 *
 * @throws XmlRpcDecodeError for what is no call
 */
export function readInnerCall(value: XmlRpcValue): {
  readonly method: string;
  readonly params: readonly XmlRpcValue[];
} {
  if (!isProperties(value) || Array.isArray(value))
    throw new XmlRpcDecodeError("message", "an inner call is no struct");
  const { methodName, params = [] } = value as Record<string, XmlRpcValue>;
  if (typeof methodName !== "string") throw new XmlRpcDecodeError("message", "an inner call without a methodName");
  if (!Array.isArray(params)) throw new XmlRpcDecodeError("message", "an inner call whose params are no array");
  return { method: methodName, params };
}

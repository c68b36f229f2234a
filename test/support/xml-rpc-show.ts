// What farcall makes of a document, as text that can be compared with what others make of it.
import {
  type DecodedCall,
  type DecodedResponse,
  type DecodeOptions,
  decodeCall,
  decodeResponse,
  NaiveDateTime,
  XmlRpcDecodeError,
  type XmlRpcValue,
} from "farcall/xmlrpc";

/** A document, and what it should be. */
export interface Input {
  readonly kind: "call" | "response";
  readonly bytes: Uint8Array;
}

/** What a decoder says: a value as {@link show} writes it, or why there is none. */
export type Verdict =
  | { readonly value: string; readonly refused?: undefined }
  | { readonly value?: undefined; readonly refused: string };

/** What farcall says to a document. */
export function decodeHere({ kind, bytes }: Input, options: DecodeOptions): Verdict {
  return verdictOf(() => (kind === "call" ? decodeCall(bytes, options) : decodeResponse(bytes, options)));
}

/** The outcome of a decoder. Anything that it throws besides what it should is thrown on. */
export function verdictOf(decode: () => DecodedCall | DecodedResponse): Verdict {
  try {
    const message = decode();
    if ("method" in message) return { value: showCall(message.method, message.params.map(show)) };
    const { value, fault } = message;
    return { value: fault === undefined ? show(value) : showFault(fault.code, fault.string) };
  } catch (error) {
    if (!(error instanceof XmlRpcDecodeError)) throw error;
    return { refused: `${error.kind}: ${error.message}` };
  }
}

/** A value as text, in which all that differs differs. */
export function show(value: XmlRpcValue): string {
  if (value === null) return "null";
  switch (typeof value) {
    case "bigint":
      return `${value}n`;
    case "number":
      return Object.is(value, -0) ? "-0" : String(value);
    case "string":
      return JSON.stringify(value);
    case "boolean":
      return String(value);
    default:
      return showObject(value);
  }
}

function showObject(value: Exclude<XmlRpcValue, null | number | bigint | string | boolean>): string {
  if (value instanceof Date) return `Date ${value.toISOString()}`;
  if (value instanceof NaiveDateTime) return `NaiveDateTime ${value}`;
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString("hex")}`;
  if (Array.isArray(value)) return `[${value.map(show).join(", ")}]`;
  if (Object.getPrototypeOf(value) !== Object.prototype) throw new TypeError("a struct with a prototype of its own");
  return `{${Object.entries(value)
    .map(([name, member]) => `${JSON.stringify(name)}: ${show(member)}`)
    .join(", ")}}`;
}

export function showFault(code: number, string: string): string {
  return `fault ${code} ${JSON.stringify(string)}`;
}

export function showCall(method: string, params: readonly string[]): string {
  return `${method}(${params.join(", ")})`;
}

// The types of contracts. Each is both directions of one type: it writes JavaScript's values as the type has them, and
// makes them of what was decoded.

import { describe } from "../../model/describe.js";
import { DecodeError } from "../../model/index.js";
import { joinPart } from "./path.js";
import { NaiveDateTime, XmlRpcDouble, type XmlRpcValue } from "./value.js";
import type { XmlRpcWriter } from "./writer.js";

/** Both directions of one type. */
export interface XmlRpcType<T> {
  /** The type's name in `system.methodSignature`. */
  readonly signature: string;
  /** A parameter or a member that may be left out. */
  readonly optional?: true | undefined;
  /** The type of each parameter from here on; its value is an array of them. */
  readonly rest?: XmlRpcType<unknown> | undefined;
  /** @throws EncodeError for a value that is not of the type, with its path */
  encode(writer: XmlRpcWriter, value: T): void;
  /** @throws DecodeError for a value that is not of the type, with its path */
  decode(value: XmlRpcValue | undefined): T;
}

/** The JavaScript type of a type's values, such as `ValueOf<typeof int>`, which is `number`. */
export type ValueOf<T> = T extends XmlRpcType<infer V> ? V : never;

/** A value that is not of its type. Whatever holds it puts its place before the path. */
export class TypeMismatch extends DecodeError {}

export function mismatch(expected: string, value: unknown): never {
  throw new TypeMismatch(
    value === undefined ? `expected ${expected}, and there is none` : `expected ${expected}, got ${describe(value)}`,
  );
}

/** An error within a part of a value, as one of the whole. */
export function within(part: string | number, error: unknown): unknown {
  if (error instanceof TypeMismatch) {
    const inner = error.path;
    error.path = inner === "" || inner.startsWith("[") ? joinPart("", part) + inner : `${joinPart("", part)}.${inner}`;
  }
  return error;
}

/** An integer of 32 bits. */
export const int: XmlRpcType<number> = {
  signature: "int",
  encode(writer: XmlRpcWriter, value) {
    if (typeof value !== "number" || (value | 0) !== value || Object.is(value, -0)) {
      writer.fail(`expected an integer of 32 bits, got ${describe(value)}`);
    }
    writer.int(value);
  },
  decode(value) {
    // Some servers say i8 for every number.
    const number = typeof value === "bigint" ? Number(value) : value;
    return typeof number === "number" && (number | 0) === number
      ? number + 0
      : mismatch("an integer of 32 bits", value);
  },
};

/** An integer of 64 bits, a `bigint`. An `int` is read as one too: most peers cannot say more. */
export const i8: XmlRpcType<bigint> = {
  signature: "i8",
  encode(writer: XmlRpcWriter, value) {
    if (typeof value !== "bigint") writer.fail(`expected a bigint, got ${describe(value)}`);
    writer.i8(value);
  },
  decode(value) {
    const integer = typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : value;
    if (typeof integer === "bigint" && integer === BigInt.asIntN(64, integer)) return integer;
    return mismatch("an integer of 64 bits", value);
  },
};

/**
 * As a type: a floating-point number, which is written as a `double` whatever its value. As a function: says the same
 * of one number where no contract does. `21` alone would go as an `int`, which some servers refuse.
 */
export const double: XmlRpcType<number> & ((value: number) => XmlRpcDouble) = Object.assign(
  (value: number): XmlRpcDouble => new XmlRpcDouble(value),
  {
    signature: "double",
    encode(writer: XmlRpcWriter, value: number): void {
      if (typeof value !== "number") writer.fail(`expected a number, got ${describe(value)}`);
      writer.double(value);
    },
    decode(value: XmlRpcValue | undefined): number {
      return typeof value === "number" ? value : mismatch("a number", value);
    },
  },
);

export const boolean: XmlRpcType<boolean> = {
  signature: "boolean",
  encode(writer: XmlRpcWriter, value) {
    if (typeof value !== "boolean") writer.fail(`expected a boolean, got ${describe(value)}`);
    writer.boolean(value);
  },
  decode: (value) => (typeof value === "boolean" ? value : mismatch("a boolean", value)),
};

export const string: XmlRpcType<string> = {
  signature: "string",
  encode(writer: XmlRpcWriter, value) {
    if (typeof value !== "string") writer.fail(`expected a string, got ${describe(value)}`);
    writer.string(value);
  },
  decode: (value) => (typeof value === "string" ? value : mismatch("a string", value)),
};

/** An instant. What times without a zone mean is said by the option `dates`. */
export const dateTime: XmlRpcType<Date> = {
  signature: "dateTime.iso8601",
  encode(writer: XmlRpcWriter, value) {
    if (!(value instanceof Date)) writer.fail(`expected a Date, got ${describe(value)}`);
    writer.dateTime(value);
  },
  decode(value) {
    if (value instanceof Date) return value;
    if (value instanceof NaiveDateTime)
      return mismatch('a time with a zone (the option dates is "naive")', String(value));
    return mismatch("a date and time", value);
  },
};

/** A date and time of no zone. Reading it takes the option `dates: "naive"`. */
export const naiveDateTime: XmlRpcType<NaiveDateTime> = {
  signature: "dateTime.iso8601",
  encode(writer: XmlRpcWriter, value) {
    if (!(value instanceof NaiveDateTime)) writer.fail(`expected a NaiveDateTime, got ${describe(value)}`);
    writer.dateTime(value);
  },
  decode(value) {
    if (value instanceof NaiveDateTime) return value;
    if (value instanceof Date)
      return mismatch('a time without a zone, read with the option dates: "naive"', value.toISOString());
    return mismatch("a date and time", value);
  },
};

export const base64: XmlRpcType<Uint8Array> = {
  signature: "base64",
  encode(writer: XmlRpcWriter, value) {
    if (!(value instanceof Uint8Array)) writer.fail(`expected a Uint8Array, got ${describe(value)}`);
    writer.base64(value);
  },
  decode: (value) => (value instanceof Uint8Array ? value : mismatch("bytes", value)),
};

/** Whatever JavaScript's types say: for what a contract leaves open. */
export const any: XmlRpcType<XmlRpcValue> = {
  signature: "any",
  encode(writer: XmlRpcWriter, value) {
    writer.value(value);
  },
  decode: (value) => (value === undefined ? mismatch("a value", value) : value),
};

/** The result of a procedure that has none. An empty string or nil goes; whatever comes is taken. */
export const nothing: XmlRpcType<void> = {
  signature: "nil",
  encode(writer: XmlRpcWriter, value) {
    if (value !== undefined && value !== null) writer.fail(`expected nothing, got ${describe(value)}`);
    writer.nothing();
  },
  decode: () => undefined,
};

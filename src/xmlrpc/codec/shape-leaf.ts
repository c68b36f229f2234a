// The types of shapes that have no parts, with the ranges and lengths that the shapes say.

import { describe } from "../../model/describe.js";
import type { EnumShape, FloatShape, IntegerShape, OpaqueShape, StringShape } from "../../model/index.js";
import { base64, double, mismatch, string, type XmlRpcType } from "./type.js";
import type { XmlRpcValue } from "./value.js";
import type { XmlRpcWriter } from "./writer.js";

export function integerType({ bits, signed }: IntegerShape): XmlRpcType<number | bigint> {
  const least = signed ? -(2n ** BigInt(bits - 1)) : 0n;
  const most = 2n ** BigInt(signed ? bits - 1 : bits) - 1n;
  const expected = `an integer from ${least} to ${most}`;
  const isWithin = (value: bigint): boolean => value >= least && value <= most;
  if (bits === 64) {
    return {
      signature: "i8",
      encode(writer: XmlRpcWriter, value) {
        if (typeof value !== "bigint" || !isWithin(value)) writer.fail(`expected ${expected}, got ${describe(value)}`);
        writer.i8(value);
      },
      decode(value) {
        const read = wholeOf(value);
        return read !== undefined && isWithin(read) ? read : mismatch(expected, value);
      },
    };
  }
  return {
    signature: "int",
    encode(writer: XmlRpcWriter, value) {
      if (typeof value !== "number" || !Number.isInteger(value) || Object.is(value, -0) || !isWithin(BigInt(value))) {
        writer.fail(`expected ${expected}, got ${describe(value)}`);
      }
      if (value > 0x7fff_ffff) writer.i8(BigInt(value));
      else writer.int(value);
    },
    decode(value) {
      const read = typeof value === "string" ? undefined : wholeOf(value);
      return read !== undefined && isWithin(read) ? Number(read) : mismatch(expected, value);
    },
  };
}

/** Python, for one, sends no integer of more than 32 bits, so its digits are read too. */
function wholeOf(value: XmlRpcValue | undefined): bigint | undefined {
  if (typeof value === "bigint") return value;
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  return typeof value === "string" && /^-?[0-9]{1,20}$/.test(value) ? BigInt(value) : undefined;
}

export function floatType({ bits }: FloatShape): XmlRpcType<number> {
  if (bits === 128) throw new RangeError("XML-RPC has no number of 128 bits");
  if (bits === 64) return double;
  return {
    signature: "double",
    encode: (writer, value) => double.encode(writer, typeof value === "number" ? Math.fround(value) : value),
    decode: (value) => Math.fround(double.decode(value)),
  };
}

export function enumType({ members, name }: EnumShape, as: "name" | "number"): XmlRpcType<number> {
  const names = new Map(Object.entries(members).map(([member, number]) => [number, member]));
  const expected = `a member of ${name ?? "the enum"}`;
  return {
    signature: as === "name" ? "string" : "int",
    encode(writer: XmlRpcWriter, value) {
      const member = names.get(value);
      if (member === undefined) writer.fail(`${describe(value)} is not ${expected}`);
      if (as === "name") writer.string(member);
      else writer.int(value);
    },
    decode(value) {
      if (typeof value === "string" && Object.hasOwn(members, value)) return members[value] as number;
      return typeof value === "number" && names.has(value) ? value : mismatch(expected, value);
    },
  };
}

export function textType({ max }: StringShape): XmlRpcType<string> {
  const check = (value: string): string | undefined => {
    // A character has at most three bytes for each unit of 16 bits: short texts need not be counted.
    const size = value.length * 3 <= max ? 0 : utf8Size(value);
    return size > max ? `expected at most ${max} bytes of text, got ${size}` : undefined;
  };
  return {
    signature: "string",
    encode(writer: XmlRpcWriter, value) {
      const wrong = typeof value === "string" ? check(value) : undefined;
      if (wrong !== undefined) writer.fail(wrong);
      string.encode(writer, value);
    },
    decode(value) {
      const text = string.decode(value);
      return check(text) === undefined ? text : mismatch(`at most ${max} bytes of text`, value);
    },
  };
}

function utf8Size(text: string): number {
  let size = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    size += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x1_0000 ? 3 : 4;
  }
  return size;
}

export function bytesType(length: OpaqueShape["length"], fixed: boolean): XmlRpcType<Uint8Array> {
  const expected = `${fixed ? "" : "at most "}${length} bytes`;
  const fits = (value: Uint8Array): boolean => (fixed ? value.length === length : value.length <= length);
  return {
    signature: "base64",
    encode(writer: XmlRpcWriter, value) {
      if (value instanceof Uint8Array && !fits(value)) writer.fail(`expected ${expected}, got ${value.length}`);
      base64.encode(writer, value);
    },
    decode(value) {
      const bytes = base64.decode(value);
      return fits(bytes) ? bytes : mismatch(expected, value);
    },
  };
}

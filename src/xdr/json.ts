/**
 * Values as JSON text and back, along their shape: what the command line and other tools show. It stands here and not in
 * `model` because a `Quadruple` is XDR's.
 *
 * | type | JSON |
 * |---|---|
 * | up to 32 bits, float, double | a number; `"NaN"`, `"Infinity"`, `"-Infinity"` |
 * | 64 bits | a decimal string; read from a number too, while that is exact |
 * | quadruple | its bytes, such as `"0x3fff0000000000000000000000000000"`; read from a number too |
 * | bool | `true`, `false` |
 * | enum | the member's name; read from its number too |
 * | string | a string; as bytes: base64 |
 * | opaque | base64 |
 * | array | an array |
 * | struct, union | an object, as in JavaScript |
 * | `T *` | the value or `null` |
 * | void | `null` |
 */

import { fromBase64, toBase64 } from "../bytes/base64.js";
import { describe } from "../model/describe.js";
import { EncodeError, type Shape, type UnionShape } from "../model/index.js";
import { getProperty, type Properties, setProperty } from "../model/property.js";
import { Checker } from "./locate.js";
import { Quadruple } from "./quadruple.js";
import { Fault, type Frame, type Leaf, missing, unnamed, type Visitor, walk } from "./walk.js";

/** Most parts of a value in JSON: more would not fit a string, and a value that contains itself has no end. */
const partsMax = 1 << 24;

/**
 * A value as JSON text on one line. A loop, so that a list of any length is written (`JSON.stringify` overflows).
 *
 * @throws EncodeError for a value that is not of this shape, with the path of the field
 */
export function toJson(shape: Shape, value: unknown): string {
  const printer = new JsonPrinter();
  walkOrThrow(shape, value, printer);
  return printer.pieces.join("");
}

/**
 * The value that parsed JSON stands for. What is missing, unknown or out of range is an error.
 *
 * @param parsed what `JSON.parse` gave
 * @throws EncodeError for JSON that is not a value of this shape, with the path of the field
 */
export function fromJson(shape: Shape, parsed: unknown): unknown {
  const builder = new ValueBuilder();
  walkOrThrow(shape, parsed, builder);
  return builder.made;
}

function walkOrThrow(shape: Shape, value: unknown, visitor: Visitor): void {
  try {
    if (walk(shape, value, visitor, partsMax)) return;
  } catch (error) {
    throw error instanceof Fault ? encodeError(error) : error;
  }
  throw new EncodeError(`the value has more than ${partsMax} parts; it may contain itself`);
}

/** Prints what the checker has found right. */
class JsonPrinter extends Checker {
  readonly pieces: string[] = [];

  override leaf(shape: Leaf, value: unknown, parent: Frame | undefined): void {
    super.leaf(shape, value, parent);
    this.pieces.push(printLeaf(shape, value));
  }

  override open({ shape, value }: Frame): void {
    this.pieces.push(shape.kind === "array" ? "[" : "{");
    if (shape.kind !== "union") return;
    const { name } = shape.discriminant;
    const kind = unnamed(shape.discriminant.shape) as Leaf;
    const given = getProperty(value as Properties, name);
    const byDefault = given === "default";
    this.pieces.push(`${JSON.stringify(name)}:${byDefault ? '"default"' : printLeaf(kind, given)}`);
    if (byDefault) this.pieces.push(`,"$kind":${printLeaf(kind, (value as Properties)["$kind"])}`);
  }

  part({ shape, fields, index }: Frame): void {
    // A union's discriminant stands before its arm.
    if (index > 0 || shape.kind === "union") this.pieces.push(",");
    if (shape.kind !== "array") this.pieces.push(`${JSON.stringify(fields[index]?.name)}:`);
  }

  close({ shape }: Frame): void {
    this.pieces.push(shape.kind === "array" ? "]" : "}");
  }
}

function printLeaf(shape: Leaf, value: unknown): string {
  switch (shape.kind) {
    case "void":
      return "null";
    case "integer":
      return shape.bits === 64 ? `"${value}"` : String(value);
    case "float":
      if (typeof value !== "number") return JSON.stringify(String(value));
      if (Object.is(value, -0)) return "-0";
      return Number.isFinite(value) ? String(value) : `"${value}"`;
    case "enum":
      return JSON.stringify(Object.entries(shape.members).find(([, number]) => number === value)?.[0]);
    case "string":
      return JSON.stringify(shape.as === "text" ? value : toBase64(value as Uint8Array));
    case "opaque":
      return JSON.stringify(toBase64(value as Uint8Array));
    case "boolean":
      return String(value);
  }
}

/** Builds a value from parsed JSON, and checks each part once it is one of JavaScript's. */
class ValueBuilder extends Checker {
  made: unknown;

  override leaf(shape: Leaf, parsed: unknown, parent: Frame | undefined): void {
    const value = shape === missing ? null : readLeaf(shape, parsed);
    super.leaf(shape, value, parent);
    this.#put(value, parent);
  }

  override open(frame: Frame, parent: Frame | undefined): void {
    const { shape, fields, value } = frame;
    if (shape.kind === "array") {
      frame.made = [];
    } else {
      if (Array.isArray(value)) throw new Fault(`expected an object, got ${describe(value)}`);
      const made = {};
      const known = new Set(fields.map((field) => field.name));
      if (shape.kind === "union") {
        for (const [name, kind] of Object.entries(readKind(shape, value as Properties))) {
          setProperty(made, name, kind);
          known.add(name);
        }
      }
      frame.made = made;
      for (const name of Object.keys(value as Properties)) {
        if (!known.has(name)) throw new Fault(`there is no field of this name here`, name);
      }
    }
    this.#put(frame.made, parent);
  }

  override kind(shape: UnionShape, value: Properties): number | bigint {
    return super.kind(shape, readKind(shape, value));
  }

  #put(value: unknown, parent: Frame | undefined): void {
    if (parent === undefined) this.made = value;
    else if (parent.shape.kind === "array") (parent.made as unknown[]).push(value);
    else setProperty(parent.made as Properties, parent.fields[parent.index]?.name ?? "", value);
  }
}

/** A union's discriminant, and its `$kind` where it has one. */
function readKind({ discriminant, otherwise }: UnionShape, value: Properties): Properties {
  const shape = unnamed(discriminant.shape) as Leaf;
  const given = getProperty(value, discriminant.name);
  const byDefault = shape.kind === "integer" && given === "default" && otherwise !== undefined;
  const made: Properties = {};
  setProperty(made, discriminant.name, byDefault ? given : readLeaf(shape, given));
  if (byDefault) made["$kind"] = readLeaf(shape, value["$kind"]);
  return made;
}

/** What JSON spells in another way than JavaScript; the rest is left as it is for the check. */
function readLeaf(shape: Leaf, parsed: unknown): unknown {
  switch (shape.kind) {
    case "void":
      if (parsed !== null && parsed !== undefined) throw new Fault(`expected null, got ${describe(parsed)}`);
      return undefined;
    case "integer":
      if (shape.bits !== 64) return parsed;
      if (typeof parsed === "number" && Number.isSafeInteger(parsed)) return BigInt(parsed);
      // No more digits than 64 bits have: long ones take long to convert.
      if (typeof parsed === "string" && /^-?\d{1,20}$/.test(parsed)) return BigInt(parsed);
      throw new Fault(`expected a whole number in a string, such as "5", got ${describe(parsed)}`);
    case "float": {
      if (shape.bits !== 128) return typeof parsed === "string" ? (notFinite.get(parsed) ?? parsed) : parsed;
      if (typeof parsed === "number") return Quadruple.fromNumber(parsed);
      const value = typeof parsed === "string" ? Quadruple.parse(parsed) : undefined;
      if (value !== undefined) return value;
      throw new Fault(`expected 32 hexadecimal digits after "0x", or a number, got ${describe(parsed)}`);
    }
    case "enum":
      return typeof parsed === "string" && Object.hasOwn(shape.members, parsed) ? shape.members[parsed] : parsed;
    case "string":
      return shape.as === "text" ? parsed : readBase64(parsed);
    case "opaque":
      return readBase64(parsed);
    case "boolean":
      return parsed;
  }
}

const notFinite: ReadonlyMap<string, number> = new Map(
  [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map((value) => [String(value), value]),
);

function readBase64(parsed: unknown): Uint8Array {
  const bytes = typeof parsed === "string" ? fromBase64(parsed) : undefined;
  if (bytes === undefined) throw new Fault(`expected bytes as base64, got ${describe(parsed)}`);
  return bytes;
}

function encodeError({ path, message }: Fault): EncodeError {
  const error = new EncodeError(path === "" ? message : `${path}: ${message}`);
  error.path = path;
  return error;
}

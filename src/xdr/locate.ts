/**
 * Finds the field that an error is about. Codecs do not keep a path while they work, which would cost every value;
 * when one fails, the value (or the bytes) is walked once more along its shape.
 */

import { describe } from "../model/describe.js";
import { DecodeError, EncodeError, type Shape, type UnionShape } from "../model/index.js";
import { getProperty } from "../model/property.js";
import { LocatingReader } from "./locate-bytes.js";
import type { Quadruple } from "./quadruple.js";
import { XdrReader, type XdrReaderOptions } from "./reader.js";
import { Fault, type Frame, type Leaf, type Located, noCase, unnamed, type Visitor, walk } from "./walk.js";
import { XdrWriter } from "./writer.js";

/** Most steps for an error report: a cyclic value must not hold the process for longer than about a second. */
const reportStepsMax = 1_000_000;

/**
 * Finds the first part of a value that XDR cannot carry.
 *
 * @returns undefined when there is none, or none among the first million parts; never throws
 */
export function locateEncode(shape: Shape, value: unknown): Located | undefined {
  const checker = new Checker();
  try {
    walk(shape, value, checker, reportStepsMax);
  } catch (error) {
    if (error instanceof Fault) return { path: error.path, message: error.message };
    // A getter or a proxy of the value's own: not for us to explain.
  }
  return undefined;
}

/**
 * Finds the first part of the bytes that is not what the shape says.
 *
 * @returns undefined when there is none; never throws
 */
export function locateDecode(
  shape: Shape,
  bytes: Uint8Array,
  start = 0,
  end: number = bytes.length,
  options?: XdrReaderOptions | undefined,
): Located | undefined {
  try {
    const reader = new XdrReader(undefined, options);
    reader.reset(bytes, start, end);
    return new LocatingReader(reader).locate(shape);
  } catch {
    return undefined;
  }
}

/**
 * The error to report for what a codec threw while it encoded: with the path of the field, in the message too. Also
 * for a `TypeError` from a missing object. What has another reason, such as the writer's limit, stays what it is.
 */
export function explainEncode(error: unknown, shape: Shape, value: unknown): unknown {
  const located = locateEncode(shape, value);
  if (located === undefined) return error;
  const explained = new EncodeError(withPath(located.path, located.message), { cause: error });
  explained.path = located.path;
  return explained;
}

/** The error to report for what a codec threw while it decoded the bytes: with the path of the field, in the message too. */
export function explainDecode(
  error: unknown,
  shape: Shape,
  bytes: Uint8Array,
  start?: number,
  end?: number,
  options?: XdrReaderOptions | undefined,
): unknown {
  if (!(error instanceof DecodeError)) return error;
  const located = locateDecode(shape, bytes, start, end, options);
  if (located === undefined || located.path === "") return error;
  const explained = new DecodeError(withPath(located.path, located.message), { cause: error });
  explained.path = located.path;
  explained.offset = error.offset;
  return explained;
}

function withPath(path: string, message: string): string {
  return path === "" ? message : `${path}: ${message}`;
}

/** Checks each part by writing it: the writer's rules are the only ones. */
export class Checker implements Visitor {
  readonly #writer = new XdrWriter();

  open(_frame: Frame, _parent: Frame | undefined): void {}

  leaf(shape: Leaf, value: unknown, _parent: Frame | undefined): void {
    this.#write(shape, value, "");
  }

  kind(shape: UnionShape, value: Readonly<Record<string, unknown>>): number | bigint {
    const { discriminant, arms, otherwise } = shape;
    const kindShape = unnamed(discriminant.shape) as Leaf;
    const given = getProperty(value, discriminant.name);
    const isInteger = kindShape.kind === "integer";
    const byDefault = isInteger && given === "default" && otherwise !== undefined;
    const kind = byDefault ? value["$kind"] : given;
    const number = typeof kind === "boolean" ? Number(kind) : (kind as number | bigint);
    const listed = arms.some((arm) => arm.cases.includes(number));
    if (byDefault && listed) throw new Fault(`${describe(kind)} has an arm of its own`, "$kind");
    if (isInteger && !byDefault && !listed) throw noCase(shape, kind);
    this.#write(kindShape, kind, byDefault ? "$kind" : discriminant.name);
    return number;
  }

  #write(shape: Leaf, value: unknown, part: string): void {
    try {
      writeLeaf(this.#writer, shape, value);
    } catch (error) {
      throw error instanceof EncodeError ? new Fault(error.message, part) : error;
    }
    this.#writer.reset();
  }
}

/** Writes a value without parts, as its codec does. */
function writeLeaf(w: XdrWriter, shape: Leaf, value: unknown): void {
  switch (shape.kind) {
    case "void":
      return;
    case "boolean":
      return w.bool(value as boolean);
    case "enum":
      return w.enumeration(value as number, new Set(Object.values(shape.members)), shape.name ?? "");
    case "integer":
      if (shape.bits === 64) return shape.signed ? w.hyper(value as bigint) : w.uhyper(value as bigint);
      if (shape.bits === 32) return shape.signed ? w.int(value as number) : w.uint(value as number);
      if (shape.bits === 16) return shape.signed ? w.short(value as number) : w.ushort(value as number);
      return shape.signed ? w.char(value as number) : w.uchar(value as number);
    case "float":
      if (shape.bits === 128) return w.quadruple(value as Quadruple);
      return shape.bits === 64 ? w.double(value as number) : w.float(value as number);
    case "string":
      return shape.as === "text" ? w.string(value as string, shape.max) : w.opaque(value as Uint8Array, shape.max);
    case "opaque":
      if (shape.fixed) return w.opaqueFixed(value as Uint8Array, shape.length);
      return w.opaque(value as Uint8Array, shape.length);
  }
}

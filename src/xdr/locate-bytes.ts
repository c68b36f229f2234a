import { DecodeError, type FieldShape, type Shape, type UnionShape } from "../model/index.js";
import type { XdrReader } from "./reader.js";
import { sizeMin } from "./size.js";
import { armOf, type Composite, type Leaf, type Located, shortPath, unnamed } from "./walk.js";

/** A composite whose parts are being read. */
interface Place {
  readonly shape: Composite;
  /** The parts of a struct or union. */
  readonly fields: readonly FieldShape[];
  readonly count: number;
  index: number;
}

/** Reads bytes along a shape and keeps nothing but where it is. A loop, so that lists of any length are walked. */
export class LocatingReader {
  readonly #reader: XdrReader;
  readonly #places: Place[] = [];
  /** Sizes of elements, found once per shape. */
  readonly #sizes = new Map<Shape, number>();

  constructor(reader: XdrReader) {
    this.#reader = reader;
  }

  locate(shape: Shape): Located | undefined {
    try {
      this.#read(shape);
      for (;;) {
        const place = this.#places.at(-1);
        if (place === undefined) return undefined;
        if (++place.index >= place.count) this.#places.pop();
        else this.#read(partOf(place).shape);
      }
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      const begun = this.#places.filter((place) => place.index >= 0);
      return { path: shortPath(begun, (place) => partOf(place).name), message: error.message };
    }
  }

  #read(of: Shape): void {
    const r = this.#reader;
    let shape = unnamed(of);
    while (shape.kind === "optional") {
      if (!r.bool()) return;
      shape = unnamed(shape.of);
    }
    switch (shape.kind) {
      case "array": {
        const size = this.#sizeMin(shape.element);
        let count = shape.length;
        if (shape.fixed) r.countFixed(count, size);
        else count = r.count(count, size);
        this.#places.push({ shape, fields: [], count, index: -1 });
        break;
      }
      case "struct":
        this.#places.push({ shape, fields: shape.fields, count: shape.fields.length, index: -1 });
        break;
      case "union": {
        const fields = this.#unionFields(shape);
        this.#places.push({ shape, fields, count: fields.length, index: -1 });
        break;
      }
      default:
        readLeaf(r, shape);
    }
  }

  #unionFields(shape: UnionShape): readonly FieldShape[] {
    const r: XdrReader = this.#reader;
    const at = r.position;
    const value = readLeaf(r, unnamed(shape.discriminant.shape) as Leaf);
    const kind = typeof value === "boolean" ? Number(value) : (value as number | bigint);
    const field = armOf(shape, kind);
    if (field === undefined) r.failAt(at, `${shape.discriminant.name} ${kind} is no case of the union`);
    return field === null ? [] : [field];
  }

  #sizeMin(shape: Shape): number {
    let size = this.#sizes.get(shape);
    if (size === undefined) {
      size = sizeMin(shape);
      this.#sizes.set(shape, size);
    }
    return size;
  }
}

function partOf({ shape, fields, index }: Place): { readonly name: string | number; readonly shape: Shape } {
  return shape.kind === "array" ? { name: index, shape: shape.element } : (fields[index] as FieldShape);
}

/** Reads a value without parts, as its codec does. */
function readLeaf(r: XdrReader, shape: Leaf): unknown {
  switch (shape.kind) {
    case "void":
      return undefined;
    case "boolean":
      return r.bool();
    case "enum":
      return r.enumeration(new Set(Object.values(shape.members)), shape.name ?? "");
    case "integer":
      if (shape.bits === 64) return shape.signed ? r.hyper() : r.uhyper();
      if (shape.bits === 32) return shape.signed ? r.int() : r.uint();
      if (shape.bits === 16) return shape.signed ? r.short() : r.ushort();
      return shape.signed ? r.char() : r.uchar();
    case "float":
      if (shape.bits === 128) return r.quadruple();
      return shape.bits === 64 ? r.double() : r.float();
    case "string":
      return shape.as === "text" ? r.string(shape.max) : r.opaque(shape.max);
    case "opaque":
      return shape.fixed ? r.opaqueFixed(shape.length) : r.opaque(shape.length);
  }
}

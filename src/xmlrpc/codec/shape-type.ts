/**
 * The type that a `Shape` is in XML-RPC: what lets a service that was described for another wire be served here.
 *
 * | shape | XML-RPC |
 * |---|---|
 * | integer up to 32 bits | int; an unsigned one beyond 2^31 - 1: i8 |
 * | integer of 64 bits | i8; an int or a string of digits is read too, since many peers can say no more |
 * | float, double | double; of 32 bits, the nearest such number, as on the other wire |
 * | boolean | boolean |
 * | enum | the member's name, or its number; both are read |
 * | string | string; as bytes: base64 |
 * | opaque | base64 |
 * | array | array |
 * | struct | struct |
 * | union | struct of the discriminant, its number or name, and of the arm |
 * | optional | the value; without one, nil where the option `nil` has it, and otherwise a member that is left out |
 * | linked list | array: a struct whose last field leads to the next one |
 * | void | as a result: an empty string, or nil |
 */
import { describe } from "../../model/describe.js";
import type { ArrayShape, FieldShape, OptionalShape, Shape, StructShape } from "../../model/index.js";
import { getProperty, isProperties, type Properties, setProperty } from "../../model/property.js";
import { array, checkNames, recursive, structOf } from "./composite.js";
import { bytesType, enumType, floatType, integerType, textType } from "./shape-leaf.js";
import { unionType, unnamed } from "./shape-union.js";
import { boolean, mismatch, nothing, within, type XmlRpcType } from "./type.js";
import type { XmlRpcValue } from "./value.js";
import type { XmlRpcWriter } from "./writer.js";

/** How shapes become types, where there is a choice. */
export interface ShapeTypeOptions {
  /** What an enum's member goes as; default `name`. */
  readonly enums?: "name" | "number" | undefined;
}

/** The types of the shapes that one service is made of. */
export class ShapeTypes {
  readonly #enums: "name" | "number";
  /** Types by their shapes: one that contains itself finds itself here. */
  readonly #made = new Map<Shape, XmlRpcType<unknown>>();

  constructor({ enums = "name" }: ShapeTypeOptions = {}) {
    this.#enums = enums;
  }

  /**
   * The type of a shape's values.
   *
   * @throws RangeError for a shape that XML-RPC has nothing for: a float of 128 bits
   */
  of(shape: Shape): XmlRpcType<unknown> {
    let type = this.#made.get(shape);
    if (type === undefined) {
      // Whoever asks for it while it is made gets one that looks it up later.
      this.#made.set(
        shape,
        recursive(() => this.#made.get(shape) as XmlRpcType<unknown>),
      );
      type = this.#make(shape);
      this.#made.set(shape, type);
    }
    return type;
  }

  #make(shape: Shape): XmlRpcType<unknown> {
    switch (shape.kind) {
      case "void":
        return nothing as XmlRpcType<unknown>;
      case "boolean":
        return boolean as XmlRpcType<unknown>;
      case "integer":
        return integerType(shape) as XmlRpcType<unknown>;
      case "float":
        return floatType(shape) as XmlRpcType<unknown>;
      case "enum":
        return enumType(shape, this.#enums) as XmlRpcType<unknown>;
      case "string":
        return (shape.as === "bytes" ? bytesType(shape.max, false) : textType(shape)) as XmlRpcType<unknown>;
      case "opaque":
        return bytesType(shape.length, shape.fixed) as XmlRpcType<unknown>;
      case "array":
        return arrayType(shape, this.of(shape.element)) as XmlRpcType<unknown>;
      case "struct":
        return structType(shape.fields.map((field) => this.#field(field))) as XmlRpcType<unknown>;
      case "union":
        return unionType(shape, this.of(shape.discriminant.shape), (field) => this.of(field.shape));
      case "optional":
        return this.#optional(shape);
      case "reference":
        return this.of(shape.to());
    }
  }

  #field({ name, shape }: FieldShape): Field {
    return { name, type: this.of(shape) };
  }

  #optional({ of }: OptionalShape): XmlRpcType<unknown> {
    const struct = unnamed(of);
    const next = struct.kind === "struct" ? nextOf(struct) : undefined;
    if (struct.kind === "struct" && next !== undefined) {
      const node = structType(struct.fields.slice(0, -1).map((field) => this.#field(field)));
      return listType(node, next) as XmlRpcType<unknown>;
    }
    return optionalType(this.of(of));
  }
}

/** The field that leads to the next node of a linked list: the last one, and optional. */
function nextOf(struct: StructShape): string | undefined {
  const last = struct.fields.at(-1);
  const next = last === undefined ? undefined : unnamed(last.shape);
  return next?.kind === "optional" && unnamed(next.of) === struct ? last?.name : undefined;
}

// --- types with parts

function arrayType({ length, fixed }: ArrayShape, element: XmlRpcType<unknown>): XmlRpcType<unknown[]> {
  const plain = array(element);
  const expected = `an array of ${fixed ? "" : "at most "}${length}`;
  const fits = (count: number): boolean => (fixed ? count === length : count <= length);
  return {
    signature: "array",
    encode(writer: XmlRpcWriter, value) {
      if (Array.isArray(value) && !fits(value.length)) writer.fail(`expected ${expected}, got one of ${value.length}`);
      plain.encode(writer, value);
    },
    decode(value) {
      if (Array.isArray(value) && !fits(value.length)) return mismatch(expected, value);
      return plain.decode(value);
    },
  };
}

interface Field {
  readonly name: string;
  readonly type: XmlRpcType<unknown>;
}

/** Every field of the value, `null` for an optional one that is left out; no other member is taken. */
function structType(fields: readonly Field[]): XmlRpcType<Properties> {
  const names = new Set(fields.map(({ name }) => name));
  return {
    signature: "struct",
    encode(writer: XmlRpcWriter, value) {
      if (!isProperties(value)) writer.fail(`expected an object, got ${describe(value)}`);
      writer.beginStruct(value);
      for (const { name, type } of fields) {
        const part = getProperty(value, name);
        if (part === null && type.optional === true && writer.settings.nil === "refuse") continue;
        writer.member(name);
        type.encode(writer, part);
        writer.endMember();
      }
      writer.endStruct();
    },
    decode(value) {
      const given = structOf(value);
      const made: Properties = {};
      for (const { name, type } of fields) {
        try {
          setProperty(made, name, type.decode(getProperty(given, name) as XmlRpcValue | undefined));
        } catch (error) {
          throw within(name, error);
        }
      }
      checkNames(given, names);
      return made;
    },
  };
}

function optionalType(of: XmlRpcType<unknown>): XmlRpcType<unknown> {
  return {
    signature: of.signature,
    optional: true,
    encode(writer: XmlRpcWriter, value) {
      if (value === null) writer.nil();
      else of.encode(writer, value);
    },
    decode: (value) => (value === undefined || value === null ? null : of.decode(value)),
  };
}

/** Nodes in an array, without the field that leads from one to the next: peers nest nothing as deep as lists are long. */
function listType(node: XmlRpcType<Properties>, next: string): XmlRpcType<Properties | null> {
  return {
    signature: "array",
    encode(writer: XmlRpcWriter, value) {
      // The array is of no object's own: the first node is what it holds first.
      writer.beginArray({});
      let index = 0;
      for (let at: unknown = value; at !== null; at = getProperty(at as Properties, next)) {
        writer.element(index++);
        node.encode(writer, at as Properties);
      }
      writer.endArray();
    },
    decode(value) {
      if (value === null || value === undefined) return null;
      if (!Array.isArray(value)) return mismatch("an array", value);
      let first: Properties | null = null;
      for (let i = value.length - 1; i >= 0; i--) {
        try {
          const made = node.decode(value[i]);
          setProperty(made, next, first);
          first = made;
        } catch (error) {
          throw within(i, error);
        }
      }
      return first;
    },
  };
}

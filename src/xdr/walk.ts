/**
 * Walks a value along its shape, without recursion: a linked list of any length is a deep value. What error reports
 * and JSON have in common.
 */

import { describe } from "../model/describe.js";
import type { ArrayShape, FieldShape, ReferenceShape, Shape, StructShape, UnionShape } from "../model/index.js";
import { getProperty, isProperties } from "../model/property.js";

export type Composite = ArrayShape | StructShape | UnionShape;
export type Leaf = Exclude<Shape, Composite | { kind: "optional" } | { kind: "reference" }>;

/** A composite value that is being walked. */
export interface Frame {
  readonly shape: Composite;
  readonly value: unknown;
  /** The parts of a struct or union; an array's elements all have its element's shape. */
  readonly fields: readonly FieldShape[];
  readonly count: number;
  /** The part that is being visited. */
  index: number;
  /** What the visitor makes of this value. */
  made: unknown;
}

/** What happens on a walk. A visitor reports what is wrong by throwing {@link Fault}. */
export interface Visitor {
  /** A value without parts; `null` of an optional comes with the shape {@link missing}. */
  leaf(shape: Leaf, value: unknown, parent: Frame | undefined): void;
  /** A value with parts, before them. A union's discriminant is no part: it is the visitor's matter. */
  open(frame: Frame, parent: Frame | undefined): void;
  /** Before a part. */
  part?(frame: Frame): void;
  /** After the last part. */
  close?(frame: Frame): void;
  /** The number of a union's discriminant. */
  kind(shape: UnionShape, value: Readonly<Record<string, unknown>>): number | bigint;
}

/** What is wrong with a value or with bytes, and where. */
export interface Located {
  /** Such as `pair.items[3].id`; empty when it is the value itself. Long paths are shortened in the middle. */
  readonly path: string;
  /** Such as `expected an integer from 0 to 255, got 256`. */
  readonly message: string;
}

/** What a visitor throws. */
export class Fault implements Located {
  readonly message: string;
  path: string;

  /** @param part what is at fault within the value that is visited; the walk puts the way to it before */
  constructor(message: string, part = "") {
    this.message = message;
    this.path = part;
  }
}

const leaves: readonly FieldShape[] = [];

/** The shape of an optional value that is `null`. */
export const missing: Leaf = { kind: "void" };

/**
 * @param stepsMax most steps, about one per part: a cyclic value has no end
 * @returns whether the walk came to its end
 * @throws Fault what the visitor threw, with the path
 */
export function walk(shape: Shape, value: unknown, visitor: Visitor, stepsMax: number): boolean {
  const stack: Frame[] = [];
  try {
    visit(shape, value, visitor, stack);
    for (let steps = 0; steps < stepsMax; steps++) {
      const frame = stack.at(-1);
      if (frame === undefined) return true;
      if (++frame.index >= frame.count) {
        stack.pop();
        visitor.close?.(frame);
        continue;
      }
      visitor.part?.(frame);
      const { shape, fields, index } = frame;
      if (shape.kind === "array") {
        visit(shape.element, (frame.value as readonly unknown[])[index], visitor, stack);
      } else {
        const field = fields[index] as FieldShape;
        visit(field.shape, getProperty(frame.value as Record<string, unknown>, field.name), visitor, stack);
      }
    }
    return false;
  } catch (error) {
    if (error instanceof Fault) error.path = joinPath(pathOf(stack), error.path);
    throw error;
  }
}

function visit(of: Shape, value: unknown, visitor: Visitor, stack: Frame[]): void {
  const parent = stack.at(-1);
  const shape = resolve(of, value);
  if (shape.kind !== "array" && shape.kind !== "struct" && shape.kind !== "union") {
    visitor.leaf(shape, value, parent);
    return;
  }
  const frame = frameOf(shape, value, visitor);
  visitor.open(frame, parent);
  stack.push(frame);
}

/** What a named or optional shape stands for, for this value. */
function resolve(of: Shape, value: unknown): Composite | Leaf {
  let shape = unnamed(of);
  while (shape.kind === "optional") {
    if (value === null) return missing;
    shape = unnamed(shape.of);
  }
  return shape;
}

/** Names that stand for names: no sensible chain is longer, and one that ends in itself has no end. */
const namesMax = 1000;

/** What a named shape stands for. */
export function unnamed(of: Shape): Exclude<Shape, ReferenceShape> {
  let shape = of;
  for (let names = 0; shape.kind === "reference"; names++) {
    if (names === namesMax) throw new Error(`type ${shape.name} is nothing but itself`);
    shape = shape.to();
  }
  return shape;
}

function frameOf(shape: Composite, value: unknown, visitor: Visitor): Frame {
  if (shape.kind === "array") {
    if (!Array.isArray(value)) throw new Fault(`expected an array, got ${describe(value)}`);
    const { length, fixed } = shape;
    if (fixed ? value.length !== length : value.length > length) {
      throw new Fault(`expected an array of ${fixed ? "" : "at most "}${length}, got one of ${value.length}`);
    }
    return { shape, value, fields: leaves, count: value.length, index: -1, made: undefined };
  }
  if (!isProperties(value)) throw new Fault(`expected an object, got ${describe(value)}`);
  const fields = shape.kind === "struct" ? shape.fields : unionFields(shape, value, visitor);
  return { shape, value, fields, count: fields.length, index: -1, made: undefined };
}

/** The arm that the discriminant selects, if it carries a field. */
function unionFields(shape: UnionShape, value: Record<string, unknown>, visitor: Visitor): readonly FieldShape[] {
  const field = armOf(shape, visitor.kind(shape, value));
  if (field === undefined) throw noCase(shape, getProperty(value, shape.discriminant.name));
  return field === null ? leaves : [field];
}

/** What a discriminant selects: a field, nothing (`null`), or no arm (`undefined`). */
export function armOf({ arms, otherwise }: UnionShape, kind: number | bigint): FieldShape | null | undefined {
  const arm = arms.find((arm) => arm.cases.includes(kind));
  return arm === undefined ? otherwise : arm.field;
}

export function noCase({ name, discriminant, otherwise }: UnionShape, kind: unknown): Fault {
  const hint = otherwise === undefined ? "" : `; for others, say "default" and give the number in $kind`;
  const union = name === undefined ? "the union" : `union ${name}`;
  return new Fault(`${describe(kind)} is no case of ${union}${hint}`, discriminant.name);
}

/** Most parts of a path that are shown at each end of it. */
const pathEnd = 10;

function pathOf(stack: readonly Frame[]): string {
  const begun = stack.filter((frame) => frame.index >= 0);
  return shortPath(begun, (frame) =>
    frame.shape.kind === "array" ? frame.index : (frame.fields[frame.index]?.name ?? ""),
  );
}

/** The path of nested places, without its middle when it is long. */
export function shortPath<T>(places: readonly T[], part: (place: T) => string | number): string {
  let path = "";
  for (const [i, place] of places.entries()) {
    if (i >= pathEnd && i < places.length - pathEnd) {
      if (i === pathEnd) path += `.(${places.length - pathEnd * 2} more)`;
    } else path = joinPath(path, part(place));
  }
  return path;
}

/** Adds a field's name or an element's index to a path. */
function joinPath(path: string, part: string | number): string {
  if (typeof part === "number") return `${path}[${part}]`;
  return path === "" || part === "" ? path + part : `${path}.${part}`;
}

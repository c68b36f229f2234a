import type { Shape } from "../model/index.js";

const padded = (length: number): number => length + (-length & 3);

/** Fewest bytes that a value of this shape takes on the wire. */
export function sizeMin(shape: Shape): number {
  return size(shape, new Set());
}

/** Within a cycle a type counts as nothing: too few bytes is safe, too many is not. */
function size(shape: Shape, around: Set<Shape>): number {
  switch (shape.kind) {
    case "void":
      return 0;
    case "integer":
      return shape.bits === 64 ? 8 : 4;
    case "float":
      return shape.bits / 8;
    case "boolean":
    case "enum":
    case "string":
    case "optional":
      return 4;
    case "opaque":
      return shape.fixed ? padded(shape.length) : 4;
  }
  if (around.has(shape)) return 0;
  around.add(shape);
  const found = composite(shape, around);
  around.delete(shape);
  return found;
}

function composite(shape: Shape, around: Set<Shape>): number {
  switch (shape.kind) {
    case "array":
      return shape.fixed ? shape.length * size(shape.element, around) : 4;
    case "struct":
      return shape.fields.reduce((sum, field) => sum + size(field.shape, around), 0);
    case "union": {
      const fields = shape.arms.map((arm) => arm.field);
      if (shape.otherwise !== undefined) fields.push(shape.otherwise);
      const arms = fields.map((field) => (field === null ? 0 : size(field.shape, around)));
      return size(shape.discriminant.shape, around) + (arms.length === 0 ? 0 : Math.min(...arms));
    }
    case "reference":
      return size(shape.to(), around);
    default:
      return 0;
  }
}

// Values of any shape, to make valid messages from: what is only noise never gets past the first length.
import type { Shape } from "../../src/model/index.js";
import { Quadruple, type XdrCodec, XdrWriter } from "../../src/xdr/index.js";
import type { Random } from "./random.js";

/** A value that the shape's codec can encode. Depth keeps recursive types finite; arrays at the top have `count` elements. */
function valueLike(random: Random, shape: Shape, depth: number, count: number): unknown {
  switch (shape.kind) {
    case "void":
      return undefined;
    case "integer": {
      const { bits, signed } = shape;
      if (bits === 64) {
        const value = (BigInt(random.next()) << 32n) | BigInt(random.next());
        return signed ? BigInt.asIntN(64, value) : value;
      }
      const value = random.below(3) === 0 ? random.below(4) : random.next() >>> (32 - bits);
      return signed ? (value << (32 - bits)) >> (32 - bits) : value;
    }
    case "float":
      if (shape.bits === 128) return new Quadruple(BigInt(random.next()) << 32n, BigInt(random.next()));
      return Math.fround((random.next() - 2 ** 31) / 1024);
    case "boolean":
      return random.below(2) === 1;
    case "enum":
      return random.pick(Object.values(shape.members));
    case "string": {
      const length = Math.min(shape.max, random.below(20));
      const text = Array.from({ length }, () => String.fromCharCode(0x20 + random.below(0x5e))).join("");
      return shape.as === "text" ? text : new TextEncoder().encode(text);
    }
    case "opaque": {
      const length = shape.fixed ? shape.length : Math.min(shape.length, random.below(30));
      return Uint8Array.from({ length }, () => random.below(256));
    }
    case "array": {
      const length = shape.fixed
        ? shape.length
        : Math.min(shape.length, depth < 3 && count > 0 ? count : random.below(depth > 6 ? 1 : 4));
      return Array.from({ length }, () => valueLike(random, shape.element, depth + 1, count));
    }
    case "struct": {
      const value: Record<string, unknown> = {};
      for (const field of shape.fields) value[field.name] = valueLike(random, field.shape, depth + 1, count);
      return value;
    }
    case "union":
      return unionOf(random, shape, depth, count);
    case "optional":
      return random.below(depth > 8 ? 10 : 2) === 0 ? valueLike(random, shape.of, depth + 1, count) : null;
    case "reference":
      return valueLike(random, shape.to(), depth + 1, count);
  }
}

function unionOf(random: Random, shape: Extract<Shape, { kind: "union" }>, depth: number, count: number): unknown {
  const { discriminant, arms, otherwise } = shape;
  const choice = random.below(arms.length + (otherwise === undefined ? 0 : 1));
  const arm = arms[choice];
  const value: Record<string, unknown> = {};
  let field = arm?.field;
  if (arm !== undefined) {
    const kind = random.pick(arm.cases);
    value[discriminant.name] = discriminant.shape.kind === "boolean" ? Number(kind) === 1 : kind;
  } else {
    field = otherwise;
    const cases = new Set(arms.flatMap((one) => one.cases));
    let kind = valueLike(random, discriminant.shape, 0, 0) as number;
    for (let tries = 0; cases.has(Number(kind)) && tries < 100; tries++) {
      kind = valueLike(random, discriminant.shape, 0, 0) as number;
    }
    if (discriminant.shape.kind === "integer") Object.assign(value, { [discriminant.name]: "default", $kind: kind });
    else value[discriminant.name] = kind;
  }
  if (field != null) value[field.name] = valueLike(random, field.shape, depth + 1, count);
  return value;
}

/** Whether a value of the shape may hold a floating-point number. */
export function hasFloat(shape: Shape, seen: ReadonlySet<string> = new Set()): boolean {
  switch (shape.kind) {
    case "float":
      return true;
    case "array":
      return hasFloat(shape.element, seen);
    case "optional":
      return hasFloat(shape.of, seen);
    case "struct":
      return shape.fields.some((field) => hasFloat(field.shape, seen));
    case "union":
      return [...shape.arms.map((arm) => arm.field), shape.otherwise].some(
        (field) => field != null && hasFloat(field.shape, seen),
      );
    case "reference":
      return !seen.has(shape.name) && hasFloat(shape.to(), new Set([...seen, shape.name]));
    default:
      return false;
  }
}

/** A valid encoding of some value; with a count, of one whose arrays are long. */
export function encodedOf(random: Random, codec: XdrCodec<unknown>, count = 0): Uint8Array {
  for (;;) {
    const w = new XdrWriter();
    try {
      codec.encode(w, valueLike(random, codec.shape, 0, count));
      return w.take();
    } catch {
      // A union whose default arm's discriminant was not found: another value will do.
    }
  }
}

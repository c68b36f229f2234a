import type { FieldShape, Shape, UnionShape } from "../model/index.js";

/** Levels that are spelled out; deeper types show their names, or there would be no end to it. */
const depthMax = 3;

/** How a value is written in JSON, as one line: `{"id": hyper as "123", "name": string}`. */
export function shapeText(shape: Shape, depth: number = depthMax): string {
  switch (shape.kind) {
    case "void":
      return "void";
    case "boolean":
      return "bool";
    case "integer":
      if (shape.bits === 64) return `${shape.signed ? "" : "unsigned "}hyper as "123"`;
      return `${shape.signed ? "" : "unsigned "}${{ 8: "char", 16: "short", 32: "int" }[shape.bits]}`;
    case "float":
      return { 32: "float", 64: "double", 128: 'quadruple as "0x..."' }[shape.bits];
    case "string":
      return shape.as === "text" ? "string" : "string as base64";
    case "opaque":
      return "opaque as base64";
    case "enum":
      return alternatives(Object.keys(shape.members).map((member) => JSON.stringify(member)));
    case "optional":
      return `${shapeText(shape.of, depth)} | null`;
    case "reference":
      // Only what may contain itself is a reference.
      return depth <= 1 ? shape.name : shapeText(shape.to(), depth - 1);
    case "array":
      return `[${shapeText(shape.element, depth - 1)}, ...]`;
    case "struct":
      if (depth <= 0) return shape.name ?? "{...}";
      return `{${shape.fields.map((field) => fieldText(field, depth)).join(", ")}}`;
    case "union":
      return depth <= 0 ? (shape.name ?? "{...}") : alternatives(unionTexts(shape, depth));
  }
}

function fieldText({ name, shape }: FieldShape, depth: number): string {
  return `${JSON.stringify(name)}: ${shapeText(shape, depth - 1)}`;
}

function unionTexts({ discriminant, arms, otherwise }: UnionShape, depth: number): string[] {
  const label = JSON.stringify(discriminant.name);
  const texts = arms.map(({ cases, field }) => {
    const kinds = cases.map((value) => kindText(discriminant.shape, value)).join("|");
    return `{${label}: ${kinds}${field === null ? "" : `, ${fieldText(field, depth)}`}}`;
  });
  if (otherwise === undefined) return texts;
  const kind = resolve(discriminant.shape).kind === "integer" ? '"default", "$kind": int' : "others";
  return [...texts, `{${label}: ${kind}${otherwise === null ? "" : `, ${fieldText(otherwise, depth)}`}}`];
}

function kindText(of: Shape, value: number | bigint): string {
  const shape = resolve(of);
  if (shape.kind === "boolean") return String(value !== 0);
  if (shape.kind !== "enum") return typeof value === "bigint" ? `"${value}"` : String(value);
  const member = Object.entries(shape.members).find(([, number]) => number === value)?.[0];
  return JSON.stringify(member ?? Number(value));
}

function resolve(shape: Shape): Shape {
  return shape.kind === "reference" ? resolve(shape.to()) : shape;
}

function alternatives(texts: readonly string[]): string {
  const shown = 6;
  return texts.length <= shown ? texts.join(" | ") : `${texts.slice(0, shown).join(" | ")} | ...`;
}

import { literalKey, type Printer } from "../print.js";
import { docLines } from "./docs.js";
import {
  type Case,
  type Constant,
  type Discriminant,
  discriminantOf,
  type Field,
  type Member,
  type NamedType,
  type Type,
  type Union,
} from "./module.js";
import { defaultHasKind, type Names } from "./names.js";

export function emitConstant(out: Printer, { name, value }: Constant, names: Names): void {
  const text = typeof value === "string" ? JSON.stringify(value) : numberText(value);
  const head = `export ${out.form === "dts" ? "declare " : ""}const ${names.constant(name)}`;
  out.line(out.form === "dts" ? `${head}: ${text};` : `${head} = ${text};`);
}

/** A number literal, as a bigint where a number would not be exact. */
function numberText(value: bigint): string {
  const exact = value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER);
  return exact ? String(value) : `${value}n`;
}

/** The type's declaration: an interface, a union, an `as const` object with its type, or an alias. */
export function emitType(out: Printer, type: NamedType, names: Names): void {
  const name = names.type(type);
  const { body } = type;
  switch (body.kind) {
    case "alias":
      out.line(`export type ${name} = ${typeText(body.of, names)};`);
      break;
    case "enum":
      emitEnum(out, name, body.members);
      break;
    case "struct":
      out.block(`export interface ${name} {`, "}", () => {
        for (const field of body.fields) {
          out.doc(docLines(field.docs));
          out.line(`${names.property(field)}: ${typeText(field.type, names)};`);
        }
      });
      break;
    case "union":
      emitUnion(out, name, body, names);
  }
}

function emitEnum(out: Printer, name: string, members: readonly Member[]): void {
  const declared = out.form === "dts";
  out.block(
    declared ? `export declare const ${name}: {` : `export const ${name} = {`,
    declared ? "};" : `}${out.typed(" as const")};`,
    () => {
      for (const member of members) {
        out.doc(docLines(member.docs));
        out.line(`${declared ? "readonly " : ""}${literalKey(member.name)}: ${member.value}${declared ? ";" : ","}`);
      }
    },
  );
  if (out.form !== "js") out.line(`export type ${name} = (typeof ${name})[keyof typeof ${name}];`);
}

function emitUnion(out: Printer, name: string, union: Union, names: Names): void {
  const property = names.property(union.discriminant);
  const discriminant = discriminantOf(union.discriminant.type);
  if (discriminant === undefined) return;
  const arms: { readonly docs: readonly string[]; readonly text: string }[] = union.arms.map(
    ({ cases, field, docs }) => {
      const kinds = cases.map((item) => caseType(item, discriminant, names)).join(" | ");
      return { docs, text: `{ ${[`${property}: ${kinds}`, ...fieldText(field, names)].join("; ")} }` };
    },
  );
  if (union.otherwise !== undefined && !covered(union, discriminant)) {
    const { field, docs } = union.otherwise;
    const kinds = defaultHasKind(union)
      ? [`${property}: "default"`, `$kind: ${scalarType(discriminant)}`]
      : [`${property}: ${otherwiseType(union, discriminant, names)}`];
    arms.push({ docs, text: `{ ${[...kinds, ...fieldText(field, names)].join("; ")} }` });
  }
  out.line(`export type ${name} =`);
  out.indented(() => {
    for (const [i, { docs, text }] of arms.entries()) {
      out.doc(docLines(docs));
      out.line(`| ${text}${i === arms.length - 1 ? ";" : ""}`);
    }
  });
}

function fieldText(field: Field | null, names: Names): string[] {
  return field === null ? [] : [`${names.property(field)}: ${typeText(field.type, names)}`];
}

/** Whether the cases leave nothing to the default. */
export function covered(union: Union, discriminant: Discriminant): boolean {
  const cases = new Set(union.arms.flatMap((arm) => arm.cases.map(({ value }) => value)));
  if (discriminant.kind === "bool") return cases.size === 2;
  return discriminant.kind === "enum" && discriminant.members.every(({ value }) => cases.has(BigInt(value)));
}

function otherwiseType(union: Union, discriminant: Discriminant, names: Names): string {
  const cases = union.arms.flatMap((arm) => arm.cases);
  if (discriminant.kind === "bool") {
    const [only] = cases;
    return only === undefined ? "boolean" : String(only.value === 0n);
  }
  const whole = typeText(union.discriminant.type, names);
  const listed = cases.map((item) => caseType(item, discriminant, names)).join(" | ");
  return listed === "" ? whole : `Exclude<${whole}, ${listed}>`;
}

function scalarType(discriminant: Discriminant): string {
  return discriminant.kind === "integer" && isWide(discriminant.scalar) ? "bigint" : "number";
}

function isWide(scalar: string): boolean {
  return scalar === "hyper" || scalar === "uhyper";
}

function caseType(item: Case, discriminant: Discriminant, names: Names): string {
  const value = caseText(item, discriminant, names);
  return item.member !== undefined || item.constant !== undefined ? value.replace(/^(?=[A-Za-z_])/, "typeof ") : value;
}

/** A case's value, by its name where it has one. */
export function caseText({ value, member, constant }: Case, discriminant: Discriminant, names: Names): string {
  switch (discriminant.kind) {
    case "bool":
      return value === 0n ? "false" : "true";
    case "enum":
      return `${names.type(discriminant.type)}.${member}`;
    case "integer":
      if (isWide(discriminant.scalar)) return `${value}n`;
      return constant === undefined ? String(value) : names.constant(constant.name);
  }
}

/** A type as TypeScript. */
export function typeText(type: Type, names: Names): string {
  switch (type.kind) {
    case "void":
      return "void";
    case "scalar":
      if (type.scalar === "bool") return "boolean";
      if (type.scalar === "quadruple") return "xdr.Quadruple";
      return isWide(type.scalar) ? "bigint" : "number";
    case "string":
      return type.bytes ? "Uint8Array" : "string";
    case "opaque":
      return "Uint8Array";
    case "array": {
      const element = typeText(type.element, names);
      return element.includes(" ") ? `(${element})[]` : `${element}[]`;
    }
    case "optional":
      return `${typeText(type.of, names)} | null`;
    case "named":
      return names.type(type.type);
  }
}

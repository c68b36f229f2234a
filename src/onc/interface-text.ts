import type { EnumShape, FieldShape, Shape, StructShape, UnionShape } from "../model/index.js";
import { declaredBy, type OncProcedure, type OncService, proceduresOf } from "./program.js";

/** A contract that no `.x` file can say, such as two types of one name. */
class Unsayable extends Error {}

/** Words that cannot be names; `program` and `version` can, where a definition cannot begin. */
const reserved: ReadonlySet<string> = new Set(
  (
    "bool case char const default double quadruple enum float hyper int long opaque short string struct switch " +
    "typedef union unsigned void TRUE FALSE NULL u_char u_short u_int u_long u_hyper"
  ).split(" "),
);

const lengthMax = 0xffff_ffff;

/**
 * The `.x` file of versions of one program (RFC 4506, RFC 5531, section 12), made of their contracts: what a server tells
 * callers that do not have the file. Comments and constants are not in a contract, so they are not in it either.
 *
 * @returns undefined for contracts that no such file can say
 */
export function interfaceText(services: readonly OncService<unknown>[]): string | undefined {
  const [first] = services;
  if (first === undefined || services.some(({ program }) => program !== first.program)) return undefined;
  try {
    return new InterfacePrinter().print(first, services);
  } catch (error) {
    if (error instanceof Unsayable) return undefined;
    throw error;
  }
}

class InterfacePrinter {
  /** The definitions, by name, in the order in which they may stand. */
  readonly #definitions = new Map<string, string>();
  /** Types that are being defined: who refers to them meanwhile refers to himself. */
  readonly #open = new Set<string>();
  /** Members of enums stand in one scope. */
  readonly #members = new Map<string, string>();
  #anonymous = 0;

  print({ name, program }: OncService<unknown>, services: readonly OncService<unknown>[]): string {
    const versions = services.map((service) => this.#version(service));
    const programText = `program ${identifier(name)} {\n${versions.join("")}} = 0x${program.toString(16)};\n`;
    return [...this.#definitions.values(), programText].join("\n");
  }

  #version(service: OncService<unknown>): string {
    const lines = proceduresOf(service).map(([key, procedure]) => this.#procedure(key, procedure));
    const name = `${identifier(service.name)}_V${service.version}`;
    return `  version ${name} {\n${lines.join("")}  } = ${service.version};\n`;
  }

  #procedure(key: string, procedure: OncProcedure): string {
    const { number, name, args, result, oneWay } = procedure;
    const declared = declaredBy(procedure);
    const isDefault = declared === "at-most-once" || (number === 0 && declared === "at-least-once");
    const tag = oneWay === true ? "@oneway" : isDefault ? "" : `@${declared}`;
    const types = (args as readonly { readonly shape: Shape }[]).map(({ shape }) => this.#specifier(shape, key));
    const text = `${this.#specifier(result.shape, key)} ${identifier(name)}(${types.join(", ") || "void"}) = ${number};`;
    return `${tag === "" ? "" : `    /** ${tag} */\n`}    ${text}\n`;
  }

  /** A type that stands alone: what needs a declarator, as `int a[3]` does, gets a name. */
  #specifier(shape: Shape, context: string): string {
    switch (shape.kind) {
      case "void":
        return "void";
      case "boolean":
        return "bool";
      case "integer":
        return `${shape.signed ? "" : "unsigned "}${{ 8: "char", 16: "short", 32: "int", 64: "hyper" }[shape.bits]}`;
      case "float":
        return { 32: "float", 64: "double", 128: "quadruple" }[shape.bits];
      case "reference":
        return this.#specifier(shape.to(), context);
      case "enum":
        return this.#enum(shape, context);
      case "struct":
        return this.#named(shape, context, (name) => this.#struct(name, shape));
      case "union":
        return this.#named(shape, context, (name) => this.#union(name, shape));
      default: {
        const name = this.#name(undefined, context);
        const text = `${tagOf(shape)}typedef ${this.#declaration(shape, name, context)};\n`;
        // The same type is declared once.
        const known = [...this.#definitions].find(([other, body]) => body === text.replace(name, other));
        if (known !== undefined) return known[0];
        this.#definitions.set(name, text);
        return name;
      }
    }
  }

  /** `int a`, `opaque a<8>`, `pair *a`. */
  #declaration(shape: Shape, name: string, context: string): string {
    switch (shape.kind) {
      case "string":
        return `string ${name}<${bound(shape.max)}>`;
      case "opaque":
        return `opaque ${name}${shape.fixed ? `[${shape.length}]` : `<${bound(shape.length)}>`}`;
      case "array": {
        const element = this.#specifier(shape.element, `${context} item`);
        return `${element} ${name}${shape.fixed ? `[${shape.length}]` : `<${bound(shape.length)}>`}`;
      }
      case "optional":
        return `${this.#specifier(shape.of, `${context} value`)} *${name}`;
      default:
        return `${this.#specifier(shape, context)} ${name}`;
    }
  }

  #field({ name, shape }: FieldShape, owner: string): string {
    return tagOf(shape) + this.#declaration(shape, identifier(name), `${owner} ${name}`);
  }

  #struct(name: string, { fields }: StructShape): string {
    if (fields.length === 0) throw new Unsayable();
    return `struct ${name} {\n${fields.map((field) => `  ${this.#field(field, name)};\n`).join("")}};\n`;
  }

  #union(name: string, { discriminant, arms, otherwise }: UnionShape): string {
    const of = resolve(discriminant.shape);
    const arm = (field: FieldShape | null): string => (field === null ? "void" : this.#field(field, name));
    const lines = arms.map(({ cases, field }) => {
      const labels = cases.map((value) => `case ${caseText(of, value)}:\n`).join("");
      return `${labels}  ${arm(field)};\n`;
    });
    if (otherwise !== undefined) lines.push(`default:\n  ${arm(otherwise)};\n`);
    if (lines.length === 0) throw new Unsayable();
    return `union ${name} switch (${this.#field(discriminant, name)}) {\n${lines.join("")}};\n`;
  }

  #enum(shape: EnumShape, context: string): string {
    return this.#named(shape, context, (name) => {
      const members = Object.entries(shape.members).map(([member, number]) => {
        const owner = this.#members.get(member);
        if (owner !== undefined && owner !== name) throw new Unsayable();
        this.#members.set(member, name);
        return `  ${identifier(member)} = ${number}`;
      });
      if (members.length === 0) throw new Unsayable();
      return `enum ${name} {\n${members.join(",\n")}\n};\n`;
    });
  }

  /** Defines a type once, and gives its name. */
  #named(shape: { readonly name?: string | undefined }, context: string, define: (name: string) => string): string {
    const name = this.#name(shape.name, context);
    if (this.#open.has(name)) return name;
    const known = this.#definitions.get(name);
    this.#open.add(name);
    const text = define(name);
    this.#open.delete(name);
    if (known !== undefined && known !== text) throw new Unsayable();
    this.#definitions.set(name, text);
    return name;
  }

  #name(given: string | undefined, context: string): string {
    if (given !== undefined) return identifier(given);
    this.#anonymous++;
    const words = context.split(/[^A-Za-z0-9]+/).filter(Boolean);
    return `${words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("")}${this.#anonymous}`;
  }
}

/** A string whose bytes are not taken for text says so in a comment. */
function tagOf(shape: Shape): string {
  return shape.kind === "string" && shape.as === "bytes" ? "/** @bytes */ " : "";
}

function resolve(shape: Shape): Shape {
  return shape.kind === "reference" ? resolve(shape.to()) : shape;
}

function caseText(of: Shape, value: number | bigint): string {
  if (of.kind === "boolean") return Number(value) === 0 ? "FALSE" : "TRUE";
  if (of.kind !== "enum") return String(value);
  const member = Object.entries(of.members).find(([, number]) => number === Number(value))?.[0];
  if (member === undefined) throw new Unsayable();
  return identifier(member);
}

function bound(max: number): string {
  return max >= lengthMax ? "" : String(max);
}

/** A name as the language has it; what is a word of its own gets a `_`. */
function identifier(name: string): string {
  if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(name)) throw new Unsayable();
  return reserved.has(name) ? `${name}_` : name;
}

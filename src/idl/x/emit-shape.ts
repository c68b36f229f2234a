import { type Case, discriminantOf, type Field, type NamedType, type Type } from "./module.js";
import type { Names } from "./names.js";

/**
 * Shapes as object literals. They are evaluated when the module loads: a type whose codec stands further down, or is
 * the one being written, is named by a reference.
 */
export class ShapeEmitter {
  readonly #names: Names;
  readonly #done: ReadonlySet<NamedType>;

  constructor(names: Names, done: ReadonlySet<NamedType>) {
    this.#names = names;
    this.#done = done;
  }

  /** The lines of a type's own shape; the first continues what stands before it. */
  body(type: NamedType): string[] {
    const name = JSON.stringify(this.#names.type(type));
    const { body } = type;
    switch (body.kind) {
      case "alias":
        return [this.use(body.of)];
      case "enum":
        return [`{ kind: "enum", name: ${name}, members: ${this.#names.type(type)} }`];
      case "struct":
        return [
          `{`,
          `  kind: "struct",`,
          `  name: ${name},`,
          `  fields: [`,
          ...body.fields.map((field) => `    ${this.#field(field)},`),
          `  ],`,
          `}`,
        ];
      case "union": {
        const wide = isWide(body.discriminant.type);
        const arms = body.arms.map(({ cases, field }) => {
          return `    { cases: [${cases.map((item) => caseNumber(item, wide)).join(", ")}], field: ${this.#arm(field)} },`;
        });
        const otherwise = body.otherwise === undefined ? [] : [`  otherwise: ${this.#arm(body.otherwise.field)},`];
        return [
          `{`,
          `  kind: "union",`,
          `  name: ${name},`,
          `  discriminant: ${this.#field(body.discriminant)},`,
          `  arms: [`,
          ...arms,
          `  ],`,
          ...otherwise,
          `}`,
        ];
      }
    }
  }

  #arm(field: Field | null): string {
    return field === null ? "null" : this.#field(field);
  }

  #field(field: Field): string {
    return `{ name: ${JSON.stringify(this.#names.property(field))}, shape: ${this.use(field.type)} }`;
  }

  /** The shape of a type where it is used. */
  use(type: Type): string {
    switch (type.kind) {
      case "void":
        return '{ kind: "void" }';
      case "scalar":
        return `xdr.${type.scalar}.shape`;
      case "string":
        return `{ kind: "string", max: ${type.max}, as: ${type.bytes ? '"bytes"' : '"text"'} }`;
      case "opaque":
        return `{ kind: "opaque", length: ${type.length}, fixed: ${type.fixed} }`;
      case "array":
        return `{ kind: "array", element: ${this.use(type.element)}, length: ${type.length}, fixed: ${type.fixed} }`;
      case "optional":
        return `{ kind: "optional", of: ${this.use(type.of)} }`;
      case "named": {
        const codec = this.#names.codec(type.type);
        if (this.#done.has(type.type)) return `${codec}.shape`;
        return `{ kind: "reference", name: ${JSON.stringify(this.#names.type(type.type))}, to: () => ${codec}.shape }`;
      }
    }
  }
}

function isWide(type: Type): boolean {
  const discriminant = discriminantOf(type);
  return discriminant?.kind === "integer" && (discriminant.scalar === "hyper" || discriminant.scalar === "uhyper");
}

function caseNumber({ value }: Case, wide: boolean): string {
  return wide ? `${value}n` : String(value);
}

import type { Diagnostics } from "../diagnostic.js";
import type { Span } from "../source.js";
import { Constants } from "./constants.js";
import { hasTag } from "./docs.js";
import type { Body, Field, NamedType, Type } from "./module.js";
import { preludePath, transparent } from "./prelude.js";
import { describeEntry, type Entry, type Scope } from "./scope.js";
import { suggestion } from "./suggest.js";
import type { Arm, Declaration, EnumDefinition, Name, TypeDefinition, TypeSpecifier } from "./syntax.js";

const lengthMax = 0xffff_ffffn;
const builtIn = [
  "int",
  "hyper",
  "float",
  "double",
  "quadruple",
  "bool",
  "string",
  "opaque",
  "unsigned",
  "void",
  "char",
  "short",
  "long",
];

export interface CheckOptions {
  /** What a `string` is in TypeScript. */
  readonly strings: "utf8" | "bytes";
}

/** A union whose cases are not looked up yet: that takes the discriminant's type, which may be defined later. */
export interface UnionDraft {
  readonly type: NamedType;
  readonly discriminant: Field;
  readonly arms: readonly (Pick<Arm, "cases" | "docs" | "span"> & { readonly field: Field | null })[];
}

/** Where a type stands, for the names of inline bodies and for who it belongs to. */
export interface Place {
  readonly parent: string;
  readonly borrowed: boolean;
}

type ValueSpecifier = Extract<TypeSpecifier, { kind: "scalar" } | { kind: "inline" } | { kind: "named" }>;

/** Turns what is written where a type stands into types, each name looked up. */
export class TypeChecker {
  readonly scope: Scope;
  readonly diagnostics: Diagnostics;
  readonly constants: Constants;
  readonly unions: UnionDraft[] = [];
  readonly #options: CheckOptions;
  readonly #types = new Map<string, NamedType>();
  readonly #order: NamedType[] = [];
  readonly #borrowed: NamedType[] = [];
  readonly #borrowedQueue: { type: NamedType; entry: Extract<Entry, { kind: "type" }> }[] = [];
  readonly #unknown = new Set<string>();

  constructor(scope: Scope, options: CheckOptions, diagnostics: Diagnostics) {
    this.scope = scope;
    this.#options = options;
    this.diagnostics = diagnostics;
    this.constants = new Constants(scope, diagnostics);
  }

  /** Builds one of the file's own types. */
  build(entry: Extract<Entry, { kind: "type" }>): void {
    this.#build(this.#named(entry), entry);
  }

  /** Builds what was borrowed on the way, and gives all types: the borrowed ones first. */
  finish(): NamedType[] {
    for (let next = this.#borrowedQueue.shift(); next !== undefined; next = this.#borrowedQueue.shift()) {
      this.#build(next.type, next.entry);
    }
    return [...this.#borrowed, ...this.#order];
  }

  #named(entry: Extract<Entry, { kind: "type" }>): NamedType {
    const known = this.#types.get(entry.name);
    if (known !== undefined) return known;
    const { definition, name, span } = entry;
    const body: Body = { kind: "enum", members: [] };
    const facts = { sizeMin: 0, nests: false, list: false };
    const type: NamedType = { name, span, docs: definition.docs, body, facts };
    this.#types.set(name, type);
    return type;
  }

  #build(type: NamedType, { definition, borrowed }: Extract<Entry, { kind: "type" }>): void {
    const place: Place = { parent: type.name, borrowed };
    type.body =
      definition.kind === "typedef"
        ? { kind: "alias", of: this.type(definition.declaration, place, hasTag(definition.docs, "bytes")) }
        : this.#body(definition, type, place);
    (borrowed ? this.#borrowed : this.#order).push(type);
  }

  #body(definition: TypeDefinition, type: NamedType, place: Place): Body {
    switch (definition.kind) {
      case "enum":
        return this.#enum(definition);
      case "struct":
        return { kind: "struct", fields: this.fields(definition.fields, place) };
      case "union": {
        const discriminant = this.#field(definition.discriminant, place);
        const arms = definition.arms.map(({ declaration, ...arm }) => ({
          ...arm,
          field: declaration === undefined ? null : this.#field(declaration, place),
        }));
        this.unions.push({ type, discriminant, arms });
        return { kind: "union", discriminant, arms: [], otherwise: undefined };
      }
    }
  }

  #enum(definition: EnumDefinition): Body {
    const values = this.constants.members(definition);
    const seen = new Set<string>();
    const members = definition.members.flatMap(({ name, docs }) => {
      const value = values.get(name.text);
      if (value === undefined || seen.has(name.text)) return [];
      seen.add(name.text);
      return [{ name: name.text, value: Number(value), docs, span: name.span }];
    });
    return { kind: "enum", members };
  }

  /** Fields in order, each name once. */
  fields(declarations: readonly (Declaration & { readonly name: Name })[], place: Place): Field[] {
    const seen = new Map<string, Span>();
    return declarations.map((declaration) => {
      const { text, span } = declaration.name;
      const first = seen.get(text);
      if (first === undefined) seen.set(text, span);
      else
        this.diagnostics.error(`"${text}" is a field already`, span, {
          related: { message: "first here", span: first },
        });
      return this.#field(declaration, place);
    });
  }

  #field(declaration: Declaration & { readonly name: Name }, place: Place): Field {
    const { name, docs } = declaration;
    const type = this.type(declaration, { ...place, parent: `${place.parent}_${name.text}` }, hasTag(docs, "bytes"));
    return { name: name.text, type, docs, span: name.span };
  }

  /** The type that a declaration gives its name. */
  type(declaration: Declaration, place: Place, bytes: boolean): Type {
    const { type: specifier, form, size } = declaration;
    if (specifier.kind === "string") {
      return { kind: "string", max: this.#size(size), bytes: bytes || this.#options.strings === "bytes" };
    }
    if (specifier.kind === "opaque") return { kind: "opaque", length: this.#size(size), fixed: form === "fixed" };
    if (specifier.kind === "void") {
      if (form !== "plain") this.diagnostics.error("void has no values to repeat", specifier.span);
      return { kind: "void" };
    }
    const element = this.#specified(specifier as ValueSpecifier, place, form !== "plain");
    if (form === "plain") return element;
    if (form === "optional") return { kind: "optional", of: element };
    return { kind: "array", element, length: this.#size(size), fixed: form === "fixed" };
  }

  #size(size: Declaration["size"]): number {
    if (size === undefined) return Number(lengthMax);
    return Number(this.constants.inRange(size, 0n, lengthMax, "the size") ?? 0n);
  }

  #specified(specifier: ValueSpecifier, place: Place, item: boolean): Type {
    switch (specifier.kind) {
      case "scalar":
        return { kind: "scalar", scalar: specifier.scalar };
      case "inline":
        return this.#inline(specifier.definition, place, item);
      case "named":
        return this.#reference(specifier);
    }
  }

  /** An inline body is a type like any other; without a tag it is named after where it stands. */
  #inline(definition: TypeDefinition, place: Place, item: boolean): Type {
    const wanted =
      definition.name?.text ?? (item && !place.parent.includes("_") ? `${place.parent}_item` : place.parent);
    let name = wanted;
    if (definition.name === undefined) for (let i = 2; !this.scope.isFree(name); i++) name = `${wanted}_${i}`;
    this.scope.declareInline(definition, name, place.borrowed);
    const entry = this.scope.find(name);
    if (entry?.kind !== "type" || entry.definition !== definition) return { kind: "scalar", scalar: "int" };
    const type = this.#named(entry);
    this.#build(type, entry);
    return { kind: "named", type };
  }

  #reference({ name, span, tag }: Extract<TypeSpecifier, { kind: "named" }>): Type {
    const entry = this.scope.find(name);
    if (entry === undefined) {
      if (!this.#unknown.has(name)) {
        this.#unknown.add(name);
        const otherwise = "if another .x file defines it, #include that file";
        const more = suggestion(name, [...this.scope.names(["type"]), ...builtIn], otherwise);
        this.diagnostics.error(`unknown type "${name}"`, span, more);
      }
      return { kind: "scalar", scalar: "int" };
    }
    if (entry.kind !== "type") {
      this.diagnostics.error(`"${name}" is ${describeEntry(entry)}, a type is needed`, span, {
        related: { message: "defined here", span: entry.span },
      });
      return { kind: "scalar", scalar: "int" };
    }
    const { definition } = entry;
    if (tag !== undefined && definition.kind !== "typedef" && definition.kind !== tag) {
      this.diagnostics.error(`"${name}" is ${describeEntry(entry)}, not ${tag === "enum" ? "an" : "a"} ${tag}`, span, {
        related: { message: "defined here", span: entry.span },
      });
    }
    if (
      entry.borrowed &&
      entry.span.source.path === preludePath &&
      transparent.has(name) &&
      definition.kind === "typedef"
    ) {
      return this.type(definition.declaration, { parent: name, borrowed: true }, false);
    }
    const known = this.#types.get(name);
    if (known !== undefined) return { kind: "named", type: known };
    const type = this.#named(entry);
    // The file's own types are built in their order; a borrowed one, when somebody needs it.
    if (entry.borrowed) this.#borrowedQueue.push({ type, entry });
    return { kind: "named", type };
  }
}

import { literalKey, type Printer } from "../print.js";
import { codecText } from "./emit-combinator.js";
import { ShapeEmitter } from "./emit-shape.js";
import { caseText, covered, typeText } from "./emit-type.js";
import { sizeMin } from "./graph.js";
import { discriminantOf, type Field, type NamedType, resolved, type Type, type Union } from "./module.js";
import { defaultHasKind, type Names } from "./names.js";

const unbounded = 0xffff_ffff;

/** Codecs as straight-line code: both directions of a type side by side, one statement per field, in wire order. */
export class CodecEmitter {
  readonly #out: Printer;
  readonly #names: Names;
  readonly #done = new Set<NamedType>();
  readonly #shapes: ShapeEmitter;

  constructor(out: Printer, names: Names) {
    this.#out = out;
    this.#names = names;
    this.#shapes = new ShapeEmitter(names, this.#done);
  }

  emit(type: NamedType): void {
    const { body } = type;
    const codec = this.#names.codec(type);
    const annotation = `: XdrCodec<${this.#names.type(type)}>`;
    if (this.#out.form === "dts") {
      this.#out.line(`export declare const ${codec}${annotation};`);
      return;
    }
    const declared = `export const ${codec}${this.#out.typed(annotation)}`;
    if (body.kind === "enum") {
      const name = this.#names.type(type);
      this.#out.line(`${declared} = xdr.enumeration(${JSON.stringify(name)}, ${name});`);
    } else if (body.kind === "alias" && body.of.kind === "named" && this.#done.has(body.of.type)) {
      this.#out.line(`${declared} = ${this.#names.codec(body.of.type)};`);
    } else if (body.kind === "alias" && isLeaf(body.of)) {
      this.#out.line(`${declared} = ${codecText(body.of, this.#names)};`);
    } else {
      if (type.facts.list) this.#emitNodeReader(type);
      this.#out.block(`${declared} = {`, "};", () => {
        this.#out.block("encode(w, v) {", "},", () => this.#nested(type, "w", () => this.#encodeBody(type)));
        this.#out.block("decode(r) {", "},", () => this.#decodeBody(type));
        const [first, ...rest] = this.#shapes.body(type);
        this.#out.line(`shape: ${first}${rest.length === 0 ? "," : ""}`);
        for (const [i, line] of rest.entries()) this.#out.line(i === rest.length - 1 ? `${line},` : line);
      });
    }
    this.#done.add(type);
  }

  #nested(type: NamedType, stream: "r" | "w", body: () => void): void {
    if (type.facts.nests) this.#out.line(`${stream}.enter();`);
    body();
    if (type.facts.nests) this.#out.line(`${stream}.leave();`);
  }

  #encodeBody(type: NamedType): void {
    const { body } = type;
    switch (body.kind) {
      case "alias":
        this.#encode(body.of, "v");
        break;
      case "enum":
        break;
      case "struct":
        if (type.facts.list) this.#encodeList(type, body.fields);
        else for (const field of body.fields) this.#encode(field.type, `v.${this.#names.property(field)}`);
        break;
      case "union":
        this.#encodeUnion(type, body);
    }
  }

  /** The next node is the last field, so the list is a loop: no depth, however long it is. */
  #encodeList(type: NamedType, fields: readonly Field[]): void {
    const next = fields.at(-1);
    if (next === undefined) return;
    const property = this.#names.property(next);
    this.#out.line(`let node${this.#out.typed(`: ${this.#names.type(type)} | null`)} = v;`);
    this.#out.block("do {", "} while (node !== null);", () => {
      for (const field of fields.slice(0, -1)) this.#encode(field.type, `node.${this.#names.property(field)}`);
      this.#out.line(`node = node.${property};`);
      this.#out.line("w.bool(node !== null);");
    });
  }

  #encodeUnion(type: NamedType, union: Union): void {
    const discriminant = discriminantOf(union.discriminant.type);
    if (discriminant === undefined) return;
    const property = this.#names.property(union.discriminant);
    const kind = `v.${property}`;
    const out = this.#out;
    if (discriminant.kind !== "integer") this.#encode(union.discriminant.type, kind);
    out.block(`switch (${kind}) {`, "}", () => {
      for (const { cases, field } of union.arms) {
        for (const item of cases) out.line(`case ${caseText(item, discriminant, this.#names)}:`);
        this.#arm(field, discriminant.kind === "integer" ? union.discriminant : undefined, kind);
      }
      const { otherwise } = union;
      const name = this.#names.type(type);
      if (otherwise !== undefined && defaultHasKind(union)) {
        out.line('case "default":');
        out.indented(() => {
          // A number that has an arm of its own would be read back as that arm.
          out.block("switch (v.$kind) {", "}", () => {
            for (const arm of union.arms) {
              for (const item of arm.cases) out.line(`case ${caseText(item, discriminant, this.#names)}:`);
            }
            out.indented(() => out.line(`w.fail("this $kind has an arm of its own in union ${name}");`));
          });
        });
        this.#arm(otherwise.field, union.discriminant, "v.$kind");
      } else if (otherwise !== undefined && !covered(union, discriminant)) {
        out.line("default:");
        this.#arm(otherwise.field, undefined, kind);
        return;
      }
      // The discriminant's own codec has refused every other value.
      if (covered(union, discriminant)) return;
      out.line("default:");
      out.indented(() => out.line(`w.fail("this ${property} is no case of union ${name}");`));
    });
  }

  #arm(field: Field | null, discriminant: Field | undefined, kind: string): void {
    this.#out.indented(() => {
      if (discriminant !== undefined) this.#encode(discriminant.type, kind);
      if (field !== null) this.#encode(field.type, `v.${this.#names.property(field)}`);
      this.#out.line("break;");
    });
  }

  /** The statements that write a value. */
  #encode(type: Type, value: string): void {
    const out = this.#out;
    const target = inlined(type);
    switch (target.kind) {
      case "void":
        break;
      case "scalar":
        out.line(`w.${target.scalar}(${value});`);
        break;
      case "string":
        out.line(`w.${target.bytes ? "opaque" : "string"}(${value}${bound(target.max)});`);
        break;
      case "opaque":
        out.line(
          target.fixed ? `w.opaqueFixed(${value}, ${target.length});` : `w.opaque(${value}${bound(target.length)});`,
        );
        break;
      case "array":
        // The characters of a string would pass for strings.
        if (inlined(target.element).kind === "string")
          out.line(`if (typeof ${value} === "string") w.fail("expected an array, got a string");`);
        out.line(
          target.fixed
            ? `w.countFixed(${value}.length, ${target.length});`
            : `w.count(${value}.length${bound(target.length)});`,
        );
        out.block(`for (const item of ${value}) {`, "}", () => this.#encode(target.element, "item"));
        break;
      case "optional":
        out.line(`w.bool(${value} !== null);`);
        out.block(`if (${value} !== null) {`, "}", () => this.#encode(target.of, value));
        break;
      case "named":
        out.line(`${this.#names.codec(target.type)}.encode(w, ${value});`);
    }
  }

  #decodeBody(type: NamedType): void {
    const { body } = type;
    const out = this.#out;
    if (type.facts.list) {
      this.#decodeList(type);
      return;
    }
    if (type.facts.nests) out.line("r.enter();");
    switch (body.kind) {
      case "alias": {
        const value = this.#decoded(body.of, "items");
        this.#return(type, value);
        break;
      }
      case "enum":
        break;
      case "struct":
        this.#return(type, this.#decodedFields(body.fields));
        break;
      case "union":
        this.#decodeUnion(type, body);
    }
  }

  #return(type: NamedType, value: string): void {
    if (!type.facts.nests) {
      this.#out.line(`return ${value};`);
      return;
    }
    this.#out.line(`const result${this.#out.typed(`: ${this.#names.type(type)}`)} = ${value};`);
    this.#out.line("r.leave();");
    this.#out.line("return result;");
  }

  /** One node of a list, without the ones after it. */
  #emitNodeReader(type: NamedType): void {
    const { body } = type;
    if (body.kind !== "struct") return;
    const last = body.fields.at(-1);
    if (last === undefined) return;
    const name = this.#names.type(type);
    const signature = `(r${this.#out.typed(": XdrReader")})${this.#out.typed(`: ${name}`)}`;
    this.#out.block(`function ${this.#nodeReader(type)}${signature} {`, "}", () => {
      const next = `${literalKey(this.#names.property(last))}: null`;
      this.#out.line(`return ${this.#decodedFields(body.fields.slice(0, -1), [next])};`);
    });
  }

  #nodeReader(type: NamedType): string {
    return this.#names.node(type);
  }

  #decodeList(type: NamedType): void {
    if (type.body.kind !== "struct") return;
    const last = type.body.fields.at(-1);
    if (last === undefined) return;
    const property = this.#names.property(last);
    const out = this.#out;
    if (type.facts.nests) out.line("r.enter();");
    out.line(`const first = ${this.#nodeReader(type)}(r);`);
    out.line("let last = first;");
    out.block("while (r.bool()) {", "}", () => {
      out.line(`const node = ${this.#nodeReader(type)}(r);`);
      out.line(`last.${property} = node;`);
      out.line("last = node;");
    });
    if (type.facts.nests) out.line("r.leave();");
    out.line("return first;");
  }

  /**
   * An object with its fields in wire order: a literal where each field is one expression, because its properties are
   * evaluated in order; otherwise variables first.
   */
  #decodedFields(fields: readonly Field[], more: readonly string[] = []): string {
    const simple = fields.every((field) => inlined(field.type).kind !== "array");
    const properties = fields.map((field) => {
      const property = this.#names.property(field);
      if (simple) return `${literalKey(property)}: ${this.#decoded(field.type, property)}`;
      const local = this.#names.local(property);
      const value = this.#decoded(field.type, local);
      if (value !== local) this.#out.line(`const ${local} = ${value};`);
      return local === property && property !== "__proto__" ? local : `${literalKey(property)}: ${local}`;
    });
    return this.#object([...properties, ...more]);
  }

  #object(properties: readonly string[]): string {
    const line = `{ ${properties.join(", ")} }`;
    return line.length <= 90 ? line : `{\n${properties.map((property) => `      ${property},\n`).join("")}    }`;
  }

  #decodeUnion(type: NamedType, union: Union): void {
    const discriminant = discriminantOf(union.discriminant.type);
    if (discriminant === undefined) return;
    const out = this.#out;
    const property = this.#names.property(union.discriminant);
    const kind = this.#names.local(property);
    out.line(`const ${kind} = ${this.#decoded(union.discriminant.type, kind)};`);
    out.block(`switch (${kind}) {`, "}", () => {
      for (const { cases, field } of union.arms) {
        const labels = cases.map((item) => `case ${caseText(item, discriminant, this.#names)}:`);
        this.#decodeArm(type, labels, [shorthand(property, kind)], field);
      }
      const { otherwise } = union;
      if (covered(union, discriminant)) return;
      if (otherwise === undefined) {
        out.line("default:");
        out.indented(() =>
          out.line(`return r.fail("this ${property} is no case of union ${this.#names.type(type)}");`),
        );
      } else {
        const kinds = defaultHasKind(union)
          ? [`${literalKey(property)}: "default"`, `$kind: ${kind}`]
          : [shorthand(property, kind)];
        this.#decodeArm(type, ["default:"], kinds, otherwise.field);
      }
    });
  }

  #decodeArm(type: NamedType, labels: readonly string[], kinds: readonly string[], field: Field | null): void {
    const out = this.#out;
    for (const label of labels.slice(0, -1)) out.line(label);
    const block = type.facts.nests || (field !== null && inlined(field.type).kind === "array");
    out.line(`${labels.at(-1)}${block ? " {" : ""}`);
    out.indented(() => {
      if (field === null) {
        this.#return(type, this.#object(kinds));
        return;
      }
      const property = this.#names.property(field);
      const local = this.#names.local(property);
      const value = this.#decoded(field.type, local);
      this.#return(
        type,
        this.#object([...kinds, value === local ? shorthand(property, local) : `${literalKey(property)}: ${value}`]),
      );
    });
    if (block) out.line("}");
  }

  /** An expression that reads a value; an array is read into the variable first. */
  #decoded(type: Type, variable: string): string {
    const target = inlined(type);
    switch (target.kind) {
      case "void":
        return "undefined";
      case "scalar":
        return `r.${target.scalar}()`;
      case "string":
        return `r.${target.bytes ? "opaque" : "string"}(${target.max === unbounded ? "" : target.max})`;
      case "opaque":
        if (target.fixed) return `r.opaqueFixed(${target.length})`;
        return `r.opaque(${target.length === unbounded ? "" : target.length})`;
      case "optional":
        return `r.bool() ? ${this.#decoded(target.of, variable)} : null`;
      case "named":
        return `${this.#names.codec(target.type)}.decode(r)`;
      case "array": {
        const size = sizeMin(target.element);
        const element = typeText(target.element, this.#names);
        const annotation = this.#out.typed(`: ${element.includes(" ") ? `(${element})` : element}[]`);
        this.#out.line(`const ${variable}${annotation} = [];`);
        if (target.fixed) this.#out.line(`r.countFixed(${target.length}, ${size});`);
        const count = target.fixed ? String(target.length) : `r.count(${target.length}, ${size})`;
        const value = this.#decoded(target.element, variable);
        this.#out.line(`for (let n = ${count}; n > 0; n--) ${variable}.push(${value});`);
        return variable;
      }
    }
  }
}

function shorthand(property: string, local: string): string {
  return property === local && property !== "__proto__" ? property : `${literalKey(property)}: ${local}`;
}

/** What an alias stands for, where writing it in place is one statement: one call less, and the code says more. */
function inlined(type: Type): Type {
  if (type.kind !== "named" || type.type.body.kind !== "alias") return type;
  const target = resolved(type);
  return target.kind === "array" || target.kind === "optional" ? type : target;
}

/** Whether a type holds no other: its combinator is one call, and a field of it is written in place anyway. */
function isLeaf({ kind }: Type): boolean {
  return kind === "scalar" || kind === "string" || kind === "opaque";
}

function bound(max: number): string {
  return max === unbounded ? "" : `, ${max}`;
}

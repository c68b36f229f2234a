import { spanTo } from "../source.js";
import { type Cursor, keywords, SyntaxProblem } from "./cursor.js";
import { describeToken, type Expression } from "./expression.js";
import type {
  Arm,
  Declaration,
  EnumDefinition,
  EnumMember,
  Name,
  Scalar,
  StructDefinition,
  TypeDefinition,
  TypeSpecifier,
  UnionDefinition,
} from "./syntax.js";

type Member = Declaration & { readonly name: Name };

/** Inline bodies within inline bodies: real files have three. The parser recurses. */
const bodyDepthMax = 100;

const scalars: ReadonlyMap<string, Scalar> = new Map([
  ["int", "int"],
  ["hyper", "hyper"],
  ["float", "float"],
  ["double", "double"],
  ["quadruple", "quadruple"],
  ["bool", "bool"],
  ["char", "char"],
  ["short", "short"],
  // rpcgen's long is 32 bits on the wire, whatever C's is.
  ["long", "int"],
]);
const unsigned: Readonly<Partial<Record<Scalar, Scalar>>> = {
  int: "uint",
  hyper: "uhyper",
  char: "uchar",
  short: "ushort",
};

/** Types, declarators, and the bodies of enums, structs and unions. */
export class DeclarationParser {
  readonly #cursor: Cursor;
  #depth = 0;

  constructor(cursor: Cursor) {
    this.#cursor = cursor;
  }

  /** `enum`, `struct` or `union` with its body. */
  typeDefinition(docs: readonly string[], named: boolean): TypeDefinition {
    const cursor: Cursor = this.#cursor;
    const keyword = cursor.next();
    if (++this.#depth > bodyDepthMax) {
      cursor.diagnostics.stop(`types nest deeper than ${bodyDepthMax} levels`, keyword.span);
    }
    const hasName = named || (cursor.peek().kind === "word" && !cursor.is("switch"));
    const name = hasName ? cursor.name(`the ${keyword.text}'s name`) : undefined;
    const span = name?.span ?? keyword.span;
    const definition =
      keyword.text === "enum"
        ? this.#enum(name, span, docs)
        : keyword.text === "struct"
          ? this.#struct(name, span, docs)
          : this.#union(name, span, docs);
    this.#depth--;
    return definition;
  }

  /** A struct's field or a union's arm; undefined for `void`. */
  member(what: string): Member | undefined {
    const cursor: Cursor = this.#cursor;
    const start = cursor.peek().span;
    const docs = cursor.leadingDocs();
    const type = this.#type();
    if (type.kind === "void" && !cursor.is("*")) return undefined;
    const optional = this.#pointer(type);
    const name = cursor.name(what);
    const { form, size } = this.#brackets(type, optional, true);
    if (cursor.is(",")) cursor.fail('one declaration declares one name: write ";" and the type again');
    return { type, form, size, name, span: spanTo(start, cursor.previousSpan()), docs };
  }

  /** A procedure's argument: its name may be missing, and `string` may stand without brackets. */
  argument(): Declaration {
    const cursor: Cursor = this.#cursor;
    const start = cursor.peek().span;
    const docs = cursor.leadingDocs();
    const type = this.#type();
    const optional = this.#pointer(type);
    const name = cursor.peek().kind === "word" ? cursor.name("the argument's name") : undefined;
    const { form, size } = this.#brackets(type, optional, false);
    return { type, form, size, name, span: spanTo(start, cursor.previousSpan()), docs };
  }

  /** A procedure's result: its brackets stand before the procedure's name. */
  result(): Declaration {
    const cursor: Cursor = this.#cursor;
    const start = cursor.peek().span;
    const type = this.#type();
    const optional = this.#pointer(type);
    const { form, size } = this.#brackets(type, optional, false);
    return { type, form, size, name: undefined, span: spanTo(start, cursor.previousSpan()), docs: [] };
  }

  #pointer(type: TypeSpecifier): boolean {
    const cursor: Cursor = this.#cursor;
    if (!cursor.is("*")) return false;
    const star = cursor.next();
    if (type.kind === "string" || type.kind === "opaque" || type.kind === "void") {
      cursor.fail(
        `a pointer to ${type.kind} is not part of the language`,
        star.span,
        "name the type with typedef first",
      );
    }
    if (cursor.is("*"))
      cursor.fail("a pointer to a pointer is not part of the language", undefined, "name the type with typedef first");
    return true;
  }

  #brackets(type: TypeSpecifier, optional: boolean, named: boolean): Pick<Declaration, "form" | "size"> {
    const cursor: Cursor = this.#cursor;
    const open = cursor.peek();
    if (optional && (cursor.is("[") || cursor.is("<"))) {
      cursor.fail("an array of pointers is not part of the language", open.span, "name the pointer with typedef first");
    }
    if (cursor.is("[")) {
      if (type.kind === "string") {
        cursor.fail("a string has no fixed length", open.span, "write string name<max>");
      }
      cursor.next();
      const size = cursor.expression();
      cursor.expect("]", "after the size");
      this.#oneDimension();
      return { form: "fixed", size };
    }
    if (cursor.take("<")) {
      const size: Expression | undefined = cursor.is(">") ? undefined : cursor.expression();
      cursor.expect(">", "after the bound");
      this.#oneDimension();
      return { form: "variable", size };
    }
    if (type.kind === "string" && named) {
      cursor.fail("a string needs its bound", type.span, "write string name<max>, or string name<> for any length");
    }
    if (type.kind === "opaque") {
      cursor.fail("opaque needs its size", type.span, "write opaque name[size] or opaque name<max>");
    }
    return { form: type.kind === "string" ? "variable" : optional ? "optional" : "plain", size: undefined };
  }

  #oneDimension(): void {
    const cursor: Cursor = this.#cursor;
    if (cursor.is("[") || cursor.is("<")) {
      cursor.fail(
        "an array of arrays is not part of the language",
        undefined,
        "name the inner array with typedef first",
      );
    }
  }

  #type(): TypeSpecifier {
    const cursor: Cursor = this.#cursor;
    const token = cursor.peek();
    const { span } = token;
    if (token.kind !== "word") cursor.fail(`expected a type, got ${describeToken(token)}`);
    if (cursor.is("unsigned")) {
      cursor.next();
      const scalar = scalars.get(cursor.peek().text);
      if (scalar === undefined || unsigned[scalar] === undefined) return { kind: "scalar", scalar: "uint", span };
      return { kind: "scalar", scalar: unsigned[this.#scalar(scalar)] ?? "uint", span };
    }
    const scalar = scalars.get(token.text);
    if (scalar !== undefined) return { kind: "scalar", scalar: this.#scalar(scalar), span };
    if (cursor.is("string") || cursor.is("opaque") || cursor.is("void")) {
      const kind = cursor.next().text as "string" | "opaque" | "void";
      return { kind, span };
    }
    if (cursor.is("struct") || cursor.is("union") || cursor.is("enum")) return this.#tagged();
    if (keywords.has(token.text)) cursor.fail(`expected a type, got the keyword "${token.text}"`);
    cursor.next();
    return { kind: "named", name: token.text, span, tag: undefined };
  }

  /** The rest of `long int`, `long long`, `hyper int` and the like. */
  #scalar(scalar: Scalar): Scalar {
    const cursor: Cursor = this.#cursor;
    const word = cursor.next().text;
    if (word === "long" && cursor.take("long")) {
      cursor.take("int");
      return "hyper";
    }
    if (word === "long" || word === "short" || word === "hyper") cursor.take("int");
    return scalar;
  }

  #tagged(): TypeSpecifier {
    const cursor: Cursor = this.#cursor;
    const { span, text: tag } = cursor.peek();
    const body = cursor.is("{", 1) || cursor.is("switch", 1) || cursor.is("{", 2) || cursor.is("switch", 2);
    if (body) return { kind: "inline", definition: this.typeDefinition([], false), span };
    cursor.next();
    const name = cursor.name(`the ${tag}'s name`);
    return { kind: "named", name: name.text, span: name.span, tag };
  }

  #enum(name: Name | undefined, span: Name["span"], docs: readonly string[]): EnumDefinition {
    const cursor: Cursor = this.#cursor;
    cursor.expect("{", "to begin the enum's members");
    const allDocs = [...docs, ...cursor.trailingDocs()];
    const members: EnumMember[] = [];
    while (!cursor.is("}")) {
      const memberDocs = cursor.leadingDocs();
      const member = cursor.name("a member's name");
      const value = cursor.take("=") ? cursor.expression() : undefined;
      const more = cursor.take(",");
      members.push({ name: member, value, docs: [...memberDocs, ...cursor.trailingDocs()] });
      if (!more) break;
    }
    cursor.expect("}", "after the enum's members");
    if (members.length === 0) cursor.diagnostics.error("an enum needs at least one member", span);
    return { kind: "enum", name, span, members, docs: allDocs };
  }

  #struct(name: Name | undefined, span: Name["span"], docs: readonly string[]): StructDefinition {
    const cursor: Cursor = this.#cursor;
    cursor.expect("{", "to begin the struct's fields");
    const allDocs = [...docs, ...cursor.trailingDocs()];
    const fields: Member[] = [];
    let failed = false;
    while (!cursor.is("}") && cursor.peek().kind !== "end") {
      try {
        const start = cursor.peek();
        const field = this.member("the field's name");
        if (field === undefined) {
          cursor.fail("a struct has no void fields: void stands in unions and procedures only", start.span);
        }
        this.#endOfMember("the field");
        fields.push({ ...field, docs: [...field.docs, ...cursor.trailingDocs()] });
      } catch (error) {
        if (!(error instanceof SyntaxProblem)) throw error;
        failed = true;
        cursor.skipMember();
      }
    }
    cursor.expect("}", "after the struct's fields");
    if (fields.length === 0 && !failed) cursor.diagnostics.error("a struct needs at least one field", span);
    return { kind: "struct", name, span, fields, docs: allDocs };
  }

  #union(name: Name | undefined, span: Name["span"], docs: readonly string[]): UnionDefinition {
    const cursor: Cursor = this.#cursor;
    cursor.expect("switch", "after the union's name");
    cursor.expect("(", 'after "switch"');
    const start = cursor.peek();
    const discriminant = this.member("the discriminant's name");
    if (discriminant === undefined) cursor.fail("a union's discriminant cannot be void", start.span);
    cursor.expect(")", "after the discriminant");
    cursor.expect("{", "to begin the union's cases");
    const allDocs = [...docs, ...cursor.trailingDocs()];
    const arms: Arm[] = [];
    let failed = false;
    while (!cursor.is("}") && cursor.peek().kind !== "end") {
      try {
        arms.push(this.#arm());
      } catch (error) {
        if (!(error instanceof SyntaxProblem)) throw error;
        failed = true;
        cursor.skipMember();
      }
    }
    cursor.expect("}", "after the union's cases");
    if (!failed && arms.every(({ cases }) => cases.length === 0)) {
      cursor.diagnostics.error("a union needs at least one case", span);
    }
    return { kind: "union", name, span, discriminant, arms, docs: allDocs };
  }

  #arm(): Arm {
    const cursor: Cursor = this.#cursor;
    const docs = cursor.leadingDocs();
    const { span } = cursor.peek();
    const cases: Expression[] = [];
    if (cursor.take("default")) {
      cursor.expect(":", 'after "default"');
    } else {
      if (!cursor.is("case")) cursor.fail(`expected "case" or "default", got ${describeToken(cursor.peek())}`);
      while (cursor.take("case")) {
        cases.push(cursor.expression());
        cursor.expect(":", "after the case's value");
      }
    }
    docs.push(...cursor.trailingDocs());
    const declaration = this.member("the arm's name");
    this.#endOfMember("the arm");
    return { cases, span, declaration, docs: [...docs, ...(declaration?.docs ?? []), ...cursor.trailingDocs()] };
  }

  #endOfMember(what: string): void {
    const cursor: Cursor = this.#cursor;
    if (cursor.take(";")) return;
    cursor.fail(`expected ";" after ${what}, got ${describeToken(cursor.peek())}`, cursor.previousSpan());
  }
}

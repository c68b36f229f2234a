import type { Diagnostics } from "../diagnostic.js";
import { type Span, spanTo } from "../source.js";
import { Cursor, SyntaxProblem } from "./cursor.js";
import { describeToken } from "./expression.js";
import type { Token } from "./lex.js";
import { DeclarationParser } from "./parse-declaration.js";
import type {
  ConstDefinition,
  Declaration,
  Definition,
  ProcedureDefinition,
  ProgramDefinition,
  SyntaxTree,
  TypedefDefinition,
  VersionDefinition,
} from "./syntax.js";

const starters: ReadonlySet<string> = new Set(["const", "typedef", "enum", "struct", "union", "program", "namespace"]);
/** Lines of other tools' dialects, which say nothing about the wire. */
const ignoredLines: ReadonlySet<string> = new Set(["package", "import", "pragma", "option"]);
const namespaceDepthMax = 64;

/** The grammar of RFC 4506 section 6.3 and RFC 5531 section 12.2, with the dialect of real files. */
export function parse(tokens: readonly Token[], diagnostics: Diagnostics): SyntaxTree {
  return new Parser(tokens, diagnostics).parse();
}

class Parser {
  readonly #cursor: Cursor;
  readonly #declarations: DeclarationParser;
  readonly #definitions: Definition[] = [];
  readonly #texts = new Map<Definition, string>();
  #namespaces: Span[] = [];

  constructor(tokens: readonly Token[], diagnostics: Diagnostics) {
    this.#cursor = new Cursor(tokens, diagnostics);
    this.#declarations = new DeclarationParser(this.#cursor);
  }

  parse(): SyntaxTree {
    const cursor: Cursor = this.#cursor;
    while (cursor.peek().kind !== "end") {
      const from = cursor.position;
      const count = this.#definitions.length;
      try {
        this.#definition();
        const added = this.#definitions[count];
        if (added !== undefined) this.#texts.set(added, cursor.textFrom(from));
      } catch (error) {
        if (!(error instanceof SyntaxProblem)) throw error;
        cursor.skipDefinition(starters, from);
      }
    }
    for (const span of this.#namespaces) cursor.diagnostics.error('namespace without its closing "}"', span);
    return { definitions: this.#definitions, texts: this.#texts };
  }

  #definition(): void {
    const cursor: Cursor = this.#cursor;
    const token = cursor.peek();
    if (cursor.take(";")) return;
    if (cursor.is("}") && this.#namespaces.length > 0) {
      cursor.next();
      this.#namespaces.pop();
      return;
    }
    switch (token.kind === "word" ? token.text : "") {
      case "const":
        this.#definitions.push(this.#const());
        return;
      case "typedef":
        this.#definitions.push(this.#typedef());
        return;
      case "enum":
      case "struct":
      case "union":
        this.#definitions.push(this.#type());
        return;
      case "program":
        this.#definitions.push(this.#program());
        return;
      case "namespace":
        this.#namespace();
        return;
      default:
        if (token.kind === "word" && ignoredLines.has(token.text)) this.#ignoreLine();
        else this.#notADefinition(token);
    }
  }

  #notADefinition(token: Token): never {
    const { span } = token;
    const expected = "expected a definition (const, typedef, enum, struct, union or program)";
    const inHeader = span.source.path.endsWith(".h");
    const hint = inHeader ? "this is C: include the header with %#include, which passes it through" : undefined;
    this.#cursor.fail(`${expected}, got ${describeToken(token)}`, span, hint);
  }

  #ignoreLine(): void {
    const cursor: Cursor = this.#cursor;
    const word = cursor.next();
    cursor.diagnostics.warning(`"${word.text}" is ignored`, word.span);
    while (!cursor.peek().startsLine && cursor.peek().kind !== "end") {
      if (cursor.next().text === ";") return;
    }
  }

  #namespace(): void {
    const cursor: Cursor = this.#cursor;
    const { span } = cursor.next();
    cursor.name("the namespace's name");
    while (cursor.take(":") || cursor.take(".")) {
      if (!cursor.is(":")) cursor.name("the namespace's name");
    }
    if (cursor.take(";")) return;
    cursor.expect("{", "after the namespace's name");
    this.#namespaces.push(span);
    if (this.#namespaces.length > namespaceDepthMax) {
      cursor.diagnostics.stop(`namespaces nest deeper than ${namespaceDepthMax} levels`, span);
    }
  }

  #const(): ConstDefinition {
    const cursor: Cursor = this.#cursor;
    const docs = cursor.leadingDocs();
    cursor.next();
    const name = cursor.name("the constant's name");
    cursor.expect("=", "after the constant's name");
    const value = cursor.peek().kind === "string" ? cursor.next().text : cursor.expression();
    this.#end("the constant");
    return { kind: "const", name, value, docs: [...docs, ...cursor.trailingDocs()] };
  }

  #typedef(): TypedefDefinition {
    const cursor: Cursor = this.#cursor;
    const docs = cursor.leadingDocs();
    cursor.next();
    const declaration = this.#declarations.member("the type's name");
    if (declaration === undefined) cursor.fail("void is not a type that can be named");
    this.#end("the typedef");
    return { kind: "typedef", declaration, docs: [...docs, ...cursor.trailingDocs()] };
  }

  #type(): Definition {
    const cursor: Cursor = this.#cursor;
    const definition = this.#declarations.typeDefinition(cursor.leadingDocs(), true);
    this.#end(`the ${definition.kind}`);
    return { ...definition, docs: [...definition.docs, ...cursor.trailingDocs()] };
  }

  #end(what: string): void {
    const cursor: Cursor = this.#cursor;
    if (cursor.take(";")) return;
    const previous = cursor.previousSpan();
    cursor.fail(`expected ";" after ${what}, got ${describeToken(cursor.peek())}`, previous);
  }

  #program(): ProgramDefinition {
    const cursor: Cursor = this.#cursor;
    const docs = cursor.leadingDocs();
    cursor.next();
    const name = cursor.name("the program's name");
    cursor.expect("{", "after the program's name");
    docs.push(...cursor.trailingDocs());
    const versions: VersionDefinition[] = [];
    while (!cursor.is("}")) {
      if (!cursor.is("version")) cursor.fail(`expected a version, got ${describeToken(cursor.peek())}`);
      versions.push(this.#version());
    }
    if (versions.length === 0) cursor.diagnostics.error("a program needs at least one version", name.span);
    cursor.next();
    cursor.expect("=", "and the program's number");
    const number = cursor.expression();
    this.#end("the program's number");
    return { kind: "program", name, versions, number, docs: [...docs, ...cursor.trailingDocs()] };
  }

  #version(): VersionDefinition {
    const cursor: Cursor = this.#cursor;
    const docs = cursor.leadingDocs();
    cursor.next();
    const name = cursor.name("the version's name");
    cursor.expect("{", "after the version's name");
    docs.push(...cursor.trailingDocs());
    const procedures: ProcedureDefinition[] = [];
    let failed = false;
    while (!cursor.is("}") && cursor.peek().kind !== "end") {
      try {
        procedures.push(this.#procedure());
      } catch (error) {
        if (!(error instanceof SyntaxProblem)) throw error;
        failed = true;
        cursor.skipMember();
      }
    }
    if (procedures.length === 0 && !failed)
      cursor.diagnostics.error("a version needs at least one procedure", name.span);
    cursor.expect("}", "after the version's procedures");
    cursor.expect("=", "and the version's number");
    const number = cursor.expression();
    this.#end("the version's number");
    return { name, procedures, number, docs: [...docs, ...cursor.trailingDocs()] };
  }

  #procedure(): ProcedureDefinition {
    const cursor: Cursor = this.#cursor;
    const docs = cursor.leadingDocs();
    const result = this.#declarations.result();
    const name = cursor.name("the procedure's name");
    const open = cursor.expect("(", "after the procedure's name");
    const args: Declaration[] = [];
    while (!cursor.is(")")) {
      args.push(this.#declarations.argument());
      if (!cursor.take(",")) break;
    }
    const close = cursor.expect(")", "after the arguments");
    const voids = args.filter(({ type, form }) => type.kind === "void" && form === "plain");
    if (voids.length > 0 && args.length > 1) {
      cursor.diagnostics.error("void stands alone: a procedure without arguments", spanTo(open.span, close.span));
    }
    cursor.expect("=", "and the procedure's number");
    const number = cursor.expression();
    this.#end("the procedure's number");
    return {
      name,
      args: args.filter((arg) => !voids.includes(arg)),
      result,
      number,
      docs: [...docs, ...cursor.trailingDocs()],
    };
  }
}

import type { Diagnostics } from "../diagnostic.js";
import type { Span } from "../source.js";
import { describeToken, type Expression, ExpressionParser, ExpressionProblem } from "./expression.js";
import type { Token } from "./lex.js";
import type { Name } from "./syntax.js";

/** A piece of text that does not parse. It is already reported; whoever catches it goes on at the next piece. */
export class SyntaxProblem extends Error {}

/** The words of RFC 4506 and 5531 that cannot name anything. `program` and `version` can, where a type stands before. */
export const keywords: ReadonlySet<string> = new Set([
  "bool",
  "case",
  "const",
  "default",
  "double",
  "enum",
  "float",
  "hyper",
  "int",
  "opaque",
  "quadruple",
  "string",
  "struct",
  "switch",
  "typedef",
  "union",
  "unsigned",
  "void",
]);

/** A place in the list of tokens, and what every rule of the grammar needs there. */
export class Cursor {
  readonly diagnostics: Diagnostics;
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[], diagnostics: Diagnostics) {
    this.#tokens = tokens;
    this.diagnostics = diagnostics;
  }

  get position(): number {
    return this.#at;
  }

  /** The tokens from a position to here, as one text. */
  textFrom(position: number): string {
    return this.#tokens
      .slice(position, this.#at)
      .map(({ text }) => text)
      .join(" ");
  }

  peek(ahead = 0): Token {
    const token = this.#tokens[this.#at + ahead] ?? this.#tokens.at(-1);
    if (token === undefined) throw new Error("a list of tokens ends with an end token");
    return token;
  }

  next(): Token {
    const token = this.peek();
    if (token.kind !== "end") this.#at++;
    return token;
  }

  /** Where the last token stands: what is missing is missing after it. */
  previousSpan(): Span {
    return (this.#tokens[this.#at - 1] ?? this.peek()).span;
  }

  is(text: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return token.text === text && (token.kind === "punctuation" || token.kind === "word");
  }

  take(text: string): boolean {
    if (!this.is(text)) return false;
    this.next();
    return true;
  }

  expect(text: string, where: string): Token {
    if (this.is(text)) return this.next();
    return this.fail(`expected "${text}" ${where}, got ${describeToken(this.peek())}`);
  }

  fail(message: string, span: Span = this.peek().span, hint?: string): never {
    this.diagnostics.error(message, span, hint === undefined ? undefined : { hint });
    throw new SyntaxProblem(message);
  }

  /** A name that is being given. `contextual` words are keywords only where a definition may begin. */
  name(what: string): Name {
    const token = this.peek();
    if (token.kind !== "word") this.fail(`expected ${what}, got ${describeToken(token)}`);
    if (keywords.has(token.text)) this.fail(`expected ${what}, got the keyword "${token.text}"`);
    if (token.text.includes("$")) this.fail(`"${token.text}" is not a name: "$" is not part of the language`);
    this.next();
    return { text: token.text, span: token.span };
  }

  expression(): Expression {
    try {
      return new ExpressionParser(this, this.diagnostics, false).parse();
    } catch (error) {
      if (!(error instanceof ExpressionProblem)) throw error;
      return this.fail(error.message, error.span);
    }
  }

  /** The comments before the next token, the first of what they document. */
  leadingDocs(): string[] {
    const { leading } = this.peek();
    return leading === undefined ? [] : [leading.text];
  }

  /** The comment after the last token, on its line. */
  trailingDocs(): string[] {
    const { trailing } = this.peek();
    return trailing === undefined ? [] : [trailing.text];
  }

  /** Goes on after the next `;` of the same nesting, or before the `}` that closes it. */
  skipMember(): void {
    let depth = 0;
    for (;;) {
      const token = this.peek();
      if (token.kind === "end" || (depth === 0 && this.is("}"))) return;
      this.next();
      if (token.kind !== "punctuation") continue;
      if (token.text === "{") depth++;
      else if (token.text === "}") depth--;
      else if (token.text === ";" && depth === 0) return;
    }
  }

  /** Goes on where the next definition begins, by its keyword at the start of a line. */
  skipDefinition(starters: ReadonlySet<string>, from: number): void {
    if (this.#at === from) this.next();
    while (this.peek().kind !== "end") {
      const token = this.peek();
      const column = token.span.source.position(token.span.start).column;
      if (token.kind === "word" && token.startsLine && column === 1 && starters.has(token.text)) return;
      this.next();
      if (
        token.text === ";" &&
        this.peek().kind === "word" &&
        starters.has(this.peek().text) &&
        this.peek().startsLine
      ) {
        const next = this.peek();
        if (next.span.source.position(next.span.start).column === 1) return;
      }
    }
  }
}

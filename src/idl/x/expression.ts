import type { Diagnostics } from "../diagnostic.js";
import type { Span } from "../source.js";
import type { Token } from "./lex.js";

/** How deep parentheses and unary operators may nest: real files use a handful, and the parser recurses. */
export const expressionDepthMax = 200;

/** A constant expression as written. */
export type Expression =
  | { readonly kind: "number"; readonly value: bigint; readonly span: Span }
  | { readonly kind: "name"; readonly name: string; readonly span: Span }
  | { readonly kind: "unary"; readonly operator: string; readonly of: Expression; readonly span: Span }
  | {
      readonly kind: "binary";
      readonly operator: string;
      readonly left: Expression;
      readonly right: Expression;
      readonly span: Span;
    };

/** C's precedences, low to high. The ones that compare or choose exist in `#if` only. */
const levels: readonly (readonly string[])[] = [
  ["||"],
  ["&&"],
  ["|"],
  ["^"],
  ["&"],
  ["==", "!="],
  ["<", ">", "<=", ">="],
  ["<<", ">>"],
  ["+", "-"],
  ["*", "/", "%"],
];
const firstArithmetic = 2;
const comparisons = new Set(["==", "!=", "<", ">", "<=", ">="]);

/** Where an expression's tokens come from. */
export interface TokenCursor {
  peek(): Token;
  next(): Token;
}

/**
 * Parses C's constant expressions. In a declaration (`conditional` false) comparisons are not part of them, so that
 * `<` and `>` stay brackets.
 */
export class ExpressionParser {
  readonly #cursor: TokenCursor;
  readonly #diagnostics: Diagnostics;
  readonly #conditional: boolean;
  #depth = 0;

  constructor(cursor: TokenCursor, diagnostics: Diagnostics, conditional: boolean) {
    this.#cursor = cursor;
    this.#diagnostics = diagnostics;
    this.#conditional = conditional;
  }

  parse(): Expression {
    return this.#binary(this.#conditional ? 0 : firstArithmetic);
  }

  #binary(level: number): Expression {
    const operators = levels[level];
    if (operators === undefined) return this.#unary();
    let left = this.#binary(level + 1);
    for (;;) {
      const token = this.#cursor.peek();
      if (token.kind !== "punctuation" || !operators.includes(token.text)) return left;
      if (!this.#conditional && comparisons.has(token.text)) return left;
      this.#cursor.next();
      const right = this.#binary(level + 1);
      left = { kind: "binary", operator: token.text, left, right, span: left.span };
    }
  }

  #unary(): Expression {
    const token = this.#cursor.next();
    if (token.kind === "number") return { kind: "number", value: this.#number(token), span: token.span };
    if (token.kind === "word") return { kind: "name", name: token.text, span: token.span };
    if (token.kind === "punctuation" && ["-", "+", "~", "!", "("].includes(token.text)) {
      if (++this.#depth > expressionDepthMax) {
        this.#diagnostics.stop(`the expression nests deeper than ${expressionDepthMax} levels`, token.span);
      }
      const of = token.text === "(" ? this.parse() : this.#unary();
      this.#depth--;
      if (token.text !== "(") return { kind: "unary", operator: token.text, of, span: token.span };
      const close = this.#cursor.next();
      if (close.text !== ")" || close.kind !== "punctuation") {
        throw new ExpressionProblem(`expected ")", got ${describeToken(close)}`, close.span);
      }
      return of;
    }
    throw new ExpressionProblem(`expected a constant, got ${describeToken(token)}`, token.span);
  }

  #number(token: Token): bigint {
    const value = numberOf(token.text);
    if (value === undefined) throw new ExpressionProblem(`"${token.text}" is not a number`, token.span);
    return value;
  }
}

/** An expression that does not parse; the caller knows where to go on. */
export class ExpressionProblem extends Error {
  readonly span: Span;
  constructor(message: string, span: Span) {
    super(message);
    this.span = span;
  }
}

/** Decimal, hexadecimal or octal, with C's suffixes; undefined for anything else. */
export function numberOf(text: string): bigint | undefined {
  const digits = text.replace(/(?:[uU][lL]{0,2}|[lL]{1,2}[uU]?)$/, "");
  // More than 64 bits fit no type: refused by range later, but not by converting a megabyte of digits first.
  if (digits.length > 100) return undefined;
  if (/^0[xX][0-9a-fA-F]+$/.test(digits)) return BigInt(digits);
  if (/^0[0-7]+$/.test(digits)) return BigInt(`0o${digits.slice(1)}`);
  return /^(?:0|[1-9][0-9]*)$/.test(digits) ? BigInt(digits) : undefined;
}

/** Computes in 64 bits and a little more: enough for every XDR type, and no expression can make a number that is huge. */
export function evaluate(
  expression: Expression,
  lookUp: (name: string, span: Span) => bigint | undefined,
): bigint | undefined {
  // A sum of 100,000 terms leans left 100,000 deep: walk down the left side in a loop.
  const spine: Extract<Expression, { kind: "binary" }>[] = [];
  let at = expression;
  while (at.kind === "binary") {
    spine.push(at);
    at = at.left;
  }
  let value = evaluateLeaf(at, lookUp);
  for (const { operator, right, span } of spine.reverse()) {
    const other = evaluate(right, lookUp);
    if (value === undefined || other === undefined) value = undefined;
    else value = operate(operator, value, other, span);
  }
  return value;
}

function evaluateLeaf(
  expression: Exclude<Expression, { kind: "binary" }>,
  lookUp: (name: string, span: Span) => bigint | undefined,
): bigint | undefined {
  switch (expression.kind) {
    case "number":
      return expression.value;
    case "name":
      return lookUp(expression.name, expression.span);
    case "unary": {
      const value = evaluate(expression.of, lookUp);
      if (value === undefined) return undefined;
      if (expression.operator === "-") return -value;
      if (expression.operator === "~") return ~value;
      if (expression.operator === "!") return value === 0n ? 1n : 0n;
      return value;
    }
  }
}

function operate(operator: string, a: bigint, b: bigint, span: Span): bigint {
  const value = operateUnbounded(operator, a, b, span);
  if (BigInt.asIntN(128, value) !== value) throw new ExpressionProblem("the value does not fit 128 bits", span);
  return value;
}

function operateUnbounded(operator: string, a: bigint, b: bigint, span: Span): bigint {
  const truth = (value: boolean): bigint => (value ? 1n : 0n);
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
    case "%":
      if (b === 0n) throw new ExpressionProblem("division by zero", span);
      return operator === "/" ? a / b : a % b;
    case "<<":
    case ">>":
      if (b < 0n || b > 127n) throw new ExpressionProblem(`shift by ${b} bits`, span);
      return operator === "<<" ? a << b : a >> b;
    case "&":
      return a & b;
    case "|":
      return a | b;
    case "^":
      return a ^ b;
    case "==":
      return truth(a === b);
    case "!=":
      return truth(a !== b);
    case "<":
      return truth(a < b);
    case ">":
      return truth(a > b);
    case "<=":
      return truth(a <= b);
    case ">=":
      return truth(a >= b);
    case "&&":
      return truth(a !== 0n && b !== 0n);
    default:
      return truth(a !== 0n || b !== 0n);
  }
}

/** A token for a message. */
export function describeToken(token: Token): string {
  if (token.kind === "end") return "the end of the file";
  if (token.kind === "string") return "a string";
  return `"${token.text.slice(0, 40)}"`;
}

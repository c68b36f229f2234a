import type { Diagnostics } from "../diagnostic.js";
import type { Span } from "../source.js";
import { type Expression, ExpressionParser, ExpressionProblem, evaluate } from "./expression.js";
import type { Entry, Scope } from "./scope.js";
import { suggestion } from "./suggest.js";
import type { EnumDefinition } from "./syntax.js";

/** Constants that refer to constants: real files go three deep. Evaluation recurses. */
const constantDepthMax = 500;
const int64Min = -(1n << 63n);
const uint64Max = (1n << 64n) - 1n;

/** Computes constants on demand, because they may be used before they are defined. */
export class Constants {
  readonly #scope: Scope;
  readonly #diagnostics: Diagnostics;
  readonly #values = new Map<string, bigint | undefined>();
  readonly #enums = new Map<EnumDefinition, Map<string, bigint | undefined>>();
  readonly #open = new Set<string>();
  readonly #unknown = new Set<string>();

  constructor(scope: Scope, diagnostics: Diagnostics) {
    this.#scope = scope;
    this.#diagnostics = diagnostics;
  }

  /** The value of an expression, or undefined when there is none; then the reason is reported. */
  value(expression: Expression): bigint | undefined {
    try {
      return evaluate(expression, (name, span) => this.#named(name, span));
    } catch (error) {
      if (!(error instanceof ExpressionProblem)) throw error;
      this.#diagnostics.error(error.message, error.span);
      return undefined;
    }
  }

  /** The value within a range, or undefined; then the reason is reported. */
  inRange(expression: Expression, low: bigint, high: bigint, what: string): bigint | undefined {
    const value = this.value(expression);
    if (value === undefined || (value >= low && value <= high)) return value;
    const limit = value < low ? (low === 0n ? "is negative" : `is less than ${low}`) : `is more than ${high}`;
    this.#diagnostics.error(`${what} ${limit}: ${value}`, expression.span);
    return undefined;
  }

  /** The values of an enum's members, by name. */
  members(definition: EnumDefinition): ReadonlyMap<string, bigint | undefined> {
    return this.#members(definition);
  }

  #members(definition: EnumDefinition): Map<string, bigint | undefined> {
    const known = this.#enums.get(definition);
    if (known !== undefined) return known;
    const values = new Map<string, bigint | undefined>();
    this.#enums.set(definition, values);
    let next: bigint | undefined = 0n;
    for (const { name, value: expression } of definition.members) {
      const value: bigint | undefined = expression === undefined ? next : this.value(expression);
      if (value !== undefined && (value < -(1n << 31n) || value >= 1n << 31n)) {
        this.#diagnostics.error(
          `"${name.text}" does not fit an enum's 32 bits: ${value}`,
          expression?.span ?? name.span,
        );
        next = undefined;
      } else {
        next = value === undefined ? undefined : value + 1n;
      }
      if (!values.has(name.text)) values.set(name.text, next === undefined ? undefined : value);
    }
    return values;
  }

  #named(name: string, span: Span): bigint | undefined {
    if (this.#values.has(name)) return this.#values.get(name);
    if (this.#open.has(name)) throw new ExpressionProblem(`the constant "${name}" is defined by itself`, span);
    if (this.#open.size >= constantDepthMax) {
      this.#diagnostics.stop(`constants refer to one another more than ${constantDepthMax} deep`, span);
    }
    this.#open.add(name);
    try {
      const value = this.#lookUp(name, span);
      if (value !== undefined && (value < int64Min || value > uint64Max)) {
        throw new ExpressionProblem(`the constant "${name}" does not fit 64 bits`, span);
      }
      this.#values.set(name, value);
      return value;
    } catch (error) {
      // Reported once, where it was met first.
      this.#values.set(name, undefined);
      throw error;
    } finally {
      this.#open.delete(name);
    }
  }

  #lookUp(name: string, span: Span): bigint | undefined {
    const entry = this.#scope.find(name);
    if (entry?.kind === "const") {
      if (typeof entry.definition.value !== "string") return this.value(entry.definition.value);
      throw new ExpressionProblem(`"${name}" is a string, a number is needed`, span);
    }
    if (entry?.kind === "member") return this.#member(name, entry, span);
    if (name === "TRUE") return 1n;
    if (name === "FALSE") return 0n;
    const number = this.#scope.number(name);
    if (number !== undefined) return this.value(number.expression);
    if (entry !== undefined) throw new ExpressionProblem(`"${name}" is a type, a constant is needed`, span);
    return this.#cMacro(name, span);
  }

  #member(name: string, entry: Extract<Entry, { kind: "member" }>, span: Span): bigint | undefined {
    const values = this.#members(entry.of);
    if (values.has(name)) return values.get(name);
    throw new ExpressionProblem(`"${name}" is used before its enum gives it a value`, span);
  }

  /** `%#define NAME VALUE` is C's; a constant that only it defines is still meant. */
  #cMacro(name: string, span: Span): bigint | undefined {
    const tokens = this.#scope.cMacros.get(name);
    if (tokens !== undefined && tokens.length > 0) {
      let at = 0;
      const end = { kind: "end", text: "", span, startsLine: true } as const;
      const cursor = { peek: () => tokens[at] ?? end, next: () => tokens[at++] ?? end };
      return this.value(new ExpressionParser(cursor, this.#diagnostics, false).parse());
    }
    if (!this.#unknown.has(name)) {
      this.#unknown.add(name);
      const otherwise = `if a C header defines it, give it with -D ${name}=VALUE`;
      const more = suggestion(name, this.#scope.names(["const", "member"]), otherwise);
      this.#diagnostics.error(`unknown constant "${name}"`, span, more);
    }
    return undefined;
  }
}

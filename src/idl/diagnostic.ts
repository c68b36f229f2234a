import type { Source, Span } from "./source.js";

export type Severity = "error" | "warning";

/** One thing that is wrong, and where. */
export interface Diagnostic {
  readonly severity: Severity;
  readonly message: string;
  readonly span: Span | undefined;
  /** What to do about it, such as `did you mean "pair"?`. */
  readonly hint?: string | undefined;
  /** Where the other party stands, such as the first of two definitions. */
  readonly related?: { readonly message: string; readonly span: Span } | undefined;
}

/** Ends a stage that cannot go on; the reason is already among the diagnostics. */
export class CompileStop extends Error {
  override readonly name = "CompileStop";
}

/** More errors than this tell nothing new: the rest follow from the first. */
export const errorsMax = 100;

/** What a run has found so far. Stages add and go on, so that one run shows many errors. */
export class Diagnostics {
  readonly list: Diagnostic[] = [];
  #errors = 0;

  get failed(): boolean {
    return this.#errors > 0;
  }

  error(message: string, span: Span | undefined, more?: Pick<Diagnostic, "hint" | "related">): void {
    this.list.push({ severity: "error", message, span, ...more });
    this.#errors++;
    if (this.#errors >= errorsMax) {
      this.list.push({
        severity: "error",
        message: `more than ${errorsMax} errors: the rest is not shown`,
        span: undefined,
      });
      throw new CompileStop();
    }
  }

  warning(message: string, span: Span | undefined, more?: Pick<Diagnostic, "hint" | "related">): void {
    if (this.list.length < errorsMax * 10) this.list.push({ severity: "warning", message, span, ...more });
  }

  /** Reports an error after which the stage has nothing sensible to do. */
  stop(message: string, span: Span | undefined, more?: Pick<Diagnostic, "hint" | "related">): never {
    this.error(message, span, more);
    throw new CompileStop();
  }
}

/** `file:line:column`, the form that editors and terminals make a link of. */
export function formatLocation(source: Source, offset: number): string {
  const { line, column } = source.position(offset);
  return `${source.path}:${line}:${column}`;
}

/**
 * A diagnostic as text: `file:line:column: error: message`, the source line, a caret below it, and the hint.
 *
 * @example
 * calc.x:3:5: error: unknown type "pare"
 *   3 |     pare p;
 *     |     ^~~~
 *   hint: did you mean "pair"?
 */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  const { severity, message, span, hint, related } = diagnostic;
  const lines: string[] = [];
  if (span === undefined) {
    lines.push(`${severity}: ${message}`);
  } else {
    lines.push(`${formatLocation(span.source, span.start)}: ${severity}: ${message}`);
    lines.push(...excerpt(span));
  }
  if (related !== undefined) {
    lines.push(`  ${formatLocation(related.span.source, related.span.start)}: ${related.message}`);
  }
  if (hint !== undefined) lines.push(`  hint: ${hint}`);
  return lines.join("\n");
}

const excerptMax = 200;

function excerpt(span: Span): string[] {
  const { line, column } = span.source.position(span.start);
  const text = span.source.line(line);
  const number = String(line);
  // A generated file may be one line of a megabyte: show the neighbourhood of the caret.
  const from = column > excerptMax ? column - 1 - excerptMax / 2 : 0;
  const shown = text.slice(from, from + excerptMax);
  const before = text.slice(from, column - 1).replace(/[^\t]/g, " ");
  const length = Math.max(1, Math.min(span.end - span.start, from + shown.length - column + 1));
  return [`  ${number} | ${shown}`, `  ${" ".repeat(number.length)} | ${before}^${"~".repeat(length - 1)}`];
}

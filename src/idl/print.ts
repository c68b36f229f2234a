/** What is written: TypeScript, JavaScript, or the declarations (`.d.ts`) of that JavaScript. */
export type Form = "ts" | "js" | "dts";

/** Collects lines of code with their indentation. */
export class Printer {
  readonly form: Form;
  readonly #lines: string[] = [];
  #indent = "";

  constructor(form: Form) {
    this.form = form;
  }

  /** What only TypeScript says, such as `: Pair`. */
  typed(text: string): string {
    return this.form === "js" ? "" : text;
  }

  /** A line; an empty one stays empty. */
  line(text = ""): void {
    this.#lines.push(text === "" ? "" : this.#indent + text);
  }

  /** `open`, the indented body, `close`. */
  block(open: string, close: string, body: () => void): void {
    this.line(open);
    this.indented(body);
    this.line(close);
  }

  indented(body: () => void): void {
    const outer = this.#indent;
    this.#indent += "  ";
    body();
    this.#indent = outer;
  }

  /** On one line when it fits, otherwise one item per line with trailing commas. */
  list(open: string, items: readonly string[], close: string): void {
    const line = `${open}${items.join(", ")}${close}`;
    if (this.#indent.length + line.length <= lineMax && !line.includes("\n")) this.line(line);
    else {
      this.block(open.trimEnd(), close.trimStart(), () => {
        for (const item of items) this.line(`${item},`);
      });
    }
  }

  /** A comment that tools show; nothing for no lines. */
  doc(lines: readonly string[]): void {
    const [first] = lines;
    if (first === undefined) return;
    if (lines.length === 1 && this.#indent.length + first.length + 7 <= lineMax) {
      this.line(`/** ${first} */`);
      return;
    }
    this.line("/**");
    for (const line of lines) this.line(line === "" ? " *" : ` * ${line}`);
    this.line(" */");
  }

  toString(): string {
    return `${this.#lines.join("\n")}\n`;
  }
}

/** Where generated lines break. */
export const lineMax = 120;

/** A property in an object literal; `__proto__` would set the prototype unless it is computed. */
export function literalKey(name: string): string {
  return name === "__proto__" ? '["__proto__"]' : name;
}

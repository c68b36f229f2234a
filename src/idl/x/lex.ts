import type { Source, Span } from "../source.js";

/**
 * Tokens of a `.x` file, before preprocessing. Positions are of the file itself; comments ride on the tokens next to
 * them, because they become documentation.
 */
export interface Token {
  readonly kind: "word" | "number" | "string" | "punctuation" | "unknown" | "end";
  /** As written; a string's is its contents, escapes undone. */
  readonly text: string;
  readonly span: Span;
  /** Whether it is the first of its logical line: where a directive's `#` must stand. */
  readonly startsLine: boolean;
  /** The comment that ends on the line above, or stands before it on its line. */
  readonly leading?: Comment | undefined;
  /** The comment that starts on the line where the token before this one ends: documentation of what precedes. */
  readonly trailing?: Comment | undefined;
  /** What is wrong with it, for `unknown`. */
  readonly problem?: string | undefined;
}

export interface Comment {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** A `%` line: C's own text, which rpcgen copies to its output. */
export interface PassThrough {
  readonly text: string;
  readonly span: Span;
}

const wordStart = /[A-Za-z_$]/;
const wordPart = /[A-Za-z0-9_$]/;
const shifts = new Set(["<<", ">>", "<=", ">=", "==", "!=", "&&", "||"]);

/** Cuts one source into tokens, on demand: the preprocessor decides line by line what is read. */
export class Lexer {
  readonly source: Source;
  /** `%` lines met since the last `takePassThrough`. */
  #passThrough: PassThrough[] = [];
  readonly #text: string;
  #at = 0;
  #lineStart = true;
  #peeked: Token | undefined;

  constructor(source: Source) {
    this.source = source;
    this.#text = source.text;
    if (this.#text.charCodeAt(0) === 0xfeff) this.#at = 1;
  }

  takePassThrough(): PassThrough[] {
    const lines = this.#passThrough;
    this.#passThrough = [];
    return lines;
  }

  next(): Token {
    const token = this.#peeked ?? this.#scan();
    this.#peeked = undefined;
    return token;
  }

  peek(): Token {
    this.#peeked ??= this.#scan();
    return this.#peeked;
  }

  /** The tokens up to the end of the logical line: a directive's. */
  restOfLine(): Token[] {
    const tokens: Token[] = [];
    while (!this.peek().startsLine && this.peek().kind !== "end") tokens.push(this.next());
    return tokens;
  }

  /** The rest of the line as written, for what is not made of tokens (`<rpc/types.h>`, text after `#error`). */
  rawRestOfLine(): PassThrough {
    const start = this.#peeked?.span.start ?? this.#at;
    if (this.#peeked?.startsLine) return { text: "", span: { source: this.source, start, end: start } };
    this.#peeked = undefined;
    this.#at = start;
    const end = this.#lineEnd(start);
    this.#at = end;
    return { text: this.#text.slice(start, end), span: { source: this.source, start, end } };
  }

  #scan(): Token {
    const afterToken = this.#at;
    let newline = this.#lineStart;
    let lineOfPrevious = !this.#lineStart;
    let leading: Comment | undefined;
    let trailing: Comment | undefined;
    const text = this.#text;
    for (;;) {
      const c = text[this.#at];
      if (c === undefined) {
        return this.#token("end", "", this.#at, this.#at, true, undefined, trailing);
      }
      if (c === "\n") {
        newline = true;
        lineOfPrevious = false;
        this.#at++;
      } else if (c === " " || c === "\t" || c === "\r" || c === "\f" || c === "\v") {
        this.#at++;
      } else if (c === "\\" && /^\\\r?\n/.test(text.slice(this.#at, this.#at + 3))) {
        this.#at += text[this.#at + 1] === "\r" ? 3 : 2;
      } else if (c === "/" && (text[this.#at + 1] === "*" || text[this.#at + 1] === "/")) {
        const start = this.#at;
        const end = this.#commentEnd(start);
        if (end < 0) {
          this.#at = text.length;
          return this.#token(
            "unknown",
            "/*",
            start,
            start + 2,
            newline,
            undefined,
            undefined,
            "comment without its end",
          );
        }
        this.#at = end;
        const comment = { text: text.slice(start, end), start, end };
        if (lineOfPrevious && afterToken > 0) {
          trailing = trailing === undefined ? comment : joined(trailing, comment, text);
          if (comment.text.includes("\n")) lineOfPrevious = false;
        } else {
          leading =
            leading !== undefined && comment.text.startsWith("//") && leading.text.startsWith("//")
              ? joined(leading, comment, text)
              : comment;
        }
      } else if (c === "%" && newline) {
        const end = this.#lineEnd(this.#at);
        this.#passThrough.push({
          text: text.slice(this.#at + 1, end),
          span: { source: this.source, start: this.#at, end },
        });
        this.#at = end;
        leading = undefined;
      } else {
        break;
      }
    }
    // A blank line parts a comment from what follows it: a licence is nobody's documentation.
    if (leading !== undefined && /\n[ \t\r]*\n/.test(text.slice(leading.end, this.#at))) leading = undefined;
    this.#lineStart = false;
    return this.#scanToken(newline, leading, trailing);
  }

  #scanToken(startsLine: boolean, leading: Comment | undefined, trailing: Comment | undefined): Token {
    const text = this.#text;
    const start = this.#at;
    const c = text[start] ?? "";
    if (wordStart.test(c)) {
      while (wordPart.test(text[this.#at] ?? "")) this.#at++;
      return this.#token("word", text.slice(start, this.#at), start, this.#at, startsLine, leading, trailing);
    }
    if (/[0-9]/.test(c)) {
      while (/[0-9A-Za-z_.]/.test(text[this.#at] ?? "")) this.#at++;
      return this.#token("number", text.slice(start, this.#at), start, this.#at, startsLine, leading, trailing);
    }
    if (c === '"' || c === "'") return this.#scanString(c, startsLine, leading, trailing);
    const pair = text.slice(start, start + 2);
    if (shifts.has(pair)) {
      this.#at += 2;
      return this.#token("punctuation", pair, start, this.#at, startsLine, leading, trailing);
    }
    if ("{}()[]<>;,:=*#-+/%&|^~!?.".includes(c)) {
      this.#at++;
      return this.#token("punctuation", c, start, this.#at, startsLine, leading, trailing);
    }
    const character = String.fromCodePoint(text.codePointAt(start) ?? 0);
    this.#at += character.length;
    const shown = JSON.stringify(character);
    return this.#token(
      "unknown",
      character,
      start,
      this.#at,
      startsLine,
      leading,
      trailing,
      `unexpected character ${shown}`,
    );
  }

  #scanString(quote: string, startsLine: boolean, leading: Comment | undefined, trailing: Comment | undefined): Token {
    const text = this.#text;
    const start = this.#at;
    let value = "";
    let at = start + 1;
    for (;;) {
      const c = text[at];
      if (c === undefined || c === "\n") {
        this.#at = at;
        const problem = `string without its closing ${quote}`;
        return this.#token("unknown", value, start, start + 1, startsLine, leading, trailing, problem);
      }
      at++;
      if (c === quote) break;
      if (c !== "\\") {
        value += c;
        continue;
      }
      const [escaped, length] = unescaped(text, at);
      value += escaped;
      at += length;
    }
    this.#at = at;
    const kind = quote === '"' ? "string" : "unknown";
    const problem = quote === '"' ? undefined : "characters in single quotes are not part of the language";
    return this.#token(kind, value, start, at, startsLine, leading, trailing, problem);
  }

  #token(
    kind: Token["kind"],
    text: string,
    start: number,
    end: number,
    startsLine: boolean,
    leading: Comment | undefined,
    trailing: Comment | undefined,
    problem?: string,
  ): Token {
    return { kind, text, span: { source: this.source, start, end }, startsLine, leading, trailing, problem };
  }

  #commentEnd(start: number): number {
    if (this.#text[start + 1] === "/") return this.#lineEnd(start);
    const end = this.#text.indexOf("*/", start + 2);
    return end < 0 ? -1 : end + 2;
  }

  /** The end of the logical line: a backslash before the newline continues it. */
  #lineEnd(from: number): number {
    let end = this.#text.indexOf("\n", from);
    while (end >= 0 && /\\\r?$/.test(this.#text.slice(Math.max(from, end - 2), end))) {
      end = this.#text.indexOf("\n", end + 1);
    }
    return end < 0 ? this.#text.length : end;
  }
}

function joined(first: Comment, second: Comment, text: string): Comment {
  return { text: text.slice(first.start, second.end), start: first.start, end: second.end };
}

const escapes: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  b: "\b",
  f: "\f",
  v: "\v",
  a: "\x07",
  "\n": "",
  "\r": "",
};

function unescaped(text: string, at: number): [string, number] {
  const octal = /^[0-7]{1,3}/.exec(text.slice(at, at + 3))?.[0];
  if (octal !== undefined) return [String.fromCharCode(Number.parseInt(octal, 8)), octal.length];
  const hex = /^x([0-9A-Fa-f]{1,2})/.exec(text.slice(at, at + 3))?.[1];
  if (hex !== undefined) return [String.fromCharCode(Number.parseInt(hex, 16)), hex.length + 1];
  const c = text[at] ?? "";
  return [escapes[c] ?? c, c.length];
}

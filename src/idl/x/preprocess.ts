import type { Diagnostics } from "../diagnostic.js";
import { baseName, folderOf, joinPath, Source, type SourceHost, type Span } from "../source.js";
import { type Expression, ExpressionParser, ExpressionProblem, evaluate } from "./expression.js";
import { type Comment, Lexer, type PassThrough, type Token } from "./lex.js";

/**
 * The C preprocessor, as far as `.x` files use it: included files, object-like macros, conditional text. It gives the
 * parser one list of tokens, each with its place in the file it came from.
 */
export interface Preprocessed {
  readonly tokens: readonly Token[];
  /** `%#define NAME VALUE`: C's own constants, which a file may use without saying it to rpcgen. */
  readonly cMacros: ReadonlyMap<string, readonly Token[]>;
  /** `%#include <x.h>`, and headers that were not found: where rpcgen's users keep the output of another `.x` file. */
  readonly headers: readonly Header[];
}

export interface Header {
  readonly name: string;
  readonly span: Span;
}

export interface PreprocessOptions {
  readonly host: SourceHost;
  readonly includeDirs: readonly string[];
  readonly defines: Readonly<Record<string, string>>;
}

/** Real trees of includes are three deep. */
export const includeDepthMax = 64;
/** Files that include one another twice at each level would otherwise be read 2^64 times. */
const includesMax = 2_000;
/** A hundred times the largest real interface; macros that double at each step would otherwise fill the memory. */
const tokensMax = 4_000_000;
const macroDepthMax = 200;

/**
 * rpcgen runs the preprocessor once for each of its outputs, with one of these defined; farcall writes one file that
 * is all of them. RPC_TBL is left out: it asks for a dispatch table, which does not exist here.
 */
const predefined = ["RPC_HDR", "RPC_XDR", "RPC_SVC", "RPC_CLNT"];

/** One `#if` that is open. */
interface Condition {
  /** Whether the text before it is read at all. */
  readonly outer: boolean;
  readonly span: Span;
  reading: boolean;
  /** Whether a branch has been read, so that no `#else` is. */
  taken: boolean;
  sawElse: boolean;
}

interface Macro {
  readonly body: readonly Token[];
  readonly functionLike: boolean;
  readonly span: Span;
}

/** @param files gets the path of every file that is read, so that a watcher knows them even when this one stops */
export function preprocess(
  source: Source,
  options: PreprocessOptions,
  diagnostics: Diagnostics,
  files: string[],
): Preprocessed {
  return new Preprocessor(options, diagnostics, files).run(source);
}

class Preprocessor {
  readonly #options: PreprocessOptions;
  readonly #diagnostics: Diagnostics;
  readonly #tokens: Token[] = [];
  readonly #files: string[];
  readonly #macros = new Map<string, Macro>();
  readonly #cMacros = new Map<string, readonly Token[]>();
  readonly #headers: Header[] = [];
  readonly #sources = new Map<string, Source>();
  readonly #once = new Set<string>();
  #includes = 0;
  #expansions = 0;
  #pending: Comment | undefined;

  constructor(options: PreprocessOptions, diagnostics: Diagnostics, files: string[]) {
    this.#options = options;
    this.#files = files;
    this.#diagnostics = diagnostics;
    for (const name of predefined) this.#define(name, "1");
    for (const [name, value] of Object.entries(options.defines)) this.#define(name, value);
  }

  run(source: Source): Preprocessed {
    this.#file(source, [source.path]);
    const end = source.text.length;
    const span = { source, start: end, end };
    this.#emit({ kind: "end", text: "", span, startsLine: true });
    return { tokens: this.#tokens, cMacros: this.#cMacros, headers: this.#headers };
  }

  #define(name: string, value: string): void {
    const source = new Source(`-D ${name}`, value);
    const lexer = new Lexer(source);
    const body: Token[] = [];
    while (lexer.peek().kind !== "end") body.push(lexer.next());
    this.#macros.set(name, { body, functionLike: false, span: { source, start: 0, end: 0 } });
  }

  #file(source: Source, stack: readonly string[]): void {
    if (!this.#files.includes(source.path)) this.#files.push(source.path);
    const lexer = new Lexer(source);
    const conditions: Condition[] = [];
    for (;;) {
      const token = lexer.next();
      const reading = conditions.at(-1)?.reading ?? true;
      for (const line of lexer.takePassThrough()) if (reading) this.#passThrough(line);
      if (token.kind === "end") {
        this.#trailing(token);
        break;
      }
      if (token.text === "#" && token.startsLine) {
        if (reading) this.#trailing(token);
        this.#directive(lexer, conditions, stack);
      } else if (reading) {
        this.#expand(token, lexer);
      }
    }
    for (const { span } of conditions) this.#diagnostics.error("#if without its #endif", span);
  }

  /** A directive, or the end of an included file, may carry the comment of the token before it: hand it on. */
  #trailing({ trailing }: Token): void {
    this.#pending ??= trailing;
  }

  #emit(token: Token): void {
    if (this.#tokens.length >= tokensMax) {
      this.#diagnostics.stop(`more than ${tokensMax} tokens after preprocessing`, token.span);
    }
    this.#tokens.push(this.#pending === undefined ? token : { ...token, trailing: this.#pending });
    this.#pending = undefined;
  }

  #expand(token: Token, lexer: Lexer | undefined): void {
    const macro = token.kind === "word" ? this.#macros.get(token.text) : undefined;
    if (macro === undefined) {
      if (token.kind === "unknown") this.#diagnostics.error(token.problem ?? "unexpected character", token.span);
      else this.#emit(token);
      return;
    }
    if (macro.functionLike) {
      if (lexer?.peek().text === "(") {
        this.#diagnostics.error(
          `macro "${token.text}" takes arguments, which is not supported in .x files`,
          token.span,
          {
            related: { message: "defined here", span: macro.span },
          },
        );
      }
      this.#emit(token);
      return;
    }
    for (const inner of this.#expanded(token)) this.#emit(inner);
  }

  /** The tokens that stand for one, all at the place where the macro was used: errors belong there. */
  #expanded(token: Token): Token[] {
    const into: Token[] = [];
    this.#expandInto(into, token, new Set());
    return into;
  }

  /** @param active the macros that are being replaced: none is replaced within itself */
  #expandInto(into: Token[], token: Token, active: Set<string>): void {
    const macro = token.kind === "word" && !active.has(token.text) ? this.#macros.get(token.text) : undefined;
    if (macro === undefined || macro.functionLike) {
      if (into.push(token) > tokensMax / 10) this.#diagnostics.stop("macros expand to too much", token.span);
      return;
    }
    // Counted apart from tokens: macros that double at each step and end in nothing give none.
    if (++this.#expansions > tokensMax) this.#diagnostics.stop("macros expand to too much", token.span);
    if (active.size > macroDepthMax) {
      this.#diagnostics.stop(`macros nest deeper than ${macroDepthMax} levels`, token.span);
    }
    active.add(token.text);
    for (const [index, part] of macro.body.entries()) {
      const leading = index === 0 ? token.leading : undefined;
      const trailing = index === 0 ? token.trailing : undefined;
      const startsLine = index === 0 && token.startsLine;
      this.#expandInto(into, { ...part, span: token.span, startsLine, leading, trailing }, active);
    }
    active.delete(token.text);
  }

  #directive(lexer: Lexer, conditions: Condition[], stack: readonly string[]): void {
    const reading = conditions.at(-1)?.reading ?? true;
    if (lexer.peek().startsLine) return;
    const name = lexer.next();
    switch (name.text) {
      case "if":
      case "ifdef":
      case "ifndef": {
        const taken = reading && this.#condition(name, lexer);
        conditions.push({ outer: reading, span: name.span, reading: taken, taken, sawElse: false });
        break;
      }
      case "elif":
      case "else": {
        const condition = conditions.at(-1);
        if (condition === undefined || condition.sawElse) {
          this.#diagnostics.error(`#${name.text} without its #if`, name.span);
          break;
        }
        condition.sawElse = name.text === "else";
        const open = condition.outer && !condition.taken;
        condition.reading = open && (name.text === "else" || this.#condition(name, lexer));
        condition.taken ||= condition.reading;
        break;
      }
      case "endif":
        if (conditions.pop() === undefined) this.#diagnostics.error("#endif without its #if", name.span);
        break;
      default:
        if (reading) this.#action(name, lexer, stack);
        else lexer.rawRestOfLine();
        return;
    }
    lexer.rawRestOfLine();
  }

  #action(name: Token, lexer: Lexer, stack: readonly string[]): void {
    switch (name.text) {
      case "define":
        this.#defineDirective(name, lexer);
        break;
      case "undef":
        this.#macros.delete(lexer.restOfLine()[0]?.text ?? "");
        break;
      case "include":
      case "include_next":
      case "import":
        this.#include(lexer.rawRestOfLine(), stack);
        break;
      case "pragma":
        if (lexer.rawRestOfLine().text.trim() === "once") this.#once.add(name.span.source.path);
        break;
      case "ident":
      case "sccs":
      case "line":
        lexer.rawRestOfLine();
        break;
      case "warning":
      case "error": {
        const { text } = lexer.rawRestOfLine();
        if (name.text === "error") this.#diagnostics.error(`#error ${text.trim()}`, name.span);
        else this.#diagnostics.warning(`#warning ${text.trim()}`, name.span);
        break;
      }
      default:
        lexer.rawRestOfLine();
        // `# 12 "file.x"`: the mark of a preprocessor that ran before.
        if (name.kind !== "number") this.#diagnostics.error(`unknown directive "#${name.text}"`, name.span);
    }
  }

  #defineDirective(directive: Token, lexer: Lexer): void {
    const [name, ...body] = lexer.restOfLine();
    if (name?.kind !== "word") {
      this.#diagnostics.error("#define without a name", name?.span ?? directive.span);
      return;
    }
    const parenthesis = body[0];
    const functionLike = parenthesis?.text === "(" && parenthesis.span.start === name.span.end;
    this.#macros.set(name.text, { body, functionLike, span: name.span });
  }

  #condition(directive: Token, lexer: Lexer): boolean {
    const tokens = lexer.restOfLine();
    const first = tokens[0];
    if (directive.text === "ifdef" || directive.text === "ifndef") {
      if (first?.kind !== "word") this.#diagnostics.error(`#${directive.text} without a name`, directive.span);
      return this.#macros.has(first?.text ?? "") === (directive.text === "ifdef");
    }
    if (first === undefined) {
      this.#diagnostics.error(`#${directive.text} without a condition`, directive.span);
      return false;
    }
    const expanded = this.#expandCondition(tokens);
    const end = { kind: "end", text: "", span: directive.span, startsLine: true } as const;
    let at = 0;
    const cursor = { peek: () => expanded[at] ?? end, next: () => expanded[at++] ?? end };
    try {
      const expression: Expression = new ExpressionParser(cursor, this.#diagnostics, true).parse();
      const rest = expanded[at];
      if (rest !== undefined) throw new ExpressionProblem(`unexpected "${rest.text}" in the condition`, rest.span);
      // In C a name that is no macro is 0 here.
      return (evaluate(expression, () => 0n) ?? 0n) !== 0n;
    } catch (error) {
      if (!(error instanceof ExpressionProblem)) throw error;
      this.#diagnostics.error(error.message, error.span);
      return false;
    }
  }

  /** `defined X` first, or the macro would be replaced before it is asked for. */
  #expandCondition(tokens: readonly Token[]): Token[] {
    const result: Token[] = [];
    for (let i = 0; i < tokens.length; i++) {
      const token = tokens[i];
      if (token === undefined) break;
      if (token.text !== "defined") {
        for (const inner of this.#expanded(token)) result.push(inner);
        continue;
      }
      const parenthesis = tokens[i + 1]?.text === "(";
      const name = tokens[i + (parenthesis ? 2 : 1)];
      i += parenthesis ? 3 : 1;
      const value = name !== undefined && this.#macros.has(name.text) ? "1" : "0";
      result.push({ kind: "number", text: value, span: token.span, startsLine: false });
    }
    return result;
  }

  #include(line: PassThrough, stack: readonly string[]): void {
    const match = /^\s*(?:"([^"]+)"|<([^>]+)>)/.exec(line.text);
    const quoted = match?.[1];
    const name = quoted ?? match?.[2];
    const start = line.span.start + (line.text.length - line.text.trimStart().length);
    const span = { ...line.span, start, end: line.span.start + line.text.trimEnd().length };
    if (name === undefined) {
      this.#diagnostics.error('expected #include "file" or #include <file>', span);
      return;
    }
    const includer = stack.at(-1) ?? "";
    const found = this.#find(name, folderOf(includer), quoted !== undefined);
    if (found === undefined) {
      this.#missing(name, span);
      return;
    }
    if (this.#once.has(found.path)) return;
    if (stack.length >= includeDepthMax || ++this.#includes > includesMax) {
      const loop = stack.includes(found.path) ? `"${name}" includes itself` : `"${name}" is one include too many`;
      const limit =
        stack.length >= includeDepthMax ? `deeper than ${includeDepthMax} levels` : `more than ${includesMax} times`;
      this.#diagnostics.stop(`files include one another ${limit}: ${loop}`, span, {
        hint: "guard the file with #ifndef NAME / #define NAME / #endif",
      });
    }
    this.#file(found, [...stack, found.path]);
  }

  #missing(name: string, span: Span): void {
    this.#headers.push({ name, span });
    if (name.endsWith(".h")) {
      this.#diagnostics.warning(`C header "${name}" not found, skipped`, span, {
        hint: "if its constants are used, give them with -D NAME=VALUE or its folder with -I",
      });
      return;
    }
    this.#diagnostics.error(`cannot find "${name}"`, span, { hint: "name the folder it is in with -I" });
  }

  #find(name: string, own: string, ownFirst: boolean): Source | undefined {
    const { includeDirs } = this.#options;
    const folders = ownFirst ? [own, ...includeDirs] : [...includeDirs, own];
    for (const dir of folders) {
      const path = joinPath(dir, name);
      const known = this.#sources.get(path);
      if (known !== undefined) return known;
      const text = this.#options.host.readFile(path);
      if (text === undefined) continue;
      const source = new Source(path, text);
      this.#sources.set(path, source);
      return source;
    }
    return undefined;
  }

  #passThrough({ text, span }: PassThrough): void {
    const include = /^\s*#\s*include\s*[<"]([^>"]+)[>"]/.exec(text)?.[1];
    if (include !== undefined) this.#headers.push({ name: include, span });
    const define = /^\s*#\s*define\s+([A-Za-z_]\w*)(?=[ \t\\])([\s\S]*)$/.exec(text);
    const name = define?.[1];
    if (name === undefined || this.#cMacros.has(name)) return;
    const lexer = new Lexer(new Source(span.source.path, define?.[2] ?? ""));
    const body: Token[] = [];
    while (lexer.peek().kind !== "end") body.push({ ...lexer.next(), span });
    this.#cMacros.set(name, body);
  }
}

/** Where the `.x` file may be that a C header was generated from. */
export function headerSources(header: Header, includeDirs: readonly string[]): string[] {
  if (!header.name.endsWith(".h")) return [];
  const x = `${header.name.slice(0, -2)}.x`;
  const folders = [folderOf(header.span.source.path), ...includeDirs];
  return [...new Set(folders.flatMap((dir) => [joinPath(dir, x), joinPath(dir, baseName(x))]))];
}

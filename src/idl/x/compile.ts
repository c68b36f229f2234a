import { CompileStop, type Diagnostic, Diagnostics } from "../diagnostic.js";
import { baseName, Source, type SourceHost } from "../source.js";
import { check } from "./check.js";
import { type EmitOptions, emit } from "./emit.js";
import type { Module } from "./module.js";
import { assignNames, type NameStyle, type Names } from "./names.js";
import { parse } from "./parse.js";
import { prelude, preludePath } from "./prelude.js";
import { headerSources, type Preprocessed, preprocess } from "./preprocess.js";
import { Scope } from "./scope.js";
import type { SyntaxTree } from "./syntax.js";

export interface CompileOptions extends EmitOptions {
  /** How files are read: `#include`d ones, and the `.x` files that C headers were generated from. */
  readonly host: SourceHost;
  /** Folders searched for included files after the including file's own (`-I`). */
  readonly includeDirs?: readonly string[] | undefined;
  /** Macros given from outside (`-D NAME=VALUE`). */
  readonly defines?: Readonly<Record<string, string>> | undefined;
  /** Default `idiomatic`. */
  readonly names?: NameStyle | undefined;
  /** What the code is: `ts` (default), or `js` with its declarations, for bundlers. */
  readonly output?: "ts" | "js" | undefined;
  /** What `string` is in TypeScript: `utf8` (default) a string, strict UTF-8; `bytes` a `Uint8Array`, for peers that send other encodings. */
  readonly strings?: "utf8" | "bytes" | undefined;
}

/** What became of one `.x` file. */
export interface CompileResult {
  /** The code, or undefined when there was an error. */
  readonly code: string | undefined;
  /** The declarations that belong to JavaScript, when that was asked for. */
  readonly declarations: string | undefined;
  /** The looked-up file and the names it was given, or undefined when there was an error. */
  readonly module: Module | undefined;
  readonly names: Names | undefined;
  /** In the order of the stages; warnings do not prevent output. */
  readonly diagnostics: readonly Diagnostic[];
  /** Every file that was read, this one first. */
  readonly files: readonly string[];
}

const nothing = { code: undefined, declarations: undefined, module: undefined, names: undefined };

/**
 * Compiles a `.x` file (RFC 4506, RFC 5531, and the dialect of rpcgen) to TypeScript: preprocess, parse, check, emit.
 * Never throws for what is in the file: errors are diagnostics.
 *
 * @param path the file's name, for messages and for `#include`s beside it
 * @param text its text
 */
export function compile(path: string, text: string, options: CompileOptions): CompileResult {
  const diagnostics = new Diagnostics();
  const files: string[] = [path];
  try {
    const module = analyseFile(new Source(path, text), options, diagnostics, files);
    if (!diagnostics.failed) {
      const names = assignNames(module, options.names ?? "idiomatic", diagnostics);
      const code = emit(module, names, options.output ?? "ts", options);
      const declarations = options.output === "js" ? emit(module, names, "dts", options) : undefined;
      return { code, declarations, module, names, diagnostics: diagnostics.list, files };
    }
  } catch (error) {
    if (!(error instanceof CompileStop)) throw error;
  }
  return { ...nothing, diagnostics: diagnostics.list, files };
}

function analyseFile(source: Source, options: CompileOptions, diagnostics: Diagnostics, files: string[]): Module {
  const settings = { host: options.host, includeDirs: options.includeDirs ?? [], defines: options.defines ?? {} };
  const preprocessed = preprocess(source, settings, diagnostics, files);
  const tree = parse(preprocessed.tokens, diagnostics);
  // What a name may mean when the file does not define it: read only when there is such a name.
  const library = (): SyntaxTree[] => [...headerTrees(preprocessed, settings, files), preludeTree()];
  const scope = new Scope(library, preprocessed.cMacros, diagnostics);
  scope.declare(tree);
  // A file that does not parse lacks definitions: what that makes unknown is no news.
  if (diagnostics.failed) throw new CompileStop();
  return check(baseName(source.path), scope, { strings: options.strings ?? "utf8" }, diagnostics);
}

/** `%#include <rpcsvc/nis.h>` stands for the `nis.x` that the header was generated from, if that is found. */
function headerTrees(
  { headers }: Preprocessed,
  settings: Parameters<typeof preprocess>[1],
  files: string[],
): SyntaxTree[] {
  const trees: SyntaxTree[] = [];
  const seen = new Set<string>(files);
  const queue = [...headers];
  for (let header = queue.shift(); header !== undefined && trees.length < 100; header = queue.shift()) {
    for (const path of headerSources(header, settings.includeDirs)) {
      if (seen.has(path)) break;
      const text = settings.host.readFile(path);
      if (text === undefined) continue;
      seen.add(path);
      // Its errors are its own: it is compiled by itself some other time.
      const diagnostics = new Diagnostics();
      try {
        const preprocessed = preprocess(new Source(path, text), settings, diagnostics, files);
        trees.push(parse(preprocessed.tokens, diagnostics));
        for (const next of preprocessed.headers) queue.push(next);
      } catch (error) {
        if (!(error instanceof CompileStop)) throw error;
      }
      break;
    }
  }
  return trees;
}

function preludeTree(): SyntaxTree {
  const diagnostics = new Diagnostics();
  const host = { readFile: () => undefined };
  const { tokens } = preprocess(
    new Source(preludePath, prelude),
    { host, includeDirs: [], defines: {} },
    diagnostics,
    [],
  );
  return parse(tokens, diagnostics);
}

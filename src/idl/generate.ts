import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Diagnostic } from "./diagnostic.js";
import type { SourceHost } from "./source.js";
import { compile } from "./x/compile.js";
import type { NameStyle } from "./x/names.js";

/** The file system as far as generating needs it; tests and bundlers bring their own. */
export interface GenerateHost extends SourceHost {
  /** Replaces a file at once: whoever reads it sees the old text or the new, never half of either. */
  writeFile(path: string, text: string): void;
}

export interface GenerateOptions {
  /** The `.x` files. */
  readonly files: readonly string[];
  /** Where the output goes; default: beside each file. */
  readonly outDir?: string | undefined;
  /** Folders searched for included files (`-I`). */
  readonly includeDirs?: readonly string[] | undefined;
  /** Macros (`-D NAME=VALUE`). */
  readonly defines?: Readonly<Record<string, string>> | undefined;
  /** Default `idiomatic`. */
  readonly names?: NameStyle | undefined;
  /** Default `utf8`. */
  readonly strings?: "utf8" | "bytes" | undefined;
  /** Leaves the contracts of programs out: types and codecs only. */
  readonly codecsOnly?: boolean | undefined;
  /** What to import instead of `farcall/onc` and `farcall/xdr`: for code that must not depend on the package's name. */
  readonly imports?: Readonly<Record<string, string>> | undefined;
  /** Writes nothing; says which outputs are stale. */
  readonly check?: boolean | undefined;
  /** Default: Node's file system. */
  readonly host?: GenerateHost | undefined;
}

/** What became of one `.x` file of a run. */
export interface GeneratedFile {
  readonly source: string;
  /** The output's path, such as `calc.ts` for `calc.x`. */
  readonly output: string;
  /**
   * `written`: new or changed. `unchanged`: not touched, so that nothing that watches it wakes up. `stale`: would have
   * been written, but for `check`. `failed`: had errors, and an earlier output was left alone.
   */
  readonly state: "written" | "unchanged" | "stale" | "failed";
  readonly diagnostics: readonly Diagnostic[];
  /** Every file that was read for it. What `--watch` watches. */
  readonly files: readonly string[];
}

export interface GenerateResult {
  readonly results: readonly GeneratedFile[];
  readonly diagnostics: readonly Diagnostic[];
  /** Outputs by what became of them. */
  readonly written: readonly string[];
  readonly unchanged: readonly string[];
  readonly stale: readonly string[];
  /** Sources with errors. */
  readonly failed: readonly string[];
}

/** Node's file system. */
export const nodeHost: GenerateHost = {
  readFile(path) {
    try {
      return readFileSync(path, "utf8");
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR") return undefined;
      throw error;
    }
  },
  writeFile(path, text) {
    mkdirSync(dirname(path), { recursive: true });
    const temporary = `${path}.${process.pid}.tmp`;
    try {
      writeFileSync(temporary, text);
      renameSync(temporary, path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  },
};

/**
 * Compiles `.x` files to TypeScript files. A file with errors leaves its earlier output alone and does not keep the
 * others from being written; an output that would not change is not touched.
 *
 * @throws what the file system throws, except for files that do not exist: those are diagnostics
 */
export function generateFiles(options: GenerateOptions): GenerateResult {
  const host = options.host ?? nodeHost;
  const owners = new Map<string, string>();
  const results = options.files.map((source): GeneratedFile => {
    const output = outputPath(source, options.outDir);
    const other = owners.get(output);
    if (other !== undefined && other !== source) {
      return failed(source, output, `"${source}" and "${other}" would both be written to "${output}"`);
    }
    owners.set(output, source);
    return generateFile(source, output, options, host);
  });
  const outputs = (state: GeneratedFile["state"]): string[] =>
    results.filter((item) => item.state === state).map((item) => item.output);
  return {
    results,
    diagnostics: results.flatMap((item) => item.diagnostics),
    written: outputs("written"),
    unchanged: outputs("unchanged"),
    stale: outputs("stale"),
    failed: results.filter((item) => item.state === "failed").map((item) => item.source),
  };
}

/** `calc.x` → `calc.ts`, in `outDir` or beside it. */
export function outputPath(source: string, outDir?: string | undefined): string {
  const name = `${basename(source).replace(/\.x$/, "")}.ts`;
  return join(outDir ?? dirname(source), name);
}

function generateFile(source: string, output: string, options: GenerateOptions, host: GenerateHost): GeneratedFile {
  const text = host.readFile(source);
  if (text === undefined) return failed(source, output, `cannot find "${source}"`);
  const { code, diagnostics, files } = compile(source, text, { ...options, host });
  const result = { source, output, diagnostics, files };
  if (code === undefined) return { ...result, state: "failed" };
  if (host.readFile(output) === code) return { ...result, state: "unchanged" };
  if (options.check === true) return { ...result, state: "stale" };
  host.writeFile(output, code);
  return { ...result, state: "written" };
}

function failed(source: string, output: string, message: string): GeneratedFile {
  const diagnostics: Diagnostic[] = [{ severity: "error", message, span: undefined }];
  return { source, output, state: "failed", diagnostics, files: [source] };
}

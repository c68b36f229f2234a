import { createUnplugin, type UnpluginContext, type UnpluginInstance } from "unplugin";
import { compile, type Diagnostic, formatDiagnostic, type NameStyle, nodeHost } from "../idl/index.js";

/** How `.x` files are compiled when they are imported. */
export interface FarcallBundlerOptions {
  /** Folders searched for included files (`-I`). */
  readonly includeDirs?: readonly string[] | undefined;
  /** Macros (`-D NAME=VALUE`). */
  readonly defines?: Readonly<Record<string, string>> | undefined;
  /** Default `idiomatic`. */
  readonly names?: NameStyle | undefined;
  /** Default `utf8`. */
  readonly strings?: "utf8" | "bytes" | undefined;
  /** Writes the declarations of `calc.x` to `calc.d.x.ts` beside it, where TypeScript looks for them; default true. */
  readonly types?: boolean | undefined;
}

/**
 * The bundler plugin: `import { CalcV1 } from "./calc.x"` in Vite, Rollup, Rolldown, esbuild, webpack, Rspack and Farm.
 * It needs the package `unplugin`, an optional peer dependency.
 *
 * ```ts
 * // vite.config.ts
 * import { farcall } from "farcall/bundler";
 * export default { plugins: [farcall.vite()] };
 * ```
 *
 * What is imported is what `farcall gen` writes, as JavaScript. For its types, set `"allowArbitraryExtensions": true` in
 * `tsconfig.json`: TypeScript then takes them from `calc.d.x.ts`, which the plugin keeps up to date beside `calc.x`, and
 * which may be ignored by version control or not. A file with errors is an error of the build, with its position; the
 * earlier declarations stay. Included files are watched.
 */
export const farcall: UnpluginInstance<FarcallBundlerOptions | undefined, false> = createUnplugin(
  (options: FarcallBundlerOptions | undefined = {}) => ({
    name: "farcall",
    load: {
      // A query such as `?raw` asks for something else of the file; Vite's `?v=` and `?t=` only tell versions apart.
      filter: { id: /\.x(?:\?[vt]=[^&]*)?$/ },
      handler(id) {
        const path = id.replace(/\?[^?]*$/, "");
        const text = nodeHost.readFile(path);
        // Another plugin's virtual file.
        if (text === undefined) return undefined;
        const { includeDirs, defines, names, strings } = options;
        const result = compile(path, text, { host: nodeHost, includeDirs, defines, names, strings, output: "js" });
        for (const file of result.files) this.addWatchFile(file);
        report(this, result.diagnostics);
        // esbuild collects errors and goes on; without any code it would also complain that nothing loads the file.
        if (result.code === undefined) return { code: "export {};", map: null };
        if (options.types !== false && result.declarations !== undefined) {
          writeIfChanged(path.replace(/x$/, "d.x.ts"), result.declarations);
        }
        return { code: result.code, map: null };
      },
    },
  }),
);

/** Warnings are the bundler's warnings; errors are one, at the first's position, because a bundler stops at one. */
function report(context: UnpluginContext, diagnostics: readonly Diagnostic[]): void {
  for (const diagnostic of diagnostics) {
    if (diagnostic.severity === "warning") context.warn(message([diagnostic]));
  }
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  if (errors.length > 0) context.error(message(errors));
}

function message(diagnostics: readonly Diagnostic[]): Parameters<UnpluginContext["error"]>[0] {
  const text = diagnostics.map(formatDiagnostic).join("\n");
  const span = diagnostics[0]?.span;
  if (span === undefined) return text;
  const { line, column } = span.source.position(span.start);
  // Bundlers count columns from 0.
  return { message: text, id: span.source.path, loc: { file: span.source.path, line, column: column - 1 } };
}

function writeIfChanged(path: string, text: string): void {
  if (nodeHost.readFile(path) !== text) nodeHost.writeFile(path, text);
}

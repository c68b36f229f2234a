import { fileURLToPath } from "node:url";
import { type CompileOptions, type CompileResult, compile, formatDiagnostic, formatLocation } from "farcall/idl";

export const home: string = fileURLToPath(new URL("../../", import.meta.url));

/** Compiles text as `t.x`, with other files beside it. */
export function compileText(
  text: string,
  files: Readonly<Record<string, string>> = {},
  options: Partial<CompileOptions> = {},
): CompileResult {
  return compile("t.x", text, { host: { readFile: (path) => files[path] }, ...options });
}

/** The code of a file that compiles; fails the test with its diagnostics otherwise. */
export function codeOf(
  text: string,
  files?: Readonly<Record<string, string>>,
  options?: Partial<CompileOptions>,
): string {
  const { code, diagnostics } = compileText(text, files, options);
  if (code === undefined) throw new Error(diagnostics.map(formatDiagnostic).join("\n"));
  return code;
}

/** Diagnostics as `t.x:1:2 error: message [hint]`. */
export function problems({ diagnostics }: CompileResult): string[] {
  return diagnostics.map(({ severity, message, span, hint }) => {
    const place = span === undefined ? "" : `${formatLocation(span.source, span.start)} `;
    return `${place}${severity}: ${message}${hint === undefined ? "" : ` [${hint}]`}`;
  });
}

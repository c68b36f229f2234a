import type { LoadError } from "../idl/index.js";
import { CliError } from "./exit.js";

/** What ends a command that was given a `.x` file with errors: the file's name, and its errors as the compiler shows them. */
export async function unusable(file: string, error: LoadError): Promise<CliError> {
  const { formatDiagnostic } = await import("../idl/index.js");
  const { hasColours, paint } = await import("./paint.js");
  const colours = hasColours();
  const texts = error.diagnostics.map((diagnostic) => {
    const text = formatDiagnostic(diagnostic);
    return colours ? paint(text, diagnostic) : text;
  });
  return new CliError(`${file} cannot be used\n${texts.join("\n")}`);
}

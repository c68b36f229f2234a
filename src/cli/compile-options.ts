import { type Command, InvalidArgumentError, Option } from "commander";

/** The options that say how a `.x` file is read, alike for every command that reads one. */
export interface CompileFlags {
  readonly I: readonly string[];
  readonly D: Readonly<Record<string, string>>;
  readonly names: "idiomatic" | "verbatim";
  readonly strings: "utf8" | "bytes";
}

export function addCompileOptions(command: Command): void {
  command
    .addOption(
      new Option("-I <dir>", "folder to search for included files; may be repeated")
        .argParser((dir: string, dirs: readonly string[]) => [...dirs, dir])
        .default([], "the including file's own"),
    )
    .addOption(
      new Option("-D <name=value>", "define a macro, as #define does; may be repeated")
        .argParser(addDefine)
        .default({}, "none"),
    )
    .addOption(
      new Option("--names <style>", "camelCase and PascalCase names, or the names of the .x file")
        .choices(["idiomatic", "verbatim"])
        .default("idiomatic"),
    )
    .addOption(
      new Option("--strings <type>", "a string is text (strict UTF-8), or bytes for peers with other encodings")
        .choices(["utf8", "bytes"])
        .default("utf8"),
    );
}

function addDefine(text: string, defines: Readonly<Record<string, string>>): Record<string, string> {
  const [, name, value = "1"] = /^([A-Za-z_]\w*)(?:=(.*))?$/s.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError("Write NAME or NAME=VALUE.");
  return { ...defines, [name]: value };
}

export function compileOptions({ I: includeDirs, D: defines, names, strings }: CompileFlags): {
  includeDirs: readonly string[];
  defines: Readonly<Record<string, string>>;
  names: "idiomatic" | "verbatim";
  strings: "utf8" | "bytes";
} {
  return { includeDirs, defines, names, strings };
}

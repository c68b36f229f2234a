import { type Command, InvalidArgumentError, Option } from "commander";
import type { Diagnostic, GenerateOptions, GenerateResult } from "../idl/index.js";
import { addCompileOptions, type CompileFlags, compileOptions } from "./compile-options.js";
import { CliError, ExitCode } from "./exit.js";
import { addHttpOptions, type HttpFlags } from "./xml-rpc/options.js";

interface GenFlags extends CompileFlags, Omit<HttpFlags, "timeout" | "connectTimeout"> {
  readonly from?: string | undefined;
  readonly name?: string | undefined;
  readonly outDir?: string | undefined;
  readonly watch?: true | undefined;
  readonly check?: true | undefined;
  readonly codecsOnly?: true | undefined;
  readonly import: Readonly<Record<string, string>>;
}

export function define(command: Command): void {
  command
    .usage("FILE.x... [options]\n       farcall gen --from http://HOST/PATH [options]")
    .description(
      "Compiles .x files (RFC 4506, RFC 5531, and the dialect of rpcgen) to TypeScript: types, codecs, contracts.\n" +
        "A file with errors leaves its earlier output alone; an output that would not change is not touched.\n" +
        "Or writes the contract of an XML-RPC server, of what it says of its methods.",
    )
    .argument("[file.x...]", "the files; calc.x becomes calc.ts")
    .option("--from <address>", "an XML-RPC server: http://HOST[:PORT][/PATH], https:, http+unix:, scgi:, scgi+unix:")
    .option("--name <name>", "with --from: the contract's name (default: what its methods' names begin with)")
    .option("-o, --out-dir <dir>", "where the output goes (default: beside each file)");
  addCompileOptions(command);
  command
    .option("--codecs-only", "types and codecs, without the contracts of programs")
    .addOption(
      new Option("--import <module=path>", "import a module of farcall's from elsewhere; may be repeated")
        .argParser(addImport)
        .default({}, "the package"),
    )
    .option("--check", "write nothing; exit 1 if an output is not what it would be")
    .option("--watch", "compile again whenever a file changes, until stopped")
    .option("--ca <file>", "with --from https: certificates to trust, as PEM (default: Node's own)");
  addHttpOptions(command, false);
  command
    .addHelpText(
      "after",
      `
Exit code: 0, or 1 when a file is broken, a server does not say what it has or --check finds a stale output, or 2 for a wrong
command line.

Examples:
  farcall gen calc.x                            calc.ts beside it
  farcall gen proto/*.x -o src/generated        several, into a folder
  farcall gen nfs.x -I proto -D WANT_NFS3       with included files and a macro
  farcall gen proto/*.x -o src/generated --check    in CI: is what was committed up to date?
  farcall gen --from http://127.0.0.1:8000/RPC2 --name Stock       stock.ts, of a server
  farcall gen --from http+unix:/run/supervisor.sock -o src/generated`,
    )
    .action(async (files: readonly string[], flags: GenFlags) => {
      const { from } = flags;
      if (from === undefined) {
        if (files.length === 0)
          throw new CliError("say which files: farcall gen FILE.x..., or a server: --from http://HOST/PATH");
        if (flags.name !== undefined) throw new CliError("--name is the name of a contract --from a server");
        return await gen(files, flags);
      }
      if (files.length > 0) throw new CliError("choose one: files, or --from a server");
      if (flags.watch === true) throw new CliError("--watch is for files; a server does not say when it changes");
      const { genFrom } = await import("./xml-rpc/gen.js");
      await genFrom({ ...flags, from });
    });
}

function addImport(text: string, imports: Readonly<Record<string, string>>): Record<string, string> {
  const [, module, path] = /^(farcall(?:\/(?:onc|xdr|xmlrpc))?)=(.+)$/s.exec(text) ?? [];
  if (module === undefined || path === undefined) {
    throw new InvalidArgumentError(
      "Write farcall/onc=PATH or farcall/xdr=PATH; with --from farcall=PATH or farcall/xmlrpc=PATH.",
    );
  }
  return { ...imports, [module]: path };
}

async function gen(files: readonly string[], flags: GenFlags): Promise<void> {
  const { generateFiles } = await import("../idl/index.js");
  const reporter = await newReporter();
  const { outDir, check, codecsOnly, import: imports } = flags;
  const options: GenerateOptions = { files, outDir, check, codecsOnly, imports, ...compileOptions(flags) };
  const result = generateFiles(options);
  reporter(result, false);
  if (flags.watch === undefined) {
    process.exitCode = result.failed.length + result.stale.length > 0 ? ExitCode.failed : ExitCode.ok;
    return;
  }
  const { watchFiles } = await import("./watch.js");
  await watchFiles(
    result.results.flatMap((item) => item.files),
    [...flags.I],
    () => {
      const again = generateFiles(options);
      reporter(again, true);
      return { files: again.results.flatMap((item) => item.files), failed: again.failed.length > 0 };
    },
    result.failed.length > 0,
  );
}

/** @returns what tells the user about a run; a later run of a watch tells only what changed */
async function newReporter(): Promise<(result: GenerateResult, isLater: boolean) => void> {
  const { formatDiagnostic } = await import("../idl/index.js");
  const { hasColours, paint } = await import("./paint.js");
  const colours = hasColours();
  return (result, isLater) => {
    for (const diagnostic of distinct(result.diagnostics)) {
      const text = formatDiagnostic(diagnostic);
      process.stderr.write(`${colours ? paint(text, diagnostic) : text}\n`);
    }
    for (const { state, source, output } of result.results) {
      if (state === "written") process.stdout.write(`wrote      ${output}\n`);
      else if (state === "unchanged" && !isLater) process.stdout.write(`unchanged  ${output}\n`);
      else if (state === "stale") {
        process.stderr.write(`stale      ${output}: it is not what farcall gen makes of ${source}\n`);
      } else if (state === "failed") {
        process.stderr.write(`failed     ${source}: nothing was written for it\n`);
      }
    }
  };
}

/** Files of one run may include the same broken file. */
function distinct(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const seen = new Set<string>();
  return diagnostics.filter(({ span, message }) => {
    const key = `${span?.source.path}:${span?.start}:${message}`;
    return !seen.has(key) && seen.add(key);
  });
}

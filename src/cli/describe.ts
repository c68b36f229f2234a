import { type Command, Option } from "commander";
import { proceduresOf } from "../onc/program.js";
import { CliError } from "./exit.js";
import { harmless } from "./harmless.js";
import { addBinderOptions, addTimeoutOption, type BinderFlags, withDirectory } from "./names/directory.js";
import { unsigned } from "./numbers.js";

interface DescribeFlags extends BinderFlags {
  readonly version?: number | undefined;
  readonly text?: true | undefined;
  readonly json?: true | undefined;
}

export function define(command: Command): void {
  command
    .usage("NAME [PROCEDURE] [options]")
    .description(
      "Tells what a service can do that is registered under a name: its procedures, and how their arguments are written.\n" +
        "The servers have told the binder, so no file is needed.",
    )
    .argument("<name>", "such as calc, or name:calc")
    .argument("[procedure]", "only this one")
    .addOption(new Option("--version <n>", "which version (default: the highest)").argParser(unsigned))
    .option("--text", "print the interface as a .x file, for farcall gen")
    .option("--json", "print JSON, on one line");
  addBinderOptions(command);
  addTimeoutOption(command);
  command
    .addHelpText(
      "after",
      `
Exit code: 0, or 1 when no binder can be asked, or 2 for a wrong command line or an interface that is not told, or 3 when nobody
serves the name.

Examples:
  farcall describe calc                     its procedures
  farcall describe calc add                 one of them
  farcall describe calc --text > calc.x     the interface as a file`,
    )
    .action(async (name: string, procedure: string | undefined, flags: DescribeFlags) => {
      await withDirectory(flags, async (directory) => {
        const { interfaceOf, harmlessLines } = await import("./names/interface.js");
        const told = await interfaceOf(directory, name.replace(/^name:/, ""), flags.version);
        const { service, version, versions, text } = told;
        if (flags.text === true) return void process.stdout.write(harmlessLines(text));
        const { signature } = await import("./pick.js");
        const all = proceduresOf(service);
        const shown = all.filter(
          ([key, { name }]) => procedure === undefined || key === procedure || name === procedure,
        );
        if (shown.length === 0) {
          throw new CliError(`${name} has no procedure ${procedure}; it has ${all.map(([key]) => key).join(", ")}`);
        }
        if (flags.json === true) {
          const rows = shown.map(([key, each]) => ({
            ...{ name: key, number: each.number, signature: signature(key, each) },
            semantics: each.semantics ?? "at-most-once",
          }));
          const described = { name: service.name, program: service.program, version, versions, procedures: rows };
          return void process.stdout.write(`${harmless(JSON.stringify(described))}\n`);
        }
        const others = versions.filter((each) => each !== version);
        const also = others.length === 0 ? "" : `; there is also version ${others.join(", ")}`;
        process.stdout.write(
          `${harmless(`${service.name} (program ${service.program}), version ${version}${also}`)}\n`,
        );
        for (const [key, each] of shown) process.stdout.write(`  ${harmless(signature(key, each))}\n`);
      });
    });
}

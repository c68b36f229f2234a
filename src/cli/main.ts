#!/usr/bin/env node
/**
 * The `farcall` command. Each subcommand is a file; only the one that is asked for is loaded, and it loads what it works
 * with when it runs, so `farcall --help` and a mistyped option answer at once.
 */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { CliError, ExitCode } from "./exit.js";

interface Subcommand {
  readonly summary: string;
  readonly load: () => Promise<{ define(command: Command): void }>;
}

const subcommands: Readonly<Record<string, Subcommand>> = {
  gen: { summary: "compile .x files to TypeScript", load: () => import("./gen.js") },
  call: { summary: "call a procedure and print its result as JSON", load: () => import("./call.js") },
  list: {
    summary: "list the names that a binder knows, or the methods of an XML-RPC server",
    load: () => import("./list.js"),
  },
  describe: { summary: "tell what a service under a name can do", load: () => import("./describe.js") },
  watch: { summary: "say what a binder's names come to, until stopped", load: () => import("./watch-names.js") },
  info: { summary: "list what a host serves, and ask whether it answers", load: () => import("./info.js") },
  bind: { summary: "serve as this machine's rpcbind: tell where programs are served", load: () => import("./bind.js") },
  submit: { summary: "queue a call as an asynchronous request", load: () => import("./submit.js") },
  requests: { summary: "list your asynchronous requests at a server", load: () => import("./requests.js") },
  result: { summary: "wait for the result of a request", load: () => import("./result.js") },
  cancel: { summary: "ask to end a request", load: () => import("./cancel.js") },
  trace: { summary: "show every call and reply that passes to a server", load: () => import("./trace.js") },
};

process.exitCode = await main(process.argv.slice(2));

/** @returns the exit code */
async function main(args: readonly string[]): Promise<number> {
  // A reader that has seen enough, such as `head`, is no failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit();
  });
  try {
    await (await build(args)).parseAsync(args, { from: "user" });
    return Number(process.exitCode ?? ExitCode.ok);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
    if (error instanceof CliError) {
      process.stderr.write(`farcall: ${error.message}\n`);
      return error.exitCode;
    }
    // Such as a file that may not be read. Anything else is our own mistake, and its stack says where.
    const { code, message } = error as NodeJS.ErrnoException;
    process.stderr.write(`farcall: ${code === undefined ? (error as Error).stack : message}\n`);
    return ExitCode.failed;
  }
}

async function build(args: readonly string[]): Promise<Command> {
  const program = new Command("farcall")
    .description("Remote procedure calls: compiles .x files, and calls servers from the command line.")
    .usage("COMMAND ...")
    .version(version(), "--version", "print farcall's version")
    // `farcall call --version 2` is the version of a program.
    .enablePositionalOptions()
    .exitOverride()
    .showHelpAfterError("Run with --help for the options.")
    .configureHelp({ showGlobalOptions: false })
    .addHelpText("after", "\nfarcall COMMAND --help says what a command takes, with examples.");
  for (const [name, { summary, load }] of Object.entries(subcommands)) {
    const command = program.command(name).summary(summary).description(summary);
    if (args.includes(name)) (await load()).define(command);
  }
  return program;
}

function version(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

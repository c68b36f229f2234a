import { type Command, Option } from "commander";
import type { DirectoryClient } from "../../binder/directory/client.js";
import { ExitCode } from "../exit.js";
import { milliseconds } from "../numbers.js";
import { report } from "../report.js";

// What the commands that ask a binder for names have in common.

export interface BinderFlags {
  readonly binder?: string | undefined;
  readonly timeout?: number | undefined;
}

export function addBinderOptions(command: Command): void {
  command.option(
    "--binder <address>",
    "the binder, or several with commas between (default: FARCALL_BINDER, or this machine's)",
  );
}

export function addTimeoutOption(command: Command): void {
  command.addOption(
    new Option("--timeout <ms>", "milliseconds each question to a binder may take (default: 2000)").argParser(
      milliseconds,
    ),
  );
}

/** Asks a binder's directory; a binder that cannot be asked ends the command. */
export async function withDirectory(
  { binder, timeout }: BinderFlags,
  work: (directory: DirectoryClient) => Promise<void>,
): Promise<void> {
  const { DirectoryClient } = await import("../../binder/directory/client.js");
  const { bindersOf } = await import("../../binder/directory/resolver.js");
  const { RpcError } = await import("../../model/index.js");
  const binders = bindersOf(binder ?? process.env["FARCALL_BINDER"]);
  await using directory = new DirectoryClient(binders, { timeoutMs: timeout });
  try {
    await work(directory);
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    process.stderr.write(report(error));
    process.exitCode = error.code === "invalid-argument" ? ExitCode.usage : ExitCode.failed;
  }
}

import type { Executed } from "../model/index.js";

/** What the exit codes mean; docs/cli.md tells users. */
export const ExitCode = {
  ok: 0,
  /** `gen`: a file is broken, or an output is stale. Elsewhere: the machine failed, such as a disk. */
  failed: 1,
  /** The command line, a file on it, or a value is wrong. Nothing was sent. */
  usage: 2,
  /** The call failed, and the procedure did not run. */
  executedNo: 3,
  /** The call failed, and the procedure ran. */
  executedYes: 4,
  /** The call failed, and the procedure may have run. */
  executedUnknown: 5,
} as const;

export function exitCodeOf(executed: Executed): number {
  if (executed === "unknown") return ExitCode.executedUnknown;
  return executed === "yes" ? ExitCode.executedYes : ExitCode.executedNo;
}

/** Ends the command with a message. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: number;

  constructor(message: string, exitCode: number = ExitCode.usage) {
    super(message);
    this.exitCode = exitCode;
  }
}

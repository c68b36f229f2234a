import { hostname } from "node:os";
import { type Command, Option } from "commander";
import type { ClientAuth } from "../../onc/auth/index.js";
import { CliError, ExitCode, exitCodeOf } from "../exit.js";
import { milliseconds, unsigned } from "../numbers.js";

/** Who asks: requests belong to a principal, so somebody has to be said. */
export interface OwnerFlags {
  readonly auth: "none" | "sys";
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly timeout?: number | undefined;
}

export const addressText = "tcp://HOST[:PORT], udp://..., tls://... or unix:/PATH";

export function addOwnerOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--auth <flavor>", "whose requests: a Unix user's, or nobody's in particular")
        .choices(["none", "sys"])
        .default("sys"),
    )
    .addOption(new Option("--uid <n>", "the user's number; default: yours").argParser(unsigned))
    .addOption(new Option("--gid <n>", "the group's number; default: yours").argParser(unsigned))
    .addOption(new Option("--timeout <ms>", "milliseconds to wait (default: 25000)").argParser(milliseconds));
}

export async function ownerAuth({ auth, uid, gid }: OwnerFlags): Promise<ClientAuth | undefined> {
  if (auth === "none") {
    if (uid !== undefined || gid !== undefined) throw new CliError("--uid and --gid need --auth sys");
    return undefined;
  }
  const { clientAuthSys } = await import("../../onc/auth/index.js");
  return clientAuthSys({
    uid: uid ?? process.getuid?.() ?? 0,
    gid: gid ?? process.getgid?.() ?? 0,
    machinename: hostname().slice(0, 255),
  });
}

/** Does what a command does; a failed call becomes its text and its exit code. */
export async function reporting(run: () => Promise<void>): Promise<void> {
  const { RpcError } = await import("../../model/index.js");
  const { LoadError } = await import("../../idl/index.js");
  try {
    await run();
  } catch (error) {
    if (error instanceof LoadError) throw new CliError(error.message);
    if (!(error instanceof RpcError)) throw error;
    process.stderr.write(`farcall: ${error.message}\n  code      ${error.code}\n  executed  ${error.executed}\n`);
    process.exitCode = error.code === "invalid-argument" ? ExitCode.usage : exitCodeOf(error.executed);
  }
}

import { readFileSync } from "node:fs";
import { type Command, Option } from "commander";
import type { RpcError, Timeline } from "../model/index.js";
import type { ClientAuth } from "../onc/auth/index.js";
import { addCompileOptions, type CompileFlags, compileOptions } from "./compile-options.js";
import { CliError, ExitCode, exitCodeOf } from "./exit.js";
import { milliseconds, unsigned } from "./numbers.js";
import { unusable } from "./unusable.js";

interface CallFlags extends CompileFlags {
  readonly program?: string | undefined;
  readonly version?: number | undefined;
  readonly timeout?: number | undefined;
  readonly connectTimeout?: number | undefined;
  readonly auth: "none" | "sys";
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly tls?: true | undefined;
  readonly ca?: string | undefined;
  readonly verbose?: true | undefined;
  readonly explain?: true | undefined;
}

export function define(command: Command): void {
  command
    .usage("ADDRESS FILE.x PROCEDURE [JSON...] [options]")
    .description(
      "Calls a procedure and prints its result on stdout, as JSON and alone.\n" +
        "64-bit numbers are decimal strings, opaque data is base64, enums go by name, void is null.",
    )
    .argument("<address>", "tcp://HOST[:PORT], udp://..., tls://... or unix:/PATH; without a port, rpcbind is asked")
    .argument("<file.x>", "the interface; it is compiled in memory")
    .argument("[procedure]", "by its name in the contract (add) or in the file (ADD); without one, all are listed")
    .argument("[json...]", "the arguments; - reads one from stdin")
    .option("--program <name>", "which program, by name or number, when the file has several")
    .addOption(new Option("--version <n>", "which version, when the program has several").argParser(unsigned))
    .addOption(new Option("--timeout <ms>", "milliseconds the call may take (default: 25000)").argParser(milliseconds))
    .addOption(
      new Option("--connect-timeout <ms>", "milliseconds connecting may take (default: 5000)").argParser(milliseconds),
    )
    .addOption(
      new Option("--auth <flavor>", "who calls: nobody in particular, or a Unix user")
        .choices(["none", "sys"])
        .default("none"),
    )
    .addOption(
      new Option("--uid <n>", "the user's number; default: yours").argParser(unsigned).implies({ auth: "sys" }),
    )
    .addOption(
      new Option("--gid <n>", "the group's number; default: yours").argParser(unsigned).implies({ auth: "sys" }),
    )
    .option("--tls", "over tcp, ask for TLS (RFC 9289) and do not go on without")
    .addOption(
      new Option("--ca <file>", "certificates to trust, as PEM (default: Node's own); implies --tls").implies({
        tls: true,
      }),
    )
    .option("-v, --verbose", "say on stderr what is called, and how long it took to connect and to call")
    .option("--explain", "print the call's ten steps on stderr, with their times");
  addCompileOptions(command);
  command
    .addHelpText(
      "after",
      `
Exit code:
  0  the result was printed
  2  the command line, the file or a value is wrong; nothing was sent
  3  the call failed, and the procedure did not run
  4  the call failed, and the procedure ran
  5  the call failed, and the procedure may have run

Examples:
  farcall call tcp://127.0.0.1:20101 calc.x add '{"a": 1, "b": 2}'
  farcall call udp://127.0.0.1:20101 calc.x AVERAGE '[1, 2.5]' --timeout 500
  farcall call tcp://nfs.example.org nfs.x null --program NFS_PROGRAM --version 3 --auth sys
  jq -n '{a: 1, b: 2}' | farcall call unix:/run/calc.sock calc.x add - --verbose`,
    )
    .action(
      async (
        address: string,
        file: string,
        procedure: string | undefined,
        json: readonly string[],
        flags: CallFlags,
      ) => {
        await call(address, file, procedure, json, flags);
      },
    );
}

async function call(
  address: string,
  file: string,
  procedure: string | undefined,
  json: readonly string[],
  flags: CallFlags,
): Promise<void> {
  const { loadInterface, LoadError } = await import("../idl/index.js");
  const { pick } = await import("./pick.js");
  const { readArguments } = await import("./arguments.js");
  const { RpcError } = await import("../model/index.js");
  try {
    const { services } = loadInterface(file, compileOptions(flags));
    const picked = pick(services, procedure, { file, program: flags.program, version: flags.version });
    const values = await readArguments(picked, json);
    process.stdout.write(`${await invoke(address, picked, values, flags)}\n`);
  } catch (error) {
    if (error instanceof LoadError) throw await unusable(file, error);
    if (!(error instanceof RpcError)) throw error;
    process.stderr.write(report(error));
    process.exitCode = error.code === "invalid-argument" ? ExitCode.usage : exitCodeOf(error.executed);
  }
}

/** @returns the result as JSON */
async function invoke(
  address: string,
  { service, key, procedure }: import("./pick.js").Picked,
  values: readonly unknown[],
  flags: CallFlags,
): Promise<string> {
  const { connect } = await import("../connect.js");
  const { RpcError } = await import("../model/index.js");
  const { toJson } = await import("../xdr/index.js");
  const { explainText, reachText } = await import("./explain-text.js");
  const say = (text: string): unknown => process.stderr.write(text);
  const explain = (timeline: Timeline): void => {
    if (flags.verbose === true) say(reachText(timeline));
    if (flags.explain === true) say(explainText(timeline));
  };
  const auth = await authOf(flags);
  const options = {
    auth,
    tls: flags.tls === undefined ? undefined : { ca: flags.ca === undefined ? undefined : readFileSync(flags.ca) },
    connectTimeoutMs: flags.connectTimeout ?? Math.min(flags.timeout ?? 5_000, 5_000),
    timeoutMs: flags.timeout,
    // Whoever sits before it can try again, and wants to know now.
    retry: false as const,
    // One call to whatever server it is: plainly, as anybody would. A server tells its own steps in a session only.
    session: flags.explain === true ? ("auto" as const) : ("off" as const),
  };
  await using client = await connect(service, address, options).catch((error: unknown) => {
    // No call was made, so it came to none of its steps.
    if (error instanceof RpcError && flags.explain === true) say(explainText(error.timeline));
    throw error;
  });
  if (flags.verbose === true) {
    say(`${service.name}.${key} (program ${service.program}, version ${service.version}, `);
    say(`procedure ${procedure.number}) at ${client.$address}\n`);
  }
  // The first Ctrl-C ends the call, which says whether the procedure ran; the second ends the command.
  const abort = new AbortController();
  const onInterrupt = (): void => abort.abort();
  process.once("SIGINT", onInterrupt);
  try {
    const result = await client[key]?.(...values, {
      signal: abort.signal,
      explain: flags.verbose === true || flags.explain === true ? explain : undefined,
    });
    return toJson(procedure.result.shape, result);
  } finally {
    process.removeListener("SIGINT", onInterrupt);
  }
}

async function authOf({ auth, uid, gid }: CallFlags): Promise<ClientAuth | undefined> {
  if (auth === "none") {
    if (uid !== undefined || gid !== undefined) throw new CliError("--uid and --gid need --auth sys");
    return undefined;
  }
  const { hostname } = await import("node:os");
  const { clientAuthSys } = await import("../onc/auth/index.js");
  return clientAuthSys({
    uid: uid ?? process.getuid?.() ?? 0,
    gid: gid ?? process.getgid?.() ?? 0,
    machinename: hostname().slice(0, 255),
  });
}

const executedTexts = {
  no: "no: the procedure did not run, and will not",
  yes: "yes: the procedure ran",
  unknown: "unknown: the procedure may have run",
} as const;

function report({ message, code, executed, status, attempts }: RpcError): string {
  const lines = [`farcall: ${message}`, `  code      ${code}`, `  executed  ${executedTexts[executed]}`];
  if (status !== undefined) {
    lines.push(`  status    ${status.number} (${status.text})`);
    if (status.low !== undefined) lines.push(`  versions  the server has ${status.low} to ${status.high}`);
    if (status.why !== undefined) lines.push(`  why       ${status.why.number} (${status.why.text})`);
  }
  if (attempts > 1) lines.push(`  attempts  ${attempts}`);
  return `${lines.join("\n")}\n`;
}

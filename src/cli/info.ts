import { type Command, Option } from "commander";
import { RpcError } from "../model/index.js";
import { CliError, ExitCode } from "./exit.js";
import { harmless } from "./harmless.js";
import { milliseconds, unsigned } from "./numbers.js";

interface InfoFlags {
  readonly p?: true | undefined;
  readonly s?: true | undefined;
  readonly t?: true | undefined;
  readonly u?: true | undefined;
  readonly n?: number | undefined;
  readonly timeout: number;
  readonly json?: true | undefined;
}

/** Milliseconds that a question may take, as rpcinfo gives a program to answer. */
const timeoutMsDefault = 10_000;

export function define(command: Command): void {
  command
    .usage("[-p | -s] [HOST] [options]\n       farcall info -t | -u HOST PROGRAM [VERSION] [options]")
    .description(
      "Asks a host's rpcbind what is registered, or a program whether it answers; prints what rpcinfo prints.\n" +
        "Without an option: every program, version and transport with its address and owner.",
    )
    .argument(
      "[host]",
      "a name or address (default: this machine); to list, also a full address such as tcp://HOST:PORT",
    )
    .argument("[program]", "its number, or its name in /etc/rpc")
    .argument("[version]", "default: every version that the program says it has")
    .addOption(new Option("-p", "list what the port mapper knows (rpcbind version 2): TCP and UDP over IPv4"))
    .addOption(new Option("-s", "list each program once, with its versions and transports"))
    .addOption(new Option("-t", "call procedure 0 of the program over TCP"))
    .addOption(new Option("-u", "call procedure 0 of the program over UDP"))
    .addOption(new Option("-n <port>", "with -t or -u: the program's port; rpcbind is not asked").argParser(unsigned))
    .addOption(
      new Option("--timeout <ms>", "milliseconds each question may take")
        .argParser(milliseconds)
        .default(timeoutMsDefault),
    )
    .option("--json", "print JSON, on one line")
    .addHelpText(
      "after",
      `
Exit code: 0, or 1 when rpcbind or a version of the program does not answer, or 2 for a wrong command line.

Examples:
  farcall info -p nfs.example.org               what is registered there
  farcall info -s --json | jq '.[].program'     the program numbers of this machine
  farcall info -t nfs.example.org nfs           which versions of NFS answer over TCP
  farcall info -u 127.0.0.1 100000 4            does version 4 of rpcbind answer over UDP?`,
    )
    .action(async (host: string | undefined, program: string | undefined, version: string | undefined, flags) => {
      await info(host, program, version, flags as InfoFlags);
    });
}

async function info(
  host: string | undefined,
  program: string | undefined,
  version: string | undefined,
  flags: InfoFlags,
): Promise<void> {
  const chosen = (["p", "s", "t", "u"] as const).filter((letter) => flags[letter] === true);
  if (chosen.length > 1) throw new CliError(`choose one of ${chosen.map((letter) => `-${letter}`).join(" and ")}`);
  const pings = flags.t === true || flags.u === true;
  if (!pings && program !== undefined) throw new CliError("a program needs -t or -u: which transport to ask it over");
  if (!pings && flags.n !== undefined) throw new CliError("-n is the port of a program: it needs -t or -u");
  if (!pings) return await list(host, flags);
  if (host === undefined || program === undefined) {
    throw new CliError(`-${chosen[0]} needs a host and a program: farcall info -${chosen[0]} HOST PROGRAM [VERSION]`);
  }
  await ping(host, program, version, flags);
}

async function list(host: string | undefined, { p, s, timeout, json }: InfoFlags): Promise<void> {
  const { binderAddress, dumpEntries, dumpMappings } = await import("./info/dump.js");
  const tables = await import("./info/tables.js");
  const { ServiceNames } = await import("./info/service-names.js");
  const names = ServiceNames.ofMachine();
  const address = binderAddress(host);
  const show = <Row>(rows: readonly Row[], table: (rows: readonly Row[]) => string): void => {
    process.stdout.write(json === true ? `${harmless(JSON.stringify(rows))}\n` : table(rows));
  };
  try {
    if (p === true) {
      show(tables.mappingRows(await dumpMappings(address, timeout), names), tables.mappingTable);
    } else {
      const entries = await dumpEntries(address, timeout);
      if (s === true) show(tables.summaryRows(entries, names), tables.summaryTable);
      else show(tables.entryRows(entries, names), tables.entryTable);
    }
  } catch (error) {
    const text = await refusal(error);
    fail(`can't contact ${p === true ? "portmapper" : "rpcbind"}: ${text} (${address})`);
  }
}

async function ping(
  host: string,
  programText: string,
  versionText: string | undefined,
  { t, n: port, timeout, json }: InfoFlags,
): Promise<void> {
  const { pingVersion, pingVersions } = await import("./info/ping.js");
  const { failureText } = await import("./info/failure.js");
  const { ServiceNames } = await import("./info/service-names.js");
  const program = numberOf(programText) ?? ServiceNames.ofMachine().number(programText);
  if (program === undefined) throw new CliError(`${programText} is unknown service`);
  const version = versionText === undefined ? undefined : numberOf(versionText);
  if (versionText !== undefined && version === undefined)
    throw new CliError(`${versionText} is illegal version number`);
  const target = { transport: t === true ? "tcp" : "udp", host, port, program, timeoutMs: timeout } as const;
  const found: object[] = [];
  try {
    for await (const { version: asked, error } of version === undefined
      ? pingVersions(target)
      : [await pingVersion(target, version)]) {
      if (error !== undefined) fail(failureText(error));
      if (json === true) found.push({ program, version: asked, ready: error === undefined, ...jsonOf(error) });
      else {
        const state = error === undefined ? "ready and waiting" : "is not available";
        process.stdout.write(`program ${program} version ${asked} ${state}\n`);
      }
    }
  } catch (error) {
    fail(`${host}: ${await refusal(error)}`);
  }
  if (json === true) process.stdout.write(`${JSON.stringify(found)}\n`);
}

function jsonOf(error: RpcError | undefined): object {
  if (error === undefined) return {};
  const { code, message, status } = error;
  return { error: { code, message, status } };
}

/** @throws whatever is not the network's or the peer's fault */
async function refusal(error: unknown): Promise<string> {
  if (!(error instanceof RpcError)) throw error;
  if (error.code === "invalid-argument") throw new CliError(error.message);
  const { failureText } = await import("./info/failure.js");
  return failureText(error);
}

function fail(message: string): void {
  process.stderr.write(`farcall: ${message}\n`);
  process.exitCode = ExitCode.failed;
}

function numberOf(text: string): number | undefined {
  const value = Number(text);
  return /^(\d+|0x[0-9a-fA-F]+)$/.test(text) && value <= 0xffff_ffff ? value : undefined;
}

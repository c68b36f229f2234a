import { type Command, Option } from "commander";
import { RpcError } from "../model/index.js";
import { CliError, ExitCode } from "./exit.js";
import { harmless } from "./harmless.js";
import { milliseconds, unsigned } from "./numbers.js";

interface InfoFlags {
  readonly p?: true | undefined;
  readonly s?: true | undefined;
  readonly m?: true | undefined;
  readonly l?: true | undefined;
  readonly b?: true | undefined;
  readonly d?: true | undefined;
  readonly t?: true | undefined;
  readonly u?: true | undefined;
  readonly T?: string | undefined;
  readonly a?: string | undefined;
  readonly n?: number | undefined;
  readonly timeout?: number | undefined;
  readonly json?: true | undefined;
}

/** Milliseconds that a question may take, as rpcinfo gives a program to answer. */
const timeoutMsDefault = 10_000;

/** Milliseconds in which a broadcast is answered. */
const broadcastMsDefault = 3_000;

export function define(command: Command): void {
  command
    .usage(
      [
        "[-p | -s | -m] [HOST] [options]",
        "-l HOST PROGRAM VERSION [options]",
        "-t | -u | -T NETID HOST PROGRAM [VERSION] [options]",
        "-a ADDRESS -T NETID PROGRAM [VERSION] [options]",
        "-b PROGRAM VERSION [options]",
        "-d [-T NETID] PROGRAM VERSION",
      ].join("\n       farcall info "),
    )
    .description(
      "Asks a host's rpcbind what is registered, or a program whether it answers; prints what rpcinfo prints.\n" +
        "Without an option: every program, version and transport with its address and owner.",
    )
    .argument(
      "[host]",
      "a name or address (default: this machine); to list, also a full address such as tcp://HOST:PORT",
    )
    .argument("[program]", "its number, or its name in /etc/rpc")
    .argument("[version]", "to ping, default: every version that the program says it has")
    .addOption(new Option("-p", "list what the port mapper knows (rpcbind version 2): TCP and UDP over IPv4"))
    .addOption(new Option("-s", "list each program once, with its versions and transports"))
    .addOption(new Option("-m", "list what rpcbind was asked so far"))
    .addOption(new Option("-l", "list the addresses of a version of a program, as they are reached from here"))
    .addOption(new Option("-t", "call procedure 0 of the program over TCP"))
    .addOption(new Option("-u", "call procedure 0 of the program over UDP"))
    .addOption(new Option("-T <netid>", "the same over tcp, udp, tcp6, udp6 or local; with -d: only that registration"))
    .addOption(new Option("-a <address>", "with -T: the program's universal address; rpcbind is not asked"))
    .addOption(new Option("-n <port>", "with -t or -u: the program's port; rpcbind is not asked").argParser(unsigned))
    .addOption(new Option("-b", "find the program's servers on the local networks, by broadcast"))
    .addOption(new Option("-d", "take a registration back, which is your own, from this machine's rpcbind"))
    .addOption(
      new Option(
        "--timeout <ms>",
        `milliseconds each question may take (default: ${timeoutMsDefault}, with -b ${broadcastMsDefault})`,
      ).argParser(milliseconds),
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
  farcall info -u 127.0.0.1 100000 4            does version 4 of rpcbind answer over UDP?
  farcall info -b 395183 1                      which instruments are in the network?`,
    )
    .action(async (host: string | undefined, program: string | undefined, version: string | undefined, flags) => {
      await info(
        [host, program, version].filter((text) => text !== undefined),
        flags as InfoFlags,
      );
    });
}

/** What can be asked; each is a letter, and -T one when nothing else is. */
const questions = ["p", "s", "m", "l", "t", "u", "b", "d"] as const;

async function info(words: readonly string[], flags: InfoFlags): Promise<void> {
  const chosen = questions.filter((letter) => flags[letter] === true);
  if (chosen.length > 1) throw new CliError(`choose one of ${chosen.map((letter) => `-${letter}`).join(" and ")}`);
  const [asked = flags.T === undefined ? undefined : "T"] = chosen;
  if (flags.T !== undefined && asked !== "T" && asked !== "d") throw new CliError(`-T does not go with -${asked}`);
  if (flags.a !== undefined && asked !== "T") throw new CliError("-a needs -T: which transport the address is of");
  if (flags.n !== undefined && asked !== "t" && asked !== "u") {
    throw new CliError("-n is the port of a program: it needs -t or -u");
  }
  const [first, second, third] = words;
  switch (asked) {
    case "t":
    case "u":
    case "T": {
      // An address is in the place of the host.
      const [host, program, version, more] = flags.a === undefined ? words : [flags.a, ...words];
      if (host === undefined || program === undefined || more !== undefined) {
        const usage = flags.a === undefined ? "HOST PROGRAM [VERSION]" : "NETID -a ADDRESS PROGRAM [VERSION]";
        throw new CliError(
          `-${asked} needs ${flags.a === undefined ? "a host and " : ""}a program: farcall info -${asked} ${usage}`,
        );
      }
      return await ping(host, program, version, flags);
    }
    case "l":
      if (first === undefined || second === undefined || third === undefined) {
        throw new CliError("-l needs a host, a program and a version: farcall info -l HOST PROGRAM VERSION");
      }
      return await listAddresses(first, await programOf(second), versionOf(third), flags);
    case "b":
    case "d": {
      if (first === undefined || second === undefined || third !== undefined) {
        throw new CliError(`-${asked} needs a program and a version: farcall info -${asked} PROGRAM VERSION`);
      }
      const [program, version] = [await programOf(first), versionOf(second)];
      return asked === "b" ? await find(program, version, flags) : await remove(program, version, first, second, flags);
    }
    default:
      if (second !== undefined) throw new CliError("a program needs -t or -u: which transport to ask it over");
      return asked === "m" ? await statistics(first, flags) : await list(first, flags);
  }
}

function show(json: true | undefined, rows: unknown, text: () => string): void {
  process.stdout.write(json === true ? `${harmless(JSON.stringify(rows))}\n` : text());
}

async function statistics(host: string | undefined, { timeout = timeoutMsDefault, json }: InfoFlags): Promise<void> {
  const { ask, binderAddress } = await import("./info/dump.js");
  const { statisticsRows, statisticsText } = await import("./info/statistics.js");
  const { RpcbindV4 } = await import("../binder/rpcbind/rpcbind.js");
  const { ServiceNames } = await import("./info/service-names.js");
  const address = binderAddress(host);
  await orSay(address, async () => {
    const all = await ask(RpcbindV4, address, timeout, (client) => client.getstat());
    show(json, statisticsRows(all), () => statisticsText(all, ServiceNames.ofMachine()));
  });
}

async function listAddresses(
  host: string,
  program: number,
  version: number,
  { timeout = timeoutMsDefault, json }: InfoFlags,
): Promise<void> {
  const { binderAddress } = await import("./info/dump.js");
  const { addressesOf, addressRows, addressTable } = await import("./info/addresses.js");
  const { ServiceNames } = await import("./info/service-names.js");
  const address = binderAddress(host);
  await orSay(address, async () => {
    const entries = await addressesOf(address, program, version, timeout);
    const rows = addressRows(entries, program, version, ServiceNames.ofMachine());
    show(json, rows, () => addressTable(rows));
  });
}

async function find(
  program: number,
  version: number,
  { timeout = broadcastMsDefault, json }: InfoFlags,
): Promise<void> {
  const { findServers } = await import("./info/find.js");
  try {
    const rows = await findServers(program, version, timeout);
    show(json, rows, () => rows.map(({ address, host }) => `${harmless(`${address}`)}\t${harmless(host)}\n`).join(""));
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    fail(error.message);
  }
}

async function remove(
  program: number,
  version: number,
  programText: string,
  versionText: string,
  { T, timeout = timeoutMsDefault, json }: InfoFlags,
): Promise<void> {
  const { ask, binderAddress } = await import("./info/dump.js");
  const { checkNetid } = await import("./info/reach.js");
  const { RpcbindV4 } = await import("../binder/rpcbind/rpcbind.js");
  const entry = { prog: program, vers: version, netid: T === undefined ? "" : checkNetid(T), addr: "", owner: "" };
  const address = binderAddress(undefined);
  await orSay(address, async () => {
    const removed = await ask(RpcbindV4, address, timeout, (client) => client.unset(entry));
    show(json, { removed }, () => "");
    if (!removed) fail(`could not delete registration for prog ${programText} version ${versionText}`);
  });
}

/** Asks a rpcbind, and says why it cannot be asked. */
async function orSay(address: string, question: () => Promise<void>): Promise<void> {
  try {
    await question();
  } catch (error) {
    fail(`can't contact rpcbind: ${await refusal(error)} (${address})`);
  }
}

async function programOf(text: string): Promise<number> {
  const { ServiceNames } = await import("./info/service-names.js");
  const program = numberOf(text) ?? ServiceNames.ofMachine().number(text);
  if (program === undefined) throw new CliError(`${text} is unknown service`);
  return program;
}

function versionOf(text: string): number {
  const version = numberOf(text);
  if (version === undefined) throw new CliError(`${text} is illegal version number`);
  return version;
}

async function list(host: string | undefined, { p, s, timeout = timeoutMsDefault, json }: InfoFlags): Promise<void> {
  const { binderAddress, dumpEntries, dumpMappings } = await import("./info/dump.js");
  const tables = await import("./info/tables.js");
  const { ServiceNames } = await import("./info/service-names.js");
  const names = ServiceNames.ofMachine();
  const address = binderAddress(host);
  const tabulate = <Row>(rows: readonly Row[], table: (rows: readonly Row[]) => string): void => {
    show(json, rows, () => table(rows));
  };
  try {
    if (p === true) {
      tabulate(tables.mappingRows(await dumpMappings(address, timeout), names), tables.mappingTable);
    } else {
      const entries = await dumpEntries(address, timeout);
      if (s === true) tabulate(tables.summaryRows(entries, names), tables.summaryTable);
      else tabulate(tables.entryRows(entries, names), tables.entryTable);
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
  { t, T, a, n: port, timeout = timeoutMsDefault, json }: InfoFlags,
): Promise<void> {
  const { pingVersion, pingVersions } = await import("./info/ping.js");
  const { failureText } = await import("./info/failure.js");
  const { addressAt, addressOver, checkNetid } = await import("./info/reach.js");
  const { formatIpAddress } = await import("../net/index.js");
  const program = await programOf(programText);
  const version = versionText === undefined ? undefined : versionOf(versionText);
  const addressOf = async (): Promise<string> => {
    const where = { program, version: version ?? 0, timeoutMs: timeout };
    if (a !== undefined) return addressAt(checkNetid(T ?? ""), a);
    if (T !== undefined) return await addressOver(checkNetid(T), host, where);
    const transport = t === true ? "tcp" : "udp";
    if (port !== undefined) return formatIpAddress(transport, host, port);
    return `${transport}://${host.includes(":") ? `[${host}]` : host}`;
  };
  const found: object[] = [];
  try {
    const target = { address: await addressOf(), program, timeoutMs: timeout };
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
    // rpcinfo names the host where it was asked for in the old way.
    fail(T === undefined ? `${host}: ${await refusal(error)}` : await refusal(error));
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

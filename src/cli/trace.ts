import type { Command } from "commander";
import { RpcError } from "../model/index.js";
import type { CompleteAddress } from "../net/index.js";
import { addCompileOptions, type CompileFlags, compileOptions } from "./compile-options.js";
import { CliError } from "./exit.js";
import type { Catalogue } from "./trace/catalogue.js";

interface TraceFlags extends CompileFlags {
  readonly listen: string;
  readonly to: string;
  readonly json?: true | undefined;
  readonly bytes?: true | undefined;
  readonly full?: true | undefined;
}

export function define(command: Command): void {
  command
    .usage("--listen ADDRESS --to ADDRESS [FILE.x...] [options]")
    .description(
      "Stands between clients and a server, passes every byte on unchanged, and prints each call and reply on stdout,\n" +
        "by name and field where a file describes the program, else by numbers. Ctrl-C ends it.",
    )
    .argument("[file.x...]", "the interfaces; those of rpcbind and of farcall's sessions are known")
    .requiredOption("--listen <address>", "where clients connect: tcp://HOST:PORT, unix:/PATH or udp://HOST:PORT")
    .requiredOption("--to <address>", "where the server listens; streams go to streams, datagrams to datagrams")
    .option("--full", "print whole values, however long")
    .option("--bytes", "print the bytes of each message too")
    .option("--json", "print an object a line; values over 64 KiB only with --full");
  addCompileOptions(command);
  command
    .addHelpText(
      "after",
      `
Exit code: 0 after Ctrl-C, or 1 when the address to listen on cannot be had, or 2 for a wrong command line or file.

Examples:
  farcall trace --listen tcp://127.0.0.1:9000 --to tcp://127.0.0.1:20101 calc.x
  farcall trace --listen udp://127.0.0.1:9000 --to udp://127.0.0.1:111 --bytes
  farcall trace --listen unix:/tmp/in.sock --to tcp://nfs.example.org:2049 nfs.x mount.x --json | jq .target`,
    )
    .action(async (files: readonly string[], flags: TraceFlags) => {
      await trace(files, flags);
    });
}

async function trace(files: readonly string[], flags: TraceFlags): Promise<void> {
  const { isDatagram } = await import("../net/index.js");
  const from = await addressOf("--listen", flags.listen);
  const to = await addressOf("--to", flags.to);
  if (isDatagram(from) !== isDatagram(to)) {
    throw new CliError("--listen and --to must both be datagrams (udp) or both streams (tcp, unix)");
  }
  const catalogue = await catalogueOf(files, flags);
  const { jsonPrinter, textPrinter } = await import("./trace/print.js");
  const { StreamOutput } = await import("./trace/output.js");
  const { TraceSession } = await import("./trace/session.js");
  const options = { full: flags.full === true, bytes: flags.bytes === true };
  const session = new TraceSession({
    catalogue,
    printer: flags.json === true ? jsonPrinter(options) : textPrinter(options),
    output: new StreamOutput(process.stdout),
    now: () => performance.timeOrigin + performance.now(),
  });
  const proxy = isDatagram(from)
    ? await (await import("./trace/datagram-proxy.js")).proxyDatagrams(from, to, session)
    : await (await import("./trace/stream-proxy.js")).proxyStreams(from, to, session);
  process.stderr.write(`farcall: ${proxy.address} -> ${flags.to}; Ctrl-C ends\n`);
  await new Promise<void>((end) => {
    process.once("SIGINT", () => end());
    process.once("SIGTERM", () => end());
  });
  await proxy.close();
  const { connections, calls, replies, malformed } = session.counts;
  const counts = `connections: ${connections}, calls: ${calls}, replies: ${replies}, malformed: ${malformed}`;
  process.stderr.write(`farcall: ${counts}\n`);
}

async function addressOf(option: string, text: string): Promise<CompleteAddress> {
  const { parseAddress } = await import("../net/index.js");
  try {
    const address = parseAddress(text);
    if (address.scheme === "tls")
      throw new CliError(`${option}: TLS cannot be read from outside; use tcp, unix or udp`);
    if (address.scheme === "unix") return address;
    if (!("host" in address)) throw new CliError(`${option}: ${address.scheme} addresses belong to one process`);
    if (address.port === undefined)
      throw new CliError(`${option}: give the port, such as ${text.replace(/\/$/, "")}:2049`);
    return { ...address, port: address.port };
  } catch (error) {
    if (error instanceof RpcError) throw new CliError(`${option}: ${error.message}`);
    throw error;
  }
}

async function catalogueOf(files: readonly string[], flags: TraceFlags): Promise<Catalogue> {
  const { Catalogue } = await import("./trace/catalogue.js");
  const { sessionService } = await import("./trace/session-program.js");
  const { RpcbindV2, RpcbindV3, RpcbindV4 } = await import("../binder/rpcbind/rpcbind.js");
  const { loadInterface, LoadError } = await import("../idl/index.js");
  const catalogue = new Catalogue();
  for (const file of files) {
    try {
      const { services } = loadInterface(file, compileOptions(flags));
      if (services.length === 0) throw new CliError(`${file} has no program`);
      for (const service of services) {
        if (catalogue.add(service)) continue;
        throw new CliError(`${file}: another file has program ${service.program} version ${service.version} too`);
      }
    } catch (error) {
      throw error instanceof LoadError ? await (await import("./unusable.js")).unusable(file, error) : error;
    }
  }
  // Files come first: they may know more of it.
  for (const service of [sessionService, RpcbindV4, RpcbindV3, RpcbindV2]) catalogue.add(service);
  return catalogue;
}

import { readFileSync } from "node:fs";
import { type Command, Option } from "commander";
import type { DirectoryClient } from "../binder/directory/client.js";
import type { LoadedContract } from "../idl/index.js";
import type { Client, Timeline } from "../model/index.js";
import { nameIn } from "../net/address.js";
import { isExchangeAddress } from "../net/exchange-address.js";
import type { ClientAuth } from "../onc/auth/index.js";
import { addCompileOptions, type CompileFlags, compileOptions } from "./compile-options.js";
import { CliError, ExitCode, exitCodeOf } from "./exit.js";
import { addBinderOptions, type BinderFlags } from "./names/directory.js";
import { milliseconds, unsigned } from "./numbers.js";
import { interruptible, report } from "./report.js";
import { unusable } from "./unusable.js";
import { addHttpOptions, type HttpFlags, httpOptions } from "./xml-rpc/options.js";

interface CallFlags extends CompileFlags, HttpFlags, BinderFlags {
  readonly program?: string | undefined;
  readonly version?: number | undefined;
  readonly auth: "none" | "sys";
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly tls?: true | undefined;
  readonly verbose?: true | undefined;
  readonly explain?: true | undefined;
}

export function define(command: Command): void {
  command
    .usage(
      "ADDRESS FILE.x PROCEDURE [JSON...] [options]\n       farcall call NAME PROCEDURE [JSON...] [options]\n" +
        "       farcall call http://HOST/PATH METHOD [JSON...] [options]",
    )
    .description(
      "Calls a procedure and prints its result on stdout, as JSON and alone.\n" +
        "With a .x file 64-bit numbers are decimal strings, opaque data is base64, enums go by name, void is null.\n" +
        'Of XML-RPC without one: {"$bigint": "5"}, {"$double": 5}, {"$date": "1998-07-17T14:08:55"}, {"$base64": "AQID"}.',
    )
    .argument(
      "<address>",
      "tcp://HOST[:PORT], udp://..., tls://... or unix:/PATH, where without a port rpcbind is asked; " +
        "http://HOST[:PORT][/PATH], https://..., http+unix:/SOCKET[:/PATH], scgi://HOST:PORT or scgi+unix:/SOCKET; " +
        "or a name that servers have registered with a binder, such as calc or name:calc",
    )
    .argument(
      "[file.x|method]",
      "the interface, which is compiled in memory; a method of an XML-RPC server; with a name no file is needed",
    )
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
    .option("--ca <file>", "certificates to trust, as PEM (default: Node's own); over tcp it implies --tls")
    .option("-v, --verbose", "say on stderr what is called, and how long it took to connect and to call")
    .option("--explain", "print the call's ten steps on stderr, with their times");
  addBinderOptions(command);
  addCompileOptions(command);
  addHttpOptions(command, true);
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
  farcall call calc add '{"a": 1, "b": 2}'      a name: the binder knows the server, and its interface
  jq -n '{a: 1, b: 2}' | farcall call unix:/run/calc.sock calc.x add - --verbose
  farcall call http://127.0.0.1:8000/RPC2 test.square 14
  farcall call http+unix:/run/supervisor.sock supervisor.startProcess '"worker"' --preset supervisord --user me
  farcall call http://127.0.0.1:20180 calc.x add '{"a": 1, "b": 2}'      a .x service over XML-RPC`,
    )
    .action(
      async (
        address: string,
        file: string | undefined,
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
  what: string | undefined,
  procedure: string | undefined,
  json: readonly string[],
  flags: CallFlags,
): Promise<void> {
  const { RpcError } = await import("../model/index.js");
  try {
    checkFlags(isExchangeAddress(address), flags);
    const name = nameIn(address) ?? (address.includes(":") ? undefined : address);
    if (what === undefined && name === undefined) throw new CliError("say which interface: ADDRESS FILE.x PROCEDURE");
    const result =
      what === undefined || (name !== undefined && !what.endsWith(".x"))
        ? await callName(name ?? "", [what, procedure, ...json], flags)
        : isExchangeAddress(address) && !what.endsWith(".x")
          ? await callMethod(address, what, procedure === undefined ? [] : [procedure, ...json], flags)
          : await callProcedure(name === undefined ? address : `name:${name}`, what, procedure, json, flags);
    process.stdout.write(`${result}\n`);
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    process.stderr.write(report(error));
    process.exitCode = error.code === "invalid-argument" ? ExitCode.usage : exitCodeOf(error.executed);
  }
}

/** An option that would be passed over is a mistake. */
function checkFlags(http: boolean, flags: CallFlags): void {
  const { user, header, profile, preset, nil, dates, auth, tls } = flags;
  const wrong = http
    ? { auth: auth === "sys" || undefined, tls }
    : { user, header: Object.keys(header)[0], profile, preset, nil, dates };
  const [name] = Object.entries(wrong).find(([, value]) => value !== undefined) ?? [];
  if (name === undefined) return;
  throw new CliError(
    http ? `--${name} is for ONC RPC; over HTTP there are https: and --user` : `--${name} is for XML-RPC`,
  );
}

async function callMethod(address: string, method: string, json: readonly string[], flags: CallFlags): Promise<string> {
  const xmlRpc = await import("./xml-rpc/call.js");
  return await xmlRpc.callMethod(address, method, json, flags);
}

/** Calls a procedure of a service that the binder knows by its name, and by the interface that its servers told. */
async function callName(
  name: string,
  [procedure, ...json]: readonly (string | undefined)[],
  flags: CallFlags,
): Promise<string> {
  const { isName } = await import("../binder/directory/names.js");
  if (!isName(name)) throw new CliError(`${name} is neither an address, such as tcp://HOST:PORT, nor a name`);
  const { pick } = await import("./pick.js");
  const { readArguments } = await import("./arguments.js");
  const { DirectoryClient } = await import("../binder/directory/client.js");
  const { interfaceOf } = await import("./names/interface.js");
  await using directory: DirectoryClient = new DirectoryClient(await bindersOf(flags));
  const { service } = await interfaceOf(directory, name, flags.version);
  const picked = pick([service], procedure, { file: name, program: flags.program });
  const values = await readArguments(
    picked,
    json.filter((text) => text !== undefined),
  );
  return await invoke(`name:${name}`, picked, values, flags);
}

async function bindersOf({ binder }: CallFlags): Promise<readonly string[]> {
  const resolver = await import("../binder/directory/resolver.js");
  return resolver.bindersOf(binder ?? process.env["FARCALL_BINDER"]);
}

/** Calls a procedure of a `.x` file, over ONC RPC or, at an address of HTTP, over XML-RPC. */
async function callProcedure(
  address: string,
  file: string,
  procedure: string | undefined,
  json: readonly string[],
  flags: CallFlags,
): Promise<string> {
  const { loadInterface, LoadError } = await import("../idl/index.js");
  const { pick } = await import("./pick.js");
  const { readArguments } = await import("./arguments.js");
  try {
    const { services } = loadInterface(file, compileOptions(flags));
    const picked = pick(services, procedure, { file, program: flags.program, version: flags.version });
    const values = await readArguments(picked, json);
    return await invoke(address, picked, values, flags);
  } catch (error) {
    if (error instanceof LoadError) throw await unusable(file, error);
    throw error;
  }
}

/** @returns the result as JSON */
async function invoke(
  address: string,
  { service, key, procedure }: import("./pick.js").Picked,
  values: readonly unknown[],
  flags: CallFlags,
): Promise<string> {
  const { RpcError } = await import("../model/index.js");
  const { toJson } = await import("../xdr/index.js");
  const { explainText, reachText } = await import("./explain-text.js");
  const say = (text: string): unknown => process.stderr.write(text);
  const explain = (timeline: Timeline): void => {
    if (flags.verbose === true) say(reachText(timeline));
    if (flags.explain === true) say(explainText(timeline));
  };
  await using client = await connected(service, key, address, flags).catch((error: unknown) => {
    // No call was made, so it came to none of its steps.
    if (error instanceof RpcError && flags.explain === true) say(explainText(error.timeline));
    throw error;
  });
  if (flags.verbose === true) {
    say(`${service.name}.${key} (program ${service.program}, version ${service.version}, `);
    say(`procedure ${procedure.number}) at ${client.$address}\n`);
  }
  return await interruptible(async (signal) => {
    const result = await client[key]?.(...values, {
      signal,
      explain: flags.verbose === true || flags.explain === true ? explain : undefined,
    });
    return toJson(procedure.result.shape, result);
  });
}

async function connected(
  service: import("./pick.js").Picked["service"],
  key: string,
  address: string,
  flags: CallFlags,
): Promise<Client<LoadedContract>> {
  const { connect } = await import("../connect.js");
  if (isExchangeAddress(address)) {
    const { overXmlRpc } = await import("../xmlrpc/index.js");
    // The one that is called: others may have types that XML-RPC has nothing for.
    const procedures = { [key]: service.procedures[key] } as typeof service.procedures;
    return await connect(overXmlRpc<LoadedContract>({ ...service, procedures }), address, httpOptions(flags));
  }
  const { ca } = flags;
  const tls =
    flags.tls === true || ca !== undefined ? { ca: ca === undefined ? undefined : readFileSync(ca) } : undefined;
  const { binderAt } = await import("../binder/directory/resolver.js");
  return await connect(service, address, {
    resolver: nameIn(address) === undefined ? undefined : binderAt(await bindersOf(flags)),
    auth: await authOf(flags),
    tls,
    connectTimeoutMs: flags.connectTimeout ?? Math.min(flags.timeout ?? 5_000, 5_000),
    timeoutMs: flags.timeout,
    // Whoever sits before it can try again, and wants to know now.
    retry: false,
    // One call to whatever server it is: plainly, as anybody would. A server tells its own steps in a session only.
    session: flags.explain === true ? "auto" : "off",
  });
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

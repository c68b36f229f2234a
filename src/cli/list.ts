import { type Command, Option } from "commander";
import { isExchangeAddress } from "../net/exchange-address.js";
import type { XmlRpcMethodDescription } from "../xmlrpc/index.js";
import { CliError } from "./exit.js";
import { harmless } from "./harmless.js";
import { addBinderOptions, type BinderFlags } from "./names/directory.js";
import { milliseconds } from "./numbers.js";
import { addHttpOptions, type HttpFlags } from "./xml-rpc/options.js";

interface ListFlags extends HttpFlags, BinderFlags {
  readonly json?: true | undefined;
}

/** Most characters of a method's help in a list of many. */
const summaryMax = 160;

export function define(command: Command): void {
  command
    .usage("[NAME] [options]\n       farcall list http://HOST/PATH [METHOD...] [options]")
    .description(
      "Lists what servers have registered with a binder under names, or under one NAME.\n" +
        "Given an address of HTTP: lists the methods of an XML-RPC server that says what it has, with their types and the first\n" +
        "sentence of their help; with METHODs only these, and those whose names go on behind a period, with their whole help.",
    )
    .argument(
      "[name|address]",
      "a name, such as calc; or http://HOST[:PORT][/PATH], https://..., http+unix:/SOCKET:/PATH, scgi://..., scgi+unix:/SOCKET",
    )
    .argument("[method...]", "such as supervisor.getState, or supervisor")
    .addOption(
      new Option("--timeout <ms>", "milliseconds a question may take (default: 25000)").argParser(milliseconds),
    )
    .addOption(
      new Option("--connect-timeout <ms>", "milliseconds connecting may take (default: 5000)").argParser(milliseconds),
    )
    .option("--ca <file>", "certificates to trust, as PEM (default: Node's own)")
    .option("--json", "print JSON, on one line");
  addBinderOptions(command);
  addHttpOptions(command, false);
  command
    .addHelpText(
      "after",
      `
Exit code: 0, or 1 when the binder or server cannot be asked or does not say, or the name is not registered, or 2 for a wrong
command line or an unknown method.

Examples:
  farcall list                                               what is registered with this machine's binder
  farcall list calc --binder tcp://192.0.2.7 --json          the servers of one name, at another's
  farcall list http://127.0.0.1:8000/RPC2                    every method
  farcall list http+unix:/run/supervisor.sock supervisor     those of supervisor, with their help
  farcall list scgi://127.0.0.1:5000 --json | jq '.[].name'  names alone`,
    )
    .action(async (what: string | undefined, methods: readonly string[], flags: ListFlags) => {
      if (what !== undefined && isExchangeAddress(what)) return await list(what, methods, flags);
      const { isName } = await import("../binder/directory/names.js");
      const name = what?.replace(/^name:/, "");
      if (name !== undefined && !isName(name)) {
        throw new CliError(
          `${what} is neither a name nor an address of an XML-RPC server, such as http://HOST:PORT/PATH`,
        );
      }
      if (methods.length > 0) throw new CliError("methods go with an address, such as http://HOST:PORT/PATH");
      const { listNames } = await import("./names/list.js");
      await listNames(name, flags);
    });
}

async function list(address: string, wanted: readonly string[], flags: ListFlags): Promise<void> {
  const { describeServer } = await import("./xml-rpc/describe.js");
  const { methods } = await describeServer(address, flags, wanted);
  if (flags.json === true) {
    const rows = methods.map(({ name, signatures = null, help }) => ({ name, signatures, help }));
    process.stdout.write(`${harmless(JSON.stringify(rows))}\n`);
  } else {
    const { signatureText } = await import("../idl/index.js");
    for (const method of methods) process.stdout.write(methodText(method, signatureText, wanted.length > 0));
  }
}

function methodText(
  { name, signatures, help }: XmlRpcMethodDescription,
  signatureText: (name: string, signature: readonly string[]) => string,
  whole: boolean,
): string {
  const heads = signatures?.map((signature) => signatureText(name, signature)) ?? [`${name}(...)`];
  const text = help.trim();
  const shown = text === "" ? [] : whole ? text.split(/\r\n?|\n/) : [summary(text)];
  const bodies = shown.map((line) => (line.trim() === "" ? "" : `    ${harmless(line.trim().replaceAll("\t", " "))}`));
  return [...heads.map(harmless), ...bodies].map((line) => `${line}\n`).join("");
}

/** The first sentence, which may go on over lines up to an empty one. */
function summary(text: string): string {
  const [paragraph = ""] = text.split(/(?:\r\n?|\n)[ \t]*(?:\r\n?|\n)/, 1);
  const line = paragraph.replace(/\s+/g, " ");
  const sentence = /^.*?[.!?](?= |$)/.exec(line)?.[0] ?? line;
  return sentence.length > summaryMax ? `${sentence.slice(0, summaryMax)}...` : sentence;
}

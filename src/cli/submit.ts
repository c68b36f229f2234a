import { type Command, Option } from "commander";
import { addCompileOptions, type CompileFlags, compileOptions } from "./compile-options.js";
import { milliseconds, unsigned } from "./numbers.js";
import { addOwnerOptions, addressText, type OwnerFlags, ownerAuth, reporting } from "./requests/options.js";

interface SubmitFlags extends CompileFlags, OwnerFlags {
  readonly program?: string | undefined;
  readonly version?: number | undefined;
  readonly key?: string | undefined;
  readonly ttl?: number | undefined;
  readonly wait?: true | undefined;
}

export function define(command: Command): void {
  command
    .usage("ADDRESS FILE.x PROCEDURE [JSON...] [options]")
    .description(
      "Queues a call as an asynchronous request and prints its id. Arguments are written as for farcall call.",
    )
    .argument("<address>", addressText)
    .argument("<file.x>", "the interface")
    .argument("<procedure>", "by its name in the contract or in the file")
    .argument("[json...]", "the arguments; - reads one from stdin")
    .option("--program <name>", "which program, by name or number, when the file has several")
    .addOption(new Option("--version <n>", "which version, when the program has several").argParser(unsigned))
    .option("--key <text>", "the idempotency key: the same one gives the same request")
    .addOption(new Option("--ttl <ms>", "milliseconds after which the request expires").argParser(milliseconds))
    .option("--wait", "wait for the result and print it, as farcall result does; the id goes to stderr");
  addOwnerOptions(command);
  addCompileOptions(command);
  command
    .addHelpText(
      "after",
      `
Exit code: as of farcall call.

Examples:
  farcall submit tcp://127.0.0.1:20201 render.x render '{"frames": 250}'
  farcall submit unix:/run/render.sock render.x render '{"frames": 250}' --key film-7 --wait`,
    )
    .action((address: string, file: string, procedure: string, json: readonly string[], flags: SubmitFlags) =>
      reporting(() => submit(address, file, procedure, json, flags)),
    );
}

async function submit(
  address: string,
  file: string,
  name: string,
  json: readonly string[],
  flags: SubmitFlags,
): Promise<void> {
  const { loadInterface } = await import("../idl/index.js");
  const { pick } = await import("./pick.js");
  const { readArguments } = await import("./arguments.js");
  const { connect } = await import("../connect.js");
  const { requests } = await import("../requests.js");
  const { services } = loadInterface(file, compileOptions(flags));
  const picked = pick(services, name, { file, program: flags.program, version: flags.version });
  const values = await readArguments(picked, json);
  await using client = await connect(picked.service, address, { auth: await ownerAuth(flags), session: "off" });
  const options = { key: flags.key, ttlMs: flags.ttl, timeoutMs: flags.timeout };
  const made = requests(client)[picked.key] as (
    ...args: unknown[]
  ) => Promise<import("../model/index.js").AsyncRequest<unknown, unknown>>;
  const request = await made(...values, options);
  if (flags.wait !== true) {
    process.stdout.write(`${request.id}\n`);
    return;
  }
  process.stderr.write(`${request.id}\n`);
  const { printResult } = await import("./requests/follow.js");
  await printResult(request, picked.procedure, flags.timeout);
}

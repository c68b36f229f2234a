import type { Command } from "commander";
import type { LoadedContract } from "../idl/index.js";
import type { OncService } from "../onc/program.js";
import { addCompileOptions, type CompileFlags, compileOptions } from "./compile-options.js";
import { CliError } from "./exit.js";
import { addOwnerOptions, addressText, type OwnerFlags, ownerAuth, reporting } from "./requests/options.js";

interface ResultFlags extends CompileFlags, OwnerFlags {
  readonly acknowledge?: true | undefined;
}

export function define(command: Command): void {
  command
    .usage("ADDRESS FILE.x ID [options]")
    .description("Waits for the result of a request and prints it as JSON; shows on stderr how far it is.")
    .argument("<address>", addressText)
    .argument("<file.x>", "the interface")
    .argument("<id>", "as farcall submit has printed it")
    .option("--acknowledge", "say that the result has arrived: the server need not keep it any longer");
  addOwnerOptions(command);
  addCompileOptions(command);
  command
    .addHelpText("after", "\nExit code: as of farcall call, by whether the procedure of the request ran.")
    .action((address: string, file: string, id: string, flags: ResultFlags) =>
      reporting(() => result(address, file, id, flags)),
    );
}

async function result(address: string, file: string, id: string, flags: ResultFlags): Promise<void> {
  const { loadInterface } = await import("../idl/index.js");
  const { connect } = await import("../connect.js");
  const { requests } = await import("../requests.js");
  const { proceduresOf } = await import("../onc/program.js");
  const { services } = loadInterface(file, compileOptions(flags));
  if (services.length === 0) throw new CliError(`${file} has no program`);
  const auth = await ownerAuth(flags);
  for (const service of services as readonly OncService<LoadedContract>[]) {
    await using client = await connect(service, address, { auth, session: "off" });
    const made = requests(client);
    const key = await made.$procedureOf(id);
    if (key === undefined) continue;
    const request = await made.$attach(key, id);
    const procedure = proceduresOf(service).find(([name]) => name === key)?.[1];
    if (procedure === undefined) continue;
    const { printResult } = await import("./requests/follow.js");
    await printResult(request, procedure, flags.timeout);
    if (flags.acknowledge === true) await request.acknowledge((await request.look()).lastEvent);
    return;
  }
  throw new CliError(`request ${id} is of no procedure that ${file} has`);
}

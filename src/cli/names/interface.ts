import type { DirectoryClient } from "../../binder/directory/client.js";
import type { LoadedContract } from "../../idl/index.js";
import type { OncService } from "../../onc/program.js";
import { CliError, ExitCode } from "../exit.js";
import { harmless } from "../harmless.js";

/** What a name's servers tell of themselves. */
export interface ToldInterface {
  readonly version: number;
  /** Every version that is served under the name. */
  readonly versions: readonly number[];
  /** The `.x` file. */
  readonly text: string;
  /** The version's service. */
  readonly service: OncService<LoadedContract>;
}

/**
 * Gets the interface of a name from its binder: of the version that is asked for, or the highest.
 *
 * @throws CliError when nobody serves it, or its servers do not tell
 */
export async function interfaceOf(
  directory: DirectoryClient,
  name: string,
  wanted: number | undefined,
): Promise<ToldInterface> {
  const { entries } = await directory.list(name);
  const versions = [...new Set(entries.map(({ version }) => version))].sort((a, b) => a - b);
  const version = wanted ?? versions.at(-1);
  if (version === undefined || !versions.includes(version)) {
    const what = version === undefined ? "" : `, version ${version}`;
    const there = versions.length === 0 ? "" : `; there is version ${versions.join(", ")}`;
    throw new CliError(`no server is registered under the name ${name}${what}${there}`, ExitCode.executedNo);
  }
  const text = await directory.interfaceOf(name, version);
  if (text === undefined) throw new CliError(`the servers of ${name} do not tell their interface; give its .x file`);
  const { loadInterface, LoadError } = await import("../../idl/index.js");
  const file = `${name}.x`;
  try {
    // A stranger's text: it includes no files of this machine.
    const host = { readFile: (path: string) => (path === file ? text : undefined) };
    const { services } = loadInterface(file, { host });
    const service = services.find((each) => each.version === version);
    if (service !== undefined) return { version, versions, text, service };
  } catch (error) {
    if (!(error instanceof LoadError)) throw error;
    throw new CliError(harmlessLines(`the interface that the servers of ${name} tell is broken: ${error.message}`));
  }
  throw new CliError(`the interface that the servers of ${name} tell has no version ${version}`);
}

/** As {@link harmless}, with its lines as they are. */
export function harmlessLines(text: string): string {
  return text.split("\n").map(harmless).join("\n");
}

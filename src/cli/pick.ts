import type { LoadedContract } from "../idl/index.js";
import { suggestion } from "../idl/x/suggest.js";
import { type OncProcedure, type OncService, proceduresOf } from "../onc/program.js";
import { CliError } from "./exit.js";
import { shapeText } from "./shape-text.js";

/** The procedure that the command line means. */
export interface Picked {
  readonly service: OncService<LoadedContract>;
  /** Its name in the contract. */
  readonly key: string;
  readonly procedure: OncProcedure;
}

export interface Wanted {
  /** For messages. */
  readonly file: string;
  /** By name or number. */
  readonly program?: string | undefined;
  readonly version?: number | undefined;
}

/**
 * Finds a procedure by its name in the contract or in the `.x` file.
 *
 * @throws CliError when there is none, or more than one; says what there is
 */
export function pick(
  services: readonly OncService<LoadedContract>[],
  name: string | undefined,
  { file, program, version }: Wanted,
): Picked {
  if (services.length === 0) throw new CliError(`${file} has no program`);
  const ofProgram = services.filter((service) => program === undefined || isProgram(service, program));
  if (ofProgram.length === 0) {
    throw new CliError(`${file} has no program ${program}; it has ${list(services.map((service) => service.name))}`);
  }
  const candidates = ofProgram.filter((service) => version === undefined || service.version === version);
  if (candidates.length === 0) {
    throw new CliError(`${file} has no version ${version}; it has ${list(ofProgram.map(versionText))}`);
  }
  if (name === undefined) throw new CliError(`say which procedure; ${file} has\n${listing(candidates)}`);
  const found = candidates.flatMap((service) => {
    const entries = proceduresOf(service);
    const entry = entries.find(([key]) => key === name) ?? entries.find(([, procedure]) => procedure.name === name);
    return entry === undefined ? [] : [{ service, key: entry[0], procedure: entry[1] }];
  });
  const [picked, second] = found;
  if (picked === undefined) {
    const names = candidates.flatMap((service) => proceduresOf(service).flatMap(([key, { name }]) => [key, name]));
    const { hint } = suggestion(name, names);
    const near = hint === undefined ? "" : ` (${hint})`;
    throw new CliError(`${file} has no procedure "${name}"${near}; it has\n${listing(candidates)}`);
  }
  if (second !== undefined) {
    const option = picked.service.name === second.service.name ? "--version" : "--program";
    throw new CliError(
      `${name} is in ${list(found.map(({ service }) => versionText(service)))}: choose with ${option}`,
    );
  }
  return picked;
}

function isProgram(service: OncService<LoadedContract>, wanted: string): boolean {
  return service.name === wanted || (/^\d/.test(wanted) && service.program === Number(wanted));
}

function versionText({ name, version }: OncService<LoadedContract>): string {
  return `${name} version ${version}`;
}

function list(texts: readonly string[]): string {
  const distinct = [...new Set(texts)];
  const last = distinct.pop() ?? "";
  return distinct.length === 0 ? last : `${distinct.join(", ")} and ${last}`;
}

function listing(services: readonly OncService<LoadedContract>[]): string {
  return services
    .flatMap((service) => [
      `  ${versionText(service)}`,
      // Types within types by their names: a line for each procedure, whatever it takes.
      ...proceduresOf(service).map(([key, procedure]) => `    ${signature(key, procedure, 1)}`),
    ])
    .join("\n");
}

/** How a procedure is called, such as `add {"a": int, "b": int} -> int`. */
export function signature(key: string, { args, result }: OncProcedure, depth?: number): string {
  return [key, ...args.map(({ shape }) => shapeText(shape, depth)), "->", shapeText(result.shape, 0)].join(" ");
}

import { EncodeError, type Shape } from "../model/index.js";
import { fromJson } from "../xdr/index.js";
import { CliError } from "./exit.js";
import { type Picked, signature } from "./pick.js";
import { shapeText } from "./shape-text.js";
import { readStdin } from "./stdin.js";

/**
 * Makes a procedure's arguments of what the command line says. Nothing is sent before all of them are right.
 *
 * @throws CliError that says which argument is wrong, where in it, and how to write it
 */
export async function readArguments({ key, procedure }: Picked, json: readonly string[]): Promise<unknown[]> {
  const { args } = procedure;
  if (json.length !== args.length) {
    const count = `${args.length} ${args.length === 1 ? "argument" : "arguments"}`;
    throw new CliError(`${key} takes ${count}, not ${json.length}: ${signature(key, procedure)}`);
  }
  if (json.filter((text) => text === "-").length > 1) throw new CliError("only one argument can come from stdin");
  const values: unknown[] = [];
  for (const [i, text] of json.entries()) {
    const shape = (args[i] as { shape: Shape }).shape;
    const label = args.length === 1 ? "the argument" : `argument ${i + 1}`;
    values.push(readValue(text === "-" ? await readStdin() : text, shape, text === "-" ? `${label} (stdin)` : label));
  }
  return values;
}

function readValue(text: string, shape: Shape, label: string): unknown {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    const kind = shape.kind === "optional" ? shape.of.kind : shape.kind;
    const hint =
      kind === "string" || kind === "enum" || kind === "opaque" ? `; text needs quotes of its own: '"text"'` : "";
    throw new CliError(`${label} is not JSON (${(error as Error).message})${hint}`);
  }
  try {
    return fromJson(shape, parsed);
  } catch (error) {
    if (!(error instanceof EncodeError)) throw error;
    throw new CliError(`${label} is wrong: ${error.message}\n  it is written ${shapeText(shape)}`);
  }
}

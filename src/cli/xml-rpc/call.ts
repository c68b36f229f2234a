import { EncodeError, RpcError, type Timeline } from "../../model/index.js";
import { fromJson, toJson } from "../../xmlrpc/codec/json.js";
import { XmlRpcClient } from "../../xmlrpc/index.js";
import { CliError } from "../exit.js";
import { explainText, reachText } from "../explain-text.js";
import { harmless } from "../harmless.js";
import { interruptible } from "../report.js";
import { readStdin } from "../stdin.js";
import { type HttpFlags, httpOptions } from "./options.js";

export interface CallFlags extends HttpFlags {
  readonly verbose?: true | undefined;
  readonly explain?: true | undefined;
}

/**
 * Calls a method by its name, without a contract.
 *
 * @returns the result as JSON
 * @throws CliError for a value that cannot be read; RpcError when the call fails
 */
export async function callMethod(
  address: string,
  method: string,
  json: readonly string[],
  flags: CallFlags,
): Promise<string> {
  const params = await readParams(json);
  const say = (text: string): unknown => process.stderr.write(text);
  await using client = new XmlRpcClient(address, httpOptions(flags));
  if (flags.verbose === true) say(`${method} at ${client.address}\n`);
  const explain = (timeline: Timeline): void => {
    if (flags.verbose === true) say(reachText(timeline));
    if (flags.explain === true) say(explainText(timeline));
  };
  const asked = flags.verbose === true || flags.explain === true ? explain : undefined;
  try {
    return harmless(
      toJson(await interruptible((signal) => client.execute(method, params, { signal, explain: asked }))),
    );
  } catch (error) {
    if (!(error instanceof RpcError && error.code === "invalid-argument" && error.cause instanceof EncodeError))
      throw error;
    throw new CliError(
      `${error.message}\n  JSON has no word for these: {"$bigint": "5"}, {"$double": 5}, {"$date": "1998-07-17T14:08:55"}, ` +
        `{"$base64": "AQID"}`,
    );
  }
}

/** Nothing is sent before all of them are right. */
async function readParams(json: readonly string[]): Promise<unknown[]> {
  if (json.filter((text) => text === "-").length > 1) throw new CliError("only one argument can come from stdin");
  const params: unknown[] = [];
  for (const [i, text] of json.entries()) {
    const label = text === "-" ? `argument ${i + 1} (stdin)` : `argument ${i + 1}`;
    params.push(readParam(text === "-" ? await readStdin() : text, label));
  }
  return params;
}

function readParam(text: string, label: string): unknown {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new CliError(`${label} is not JSON (${(error as Error).message}); text needs quotes of its own: '"text"'`);
  }
  try {
    return fromJson(parsed);
  } catch (error) {
    if (error instanceof EncodeError) throw new CliError(`${label} is wrong: ${error.message}`);
    throw error;
  }
}

import { RpcError } from "../../model/index.js";
import { XmlRpcClient, type XmlRpcMethodDescription } from "../../xmlrpc/index.js";
import { CliError, ExitCode } from "../exit.js";
import { harmless } from "../harmless.js";
import { interruptible } from "../report.js";
import { type HttpFlags, httpOptions } from "./options.js";

/** A server, and what it says of its methods. */
export interface Described {
  /** Without user and password. */
  readonly address: string;
  readonly methods: readonly XmlRpcMethodDescription[];
}

/**
 * Asks a server for its methods, in the order of their names.
 *
 * @param wanted which ones: names, and what names begin with before a period; all when there are none
 * @throws CliError when it does not say
 */
export async function describeServer(
  address: string,
  flags: HttpFlags,
  wanted: readonly string[] = [],
): Promise<Described> {
  try {
    await using client = new XmlRpcClient(address, httpOptions(flags));
    return await interruptible(async (signal) => {
      const names = [...new Set(await client.listMethods({ signal }))].sort();
      const chosen = names.filter((name) => wanted.length === 0 || wanted.some((one) => isOrIn(name, one)));
      const missing = wanted.find((one) => !names.some((name) => isOrIn(name, one)));
      if (missing !== undefined) throw new CliError(`${client.address} has no method ${missing}`);
      return { address: client.address, methods: await client.describeMethods(chosen, { signal }) };
    });
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    if (error.code === "invalid-argument") throw new CliError(error.message);
    const { status, cause } = error;
    // A fault is an answer, and an HTTP status is one of another server.
    if (status === undefined || cause !== undefined) {
      const hint = error.code === "denied" ? "\n  Who calls is said by --user NAME:PASSWORD" : "";
      throw new CliError(`${harmless(error.message)}${hint}`, ExitCode.failed);
    }
    throw new CliError(
      `${harmless(error.message)}\n  The server does not say what methods it has (system.listMethods); ` +
        "those that you know can be called all the same.\n" +
        "  In Python: server.register_introspection_functions()",
      ExitCode.failed,
    );
  }
}

function isOrIn(name: string, wanted: string): boolean {
  return name === wanted || name.startsWith(`${wanted}.`);
}

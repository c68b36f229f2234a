import type { Semantics } from "../../model/index.js";
import { array } from "../codec/composite.js";
import { FaultCode } from "../codec/fault-code.js";
import type { Settings } from "../codec/options.js";
import type { XmlRpcProcedure } from "../codec/procedure.js";
import { any, boolean, string } from "../codec/type.js";
import { XmlRpcFault } from "./fault-error.js";
import type { ServerCall } from "./server-call.js";

/** A method that is served. */
export interface ServedMethod {
  /** On the wire, such as `calc.add`. */
  readonly name: string;
  /** For reports, such as `CALC_PROG.add`. */
  readonly label: string;
  /** In the contract, such as `add`; without a contract, the method's. */
  readonly key: string;
  /** With the types of parameters and result, where a contract gives them. */
  readonly procedure: XmlRpcProcedure | undefined;
  /** What it is a procedure of, where there is a contract. */
  readonly service?: object | undefined;
  readonly semantics: Semantics;
  invoke(args: readonly unknown[], call: ServerCall): unknown;
}

/** The methods of a server, with those of `system.` that tell of the others. */
export class MethodTable {
  readonly #methods = new Map<string, ServedMethod>();
  readonly #settings: Settings;

  /** @param introspection whether callers may learn what there is */
  constructor(settings: Settings, introspection: boolean, multicall: boolean) {
    this.#settings = settings;
    if (introspection) for (const method of this.#introspection(multicall)) this.#methods.set(method.name, method);
    // Found by its name before anything else; here for those who ask.
    if (multicall)
      this.#methods.set(multicallName, { ...system(multicallName, [array(any)], array(any), ""), invoke() {} });
  }

  /** @throws RangeError for a name that is taken */
  add(method: ServedMethod): void {
    if (this.#methods.has(method.name)) throw new RangeError(`the method ${method.name} is served already`);
    this.#methods.set(method.name, method);
  }

  find(name: string): ServedMethod | undefined {
    return this.#methods.get(name);
  }

  #named(name: string): ServedMethod {
    const method = this.find(name);
    if (method === undefined) throw noSuchMethod(name);
    return method;
  }

  #introspection(multicall: boolean): ServedMethod[] {
    return [
      {
        ...system("system.listMethods", [], array(string), "The names of all methods."),
        invoke: () => [...this.#methods.keys()].sort(),
      },
      {
        ...system(
          "system.methodSignature",
          [string],
          any,
          "The types of a method: of each way to call it the result's type, then the parameters'; a text where they are not known.",
        ),
        invoke: ([name]) => signaturesOf(this.#named(name as string).procedure),
      },
      {
        ...system("system.methodHelp", [string], string, "A text about a method; empty where there is none."),
        invoke: ([name]) => this.#named(name as string).procedure?.help ?? "",
      },
      {
        ...system("system.methodExist", [string], boolean, "Whether there is a method of this name."),
        invoke: ([name]) => this.#methods.has(name as string),
      },
      {
        ...system("system.getCapabilities", [], any, "What this server can, with the specification of each."),
        invoke: () => capabilities(this.#settings, multicall),
      },
    ];
  }
}

export const multicallName = "system.multicall";

export function noSuchMethod(name: string): XmlRpcFault {
  const shown = name.length > 100 ? `${name.slice(0, 100)}...` : name;
  return new XmlRpcFault(FaultCode.METHOD_NOT_FOUND, `there is no method ${shown}`);
}

function system(
  name: string,
  params: XmlRpcProcedure["params"],
  result: XmlRpcProcedure["result"],
  help: string,
): Omit<ServedMethod, "invoke"> {
  const procedure: XmlRpcProcedure = { name, params, result, help, semantics: "at-least-once" };
  return { name, label: name, key: name, procedure, semantics: "at-least-once" };
}

/** One signature for each number of parameters that may be given; the agreed word where they are not known. */
function signaturesOf(procedure: XmlRpcProcedure | undefined): string[][] | string {
  // Any number of parameters would be any number of signatures.
  if (procedure === undefined || procedure.params.at(-1)?.rest !== undefined) return "undef";
  const { params, result } = procedure;
  const signatures: string[][] = [];
  const least = params.filter(({ optional }) => optional !== true).length;
  for (let count = params.length; count >= least; count--) {
    signatures.push([result.signature, ...params.slice(0, count).map(({ signature }) => signature)]);
  }
  return signatures;
}

function capabilities(settings: Settings, multicall: boolean): Record<string, unknown> {
  const found: Record<string, unknown> = {
    xmlrpc: { specUrl: "http://xmlrpc.com/spec.md", specVersion: 1 },
    faults_interop: { specUrl: "http://xmlrpc-epi.sourceforge.net/specs/rfc.fault_codes.php", specVersion: 20010516 },
    introspection: { specUrl: "http://xmlrpc-c.sourceforge.net/introspection.html", specVersion: 1 },
  };
  if (multicall) found[multicallName] = { specUrl: "http://www.xmlrpc.com/discuss/msgReader$1208", specVersion: 1 };
  if (settings.nil !== "refuse") {
    found["nil"] = { specUrl: "http://ontosys.com/xml-rpc/extensions.php", specVersion: 20010518 };
  }
  return found;
}

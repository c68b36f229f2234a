import type { Outcome, RpcError } from "../model/index.js";
import type { XmlRpcValue } from "./codec/value.js";

// What servers answer to the questions of `system.`, which no two of them answer alike.

/** A method as its server describes it. */
export interface XmlRpcMethodDescription {
  readonly name: string;
  /** Of each way to call it the result's type, then the parameters'; undefined where the server does not say. */
  readonly signatures: readonly (readonly string[])[] | undefined;
  /** A text about it; empty where there is none. */
  readonly help: string;
}

/** The answer to `system.methodSignature`; undefined where it says that the types are not known. */
export function readSignatures(answer: XmlRpcValue): string[][] | undefined {
  // "undef" of xmlrpc-c, "signatures not supported" of Python.
  if (!Array.isArray(answer)) return undefined;
  // supervisord gives the one that there is, and no list of them.
  if (answer.length > 0 && answer.every((type) => typeof type === "string")) return [answer];
  const signatures = answer
    .filter(Array.isArray)
    .map((types: XmlRpcValue[]) => types.filter((type) => typeof type === "string"))
    .filter((types) => types.length > 0);
  return signatures.length === 0 ? undefined : signatures;
}

/** The two questions about each method. */
export function questionsAbout(methods: readonly string[]): (readonly [method: string, params: readonly [string]])[] {
  return methods.flatMap((name) => [
    ["system.methodSignature", [name]] as const,
    ["system.methodHelp", [name]] as const,
  ]);
}

/**
 * The methods, of the answers to {@link questionsAbout} them. A fault is no answer to one question; whatever ended all of them
 * is thrown.
 *
 * @throws RpcError when nobody answered
 */
export function readDescriptions(
  methods: readonly string[],
  answers: readonly Outcome<XmlRpcValue>[],
): XmlRpcMethodDescription[] {
  const lost = answers.find((answer) => !answer.ok && !isRefusal(answer.error));
  if (lost?.ok === false) throw lost.error;
  const answered = (index: number): XmlRpcValue => {
    const answer = answers[index];
    return answer?.ok === true ? answer.value : null;
  };
  return methods.map((name, i) => {
    const help = answered(2 * i + 1);
    return { name, signatures: readSignatures(answered(2 * i)), help: typeof help === "string" ? help : "" };
  });
}

/** Whether a server has answered, and does not say. */
function isRefusal({ code }: RpcError): boolean {
  return code === "unimplemented" || code === "server-error" || code === "bad-arguments" || code === "denied";
}

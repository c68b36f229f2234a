import { nothing } from "../xdr/index.js";
import { argsCodec } from "./args.js";
import type { CallTarget } from "./engine/index.js";

/** The NULL procedure of a program: RFC 5531, section 12.1 reserves number 0 for it. It may always be repeated. */
export function nullTarget(program: number, version: number, name: string): CallTarget {
  return { name, program, version, procedure: 0, args: argsCodec([]), result: nothing, semantics: "at-least-once" };
}

import { hedgeProblem } from "../call/hedge.js";
import { type HedgeOptions, narrowingProblem, oneWayGuarantee, RpcError, type Semantics } from "../model/index.js";
import { argsCodec } from "./args.js";
import type { CallTarget } from "./engine/index.js";
import { declaredBy, type OncService, proceduresOf } from "./program.js";

/** What a client says about single procedures, by their names. */
export interface ProcedureOptions {
  readonly semantics?: Readonly<Record<string, Semantics | undefined>> | undefined;
  readonly hedge?: Readonly<Record<string, HedgeOptions | undefined>> | undefined;
}

/**
 * What each procedure's calls have in common, by the procedure's name in the contract.
 *
 * @throws RpcError `invalid-argument` for options that the contract does not allow
 */
export function targetsOf<C>(service: OncService<C>, options: ProcedureOptions): ReadonlyMap<string, CallTarget> {
  const { name, program, version } = service;
  const { semantics: asked = {}, hedge = {} } = options;
  const procedures = proceduresOf(service);
  const declared = new Map(procedures.map(([key, procedure]) => [key, declaredBy(procedure)]));
  const problem = narrowingProblem(asked, declared);
  if (problem !== undefined) throw refused(`${name}: ${problem}`);
  const targets = new Map<string, CallTarget>();
  for (const [key, procedure] of procedures) {
    const semantics = asked[key] ?? declaredBy(procedure);
    if (procedure.oneWay === true && semantics !== "maybe") {
      throw refused(`${name}: semantics.${key}: ${oneWayGuarantee(semantics)}`);
    }
    targets.set(key, {
      name: `${name}.${key}`,
      program,
      version,
      procedure: procedure.number,
      args: argsCodec(procedure.args),
      result: procedure.result,
      semantics,
      narrowed: semantics !== declaredBy(procedure),
      oneWay: procedure.oneWay === true,
      hedge: hedge[key],
    });
  }
  for (const [key, options] of Object.entries(hedge)) {
    const target = targets.get(key);
    if (target === undefined) throw refused(`${name}: hedge.${key}: the contract has no procedure ${key}`);
    const wrong = options === undefined ? undefined : hedgeProblem(options, target.semantics);
    if (wrong !== undefined) throw refused(`${target.name}: ${wrong}`);
  }
  return targets;
}

function refused(message: string): RpcError {
  return new RpcError("invalid-argument", message, { executed: "no" });
}

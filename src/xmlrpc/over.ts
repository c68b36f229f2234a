import type { Semantics, Service, Shape } from "../model/index.js";
import type { XmlRpcProcedure } from "./codec/procedure.js";
import { type ShapeTypeOptions, ShapeTypes } from "./codec/shape-type.js";
import { makeService, type XmlRpcService } from "./service.js";

/** A procedure of any protocol whose codecs say what its values look like; ONC RPC's do. */
export interface ShapedProcedure {
  readonly args: readonly { readonly shape: Shape }[];
  readonly result: { readonly shape: Shape };
  readonly semantics?: Semantics | undefined;
  /** Its number: that of 0 is answered without a handler. */
  readonly number?: number | undefined;
}

/** How a service goes over XML-RPC. */
export interface OverXmlRpcOptions<Without extends PropertyKey = PropertyKey> extends ShapeTypeOptions {
  /**
   * What the methods' names begin with, without the period; `""` for none. Default: the service's name in lower camel
   * case, without `_PROG`, `_PROGRAM` or `_VERS`: `CALC_PROG` has `calc.add`.
   */
  readonly prefix?: string | undefined;
  /** Procedures to leave out, by their names in JavaScript: those whose types XML-RPC has nothing for. */
  readonly without?: readonly Without[] | undefined;
}

/**
 * The same service over XML-RPC: the same contract and handlers, another wire.
 *
 * ```ts
 * server.export(overXmlRpc(CalcV1), calc);
 * const calc = await connect(overXmlRpc(CalcV1), "http://127.0.0.1:4444/RPC2");
 * ```
 *
 * Parameters are the procedure's arguments, in their order. docs/xml-rpc.md says what each type becomes.
 *
 * @throws RangeError for a type that XML-RPC has nothing for, with the procedure's name; for a name in `without` that is no
 *   procedure
 */
export function overXmlRpc<C, Without extends keyof C = never>(
  service: Service<C> & { readonly procedures: { readonly [K in keyof C]: ShapedProcedure } },
  options: OverXmlRpcOptions<Without> = {},
): XmlRpcService<[Without] extends [never] ? C : Omit<C, Without>> {
  const left: ReadonlySet<PropertyKey> = new Set(options.without ?? []);
  for (const name of left) {
    if (!Object.hasOwn(service.procedures, name))
      throw new RangeError(`${service.name} has no procedure ${String(name)}`);
  }
  const types = new ShapeTypes(options);
  const prefix = options.prefix ?? prefixOf(service.name);
  const procedures: Record<string, XmlRpcProcedure> = {};
  for (const [key, procedure] of Object.entries(service.procedures) as [string, ShapedProcedure][]) {
    if (left.has(key)) continue;
    try {
      procedures[key] = {
        name: prefix === "" ? key : `${prefix}.${key}`,
        params: procedure.args.map(({ shape }) => types.of(shape)),
        result: types.of(procedure.result.shape),
        semantics: procedure.semantics ?? "at-most-once",
        ...(procedure.number === 0 ? { isNull: true } : {}),
      };
    } catch (error) {
      if (error instanceof RangeError) throw new RangeError(`${service.name}.${key}: ${error.message}`);
      throw error;
    }
  }
  return makeService(procedures, service.name, service.version) as XmlRpcService<
    [Without] extends [never] ? C : Omit<C, Without>
  >;
}

function prefixOf(name: string): string {
  const words = name.replace(/_(PROG|PROGRAM|VERS)$/i, "").split("_");
  return words.map((word, i) => (i === 0 ? word.toLowerCase() : capitalised(word))).join("");
}

function capitalised(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1).toLowerCase();
}

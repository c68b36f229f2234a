import type { ArgsOf, DeclaredOf, Procedure, ResultOf, Semantics, Service } from "../model/index.js";
import type { XdrCodec } from "../xdr/index.js";
import { type Onc, onc } from "./protocol.js";

/** A procedure of an ONC RPC program: its number and its codecs. Several arguments follow one another on the wire. */
export interface OncProcedure<Args extends readonly unknown[] = readonly unknown[], Result = unknown> {
  readonly number: number;
  /** The name in the `.x` file, such as `ADD`. */
  readonly name: string;
  readonly args: { readonly [I in keyof Args]: XdrCodec<Args[I]> };
  readonly result: XdrCodec<Result>;
  /** What the contract declares about repetition; default `at-most-once`. */
  readonly semantics?: Semantics | undefined;
}

/** One version of an ONC RPC program. */
export interface OncService<C> extends Service<C, Onc> {
  readonly program: number;
  readonly procedures: {
    readonly [K in keyof C]: OncProcedure<ArgsOf<C[K]>, ResultOf<C[K]>> & {
      readonly semantics?: DeclaredOf<C[K]> | undefined;
    };
  };
  /**
   * The same service with other declarations about repetition: for a contract that is not ours, whose author did not
   * say which procedures may run twice.
   *
   * ```ts
   * const Nfs = NfsV3.with({ idempotent: ["getattr", "lookup", "read"] });
   * ```
   *
   * @throws RangeError for a name that is not a procedure of the service
   */
  with<Idempotent extends keyof C = never, Maybe extends keyof C = never>(
    overlay: Overlay<Idempotent, Maybe>,
  ): OncService<Overlaid<C, Idempotent, Maybe>>;
}

/** What {@link OncService.with} declares. */
export interface Overlay<Idempotent, Maybe> {
  /** Procedures that may run twice: at-least-once. */
  readonly idempotent?: readonly Idempotent[] | undefined;
  /** Procedures whose calls are sent once and may be lost: maybe. */
  readonly maybe?: readonly Maybe[] | undefined;
}

/** A contract after an overlay. */
export type Overlaid<C, Idempotent, Maybe> = {
  [K in keyof C]: K extends Idempotent
    ? Procedure<ArgsOf<C[K]>, ResultOf<C[K]>, "at-least-once">
    : K extends Maybe
      ? Procedure<ArgsOf<C[K]>, ResultOf<C[K]>, "maybe">
      : C[K];
};

/**
 * Describes one version of an ONC RPC program (RFC 5531, section 12). The IDL compiler emits calls of it; a contract
 * written by hand uses it the same way.
 *
 * @throws RangeError for a number that is not an unsigned 32-bit integer, or a procedure number given twice
 */
export function oncProgram<C>(description: {
  readonly name: string;
  readonly program: number;
  readonly version: number;
  readonly procedures: OncService<C>["procedures"];
}): OncService<C> {
  const { name, program, version, procedures } = description;
  checkNumber(program, `${name}: program number`);
  checkNumber(version, `${name}: version number`);
  const seen = new Map<number, string>();
  for (const [key, procedure] of proceduresOf(description)) {
    checkNumber(procedure.number, `${name}.${key}: procedure number`);
    const other = seen.get(procedure.number);
    if (other !== undefined) {
      throw new RangeError(`${name}: procedures ${other} and ${key} both have number ${procedure.number}`);
    }
    seen.set(procedure.number, key);
  }
  return {
    protocol: onc,
    name,
    program,
    version,
    procedures,
    with: (overlay) =>
      oncProgram({ name, program, version, procedures: redeclare(description, overlay) as never }) as never,
  };
}

/** The procedures with the declarations of an overlay. */
function redeclare(
  service: { readonly name: string; readonly procedures: object },
  overlay: Overlay<PropertyKey, PropertyKey>,
): object {
  const declared = new Map<PropertyKey, Semantics>();
  for (const name of overlay.idempotent ?? []) declared.set(name, "at-least-once");
  for (const name of overlay.maybe ?? []) declared.set(name, "maybe");
  const procedures = proceduresOf(service);
  for (const name of declared.keys()) {
    if (!procedures.some(([key]) => key === name)) {
      throw new RangeError(`${service.name} has no procedure ${String(name)}`);
    }
  }
  return Object.fromEntries(
    procedures.map(([key, procedure]) => [key, { ...procedure, semantics: declared.get(key) ?? procedure.semantics }]),
  );
}

/** The procedures of a service, by their names in the contract. */
export function proceduresOf(service: { readonly procedures: object }): [string, OncProcedure][] {
  return Object.entries(service.procedures) as [string, OncProcedure][];
}

function checkNumber(value: number, what: string): void {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
    throw new RangeError(`${what} must be an unsigned 32-bit integer, not ${value}`);
  }
}

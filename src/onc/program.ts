import {
  type ArgsOf,
  type DeclaredOf,
  isSemantics,
  type Procedure,
  type ResultOf,
  type Semantics,
  type Service,
} from "../model/index.js";
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
   * @throws RangeError for a name that is not a procedure of the service, or that is in two of the lists
   */
  with<
    Idempotent extends keyof C = never,
    Maybe extends keyof C = never,
    Once extends keyof C = never,
    Exactly extends keyof C = never,
  >(overlay: Overlay<Idempotent, Maybe, Once, Exactly>): OncService<Overlaid<C, Idempotent, Maybe, Once, Exactly>>;
}

/** What {@link OncService.with} declares. */
export interface Overlay<Idempotent, Maybe, Once, Exactly> {
  /** Procedures that may run twice: at-least-once. */
  readonly idempotent?: readonly Idempotent[] | undefined;
  /** Procedures whose calls are sent once and may be lost: maybe. */
  readonly maybe?: readonly Maybe[] | undefined;
  /** Procedures that must not run twice, whatever the contract says: at-most-once. */
  readonly atMostOnce?: readonly Once[] | undefined;
  /** Procedures whose effect and reply commit together: exactly-once. */
  readonly exactlyOnce?: readonly Exactly[] | undefined;
}

/** A contract after an overlay. */
export type Overlaid<C, Idempotent, Maybe, Once, Exactly> = {
  [K in keyof C]: K extends Idempotent
    ? Procedure<ArgsOf<C[K]>, ResultOf<C[K]>, "at-least-once">
    : K extends Maybe
      ? Procedure<ArgsOf<C[K]>, ResultOf<C[K]>, "maybe">
      : K extends Once
        ? Procedure<ArgsOf<C[K]>, ResultOf<C[K]>, "at-most-once">
        : K extends Exactly
          ? Procedure<ArgsOf<C[K]>, ResultOf<C[K]>, "exactly-once">
          : C[K];
};

/**
 * Describes one version of an ONC RPC program (RFC 5531, section 12). The IDL compiler emits calls of it; a contract
 * written by hand uses it the same way.
 *
 * @throws RangeError for a number that is not an unsigned 32-bit integer, a procedure number given twice, or semantics
 *   that are not one of the four guarantees
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
    if (procedure.semantics !== undefined && !isSemantics(procedure.semantics)) {
      throw new RangeError(`${name}.${key}: semantics must be one of the four guarantees, not ${procedure.semantics}`);
    }
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
  overlay: Overlay<PropertyKey, PropertyKey, PropertyKey, PropertyKey>,
): object {
  const declared = new Map<PropertyKey, Semantics>();
  const lists: [Semantics, readonly PropertyKey[] | undefined][] = [
    ["at-least-once", overlay.idempotent],
    ["maybe", overlay.maybe],
    ["at-most-once", overlay.atMostOnce],
    ["exactly-once", overlay.exactlyOnce],
  ];
  for (const [semantics, names = []] of lists) {
    for (const name of names) {
      const other = declared.get(name);
      if (other !== undefined && other !== semantics) {
        throw new RangeError(`${service.name}.${String(name)} cannot be both ${other} and ${semantics}`);
      }
      declared.set(name, semantics);
    }
  }
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

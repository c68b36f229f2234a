import {
  type ArgsOf,
  type DeclaredOf,
  isSemantics,
  type OneWayOf,
  type OneWayProcedure,
  type Procedure,
  type ProgressOf,
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
  /** What the contract declares about repetition; default `at-most-once`, and `maybe` where it is one-way. */
  readonly semantics?: Semantics | undefined;
  /** Whether the server does not reply, not even with a refusal: RFC 5531, section 8. */
  readonly oneWay?: boolean | undefined;
  /** What it tells of its progress, as an asynchronous request. */
  readonly progress?: XdrCodec<unknown> | undefined;
}

/** What a procedure declares about repetition. */
export function declaredBy({ semantics, oneWay }: OncProcedure): Semantics {
  return semantics ?? (oneWay === true ? "maybe" : "at-most-once");
}

/** How a procedure says what its contract declares: what is not the default has to be said. */
type DeclarationOf<P> =
  OneWayOf<P> extends true
    ? { readonly semantics?: "maybe" | undefined; readonly oneWay: true }
    : [DeclaredOf<P>] extends ["at-most-once"]
      ? { readonly semantics?: "at-most-once" | undefined; readonly oneWay?: false | undefined }
      : { readonly semantics: DeclaredOf<P>; readonly oneWay?: false | undefined };

/** What tells of progress says how that goes over the wire. */
type ReportOf<P> = [ProgressOf<P>] extends [never]
  ? { readonly progress?: undefined }
  : { readonly progress: XdrCodec<ProgressOf<P>> };

/** One version of an ONC RPC program. */
export interface OncService<C> extends Service<C, Onc> {
  readonly program: number;
  readonly procedures: {
    readonly [K in keyof C]: OncProcedure<ArgsOf<C[K]>, ResultOf<C[K]>> & DeclarationOf<C[K]> & ReportOf<C[K]>;
  };
  /**
   * The same service with other declarations about repetition: for a contract that is not ours, whose author did not
   * say which procedures may run twice.
   *
   * ```ts
   * const Nfs = NfsV3.with({ idempotent: ["getattr", "lookup", "read"] });
   * ```
   *
   * @throws RangeError for a name that is not a procedure of the service or is in two of the lists, and for one whose
   *   procedure is one-way already, or cannot be
   */
  with<
    Idempotent extends keyof C = never,
    Maybe extends keyof C = never,
    Once extends keyof C = never,
    Exactly extends keyof C = never,
    OneWay extends VoidOf<C> = never,
  >(
    overlay: Overlay<Idempotent, Maybe, Once, Exactly, OneWay>,
  ): OncService<Overlaid<C, Idempotent, Maybe, Once, Exactly, OneWay>>;
}

/** What {@link OncService.with} declares. */
export interface Overlay<Idempotent, Maybe, Once, Exactly, OneWay> {
  /** Procedures that may run twice: at-least-once. */
  readonly idempotent?: readonly Idempotent[] | undefined;
  /** Procedures whose calls are sent once and may be lost: maybe. */
  readonly maybe?: readonly Maybe[] | undefined;
  /** Procedures that must not run twice, whatever the contract says: at-most-once. */
  readonly atMostOnce?: readonly Once[] | undefined;
  /** Procedures whose effect and reply commit together: exactly-once. */
  readonly exactlyOnce?: readonly Exactly[] | undefined;
  /** Procedures without a result that the server does not reply to. */
  readonly oneWay?: readonly OneWay[] | undefined;
}

/** The names of the procedures that have no result. */
export type VoidOf<C> = {
  [K in keyof C]: C[K] extends Procedure<infer _Args, void, infer _Declared> ? K : never;
}[keyof C];

/** A contract after an overlay. */
export type Overlaid<C, Idempotent, Maybe, Once, Exactly, OneWay> = {
  [K in keyof C]: K extends Idempotent
    ? Procedure<ArgsOf<C[K]>, ResultOf<C[K]>, "at-least-once">
    : K extends Maybe
      ? Procedure<ArgsOf<C[K]>, ResultOf<C[K]>, "maybe">
      : K extends Once
        ? Procedure<ArgsOf<C[K]>, ResultOf<C[K]>, "at-most-once">
        : K extends Exactly
          ? Procedure<ArgsOf<C[K]>, ResultOf<C[K]>, "exactly-once">
          : K extends OneWay
            ? OneWayProcedure<ArgsOf<C[K]>>
            : C[K];
};

/**
 * Describes one version of an ONC RPC program (RFC 5531, section 12). The IDL compiler emits calls of it; a contract
 * written by hand uses it the same way.
 *
 * @throws RangeError for a number that is not an unsigned 32-bit integer, a procedure number given twice,
 *   semantics that are not one of the four guarantees, or a one-way procedure that has a result or another guarantee than
 *   maybe, or is procedure 0
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
    const problem = procedure.oneWay === true ? oneWayProblem(procedure) : undefined;
    if (problem !== undefined) throw new RangeError(`${name}.${key} cannot be one-way: ${problem}`);
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
  overlay: Overlay<PropertyKey, PropertyKey, PropertyKey, PropertyKey, PropertyKey>,
): object {
  const declared = new Map<PropertyKey, Semantics | "one-way">();
  const lists: [Semantics | "one-way", readonly PropertyKey[] | undefined][] = [
    ["at-least-once", overlay.idempotent],
    ["maybe", overlay.maybe],
    ["at-most-once", overlay.atMostOnce],
    ["exactly-once", overlay.exactlyOnce],
    ["one-way", overlay.oneWay],
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
    procedures.map(([key, procedure]) => {
      const asked = declared.get(key);
      if (asked === undefined) return [key, procedure];
      if (asked === "one-way") return [key, { ...procedure, semantics: "maybe", oneWay: true }];
      // Whoever calls it otherwise would wait for a reply that never comes.
      if (procedure.oneWay === true) throw new RangeError(`${service.name}.${key} is one-way, and cannot be ${asked}`);
      return [key, { ...procedure, semantics: asked }];
    }),
  );
}

function oneWayProblem(procedure: OncProcedure): string | undefined {
  if (procedure.number === 0) return "procedure 0 is what tells whether somebody is there";
  if (procedure.result.shape.kind !== "void") return "it has a result";
  return declaredBy(procedure) === "maybe" ? undefined : `it is declared ${procedure.semantics}`;
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

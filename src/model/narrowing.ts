import type { HedgeOptions } from "./retry.js";
import { isSemantics, type Narrowed, narrows, type Semantics } from "./semantics.js";
import type { ArgsOf, DeclaredOf, OneWayOf, Procedure, ResultOf } from "./service.js";

/** A guarantee for some procedures of a contract, by their names: what one client asks for at every call. */
export type Narrowing<C> = {
  readonly [K in keyof C]?: (OneWayOf<C[K]> extends true ? "maybe" : Narrowed<DeclaredOf<C[K]>>) | undefined;
};

/** What may run twice may be hedged: by the names of such procedures. */
export type Hedging<C> = {
  readonly [K in keyof C]?: ("at-least-once" extends DeclaredOf<C[K]> ? HedgeOptions : never) | undefined;
};

/** A contract as a client sees it that narrows it by `N`: its calls may narrow further, and not back. */
export type NarrowedBy<C, N> = [keyof N] extends [never]
  ? C
  : {
      [K in keyof C]: K extends keyof N
        ? [N[K], OneWayOf<C[K]>] extends [Semantics, undefined]
          ? Procedure<ArgsOf<C[K]>, ResultOf<C[K]>, N[K] & Semantics>
          : C[K]
        : C[K];
    };

/**
 * What is wrong with a narrowing, for callers that no compiler has checked; undefined when nothing is.
 *
 * @param declared the guarantees that the contract declares, by the names of its procedures
 */
export function narrowingProblem(
  narrowing: Readonly<Record<string, Semantics | undefined>>,
  declared: ReadonlyMap<string, Semantics>,
): string | undefined {
  for (const [name, asked] of Object.entries(narrowing)) {
    const from = declared.get(name);
    if (from === undefined) return `semantics.${name}: the contract has no procedure ${name}`;
    if (asked === undefined) continue;
    if (!isSemantics(asked)) return `semantics.${name} must be one of the four guarantees, not ${String(asked)}`;
    if (!narrows(from, asked)) return `semantics.${name}: the contract declares ${from}, which ${asked} would widen`;
  }
  return undefined;
}

/** Why a one-way procedure cannot have another guarantee than its own. */
export function oneWayGuarantee(asked: Semantics): string {
  return `it is one-way, so no reply will tell whether it ran, which ${asked} needs`;
}

import type { HedgeOptions, Semantics } from "../model/index.js";

// Hedging: a second transmission of a call while the first is still awaited, for procedures whose answer now and then
// takes long for no reason of theirs. The first answer wins. It is a second execution on purpose, so only what may run
// twice can be hedged, and each hedge is paid for from the client's retry budget.

/** Most further transmissions of one call, unless a user says otherwise. */
export const hedgesMax = 1;

/** What is wrong with hedging a call, for callers that no compiler has checked; undefined when nothing is. */
export function hedgeProblem({ afterMs, max }: HedgeOptions, semantics: Semantics): string | undefined {
  if (semantics !== "at-least-once") return `hedging may run it twice, which ${semantics} forbids`;
  if (!(afterMs > 0 && Number.isFinite(afterMs)))
    return `hedge.afterMs must be a number of milliseconds above 0, not ${afterMs}`;
  if (max !== undefined && !(Number.isInteger(max) && max > 0))
    return `hedge.max must be a whole number from 1, not ${max}`;
  return undefined;
}

/** The hedges of one call. */
export class Hedge {
  readonly afterMs: number;
  /** How many more there may be. */
  left: number;

  constructor({ afterMs, max = hedgesMax }: HedgeOptions) {
    this.afterMs = afterMs;
    this.left = max;
  }
}

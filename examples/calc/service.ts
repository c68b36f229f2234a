import { setTimeout as sleep } from "node:timers/promises";
import { type CalcV1Handlers, DivisionStatus } from "./calc.js";

/** The procedures of calc.x. They do not know over which wire they are called. */
export const calc: CalcV1Handlers = {
  add: ({ a, b }) => a + b,
  divide({ a, b }) {
    if (b === 0) return { status: DivisionStatus.DIVISION_BY_ZERO };
    return { status: DivisionStatus.DIVISION_OK, value: { quotient: Math.trunc(a / b), remainder: a % b } };
  },
  average: (samples) => samples.reduce((sum, sample) => sum + sample, 0) / samples.length,
  // The signal fires when the caller is gone or the server closes: nobody sleeps for nobody.
  sleep: (milliseconds, { signal }) => sleep(milliseconds, undefined, { signal }),
};

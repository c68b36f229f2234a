import { isTraceparent, narrows, RpcError, type Semantics, type Signal } from "../model/index.js";

// What every client checks of a call's options, whatever its protocol.

/** Milliseconds a call takes at most, as in C. */
export const timeoutMsDefault = 25_000;

/** Milliseconds an attempt to connect takes at most, name look-up included. */
export const connectTimeoutMsDefault = 5_000;

/** The longest timeout: what a 32-bit timer can wait, some 24 days. Longer is a mistake more often than a wish. */
export const timeoutMsMax: number = 2 ** 31 - 1;

/** @throws RpcError `invalid-argument` */
export function checkTimeout(ms: number, name: string): number {
  const problem = timeoutProblem(ms);
  if (problem !== undefined) throw new RpcError("invalid-argument", `${name} ${problem}`, { executed: "no" });
  return ms;
}

/** What is wrong with a number of milliseconds; undefined when nothing is. */
export function timeoutProblem(ms: number): string | undefined {
  if (ms > 0 && ms <= timeoutMsMax) return undefined;
  return `must be a number of milliseconds from above 0 to ${timeoutMsMax}, not ${ms}`;
}

/** What is wrong with a limit that a user gives; undefined when nothing is. Infinity lifts it. */
export function limitProblem(limit: unknown, least = 1, most: number = Number.POSITIVE_INFINITY): string | undefined {
  if (limit === undefined || (typeof limit === "number" && limit >= least && limit <= most)) return undefined;
  const range = most === Number.POSITIVE_INFINITY ? `of at least ${least}` : `from ${least} to ${most}`;
  return `must be a number ${range}, not ${String(limit)}`;
}

/**
 * What is wrong with a guarantee that a call asks for; undefined when nothing is.
 *
 * @param by who declares the other one
 */
export function semanticsProblem(
  declared: Semantics,
  asked: Semantics,
  by = "the contract declares",
): string | undefined {
  return narrows(declared, asked) ? undefined : `${by} ${declared}, which ${asked} would widen`;
}

export function traceparentProblem(traceparent: string | undefined): string | undefined {
  if (traceparent === undefined || isTraceparent(traceparent)) return undefined;
  return `traceparent ${JSON.stringify(traceparent)} is not one of W3C Trace Context`;
}

/** Listens to several signals. @returns what takes the listeners away again */
export function listenTo(signals: readonly Signal[], onAbort: (reason: unknown) => void): () => void {
  const removers = signals.map((signal) => {
    const listener = (): void => onAbort(signal.reason);
    signal.addEventListener("abort", listener, { once: true });
    return () => signal.removeEventListener("abort", listener);
  });
  return () => {
    for (const remove of removers) remove();
  };
}

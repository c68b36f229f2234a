import type {
  BackoffOptions,
  CallRetryOptions,
  Executed,
  RetryBudgetOptions,
  RetryOptions,
  RpcErrorCode,
  Semantics,
} from "../model/index.js";
import { backoffMs } from "./backoff.js";

// Whether and when a call is tried again after an attempt has failed. It knows no protocol, no clock and no timer: an
// engine asks `next` and keeps the call until the time that it gets.
//
// May it be tried again?     executed "no"    "unknown"    "yes"
//   maybe                    never            never        never
//   at-least-once            yes              yes          no: another answer would be no better
//   at-most-once             yes              no           no
//   exactly-once             yes              no           no
//
// Where a server remembers calls, sending one again is no second execution; then "unknown" is as good as "no".

/** Most attempts of a call that is not at-least-once, unless a user says otherwise. */
export const retryAttempts = 3;

/**
 * How often a call is sent, at the most, to a server that remembers it: it is told what became of it as soon as it gets
 * through, so a call that has cost so many connections is what ends them.
 */
export const filteredTransmissions = 10;

/** The bucket of repetitions, unless a user says otherwise. */
export const retryBudgetDefaults = { tokens: 10, perCall: 0.1 } as const;

/** What all calls of one client may repeat. */
export class RetryBudget {
  readonly #max: number;
  readonly #perCall: number;
  #tokens: number;

  constructor(options: RetryBudgetOptions = {}) {
    this.#max = options.tokens ?? retryBudgetDefaults.tokens;
    this.#perCall = options.perCall ?? retryBudgetDefaults.perCall;
    this.#tokens = this.#max;
  }

  /** A call was made. */
  refill(): void {
    if (this.#tokens < this.#max) this.#tokens = Math.min(this.#max, this.#tokens + this.#perCall);
  }

  /** Takes a token; says whether there was one. */
  take(): boolean {
    // Ten tenths make a little less than one.
    if (this.#tokens < 1 - 1e-9) return false;
    this.#tokens = Math.max(0, this.#tokens - 1);
    return true;
  }
}

/** Why a call is not tried again. */
export type NoRetry = "forbidden" | "attempts" | "deadline" | "budget";

/** An attempt that failed, as far as deciding about the next one needs it. */
export interface FailedAttempt {
  readonly semantics: Semantics;
  /** What is known over all transmissions of the call. */
  readonly executed: Executed;
  /** The server remembers the call: sending it again is no second execution. */
  readonly filtered?: boolean | undefined;
  /** How often it was sent. */
  readonly transmissions?: number | undefined;
  /** How many attempts there were, this one included. */
  readonly attempts: number;
  /** Now, and when the call ends at the latest, in milliseconds of one clock. */
  readonly now: number;
  readonly deadline: number;
}

/** What kind of pause an attempt is followed by. */
export interface Pause {
  /** Somebody else paces the first repetition, as whoever connects does: there is no pause before it. */
  readonly paced?: boolean | undefined;
  /** The server asked for this pause, in milliseconds: it is not shortened. */
  readonly retryAfterMs?: number | undefined;
  /** The next attempt costs the server work: it is charged to the budget. */
  readonly charged: boolean;
}

/** The retry policy of a client, or of one call of it. */
export class RetryPolicy {
  readonly backoff: BackoffOptions;
  /** Undefined where repetitions are not counted. */
  readonly budget: RetryBudget | undefined;
  readonly #attempts: number | undefined;
  readonly #random: () => number;

  /** @param options `false` tries each call once */
  constructor(options: RetryOptions | false = {}, random: () => number = Math.random, budget?: RetryBudget) {
    const { attempts, backoff = {}, budget: bucket = {} } = options === false ? off : options;
    this.backoff = backoff;
    this.budget = bucket === false ? undefined : (budget ?? new RetryBudget(bucket));
    this.#attempts = attempts;
    this.#random = random;
  }

  /** The policy of one call: what its options leave out is the client's. */
  narrowed(options: CallRetryOptions | false): RetryPolicy {
    const { attempts = this.#attempts, backoff = this.backoff, budget } = options === false ? off : options;
    const shared = budget === false || this.budget === undefined ? false : undefined;
    return new RetryPolicy({ attempts, backoff, budget: shared }, this.#random, this.budget);
  }

  /** Why there is no further attempt, or undefined when there may be one. */
  obstacle(failed: Omit<FailedAttempt, "now" | "deadline">): NoRetry | undefined {
    const { semantics, attempts } = failed;
    if (!mayRepeat(failed)) return "forbidden";
    // A server that remembers the call can say what became of it: there is no reason to give up before the deadline.
    const asks = failed.filtered === true && failed.executed === "unknown";
    if (asks && (failed.transmissions ?? 0) >= filteredTransmissions) return "attempts";
    const endless = semantics === "at-least-once" || asks;
    const most = this.#attempts ?? (endless ? Number.POSITIVE_INFINITY : retryAttempts);
    return attempts < most ? undefined : "attempts";
  }

  /** When to try again, in milliseconds of the caller's clock, or why not. */
  next(failed: FailedAttempt, pause: Pause): number | NoRetry {
    const obstacle = this.obstacle(failed);
    if (obstacle !== undefined) return obstacle;
    const { now, deadline, attempts } = failed;
    const failures = pause.paced === true ? attempts - 1 : attempts;
    const wait = failures < 1 ? 0 : backoffMs(this.backoff, failures, this.#random);
    const due = now + Math.max(wait, pause.retryAfterMs ?? 0);
    // Waiting for a time at which the call has ended would only keep its caller from knowing.
    if (due >= deadline) return "deadline";
    if (pause.charged && this.budget?.take() === false) return "budget";
    return due;
  }
}

const off: RetryOptions & CallRetryOptions = { attempts: 1 };

/** Whether a call may be sent once more. */
function mayRepeat({
  semantics,
  executed,
  filtered,
}: Pick<FailedAttempt, "semantics" | "executed" | "filtered">): boolean {
  switch (executed) {
    case "no":
      return semantics !== "maybe";
    case "unknown":
      return semantics === "at-least-once" || (filtered === true && semantics !== "maybe");
    case "yes":
      return false;
  }
}

/** Whether a failure to reach the server may pass: a server that is not trusted today is not trusted a second later. */
export function mayPass(code: RpcErrorCode): boolean {
  return code !== "denied" && code !== "invalid-argument" && code !== "unimplemented";
}

/** The sentence's end that says why a call was not tried again; empty where the error's other fields say it. */
export function noRetryText(why: NoRetry): string {
  switch (why) {
    case "deadline":
      return "; too little time is left to try again";
    case "budget":
      return "; not tried again, because the client's retry budget is spent";
    default:
      return "";
  }
}

/** What is wrong with retry options, with the name of the one at fault; undefined when nothing is. */
export function retryProblem(options: RetryOptions | CallRetryOptions | false): string | undefined {
  if (options === false) return undefined;
  const { attempts, backoff, budget } = options;
  if (
    attempts !== undefined &&
    attempts !== Number.POSITIVE_INFINITY &&
    !(Number.isInteger(attempts) && attempts > 0)
  ) {
    return `retry.attempts must be a whole number from 1, or Infinity, not ${attempts}`;
  }
  const numbers: [name: string, value: number | undefined, least: number][] = [
    ["backoff.initialMs", backoff?.initialMs, 1],
    ["backoff.maxMs", backoff?.maxMs, 1],
    ["backoff.factor", backoff?.factor, 1],
  ];
  if (budget !== undefined && budget !== false) {
    numbers.push(["budget.tokens", budget.tokens, 0], ["budget.perCall", budget.perCall, 0]);
  }
  const wrong = numbers.find(([, value, least]) => value !== undefined && !(Number.isFinite(value) && value >= least));
  return wrong === undefined
    ? undefined
    : `retry.${wrong[0]} must be a finite number from ${wrong[2]}, not ${wrong[1]}`;
}

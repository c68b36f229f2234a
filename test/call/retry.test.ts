import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mayPass, noRetryText, RetryBudget, RetryPolicy, retryProblem } from "../../src/call/retry.js";
import type { Executed, RetryOptions, RpcErrorCode, Semantics } from "../../src/model/index.js";

const guarantees: Semantics[] = ["maybe", "at-least-once", "at-most-once", "exactly-once"];
const evidence: Executed[] = ["no", "unknown", "yes"];
const failed = { semantics: "at-least-once", executed: "unknown", attempts: 1, now: 1_000, deadline: 60_000 } as const;
const charged = { charged: true };
/** Waits are the whole step. */
const slow = (options: RetryOptions | false = {}): RetryPolicy => new RetryPolicy(options, () => 1);

describe("what may be tried again", () => {
  it("follows from the guarantee and from what is known about the execution", () => {
    const allowed = guarantees.map((semantics) => [
      semantics,
      ...evidence.map((executed) => slow().obstacle({ semantics, executed, attempts: 1 }) === undefined),
    ]);
    expect(allowed).toEqual([
      ["maybe", false, false, false],
      ["at-least-once", true, true, false],
      ["at-most-once", true, false, false],
      ["exactly-once", true, false, false],
    ]);
  });

  it("is also what a server remembers, unless it is not to be sent twice at all", () => {
    const allowed = guarantees.map((semantics) =>
      evidence.map((executed) => slow().obstacle({ semantics, executed, attempts: 1, filtered: true }) === undefined),
    );
    expect(allowed).toEqual([[false, false, false], ...Array(3).fill([true, true, false])]);
  });

  it("cannot be widened by any option", () => {
    const options: fc.Arbitrary<RetryOptions | false> = fc.oneof(
      fc.constant(false as const),
      fc.record(
        {
          attempts: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 1, max: 100 })),
          budget: fc.oneof(fc.constant(false as const), fc.record({ tokens: fc.nat(), perCall: fc.nat() })),
        },
        { requiredKeys: [] },
      ),
    );
    fc.assert(
      fc.property(options, fc.integer({ min: 1, max: 50 }), (retry, attempts) => {
        const policy = slow(retry);
        for (const semantics of guarantees) {
          for (const executed of evidence) {
            const next = policy.next({ ...failed, semantics, executed, attempts, deadline: Infinity }, charged);
            if (semantics === "maybe" || executed === "yes") expect(next).toBe("forbidden");
            if (executed === "unknown" && semantics !== "at-least-once") expect(next).toBe("forbidden");
          }
        }
      }),
    );
  });

  it.each<[Semantics, RetryOptions | false, number]>([
    ["at-least-once", {}, 1_000],
    ["at-most-once", {}, 3],
    ["exactly-once", {}, 3],
    ["at-least-once", { attempts: 4 }, 4],
    ["at-most-once", { attempts: 4 }, 4],
    ["at-least-once", false, 1],
    ["at-most-once", false, 1],
    ["at-most-once", { attempts: Number.POSITIVE_INFINITY }, 1_000],
  ])("has its number of attempts: %s with %j at most %i", (semantics, options, most) => {
    const policy = slow(options);
    let attempts = 1;
    while (attempts < 1_000 && policy.obstacle({ semantics, executed: "no", attempts }) === undefined) attempts++;
    expect(attempts).toBe(most);
  });

  it.each<[RpcErrorCode, boolean]>([
    ["unavailable", true],
    ["not-found", true],
    ["deadline-exceeded", true],
    ["denied", false],
    ["invalid-argument", false],
    ["unimplemented", false],
  ])("is nothing that time does not heal: %s", (code, passes) => {
    expect(mayPass(code)).toBe(passes);
  });
});

describe("when it is tried again", () => {
  const dues = (policy: RetryPolicy, pause: Parameters<RetryPolicy["next"]>[1]): unknown[] =>
    [1, 2, 3, 4].map((attempts) => policy.next({ ...failed, attempts }, pause));

  it("is after a pause that doubles, with jitter", () => {
    const options = { budget: false, backoff: { initialMs: 100, maxMs: 300 } } as const;
    expect(dues(slow(options), charged)).toEqual([1_100, 1_200, 1_300, 1_300]);
    expect(dues(new RetryPolicy(options, () => 0), charged)).toEqual([1_050, 1_100, 1_150, 1_150]);
  });

  it("is at once, the first time, where somebody else makes the pause", () => {
    expect(dues(slow(), { charged: true, paced: true })).toEqual([1_000, 1_050, 1_100, 1_200]);
  });

  it("is not before the server wants it", () => {
    expect(dues(slow(), { charged: true, retryAfterMs: 150 })).toEqual([1_150, 1_150, 1_200, 1_400]);
  });

  it("is never after the deadline: then it ends now", () => {
    expect(slow().next({ ...failed, deadline: 1_051 }, charged)).toBe(1_050);
    expect(slow().next({ ...failed, deadline: 1_050 }, charged)).toBe("deadline");
    expect(slow().next(failed, { charged: true, retryAfterMs: 59_000 })).toBe("deadline");
  });
});

describe("the retry budget", () => {
  it("has ten tokens, and a tenth of one comes back with each call", () => {
    const budget = new RetryBudget();
    const taken = (): number => {
      let count = 0;
      while (budget.take()) count++;
      return count;
    };
    expect(taken()).toBe(10);
    for (let i = 0; i < 9; i++) budget.refill();
    expect(taken()).toBe(0);
    budget.refill();
    expect(taken()).toBe(1);
    for (let i = 0; i < 1_000; i++) budget.refill();
    expect(taken()).toBe(10);
  });

  it("keeps repetitions to a tenth of the calls and the first ten, whatever happens", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 500 }), (steps) => {
        const policy = slow();
        let calls = 0;
        let repeated = 0;
        for (const isCall of steps) {
          if (isCall) {
            calls++;
            policy.budget?.refill();
          } else if (typeof policy.next(failed, charged) === "number") repeated++;
        }
        expect(repeated).toBeLessThanOrEqual(10 + calls / 10 + 1e-6);
      }),
    );
  });

  it("is asked last, so nothing is taken for a call that is not tried again", () => {
    const policy = slow({ budget: { tokens: 1, perCall: 0 } });
    expect(policy.next({ ...failed, executed: "yes" }, charged)).toBe("forbidden");
    expect(policy.next({ ...failed, deadline: 1_001 }, charged)).toBe("deadline");
    expect(policy.next(failed, { charged: false })).toBe(1_050);
    expect(policy.next(failed, charged)).toBe(1_050);
    expect(policy.next(failed, charged)).toBe("budget");
  });

  it("is shared by the calls of a client, whatever they ask for themselves", () => {
    const client = slow({ budget: { tokens: 2, perCall: 0 } });
    const [patient, free, off] = [
      client.narrowed({ attempts: 5, backoff: { initialMs: 10 } }),
      client.narrowed({ budget: false }),
      client.narrowed(false),
    ];
    expect(off.next(failed, charged)).toBe("attempts");
    expect([patient.next(failed, charged), client.next(failed, charged)]).toEqual([1_010, 1_050]);
    expect([patient.next(failed, charged), client.next(failed, charged)]).toEqual(["budget", "budget"]);
    expect(free.next(failed, charged)).toBe(1_050);
    expect(patient.next({ ...failed, attempts: 5 }, charged)).toBe("attempts");
    expect(slow({ budget: false }).narrowed({}).next(failed, charged)).toBe(1_050);
  });
});

describe("retry options", () => {
  it.each<[RetryOptions, RegExp]>([
    [{ attempts: 0 }, /^retry\.attempts must be a whole number from 1, or Infinity, not 0$/],
    [{ attempts: 1.5 }, /retry\.attempts .* not 1\.5/],
    [{ attempts: Number.NaN }, /retry\.attempts/],
    [{ backoff: { initialMs: 0 } }, /^retry\.backoff\.initialMs must be a finite number from 1, not 0$/],
    [{ backoff: { maxMs: Number.POSITIVE_INFINITY } }, /retry\.backoff\.maxMs/],
    [{ backoff: { factor: 0.5 } }, /retry\.backoff\.factor must be a finite number from 1/],
    [{ budget: { tokens: -1 } }, /retry\.budget\.tokens must be a finite number from 0/],
    [{ budget: { perCall: Number.NaN } }, /retry\.budget\.perCall/],
  ])("that make no sense are named: %j", (options, message) => {
    expect(retryProblem(options)).toMatch(message);
  });

  it.each<[RetryOptions | false]>([
    [false],
    [{}],
    [{ attempts: Number.POSITIVE_INFINITY, backoff: { initialMs: 1, maxMs: 1, factor: 1 }, budget: false }],
    [{ attempts: 1, budget: { tokens: 0, perCall: 0 } }],
  ])("that do are taken: %j", (options) => {
    expect(retryProblem(options)).toBeUndefined();
  });
});

describe("why there is no further attempt", () => {
  it.each([
    ["forbidden", ""],
    ["attempts", ""],
    ["deadline", "; too little time is left to try again"],
    ["budget", "; not tried again, because the client's retry budget is spent"],
  ] as const)("is said: %s", (why, text) => {
    expect(noRetryText(why)).toBe(text);
  });
});

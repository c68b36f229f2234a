import { describe, expect, it } from "vitest";
import type { Entry, ProcedureName } from "../support/history.js";
import { type Journals, judge } from "./judge.js";

// A judge who finds nothing must be one who would have found something.

const call = (procedure: ProcedureName, number = 1): Entry => ({
  is: "call",
  call: number,
  procedure,
  ms: 0,
  timeoutMs: 100,
});
const run = (procedure: ProcedureName, value: number, number = 1): Entry => ({
  is: "run",
  call: number,
  procedure,
  value,
  ms: 10,
});
const value = (value: number, ms = 20): Entry => ({ is: "value", call: 1, value, ms });
const failure = (executed: string): Entry => ({
  ...{ is: "failure", call: 1, code: "unavailable", executed, attempts: 1, message: "", ms: 20 },
});
const over: Entry = { is: "over" };

const judged = (
  client: readonly Entry[],
  servers: Journals["servers"],
  effects: Journals["effects"] = [],
): readonly string[] => judge({ clients: [client], servers, effects }, 50).violations;

describe("the judge of real histories", () => {
  it.each<[string, readonly string[], RegExp]>([
    [
      "a call that ran twice, at two servers",
      judged([call("once"), value(5), over], [[run("once", 5)], [run("once", 6)]]),
      /ran-twice/,
    ],
    [
      "an effect that was committed twice",
      judged(
        [call("exactly"), value(5), over],
        [[run("exactly", 5), run("exactly", 6)]],
        [
          { call: 1, value: 5 },
          { call: 1, value: 6 },
        ],
      ),
      /ran-twice/,
    ],
    [
      "a call that ran twice, though its client had died",
      judged([call("once")], [[run("once", 5), run("once", 6)]]),
      /ran-twice/,
    ],
    ["a call that never settled", judged([call("often"), over], []), /^settles:/],
    ["a call that settled late", judged([call("once"), value(5, 151), over], [[run("once", 5)]]), /settles-in-time/],
    [
      "a call that ran, and was said not to have",
      judged([call("once"), failure("no"), over], [[run("once", 5)]]),
      /no-means-never/,
    ],
    [
      "a commit of a call that was said not to have run",
      judged([call("exactly"), failure("no"), over], [[run("exactly", 5)]], [{ call: 1, value: 5 }]),
      /no-means-never/,
    ],
    [
      "an answer that was lost from the database",
      judged([call("exactly"), value(5), over], [[run("exactly", 5)]]),
      /foreign-reply/,
    ],
    ["another call's answer", judged([call("once"), value(6), over], [[run("once", 5)]]), /foreign-reply/],
    [
      "a call that did not run, and was said to have",
      judged([call("often"), failure("yes"), over], []),
      /yes-means-ran/,
    ],
    [
      "a call that may be lost, sent twice",
      judged([call("hint"), failure("unknown"), over], [[run("hint", 5), run("hint", 6)]]),
      /sent-twice/,
    ],
    [
      "a row that nothing wrote",
      judged([call("exactly"), over], [], [{ call: 1, value: 5 }]).slice(1),
      /surprise: the row 1 5/,
    ],
    ["a call that nobody made", judged([over], [[run("once", 5)]]), /nobody-called/],
  ])("finds %s", (_what, violations, says) => {
    expect(violations).toHaveLength(1);
    expect(violations[0]).toMatch(says);
  });

  it.each<[string, readonly string[]]>([
    ["an answer", judged([call("once"), value(5), over], [[run("once", 5)]])],
    ["what may run twice, and did", judged([call("often"), value(6), over], [[run("often", 5), run("often", 6)]])],
    ["a failure of which nobody knows", judged([call("once"), failure("unknown"), over], [[run("once", 5)]])],
    ["what a rolled back transaction did", judged([call("exactly"), failure("no"), over], [[run("exactly", 5)]])],
    ["a call whose client died", judged([call("once")], [])],
  ])("finds nothing wrong with %s", (_what, violations) => {
    expect(violations).toEqual([]);
  });
});

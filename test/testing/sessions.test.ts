import { describe, expect, it } from "vitest";
import { checkSessions } from "../../src/testing/check-sessions.js";
import type { CallRecord, ExecutionRecord, History, Rule } from "../../src/testing/history.js";

const call = (number: number, invokedAt: number, bytes: string): CallRecord => ({
  number,
  client: "client-1",
  transport: "stream",
  procedure: "note",
  args: [],
  key: `note ${number}`,
  guarantee: "at-least-once",
  invokedAt,
  settleBy: invokedAt + 100,
  settledAt: invokedAt + 10,
  ending: { ok: true, bytes } as CallRecord["ending"],
  abandoned: false,
  late: false,
});

const execution = (number: number, object: number, result: string): ExecutionRecord => ({
  number,
  boot: 1,
  procedure: "note",
  args: [],
  key: "note",
  beganAt: 0,
  endedAt: 1,
  result,
  threw: false,
  inSession: true,
  object,
  transactional: false,
  committed: false,
});

function breachesOf(executions: readonly (readonly ExecutionRecord[])[]): Rule[] {
  const calls = executions.map((of, i) => call(i, i * 50, of[0]?.result ?? ""));
  const groups = executions.map((of, i) => ({ calls: [calls[i] as CallRecord], executions: [...of] }));
  const breaches: Rule[] = [];
  checkSessions(groups, { calls, executions: executions.flat() } as unknown as History, (rule) => breaches.push(rule));
  return breaches;
}

describe("a history of calls that are served by objects of their sessions", () => {
  it("breaks a rule where another object answers and nobody has said that the first is gone", () => {
    expect(breachesOf([[execution(0, 1, "a")], [execution(1, 1, "b")]])).toEqual([]);
    expect(breachesOf([[execution(0, 1, "a")], [execution(1, 2, "b")]])).toEqual(["lost-state"]);
  });

  it("breaks none where a call ran at both objects with one result: the second may have answered", () => {
    expect(breachesOf([[execution(0, 1, "a"), execution(1, 2, "a")], [execution(2, 2, "b")]])).toEqual([]);
  });
});

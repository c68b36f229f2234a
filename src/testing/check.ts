import type { Executed } from "../model/index.js";
import { checkSessions } from "./check-sessions.js";
import type { Group, Report } from "./group.js";
import type { CallRecord, ExecutionRecord, History, Rule, Violation } from "./history.js";

// The history checker. Calls and executions are compared by key, which is the procedure and its arguments: where several
// calls have one key, nobody can say which execution was whose, so what must hold is said about their numbers. The network
// has been drained when this looks, so what has not run by now never will.

/** What deadlines lose by being whole milliseconds on the wire. */
const clockSlackMs = 2;

/** Every breach of what the guarantees promise; empty when all were kept. */
export function check(history: History): Violation[] {
  const found: Violation[] = [];
  const report = (rule: Rule, calls: readonly CallRecord[], message: string): void => {
    found.push({ rule, message, calls: calls.map(({ number }) => number) });
  };
  for (const call of history.calls) {
    if (call.abandoned) continue;
    if (call.ending === undefined) report("settles", [call], `${nameOf(call)} never settled`);
    else if (call.late) {
      const late = `at ${ms(call.settledAt)}, and its time was up at ${ms(call.settleBy)}`;
      report("settles-in-time", [call], `${nameOf(call)} settled ${late}`);
    }
    if (call.ending?.ok === false && call.ending.code === "not-an-rpc-error") {
      report("surprise", [call], `${nameOf(call)} failed with what is no RpcError: ${call.ending.error.message}`);
    }
  }
  for (const surprise of history.surprises) report("surprise", [], surprise);
  // A flipped bit may have changed anything, the status of a reply included: what is left is that everything settles.
  if (history.unchecked) return found;
  const groups = groupsOf(history);
  for (const group of groups) checkGroup(group, history, report);
  if (history.calls.some(({ fifo }) => fifo)) checkOrder(groups, history, report);
  checkSessions(groups, history, report);
  return found;
}

function groupsOf({ calls, executions }: History): readonly Group[] {
  const groups = new Map<string, Group>();
  const groupOf = (key: string): Group => {
    let group = groups.get(key);
    if (group === undefined) {
      group = { calls: [], executions: [] };
      groups.set(key, group);
    }
    return group;
  };
  for (const call of calls) groupOf(call.key).calls.push(call);
  for (const execution of executions) groupOf(execution.key).executions.push(execution);
  return [...groups.values()];
}

function checkGroup({ calls, executions }: Group, history: History, report: Report): void {
  const [call] = calls;
  if (call === undefined) {
    const what = `${executions[0]?.procedure} ran ${times(executions.length)} with arguments that nobody called it with`;
    report("nobody-called", [], what);
    return;
  }
  const { guarantee } = call;
  const repeatable = guarantee === "at-least-once" || guarantee === "maybe";
  // What "it ran" means: with exactly-once, that its effect was committed.
  const effects = guarantee === "exactly-once" ? executions.filter(({ committed }) => committed) : executions;
  checkCount(calls, effects, repeatable, history, report);
  for (const each of calls) checkCall(each, executions, history, report);
  if (calls.length === 1 && history.jumped !== true) checkDeadlines(call, executions, report);
  const ran = calls.filter((each) => verdictOf(each) === "yes");
  if (!repeatable && ran.length > executions.length) {
    const said = `${ran.length} are said to have run`;
    report("yes-means-ran", ran, `${groupName(calls)}: ${said}, and it ran ${times(executions.length)}`);
  }
  checkReplies(calls, effects, repeatable, report);
}

/** What a caller knows about whether its call ran, from the call itself or from what it asked later. */
function verdictOf({ ending, oneWay, settlement }: CallRecord): Executed | undefined {
  if (ending === undefined) return undefined;
  // That a one-way call was sent is all that its end says.
  if (ending.ok) return oneWay === true ? "unknown" : "yes";
  return ending.executed === "unknown" ? (settlement?.executed ?? "unknown") : ending.executed;
}

/** How often it ran: what is said not to have run did not, and what must not run twice ran once for each call at most. */
function checkCount(
  calls: readonly CallRecord[],
  effects: readonly ExecutionRecord[],
  repeatable: boolean,
  { durable, doubled }: History,
  report: Report,
): void {
  const refused = calls.filter((call) => verdictOf(call) === "no");
  const rest = calls.length - refused.length;
  if (rest === 0 && effects.length > 0) {
    const said = calls.length === 1 ? "it did not run" : "none of them ran";
    report("no-means-never", calls, `${groupName(calls)}: the caller was told that ${said}; ${runs(effects)}`);
    return;
  }
  const [first] = calls;
  if (first?.guarantee === "maybe" && !doubled && effects.length > calls.length) {
    report("sent-twice", calls, `${groupName(calls)}: "maybe" is sent once, and ${runs(effects)}`);
  }
  if (repeatable) return;
  const counted = durable || first?.guarantee === "exactly-once" ? effects : withoutExcused(effects);
  if (counted.length > calls.length) {
    report("ran-twice", calls, `${groupName(calls)}: ${runs(counted)}`);
  } else if (counted.length > rest) {
    const said = `the callers were told that ${refused.length} of them did not run`;
    report("no-means-never", refused, `${groupName(calls)}: ${said}; ${runs(counted)}`);
  }
}

/**
 * A reply cache in memory ends with its server. What the network kept for longer runs once more at the next one, unless it
 * belongs to a session, which the next one does not know.
 */
function withoutExcused(executions: readonly ExecutionRecord[]): readonly ExecutionRecord[] {
  if (executions.length < 2) return executions;
  const plain = executions.filter(({ inSession }) => inSession !== true);
  let most: ExecutionRecord[] = [];
  for (const { boot } of plain) {
    const ofServer = plain.filter((execution) => execution.boot === boot);
    if (ofServer.length > most.length) most = ofServer;
  }
  return [...executions.filter(({ inSession }) => inSession === true), ...most];
}

/** What one call says of itself. */
function checkCall(call: CallRecord, executions: readonly ExecutionRecord[], { calm }: History, report: Report): void {
  const { ending, invokedAt, settledAt = 0, settlement } = call;
  if (ending === undefined) return;
  if (!ending.ok && calm && !executions.some(({ threw }) => threw)) {
    report("fails-without-faults", [call], `${nameOf(call)} failed though nothing went wrong: ${ending.error.message}`);
  }
  const until = settlement?.toldAt ?? settledAt;
  const during = ({ beganAt }: ExecutionRecord): boolean => beganAt >= invokedAt && beganAt <= until;
  if (verdictOf(call) === "yes" && !executions.some(during)) {
    report("yes-means-ran", [call], `${nameOf(call)}: nothing ran while it was under way`);
  }
}

/** What handlers are told of their callers' deadlines: late by the way there at the most, and never early. */
function checkDeadlines(call: CallRecord, executions: readonly ExecutionRecord[], report: Report): void {
  const { settleBy, invokedAt } = call;
  for (const { deadline, beganAt } of executions) {
    if (deadline === undefined) continue;
    if (deadline >= settleBy - clockSlackMs && deadline <= settleBy + (beganAt - invokedAt) + clockSlackMs) continue;
    const told = `a handler was told that its caller gives up at ${ms(deadline)}, and it does at ${ms(settleBy)}`;
    report("wrong-deadline", [call], `${nameOf(call)}: ${told}`);
  }
}

/** A call and its first execution. */
interface Run {
  readonly call: CallRecord;
  readonly execution: ExecutionRecord;
}

/**
 * Whether what still runs in one session need not be waited for in the other: who was led to another server and back has
 * another session there, and so has who comes back after his lease, when the handlers of the first have been told to end.
 */
function areApart(before: ExecutionRecord, after: ExecutionRecord, failedOver: boolean): boolean {
  if (before.caller?.session === after.caller?.session) return false;
  return failedOver || (before.abortedAt ?? Number.POSITIVE_INFINITY) <= after.beganAt;
}

/**
 * The calls of a client that wants them in order: one after another, and as they were made. Looked at are calls that nothing
 * else is like, at servers that had begun when they were made: order is kept within a session.
 */
function checkOrder(groups: Iterable<Group>, { failedOver, resent }: History, report: Report): void {
  const byClient = new Map<string, Run[]>();
  for (const { calls, executions } of groups) {
    const [call] = calls;
    const [execution] = executions;
    // A one-way call belongs to no session.
    if (call?.fifo !== true || call.oneWay === true || calls.length > 1 || execution === undefined) continue;
    if (call.invokedAt < (execution.serverSince ?? 0)) continue;
    const runs = byClient.get(call.client);
    if (runs === undefined) byClient.set(call.client, [{ call, execution }]);
    else runs.push({ call, execution });
  }
  for (const runs of byClient.values()) {
    runs.sort((a, b) => a.call.number - b.call.number);
    for (const [i, after] of runs.entries()) {
      const before = runs[i - 1];
      if (before === undefined) continue;
      const both = `${nameOf(before.call)} and ${nameOf(after.call)}`;
      if (
        !areApart(before.execution, after.execution, failedOver === true) &&
        overlap(before.execution, after.execution)
      ) {
        report("out-of-order", [before.call, after.call], `${both}, which are to run one after another, ran at once`);
      } else if (after.execution.beganAt < before.execution.beganAt && resent !== true) {
        report("out-of-order", [before.call, after.call], `${both}, which are to run in order, ran in the other`);
      }
    }
  }
}

/** Whether two executions ran at one server at once. */
function overlap(a: ExecutionRecord, b: ExecutionRecord): boolean {
  if (a.boot !== b.boot) return false;
  const endOf = ({ endedAt = Number.POSITIVE_INFINITY }: ExecutionRecord): number => endedAt;
  return a.beganAt < endOf(b) && b.beganAt < endOf(a);
}

/** Each reply is one that the procedure gave to these calls, and where nothing runs twice, to one of them only. */
function checkReplies(
  calls: readonly CallRecord[],
  effects: readonly ExecutionRecord[],
  repeatable: boolean,
  report: Report,
): void {
  const given = new Map<string, number>();
  for (const { result } of effects) if (result !== undefined) given.set(result, (given.get(result) ?? 0) + 1);
  for (const call of calls) {
    const { ending, settlement, oneWay } = call;
    const bytes = ending?.ok === true ? ending.bytes : settlement?.bytes;
    if (bytes === undefined || oneWay === true) continue;
    const left = given.get(bytes);
    if (left === undefined) {
      report("foreign-reply", [call], `${nameOf(call)} got a reply that no execution of it gave`);
    } else if (left === 0) {
      report("reply-used-twice", calls, `${groupName(calls)}: two of them got the reply of one execution`);
    } else if (!repeatable) {
      given.set(bytes, left - 1);
    }
  }
}

function nameOf({ number, procedure, client }: Pick<CallRecord, "number" | "procedure" | "client">): string {
  return `call #${number} of ${client}, ${procedure}`;
}

function groupName(calls: readonly CallRecord[]): string {
  const [first] = calls;
  if (first === undefined) return "";
  if (calls.length === 1) return nameOf(first);
  return `calls ${calls.map(({ number }) => `#${number}`).join(", ")}, ${first.procedure} with the same arguments`;
}

function times(count: number): string {
  return count === 1 ? "once" : count === 2 ? "twice" : `${count} times`;
}

/** How often it ran, and when. */
function runs(executions: readonly ExecutionRecord[]): string {
  return `it ran ${times(executions.length)}, at ${executions.map(({ beganAt }) => ms(beganAt)).join(", ")}`;
}

function ms(time: number | undefined): string {
  return time === undefined ? "never" : `${time.toFixed(1)} ms`;
}

import type { CallRecord, ExecutionRecord, History, Rule, Violation } from "./history.js";

// The history checker. Calls and executions are compared by key, which is the procedure and its arguments: where several
// calls have one key, nobody can say which execution was whose, so what must hold is said about their numbers. The network
// has been drained when this looks, so what has not run by now never will.

/** A group of calls that cannot be told from one another, and what ran for them. */
interface Group {
  readonly calls: CallRecord[];
  readonly executions: ExecutionRecord[];
}

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
  if (!history.unchecked) for (const group of groupsOf(history)) checkGroup(group, history, report);
  return found;
}

function groupsOf({ calls, executions }: History): Iterable<Group> {
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
  return groups.values();
}

type Report = (rule: Rule, calls: readonly CallRecord[], message: string) => void;

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
  const ran = calls.filter(saidToHaveRun);
  if (!repeatable && ran.length > executions.length) {
    const said = `${ran.length} are said to have run`;
    report("yes-means-ran", ran, `${groupName(calls)}: ${said}, and it ran ${times(executions.length)}`);
  }
  checkReplies(calls, effects, repeatable, report);
}

/** How often it ran: what is said not to have run did not, and what must not run twice ran once for each call at most. */
function checkCount(
  calls: readonly CallRecord[],
  effects: readonly ExecutionRecord[],
  repeatable: boolean,
  { durable, doubled }: History,
  report: Report,
): void {
  const refused = calls.filter(({ ending }) => ending?.ok === false && ending.executed === "no");
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
  // A reply cache in memory ends with its server; what the network kept for longer runs once more at the next one.
  const counted = durable || first?.guarantee === "exactly-once" ? effects : mostOfOneServer(effects);
  if (counted.length > calls.length) {
    report("ran-twice", calls, `${groupName(calls)}: ${runs(counted)}`);
  } else if (counted.length > rest) {
    const said = `the callers were told that ${refused.length} of them did not run`;
    report("no-means-never", refused, `${groupName(calls)}: ${said}; ${runs(counted)}`);
  }
}

/** The executions of the server that has most of them. */
function mostOfOneServer(executions: readonly ExecutionRecord[]): readonly ExecutionRecord[] {
  if (executions.length < 2) return executions;
  let most: ExecutionRecord[] = [];
  for (const { boot } of executions) {
    const ofServer = executions.filter((execution) => execution.boot === boot);
    if (ofServer.length > most.length) most = ofServer;
  }
  return most;
}

/** What one call says of itself. */
function checkCall(call: CallRecord, executions: readonly ExecutionRecord[], { calm }: History, report: Report): void {
  const { ending, invokedAt, settledAt = 0 } = call;
  if (ending === undefined) return;
  if (!ending.ok && calm && !executions.some(({ threw }) => threw)) {
    report("fails-without-faults", [call], `${nameOf(call)} failed though nothing went wrong: ${ending.error.message}`);
  }
  const during = ({ beganAt }: ExecutionRecord): boolean => beganAt >= invokedAt && beganAt <= settledAt;
  if (saidToHaveRun(call) && !executions.some(during)) {
    report("yes-means-ran", [call], `${nameOf(call)}: nothing ran while it was under way`);
  }
}

function saidToHaveRun({ ending }: CallRecord): boolean {
  return ending !== undefined && (ending.ok || ending.executed === "yes");
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
    if (call.ending?.ok !== true) continue;
    const { bytes } = call.ending;
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

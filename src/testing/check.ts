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
    report(
      "nobody-called",
      [],
      `${executions[0]?.procedure} ran ${times(executions.length)} though nobody called it so`,
    );
    return;
  }
  const { guarantee } = call;
  // What "it ran" means: with exactly-once, that its effect was committed.
  const effects = guarantee === "exactly-once" ? executions.filter(({ committed }) => committed) : executions;
  const name = groupName(calls);

  const refused = calls.filter(({ ending }) => ending?.ok === false && ending.executed === "no");
  const repeatable = guarantee === "at-least-once" || guarantee === "maybe";
  const mayRun = calls.length - refused.length;
  if (refused.length > 0 && (repeatable ? mayRun === 0 && effects.length > 0 : effects.length > mayRun)) {
    const said = calls.length === 1 ? "it did not run" : `${refused.length} of them did not run`;
    report("no-means-never", refused, `${name}: the caller was told that ${said}; it ran ${times(effects.length)}`);
  } else if (!repeatable) {
    checkOnce(calls, effects, history, report);
  }

  for (const each of calls) {
    const attempts = each.ending?.ok === false ? each.ending.attempts : 0;
    if (guarantee === "maybe" && attempts > 1) {
      report("sent-twice", [each], `${nameOf(each)} was sent ${times(attempts)}, and "maybe" is sent once`);
    }
    if (history.calm && each.ending?.ok === false && !executions.some(({ threw }) => threw)) {
      report(
        "fails-without-faults",
        [each],
        `${nameOf(each)} failed though nothing went wrong: ${each.ending.error.message}`,
      );
    }
  }

  const ran = calls.filter(({ ending }) => ending?.ok === true || (ending?.ok === false && ending.executed === "yes"));
  for (const each of ran) {
    const { invokedAt, settledAt = 0 } = each;
    const during = executions.some(({ beganAt }) => beganAt >= invokedAt && beganAt <= settledAt);
    if (!during) report("yes-means-ran", [each], `${nameOf(each)}: nothing ran while it was under way`);
  }
  if (!repeatable && ran.length > executions.length) {
    report("yes-means-ran", ran, `${name}: ${ran.length} are said to have run, and it ran ${times(executions.length)}`);
  }
  checkReplies(calls, effects, repeatable, report);
}

/** What must not run twice. */
function checkOnce(
  calls: readonly CallRecord[],
  effects: readonly ExecutionRecord[],
  history: History,
  report: Report,
): void {
  if (history.durable || calls[0]?.guarantee === "exactly-once") {
    if (effects.length > calls.length) tooOften(calls, effects, "", report);
    return;
  }
  // A reply cache in memory ends with its server; what the network kept for longer runs once more at the next one.
  const boots = new Map<number, ExecutionRecord[]>();
  for (const effect of effects) {
    const ofBoot = boots.get(effect.boot);
    if (ofBoot === undefined) boots.set(effect.boot, [effect]);
    else ofBoot.push(effect);
  }
  for (const [boot, ofBoot] of boots) {
    if (ofBoot.length > calls.length) tooOften(calls, ofBoot, ` at server ${boot}`, report);
  }
}

function tooOften(
  calls: readonly CallRecord[],
  effects: readonly ExecutionRecord[],
  where: string,
  report: Report,
): void {
  const at = effects.map(({ beganAt }) => ms(beganAt)).join(", ");
  report("ran-twice", calls, `${groupName(calls)}: ran ${times(effects.length)}${where}, at ${at}`);
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

function ms(time: number | undefined): string {
  return time === undefined ? "never" : `${time.toFixed(1)} ms`;
}

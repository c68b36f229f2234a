import type { Group, Report } from "./group.js";
import type { CallRecord, ExecutionRecord, History } from "./history.js";

// What must hold of sessions beside the guarantees: no call is made plainly that must not be, state belongs to one session
// and is not lost silently, and nothing works on for nobody. What cannot be told apart by its arguments is left out.

/** How late a signal may fire: alarms go off a millisecond late at the most. */
const alarmSlackMs = 2;

/** How long news of a client's death is under way, where the network is steady, in milliseconds. */
const newsMs = 300;

/** A call that nothing else is like, and what ran for it. */
interface Single {
  readonly call: CallRecord;
  readonly executions: readonly ExecutionRecord[];
}

export function checkSessions(groups: readonly Group[], history: History, report: Report): void {
  checkMadePlainly(groups, report);
  const singles = groups.flatMap(({ calls: [call, ...others], executions }): Single[] =>
    call !== undefined && others.length === 0 ? [{ call, executions }] : [],
  );
  checkOrphans(singles, history, report);
  checkState(singles, history, report);
}

function checkMadePlainly(groups: readonly Group[], report: Report): void {
  for (const { calls, executions } of groups) {
    // A one-way call belongs to no session.
    if (!calls.every(({ needsSession, oneWay }) => needsSession === true && oneWay !== true)) continue;
    if (executions.some(({ inSession }) => inSession === false)) {
      report("made-plainly", calls, `${nameOf(calls[0])} needs a session, and ran without one`);
    }
  }
}

/** Whose callers gave up, came back as others, or went away, is told so. */
function checkOrphans(singles: readonly Single[], history: History, report: Report): void {
  const served = singles.flatMap(({ call, executions }) => executions.map((execution) => ({ call, execution })));
  for (const { call, executions } of singles) {
    for (const execution of executions) {
      if (execution.inSession !== true) continue;
      const toldBy = (at: number): boolean =>
        endOf(execution) <= at || (execution.abortedAt ?? Number.POSITIVE_INFINITY) <= at;
      const { beganAt, caller, deadline } = execution;
      if (deadline !== undefined && history.jumped !== true && !toldBy(Math.max(deadline, beganAt) + alarmSlackMs)) {
        report(
          "orphan",
          [call],
          `${nameOf(call)}: its deadline passed at ${ms(deadline)}, and its handler was not told`,
        );
      }
      const gone = (call.abandonedAt ?? Number.POSITIVE_INFINITY) + (history.leaseMs ?? 0) + newsMs;
      if (history.steady === true && !toldBy(Math.max(gone, beganAt + alarmSlackMs))) {
        const died = `its client died at ${ms(call.abandonedAt)}, and its session ended ${history.leaseMs} ms later`;
        report("orphan", [call], `${nameOf(call)}: ${died}; its handler was not told`);
      }
      if (caller === undefined || caller.name === "") continue;
      const successor = served.find(
        (other) =>
          other.execution.boot === execution.boot &&
          other.execution.caller?.name === caller.name &&
          other.execution.caller.run !== caller.run &&
          other.call.invokedAt > call.invokedAt &&
          other.execution.beganAt > beganAt,
      );
      if (successor !== undefined && !toldBy(successor.execution.beganAt)) {
        const back = `${caller.name} has started again, and was served at ${ms(successor.execution.beganAt)}`;
        report("orphan", [call], `${nameOf(call)}: ${back}; the handler of its former life was not told`);
      }
    }
  }
}

/** When an execution ended, by itself or with its server. */
function endOf({ endedAt, lostAt }: ExecutionRecord): number {
  return endedAt ?? lostAt ?? Number.POSITIVE_INFINITY;
}

/** A call that was answered by an object of its session. */
interface Served {
  readonly call: CallRecord;
  readonly object: number;
  readonly settledAt: number;
}

/** An object serves one client, and a client that was served by one is told before another one serves it. */
function checkState(singles: readonly Single[], history: History, report: Report): void {
  const owners = new Map<number, CallRecord>();
  const served = new Map<string, Served[]>();
  const staleAt = new Map<string, number[]>();
  for (const { client, ending, settledAt = 0 } of history.calls) {
    if (ending?.ok === false && ending.code === "stale") push(staleAt, client, settledAt);
  }
  for (const { call, executions } of singles) {
    const { client, ending, settledAt } = call;
    const bytes = ending?.ok === true ? ending.bytes : undefined;
    const answering = new Set<number>();
    for (const { inSession, object, onDisposed, result, transactional, committed } of executions) {
      if (object === undefined || inSession !== true) continue;
      if (onDisposed === true) {
        report("foreign-state", [call], `${nameOf(call)} was served by an object that had been disposed of`);
      }
      const owner = owners.get(object) ?? call;
      owners.set(object, owner);
      if (owner.client !== client) {
        report("foreign-state", [owner, call], `${nameOf(owner)} and ${nameOf(call)} were served by one object`);
      }
      // What was rolled back has answered nobody.
      if (bytes !== undefined && bytes === result && transactional === committed) answering.add(object);
    }
    // Of a call that ran at two objects with the same result, nobody can tell which of them answered.
    const [object, other] = answering;
    if (object !== undefined && other === undefined && settledAt !== undefined) {
      push(served, client, { call, object, settledAt });
    }
  }
  for (const [client, calls] of served) {
    for (const before of calls) {
      for (const after of calls) {
        if (before.object === after.object || before.settledAt > after.call.invokedAt) continue;
        // The answer of a call may be learned later than that its session is gone.
        const told = (at: number): boolean => at >= before.call.invokedAt && at <= after.settledAt;
        if (staleAt.get(client)?.some(told) === true) continue;
        const lost = `the state that ${nameOf(before.call)} had was gone when ${nameOf(after.call)} was served`;
        report("lost-state", [before.call, after.call], `${lost}, and nobody said so`);
      }
    }
  }
}

function push<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [item]);
  else list.push(item);
}

function nameOf(call: CallRecord | undefined): string {
  return call === undefined ? "" : `call #${call.number} of ${call.client}, ${call.procedure}`;
}

function ms(time: number | undefined): string {
  return time === undefined ? "never" : `${time.toFixed(1)} ms`;
}

import { check } from "./check.js";
import type { History, Rule, Violation } from "./history.js";
import type { Plan } from "./plan.js";
import { calm } from "./weather.js";
import { play, type Setup } from "./world.js";

/** Everything that is wrong with a history: with its guarantees, and by the simulation's own check. */
export function brokenIn(history: History, setup: Setup): Violation[] {
  const broken = check(history);
  const own = setup.check?.(history);
  if (own !== undefined) broken.push({ rule: "own", message: own, calls: [] });
  return broken;
}

/** How many plans are tried at most to find a shorter history. */
const attemptsMax = 600;

/**
 * Looks for a shorter history that breaks the same rule: with fewer incidents, fairer weather, fewer clients and calls.
 * Each step that still breaks it is kept.
 */
export async function shrink(plan: Plan, rule: Rule, setup: Setup): Promise<Plan> {
  let best = plan;
  let left = attemptsMax;
  const breaks = async (candidate: Plan): Promise<boolean> => {
    left--;
    const { history } = await play(candidate, setup);
    return brokenIn(history, setup).some((violation) => violation.rule === rule);
  };
  for (let improved = true; improved && left > 0; ) {
    improved = false;
    for (const candidate of simpler(best)) {
      if (left <= 0) break;
      if (!(await breaks(candidate))) continue;
      best = candidate;
      improved = true;
      break;
    }
  }
  return best;
}

/** Plans with one thing less, the largest things first. */
function* simpler(plan: Plan): Generator<Plan> {
  const { clients, incidents, weather } = plan;
  for (const client of clients) {
    if (clients.length > 1) yield { ...plan, clients: clients.filter((other) => other !== client) };
  }
  for (const incident of incidents) yield { ...plan, incidents: incidents.filter((other) => other !== incident) };
  for (const kind of ["loss", "duplication", "reordering", "delay", "corruption", "bit-flip"] as const) {
    if (weather[kind] > 0) yield { ...plan, weather: { ...weather, [kind]: 0 } };
  }
  // Whole lanes, then halves of them, then single calls.
  for (const [c, client] of clients.entries()) {
    const withLanes = (lanes: typeof client.lanes): Plan => ({
      ...plan,
      clients: clients.map((other, index) => (index === c ? { ...other, lanes } : other)),
    });
    for (const [l, lane] of client.lanes.entries()) {
      if (lane.length === 0) continue;
      const replaced = (calls: typeof lane): Plan =>
        withLanes(client.lanes.map((other, index) => (index === l ? calls : other)));
      yield replaced([]);
      if (lane.length < 2) continue;
      const half = lane.length >> 1;
      yield replaced(lane.slice(half));
      yield replaced(lane.slice(0, half));
      for (const call of lane) yield replaced(lane.filter((other) => other !== call));
    }
  }
  if (plan.replyEntriesMax !== undefined) yield { ...plan, replyEntriesMax: undefined };
  if (plan.handling.share > 0) yield { ...plan, handling: { ms: 1, share: 0 } };
  if (plan.highWaterMark < 65_536) yield { ...plan, highWaterMark: 65_536 };
  if (weather.latencyMs !== calm.latencyMs) yield { ...plan, weather: { ...weather, latencyMs: calm.latencyMs } };
}

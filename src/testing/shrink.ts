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
const attemptsMax = 1_000;

/**
 * Looks for a shorter history that breaks the same rule: with fewer calls, clients and incidents, and in fairer weather.
 * Each step that still breaks it is kept, until none does.
 */
export async function shrink(plan: Plan, rule: Rule, setup: Setup): Promise<Plan> {
  let best = plan;
  let left = attemptsMax;
  const keep = async (candidate: Plan): Promise<boolean> => {
    if (left-- <= 0) return false;
    const { history } = await play(candidate, setup);
    if (!brokenIn(history, setup).some((violation) => violation.rule === rule)) return false;
    best = candidate;
    return true;
  };
  for (let improved = true; improved && left > 0; ) {
    const before = best;
    await without(callsOf(best), async (calls) => {
      const fewer = withCalls(best, calls);
      // What was to happen at the fifth call may have to happen at the third now.
      return (await keep(fewer)) || (await keep(earlier(fewer, callsOf(best).length - calls.length)));
    });
    await without(best.incidents, (incidents) => keep({ ...best, incidents }));
    for (const simplify of simplifications) {
      const candidate = simplify(best);
      if (candidate !== undefined) await keep(candidate);
    }
    improved = best !== before;
  }
  return best;
}

/** Leaves items out: half of them, then quarters, in the end each one alone. */
async function without<T>(items: readonly T[], keep: (items: readonly T[]) => Promise<boolean>): Promise<void> {
  let rest = items;
  for (let size = Math.ceil(items.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < rest.length; ) {
      const fewer = [...rest.slice(0, at), ...rest.slice(at + size)];
      if (await keep(fewer)) rest = fewer;
      else at += size;
    }
  }
}

/** Where a call stands in a plan: its client, its lane, and its place there. */
type Place = readonly [client: string, lane: number, call: number];

function callsOf({ clients }: Plan): Place[] {
  return clients.flatMap(({ host, lanes }) => lanes.flatMap((lane, l) => lane.map((_, c): Place => [host, l, c])));
}

/** The plan with only these calls, and only the clients that make some. */
function withCalls(plan: Plan, places: readonly Place[]): Plan {
  const kept = new Set(places.map((place) => place.join(" ")));
  const clients = plan.clients.map((client) => ({
    ...client,
    lanes: client.lanes.map((lane, l) => lane.filter((_, c) => kept.has([client.host, l, c].join(" ")))),
  }));
  return { ...plan, clients: clients.filter(({ lanes }) => lanes.some((lane) => lane.length > 0)) };
}

/** The plan with its crashes so many calls earlier. */
function earlier(plan: Plan, calls: number): Plan {
  const incidents = plan.incidents.map((incident) =>
    "nth" in incident ? { ...incident, nth: Math.max(1, incident.nth - calls) } : incident,
  );
  return { ...plan, incidents };
}

const rates = ["loss", "duplication", "reordering", "delay", "corruption", "bit-flip"] as const;

/** Each gives the plan with one thing less, or nothing where there is no such thing. */
const simplifications: readonly ((plan: Plan) => Plan | undefined)[] = [
  ...rates.map((rate) => (plan: Plan) => {
    return plan.weather[rate] === 0 ? undefined : { ...plan, weather: { ...plan.weather, [rate]: 0 } };
  }),
  (plan) => (plan.replyEntriesMax === undefined ? undefined : { ...plan, replyEntriesMax: undefined }),
  (plan) => (plan.handling.share === 0 ? undefined : { ...plan, handling: { ms: 1, share: 0 } }),
  (plan) => (plan.highWaterMark === 65_536 ? undefined : { ...plan, highWaterMark: 65_536 }),
  ({ weather, ...plan }) => {
    return weather.latencyMs === calm.latencyMs
      ? undefined
      : { ...plan, weather: { ...weather, latencyMs: calm.latencyMs } };
  },
];

import { type CallStep, callSteps, type ServerStep, type StepTime, type Timeline } from "../model/index.js";

const serverSteps: ReadonlySet<CallStep> = new Set<ServerStep>(["receive", "unmarshal", "execute", "reply"]);

/** The ten steps of a call as a table, a line each, and what is not known of them in words. */
export function explainText(timeline: Timeline): string {
  const known = new Map<CallStep, StepTime>(timeline.steps.map((time) => [time.step, time]));
  const lines = callSteps.map((step) => {
    const side = serverSteps.has(step) ? "server" : "client";
    const time = known.get(step);
    const head = `${step.padEnd(11)}${side.padEnd(8)}`;
    return time === undefined
      ? `${head}${unknown(step, timeline, known)}`
      : `${head}${ms(time.startMs)}${ms(time.durationMs)}`;
  });
  const head = `${"step".padEnd(11)}${"clock".padEnd(8)}${"start ms".padStart(width)}${"took ms".padStart(width)}`;
  const total = `${"total".padEnd(19 + width)}${ms(timeline.totalMs)}`;
  return `${[head, ...lines, total].map((line) => `  ${line}`).join("\n")}\n`;
}

/** How long it took to reach the server, and the whole call. */
export function reachText({ resolveMs, connectMs, totalMs }: Timeline): string {
  const times = Object.entries({ resolve: resolveMs, connect: connectMs, call: totalMs });
  return times.map(([name, time]) => (time === undefined ? "" : `  ${name.padEnd(8)}${ms(time)} ms\n`)).join("");
}

function unknown(step: CallStep, { serverTold }: Timeline, known: ReadonlyMap<CallStep, StepTime>): string {
  const why =
    serverSteps.has(step) && !serverTold && known.has("network")
      ? "not told by this server: in network"
      : "not reached";
  return `${" ".repeat(4)}${why}`;
}

const width = 11;

function ms(value: number): string {
  return value.toFixed(3).padStart(width);
}

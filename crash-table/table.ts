import type { Seen, Sight } from "./experiment.js";

export const heading = [
  "| | server killed in mid-call | the next call, server down | server frozen | says whether it ran |",
  "| --- | --- | --- | --- | --- |",
].join("\n");

/** A row of the table, in Markdown. */
export function rowOf(name: string, { killed, down, frozen }: Seen, waitMs: number): string {
  const sights = [killed, down, frozen];
  const says = sights.every((sight) => typeof sight === "object" && ("value" in sight || sight.executed !== undefined));
  return `| ${[name, ...sights.map((sight) => cellOf(sight, waitMs)), says ? "yes" : "no"].join(" | ")} |`;
}

function cellOf(sight: Sight, waitMs: number): string {
  if (sight === "pending") return `still pending after ${waitMs / 1_000} s`;
  if (sight === "ended") return "the caller's process ended";
  if ("value" in sight) return `answered ${after(sight.ms)}`;
  const { code, executed, cause, error, ms } = sight;
  const what = code === undefined ? `"${textOf(error)}"` : `\`${code}\``;
  const more = executed === undefined ? (cause === undefined ? "" : ` (\`${cause}\`)`) : `, executed \`${executed}\``;
  return `${what}${more}, ${after(ms)}`;
}

/** A message's first line, without what differs from run to run. */
function textOf(message: string): string {
  const [line = ""] = message.split("\n");
  return line
    .replaceAll(/(127\.0\.0\.1):\d+/g, "$1:PORT")
    .replaceAll("|", "\\|")
    .trim();
}

/** To the second: what is faster depends on the machine. */
function after(ms: number): string {
  return ms < 1_000 ? "at once" : `after ${Math.round(ms / 1_000)} s`;
}

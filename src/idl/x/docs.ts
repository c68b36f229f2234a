import type { Semantics } from "../../model/index.js";
import type { ProcedureEntry } from "./module.js";

const semanticsTags: readonly (readonly [string, Semantics])[] = [
  ["idempotent", "at-least-once"],
  ["at-least-once", "at-least-once"],
  ["maybe", "maybe"],
  ["exactly-once", "exactly-once"],
  ["at-most-once", "at-most-once"],
];

/** Whether comments carry a tag, such as `@bytes`. */
export function hasTag(docs: readonly string[], tag: string): boolean {
  return docs.some((text) => new RegExp(`(?:^|[\\s*])@${tag}(?![\\w-])`, "m").test(text));
}

/** The tags of the guarantees that comments declare: one of each guarantee, so more than one contradict each other. */
export function guaranteeTags(docs: readonly string[]): string[] {
  const tags = new Map<Semantics, string>();
  for (const [tag, semantics] of semanticsTags) if (hasTag(docs, tag) && !tags.has(semantics)) tags.set(semantics, tag);
  return [...tags.values()].map((tag) => `@${tag}`);
}

/** Whether a procedure's comments say that its server does not reply. */
export function isOneWay({ docs }: Pick<ProcedureEntry, "docs">): boolean {
  return hasTag(docs, "oneway");
}

/** The name of the type that a procedure tells its progress in, as an asynchronous request; undefined for none. */
export function progressTag(docs: readonly string[]): string | undefined {
  for (const text of docs) {
    const [, name] = /(?:^|[\s*])@progress\s+([A-Za-z_]\w*)/m.exec(text) ?? [];
    if (name !== undefined) return name;
  }
  return undefined;
}

/** The guarantee that a procedure's comments declare; `at-most-once` when they say nothing. */
function semanticsOf(docs: readonly string[]): Semantics {
  return semanticsTags.find(([tag]) => hasTag(docs, tag))?.[1] ?? "at-most-once";
}

/** Whether it is the procedure that every program has: number 0, void to void. Servers answer it by themselves. */
export function isNullProcedure({ number, args, result, docs }: ProcedureEntry): boolean {
  const declared = semanticsTags.find(([tag]) => hasTag(docs, tag))?.[1] ?? "at-least-once";
  return number === 0 && args.length === 0 && result.kind === "void" && declared === "at-least-once";
}

/** The guarantee of a procedure: what its comments declare, and of procedure 0 what every program promises. */
export function semanticsFor(procedure: ProcedureEntry): Semantics {
  if (isOneWay(procedure)) return "maybe";
  return isNullProcedure(procedure) ? "at-least-once" : semanticsOf(procedure.docs);
}

/** The text of comments, without their marks, as lines of TSDoc. */
export function docLines(docs: readonly string[]): string[] {
  const lines: string[] = [];
  for (const text of docs) {
    const block = commentLines(text);
    if (block.length > 0 && lines.length > 0) lines.push("");
    for (const line of block) lines.push(line);
  }
  return lines;
}

function commentLines(text: string): string[] {
  const bare = text.startsWith("//")
    ? text.split("\n").map((line) => line.trim().replace(/^\/\/+/, ""))
    : text
        // Several comments in a row are one text here.
        .replace(/\*+\/\s*\/\*+/g, "\n")
        .replace(/^\/\*+/, "")
        .replace(/\*+\/$/, "")
        .split("\n")
        .map((line) => line.replace(/^\s*\*+(?=\s|$)/, ""));
  const clean = bare.map((line) => line.replace(/\t/g, " ").trimEnd().replace(/\*\//g, "*\\/"));
  while (clean.length > 0 && clean[0]?.trim() === "") clean.shift();
  while (clean.length > 0 && clean.at(-1)?.trim() === "") clean.pop();
  // What was aligned below a star stays aligned.
  const indents = clean.slice(text.startsWith("//") ? 0 : 1).filter((line) => line.trim() !== "");
  const indent = Math.min(...indents.slice(0, 1_000).map((line) => line.length - line.trimStart().length), 40);
  return clean.map((line, i) =>
    i === 0 ? line.trim() : line.slice(Math.min(indent, line.length - line.trimStart().length)),
  );
}

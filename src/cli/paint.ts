import { styleText } from "node:util";
import type { Diagnostic } from "../idl/index.js";

/** Whether stderr, or stdout, shows colours: a terminal, unless the environment says otherwise (NO_COLOR, FORCE_COLOR). */
export function hasColours(stream: NodeJS.WriteStream = process.stderr): boolean {
  const { NO_COLOR, FORCE_COLOR } = process.env;
  if (NO_COLOR !== undefined && NO_COLOR !== "") return false;
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== "") return FORCE_COLOR !== "0" && FORCE_COLOR !== "false";
  return stream.isTTY === true && stream.hasColors();
}

/** A formatted diagnostic with its severity, caret and hint in colour. */
export function paint(text: string, { severity }: Diagnostic): string {
  const colour = severity === "error" ? "red" : "yellow";
  const [first = "", ...rest] = text.split("\n");
  const head = first.replace(`${severity}:`, (label) => styleText(["bold", colour], label));
  const tail = rest.map((line) => {
    if (line.startsWith("  hint:")) return styleText("cyan", line);
    return line.replace(
      /^(\s+\| \s*)(\^~*)$/,
      (_all, before: string, caret: string) => before + styleText(colour, caret),
    );
  });
  return [head, ...tail].join("\n");
}

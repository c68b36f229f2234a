import { styleText } from "node:util";
import Table from "cli-table3";
import { harmless } from "../harmless.js";
import { hasColours } from "../paint.js";

const none = "";

/** Rows in columns under their heads, without lines between; heads are bold on a terminal. */
export function table(heads: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const bold = hasColours(process.stdout);
  const built = new Table({
    head: heads.map((head) => (bold ? styleText("bold", head) : head)),
    style: { head: [], border: [], "padding-left": 0, "padding-right": 2, compact: true },
    chars: {
      ...{ top: none, "top-mid": none, "top-left": none, "top-right": none },
      ...{ bottom: none, "bottom-mid": none, "bottom-left": none, "bottom-right": none },
      ...{ left: none, "left-mid": none, mid: none, "mid-mid": none },
      ...{ right: none, "right-mid": none, middle: none },
    },
  });
  for (const row of rows) built.push(row.map((cell) => harmless(String(cell))));
  const lines = built.toString().split("\n");
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { farcall, nameOf, rivals } from "../../crash-table/contenders.js";
import { crash, type Seen } from "../../crash-table/experiment.js";
import { heading } from "../../crash-table/table.js";
import { timeoutMsDefault } from "../../src/call/call-options.js";
import { buildChild } from "../support/children.js";

// The rivals' rows are what `npm run crash-table` found; farcall's own is tried here, with a shorter deadline.

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const page = readFileSync(at("docs/crash-table.md"), "utf8");
const [, table = ""] = /<!-- table -->\n(.*?)\n<!-- end of table -->/s.exec(page) ?? [];
const [top, rule, ...rows] = table.split("\n").map((line) =>
  line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim()),
);
const timeoutMs = 600;

describe("docs/crash-table.md", () => {
  let seen: Seen;
  beforeAll(async () => {
    seen = await crash({ script: await buildChild("crash-table"), args: [String(timeoutMs)] }, 60_000);
  }, 120_000);

  it("has a row for each contender, in the version that is pinned", () => {
    expect(table.startsWith(heading)).toBe(true);
    expect(top?.length).toBe(rule?.length);
    const names = [...rivals, farcall].map((row) => nameOf(row, at("crash-table/rivals/package.json")));
    expect(rows.map(([name]) => name)).toEqual(names);
  });

  it.each(["killed", "down", "frozen"] as const)("says what a caller of farcall sees: %s", (which) => {
    const cells = rows.at(-1) ?? [];
    const cell = cells[["killed", "down", "frozen"].indexOf(which) + 1] ?? "";
    const [, code, executed, time] = /^`([\w-]+)`, executed `(\w+)`, (.*)$/.exec(cell) ?? [];
    expect(seen[which], cell).toMatchObject({ code, executed });
    const { ms } = seen[which] as { ms: number };
    // Ended by its deadline, or before it.
    if (time === "at once") expect(code).not.toBe("deadline-exceeded");
    else {
      expect(time).toBe(`after ${timeoutMsDefault / 1_000} s`);
      expect(ms).toBeGreaterThan(timeoutMs - 100);
    }
  });

  it("says that farcall alone tells whether the procedure ran", () => {
    expect(rows.map((row) => row.at(-1))).toEqual([...rivals.map(() => "no"), "yes"]);
  });
});

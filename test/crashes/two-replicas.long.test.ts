import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { experiment, variants } from "./two-replicas.js";

// At the length that docs/reply-cache.md tells of: what it says is what is found, up to chance.

const page = readFileSync(new URL("../../docs/reply-cache.md", import.meta.url), "utf8");
const calls = 3_000;

/** Chance moves a count of hundreds by a tenth; a zero is a zero. */
const near = (count: number): [least: number, most: number] => [0.6 * count, 1.4 * count];

describe("3,000 calls to two replicas", () => {
  it.each(variants)("$memory, $database", { timeout: 1_800_000 }, async ({ memory, database, title }) => {
    const [, double, indeterminate] = new RegExp(`^\\| ${title} \\| (\\d+) \\| (\\d+) \\|$`, "m").exec(page) ?? [];
    const found = await experiment({ memory, database, calls, seed: 1 });
    const row = `| ${title} | ${found.double} | ${found.indeterminate} |`;
    // Into the report, so that the page can be brought up to date.
    process.stderr.write(`${row} kills ${JSON.stringify(found.kills)}, lost replies ${found.lostReplies}\n`);
    expect(found.wrong).toBe(0);
    for (const [count, said] of [
      [found.double, double],
      [found.indeterminate, indeterminate],
    ] as const) {
      const [least, most] = near(Number(said));
      expect(count, `docs/reply-cache.md should say: ${row}`).toBeGreaterThanOrEqual(least);
      expect(count, `docs/reply-cache.md should say: ${row}`).toBeLessThanOrEqual(most);
    }
  });
});

import { describe, expect, it } from "vitest";
import { compileText, problems } from "./support.js";

// Sources that are made to take for ever. Damaged ones of every kind are what test/fuzz makes.

describe("sources without bounds end in a diagnostic", () => {
  const many = (n: number, text: string): string => text.repeat(n);
  it.each([
    [
      "parentheses",
      `const A = ${many(100_000, "(")}1${many(100_000, ")")};`,
      /expression nests deeper than 200 levels/,
    ],
    ["signs", `const A = ${many(100_000, "- ")}1;`, /expression nests deeper than 200 levels/],
    [
      "parentheses in a condition",
      `#if ${many(100_000, "(")}1\n#endif\nconst A = 1;`,
      /expression nests deeper than 200 levels/,
    ],
    ["inline structs", `${many(100_000, "struct s { ")}int a; `, /types nest deeper than 100 levels/],
    ["inline unions", many(100_000, "union u switch (int k) { case 0: "), /types nest deeper than 100 levels/],
    ["namespaces", many(100_000, "namespace n { "), /namespaces nest deeper than 64 levels/],
    [
      "constants by constants",
      `${Array.from({ length: 100_000 }, (_, i) => `const A${i} = A${i + 1};`).join("")}const A100000 = 1;`,
      /more than 500 deep/,
    ],
    ["a number", `const A = ${many(1_000_000, "9")};`, /is not a number/],
    ["a shift", "const A = 1 << 1000000000;", /shift by 1000000000 bits/],
    ["a product", `const A = 0xffffffff${many(100, " * 0xffffffff")};`, /does not fit 128 bits/],
    ["errors", many(1_000, "const = 1;\n"), /more than 100 errors: the rest is not shown/],
    ["open braces", many(100_000, "{"), /expected a definition/],
    ["an open comment", `/*${many(100_000, " *")}`, /comment without its end/],
    [
      "typedefs of one another",
      `${Array.from({ length: 50_000 }, (_, i) => `typedef t${i + 1} t${i};`).join("")}typedef t0 t50000;`,
      /leads back to itself/,
    ],
  ])("%s", (_what, text, message) => {
    expect(problems(compileText(text)).join("\n")).toMatch(message);
  });

  it.each([
    ["conditions", `${"#if 1\n".repeat(20_000)}const A = 1;\n${"#endif\n".repeat(20_000)}`],
    ["a sum", `const A = 0${" + 1".repeat(100_000)};`],
    [
      "structs in structs by name",
      `${Array.from({ length: 20_000 }, (_, i) => `struct s${i} { s${i + 1} a; };`).join("\n")}struct s20000 { int a; };`,
    ],
    [
      "typedefs by name",
      `${Array.from({ length: 20_000 }, (_, i) => `typedef t${i + 1} t${i};`).join("\n")}typedef int t20000;`,
    ],
    [
      "a cycle",
      `${Array.from({ length: 20_000 }, (_, i) => `struct s${i} { s${i + 1} *a; int b; };`).join("\n")}struct s20000 { s0 *a; int b; };`,
    ],
    ["members", `enum e { ${Array.from({ length: 50_000 }, (_, i) => `M${i}`).join(", ")} };`],
    ["comments", `${"/* a */\n".repeat(50_000)}const A = 1;`],
    ["% lines", `${"%#define A 1\n".repeat(50_000)}const A = 1;`],
  ])("%s compile, however many", (_what, text) => {
    expect(problems(compileText(text))).toEqual([]);
  });
});

import { formatDiagnostic } from "farcall/idl";
import { describe, expect, it } from "vitest";
import { codeOf, compileText, problems } from "./support.js";

/** The constants that are left after preprocessing, as `NAME=value`. */
function constants(
  text: string,
  files: Readonly<Record<string, string>> = {},
  options: Parameters<typeof compileText>[2] = {},
): string[] {
  return [...codeOf(text, files, options).matchAll(/export const (\w+) = (\S+);/g)].map(
    (match) => `${match[1]}=${match[2]}`,
  );
}

describe("conditions", () => {
  it.each<[what: string, text: string, left: string[]]>([
    ["#if 1", "#if 1\nconst A = 1;\n#endif", ["A=1"]],
    ["#if 0", "#if 0\nconst A = 1;\n#endif\nconst B = 2;", ["B=2"]],
    ["#else", "#if 0\nconst A = 1;\n#else\nconst B = 2;\n#endif", ["B=2"]],
    [
      "#elif",
      "#if 0\nconst A = 1;\n#elif 1\nconst B = 2;\n#elif 1\nconst C = 3;\n#else\nconst D = 4;\n#endif",
      ["B=2"],
    ],
    ["#ifdef", "#define X\n#ifdef X\nconst A = 1;\n#endif\n#ifdef Y\nconst B = 1;\n#endif", ["A=1"]],
    ["#ifndef", "#ifndef X\nconst A = 1;\n#endif", ["A=1"]],
    ["#undef", "#define X 1\n#undef X\n#ifdef X\nconst A = 1;\n#endif\nconst B = 2;", ["B=2"]],
    ["nested", "#if 1\n#if 0\nconst A = 1;\n#else\nconst B = 2;\n#endif\nconst C = 3;\n#endif", ["B=2", "C=3"]],
    [
      "nested in what is skipped",
      "#if 0\n#if 1\nconst A = 1;\n#else\nconst B = 1;\n#endif\n#endif\nconst C = 3;",
      ["C=3"],
    ],
    ["defined()", "#define X\n#if defined(X) && !defined(Y)\nconst A = 1;\n#endif", ["A=1"]],
    ["defined without parentheses", "#define X\n#if defined X\nconst A = 1;\n#endif", ["A=1"]],
    [
      "arithmetic",
      "#if (1 + 2 * 3 == 7) && (8 >> 1) > 3 && 7 % 4 == 3 && (~0 & 1) && (1 || 0)\nconst A = 1;\n#endif",
      ["A=1"],
    ],
    ["an unknown name is 0", "#if X == 0\nconst A = 1;\n#endif", ["A=1"]],
    ["macros in a condition", "#define X 3\n#define Y X\n#if Y >= 3\nconst A = 1;\n#endif", ["A=1"]],
    ["an apostrophe in what is skipped", "#if 0\ndon't mind\n#endif\nconst A = 1;", ["A=1"]],
    ["a directive of other tools in what is skipped", "#if 0\n#frobnicate\n#endif\nconst A = 1;", ["A=1"]],
    ["a space after #", "#  if 1\nconst A = 1;\n#  endif", ["A=1"]],
    ["a continued line", "#if 0 || \\\n  1\nconst A = 1;\n#endif", ["A=1"]],
    ["the header's part", "#ifdef RPC_HDR\nconst A = 1;\n#endif", ["A=1"]],
    [
      "the codecs', server's and client's part",
      "#if defined(RPC_XDR) && RPC_SVC && RPC_CLNT\nconst A = 1;\n#endif",
      ["A=1"],
    ],
    ["the dispatch table's part, which there is not", "#ifdef RPC_TBL\nconst A = 1;\n#endif\nconst B = 2;", ["B=2"]],
    ["a comment after #endif", "#if 1 /* yes */\nconst A = 1;\n#endif /* A */ // done", ["A=1"]],
  ])("%s", (_what, text, left) => {
    expect(constants(text)).toEqual(left);
  });

  it.each([
    ["#if without #endif", "#if 1\nconst A = 1;", "t.x:1:2 error: #if without its #endif"],
    ["#endif alone", "#endif\nconst A = 1;", "t.x:1:2 error: #endif without its #if"],
    ["#else alone", "#else\nconst A = 1;", "t.x:1:2 error: #else without its #if"],
    ["two #else", "#if 0\n#else\n#else\n#endif\nconst A = 1;", "t.x:3:2 error: #else without its #if"],
    ["no condition", "#if\n#endif\nconst A = 1;", "t.x:1:2 error: #if without a condition"],
    [
      "half a condition",
      "#if 1 +\n#endif\nconst A = 1;",
      "t.x:1:2 error: expected a constant, got the end of the file",
    ],
    ["too much condition", "#if 1 1\n#endif\nconst A = 1;", 't.x:1:7 error: unexpected "1" in the condition'],
    ["an unknown directive", "#frobnicate\nconst A = 1;", 't.x:1:2 error: unknown directive "#frobnicate"'],
    ["#error", "#error not today\nconst A = 1;", "t.x:1:2 error: #error not today"],
  ])("%s is an error", (_what, text, problem) => {
    expect(problems(compileText(text))).toEqual([problem]);
  });
});

describe("macros", () => {
  it.each<[what: string, text: string, left: string[]]>([
    ["a number", "#define N 5\nconst A = N;", ["A=5"]],
    ["an expression", "#define N (2 + 3)\nconst A = N * 2;", ["A=10"]],
    ["a macro of a macro", "#define N M\n#define M 7\nconst A = N;", ["A=7"]],
    ["a macro that names itself", "#define A A\nconst A = 1;", ["A=1"]],
    ["a continued definition", "#define N 1 + \\\n 2\nconst A = N;", ["A=3"]],
    ["an empty macro", "#define EXPORT\nEXPORT const A = 1;", ["A=1"]],
    ["a function-like macro that is not used", "#define F(x) ((x) + 1)\nconst A = 1;", ["A=1"]],
    ["a definition of C's that nothing else gives", "%#define N 4 + 1\nconst A = N;", ["A=5"]],
  ])("%s", (_what, text, left) => {
    expect(constants(text)).toEqual(left);
  });

  it("given from outside", () => {
    expect(constants("const A = N;", {}, { defines: { N: "12" } })).toEqual(["A=12"]);
  });

  it("are refused with arguments", () => {
    expect(problems(compileText("#define F(x) x\nconst A = F(1);"))[0]).toBe(
      't.x:2:11 error: macro "F" takes arguments, which is not supported in .x files',
    );
  });

  it("put errors where they are used", () => {
    expect(problems(compileText("#define N nope_nope\nstruct s { int a[N]; };"))[0]).toMatch(
      /^t\.x:2:18 error: unknown constant/,
    );
  });

  it("cannot fill the memory", () => {
    const doubling = Array.from({ length: 64 }, (_, i) => `#define A${i} A${i + 1} A${i + 1}`).join("\n");
    expect(problems(compileText(`${doubling}\nconst A = A0;`))[0]).toMatch(/macros expand to too much/);
    expect(problems(compileText(`${doubling}\n#define A64\nconst A = A0;`))[0]).toMatch(/macros expand to too much/);
    const chain = Array.from({ length: 10_000 }, (_, i) => `#define A${i} A${i + 1}`).join("\n");
    expect(problems(compileText(`${chain}\nconst A = A0;`))[0]).toMatch(/macros nest deeper than 200 levels/);
  });
});

describe("what is passed by", () => {
  it.each([
    ["% lines", "%#include <x>\n%anything ' at all\nconst A = 1;"],
    ["indented % lines", "  %anything ' at all\nconst A = 1;"],
    ["a % line that goes on", "%#define X \\\n  struct {\nconst A = 1;"],
    ["#pragma", '#pragma ident "x"\nconst A = 1;'],
    ["#ident", '#ident "x"\nconst A = 1;'],
    ["line marks", '# 12 "file.x"\nconst A = 1;'],
    ["#line", '#line 12 "file.x"\nconst A = 1;'],
  ])("%s", (_what, text) => {
    expect(constants(text)).toEqual(["A=1"]);
    expect(problems(compileText(text))).toEqual([]);
  });
});

describe("included files", () => {
  const include = '#include "a.x"\nconst B = 2;';
  it.each<[what: string, text: string, files: Record<string, string>, left: string[]]>([
    ["beside the file", include, { "a.x": "const A = 1;" }, ["A=1", "B=2"]],
    ["with <>", "#include <a.x>\nconst B = 2;", { "a.x": "const A = 1;" }, ["A=1", "B=2"]],
    ["in a folder of -I", include, { "inc/a.x": "const A = 1;" }, ["A=1", "B=2"]],
    [
      "in the folder of the file that includes",
      '#include "d/a.x"',
      { "d/a.x": '#include "b.x"', "d/b.x": "const A = 1;" },
      ["A=1"],
    ],
    ["above", '#include "d/../a.x"', { "a.x": "const A = 1;" }, ["A=1"]],
    ["twice, as identical definitions", '#include "a.x"\n#include "a.x"', { "a.x": "const A = 1;" }, ["A=1"]],
    [
      "guarded",
      '#include "a.x"\n#include "a.x"',
      { "a.x": '#ifndef G\n#define G\n#include "a.x"\nconst A = 1;\n#endif' },
      ["A=1"],
    ],
    ["#pragma once", '#include "a.x"\n#include "a.x"', { "a.x": "#pragma once\nconst A = 1;" }, ["A=1"]],
    ["not when skipped", '#if 0\n#include "no.x"\n#endif\nconst A = 1;', {}, ["A=1"]],
    [
      "a C header of constants",
      '#include "n.h"\nconst A = N;',
      { "n.h": "#ifndef N_H\n#define N_H\n#define N 9\n#endif" },
      ["A=9"],
    ],
  ])("%s", (_what, text, files, left) => {
    expect(constants(text, files, { includeDirs: ["inc"] })).toEqual(left);
  });

  it("are named in errors", () => {
    const result = compileText('#include "d/a.x"', { "d/a.x": "\nstruct s { nope_type x; };" });
    expect(problems(result)[0]).toMatch(/^d\/a\.x:2:12 error: unknown type "nope_type"/);
    expect(result.files).toEqual(["t.x", "d/a.x"]);
  });

  it("that are missing are errors, but C headers are skipped with a warning", () => {
    expect(problems(compileText('#include "no.x"\nconst A = 1;'))).toEqual([
      't.x:1:10 error: cannot find "no.x" [name the folder it is in with -I]',
    ]);
    const header = compileText("#include <rpc/types.h>\nconst A = 1;");
    expect(problems(header)).toEqual([
      't.x:1:10 warning: C header "rpc/types.h" not found, skipped [if its constants are used, give them with -D NAME=VALUE or its folder with -I]',
    ]);
    expect(header.code).toContain("export const A = 1;");
  });

  it("that loop end in an error", () => {
    const [problem] = problems(compileText('#include "a.x"', { "a.x": '#include "a.x"\n#include "a.x"' }));
    expect(problem).toMatch(
      /^a\.x:1:10 error: files include one another deeper than 64 levels: "a\.x" includes itself/,
    );
    const files = Object.fromEntries(
      Array.from({ length: 50 }, (_, i) => [`f${i}.x`, `#include "f${i + 1}.x"\n#include "f${i + 1}.x"`]),
    );
    expect(problems(compileText('#include "f0.x"', { ...files, "f50.x": "const A = 1;" }))[0]).toMatch(
      /more than 2000 times/,
    );
  });

  it("that are no interface are explained", () => {
    const { diagnostics } = compileText('#include "c.h"\n', { "c.h": "int f(void);" });
    expect(diagnostics[0] && formatDiagnostic(diagnostics[0])).toMatch(
      /^c\.h:1:1: error: expected a definition[\s\S]*%#include/,
    );
  });
});

describe("what C headers stand for", () => {
  const other = {
    "other.x":
      "const MAX = 3; enum e { E_A }; struct inner { int a<MAX>; }; struct outer { inner i; }; struct unused { int z; };",
  };
  it("the types of the .x file that a header was generated from, as far as they are used", () => {
    const code = codeOf('%#include "other.h"\nstruct s { outer o; };', other);
    expect(code).toContain("export interface Outer {");
    expect(code).toContain("export interface Inner {");
    expect(code).not.toContain("Unused");
    expect(code).not.toContain("export const MAX");
  });

  it("its constants", () => {
    expect(codeOf("%#include <x/other.h>\nstruct s { int a<MAX>; };", other)).toContain("w.count(v.a.length, 3);");
  });

  it("the file's own definitions come first", () => {
    expect(codeOf('%#include "other.h"\nstruct inner { hyper mine; };\nstruct s { inner i; };', other)).toContain(
      "mine: bigint;",
    );
  });
});

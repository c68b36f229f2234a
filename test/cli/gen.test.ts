import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { buildCli, farcall, startFarcall } from "../support/cli.js";

const calc = `
struct a_pair { int a; int b; };
program CALC_PROG { version CALC_V1 { int DO_ADD(a_pair) = 1; string DO_SAY(void) = 2; } = 1; } = 0x20000001;
`;
const broken = `
struct a_pair { int a; imt b; };
program CALC_PROG { version CALC_V1 { int ADD(apair) = 1; int SUB(a_pair) = 1; } = 1; } = 0x20000001;
`;

describe("farcall gen", () => {
  let folder = "";
  beforeAll(buildCli);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "farcall-gen-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const gen = (...args: string[]) => farcall(["gen", ...args], { cwd: folder });
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
  const read = (name: string) => readFileSync(join(folder, name), "utf8");

  it("writes TypeScript beside the file, and leaves it alone the next time", async () => {
    write("calc.x", calc);
    expect(await gen("calc.x")).toEqual({ code: 0, stdout: "wrote      calc.ts\n", stderr: "" });
    expect(read("calc.ts")).toContain("export interface CalcV1 {");
    const { mtimeMs } = statSync(join(folder, "calc.ts"));
    expect(await gen("calc.x")).toEqual({ code: 0, stdout: "unchanged  calc.ts\n", stderr: "" });
    expect(statSync(join(folder, "calc.ts")).mtimeMs).toBe(mtimeMs);
  });

  it("writes several into a folder, which it makes", async () => {
    write("calc.x", calc);
    write("other.x", "const OTHER = 1;");
    expect((await gen("calc.x", "other.x", "-o", "src/generated")).code).toBe(0);
    expect(readdirSync(join(folder, "src/generated")).sort()).toEqual(["calc.ts", "other.ts"]);
  });

  it("keeps the names of the file with --names verbatim, and strings as bytes with --strings bytes", async () => {
    write("calc.x", calc);
    expect((await gen("calc.x", "--names", "verbatim", "--strings", "bytes")).code).toBe(0);
    expect(read("calc.ts")).toMatch(/DO_ADD: Procedure<\[a_pair: a_pair\], number/);
    expect(read("calc.ts")).toMatch(/DO_SAY: Procedure<\[\], Uint8Array/);
  });

  it("leaves contracts out with --codecs-only, and imports from elsewhere with --import", async () => {
    write("calc.x", calc);
    expect((await gen("calc.x", "--codecs-only", "--import", "farcall/xdr=./my-xdr.js")).code).toBe(0);
    const text = read("calc.ts");
    expect(text).toContain('from "./my-xdr.js"');
    expect(text).toContain("export const xdrAPair");
    expect(text).not.toMatch(/farcall\/|CalcV1/);
    expect(await gen("calc.x", "--import", "fs=x")).toMatchObject({ code: 2 });
  });

  it("finds included files and macros, with a space before them or without", async () => {
    write(
      "calc.x",
      '#include "common.x"\nstruct s { common c; int a[SIZE]; };\n#ifdef WANT_IT\nconst GOT_IT = 1;\n#endif\n',
    );
    mkdirSync(join(folder, "inc"));
    write("inc/common.x", "typedef int common;");
    for (const args of [
      ["-I", "inc", "-D", "SIZE=3", "-D", "WANT_IT"],
      ["-Iinc", "-DSIZE=3", "-DWANT_IT=1"],
    ]) {
      rmSync(join(folder, "calc.ts"), { force: true });
      expect(await gen("calc.x", ...args)).toMatchObject({ code: 0, stderr: "" });
      expect(read("calc.ts")).toContain("GOT_IT = 1");
    }
    const { code, stderr } = await gen("calc.x", "-D", "SIZE=3");
    expect(code).toBe(1);
    expect(stderr).toMatch(/calc\.x:1:\d+: error: .*common\.x/);
  });

  it("shows every error of a broken file with its place and a caret, and leaves earlier output alone", async () => {
    write("calc.x", calc);
    await gen("calc.x");
    const before = read("calc.ts");
    write("calc.x", broken);
    write("other.x", "const OTHER = 1;");
    const { code, stdout, stderr } = await gen("calc.x", "other.x");
    expect(code).toBe(1);
    expect(stdout).toBe("wrote      other.ts\n");
    expect(stderr).toMatch(/calc\.x:2:24: error: .*\n {2}2 \| struct.*\n {4}\| {24}\^~~\n/);
    expect(stderr).toMatch(/calc\.x:3:47: error: .*"apair"/);
    expect(stderr).toContain('hint: did you mean "a_pair"?');
    expect(stderr).toMatch(/^failed {5}calc\.x: nothing was written for it$/m);
    expect(read("calc.ts")).toBe(before);
  });

  it("shows colours where the environment asks for them, and nowhere else without a terminal", async () => {
    write("calc.x", broken);
    const coloured = await farcall(["gen", "calc.x"], { cwd: folder, env: { FORCE_COLOR: "1" } });
    const esc = String.fromCharCode(27);
    expect(coloured.stderr).toContain(`${esc}[31m^~~${esc}[39m`);
    for (const env of [{}, { NO_COLOR: "1", FORCE_COLOR: "1" }]) {
      expect((await farcall(["gen", "calc.x"], { cwd: folder, env })).stderr).not.toContain(esc);
    }
  });

  it("says with --check whether outputs are up to date, and writes nothing", async () => {
    write("calc.x", calc);
    expect(await gen("calc.x", "--check")).toMatchObject({ code: 1, stdout: "" });
    expect(readdirSync(folder)).toEqual(["calc.x"]);
    await gen("calc.x");
    expect(await gen("calc.x", "--check")).toEqual({ code: 0, stdout: "unchanged  calc.ts\n", stderr: "" });
    write("calc.ts", `${read("calc.ts")}// edited`);
    const { code, stderr } = await gen("calc.x", "--check");
    expect(code).toBe(1);
    expect(stderr).toBe("stale      calc.ts: it is not what farcall gen makes of calc.x\n");
    expect(read("calc.ts")).toContain("// edited");
  });

  it.each([
    ["no file", [], /say which files: farcall gen FILE\.x\.\.\., or a server/],
    ["a macro that is none", ["calc.x", "-D", "1=2"], /Write NAME or NAME=VALUE/],
    ["names of another kind", ["calc.x", "--names", "odd"], /Allowed choices are idiomatic, verbatim/],
    ["an unknown option", ["calc.x", "--chekc"], /Did you mean --check\?/],
  ])("exits with 2 for %s", async (_what, args, message) => {
    const { code, stdout, stderr } = await gen(...args);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(message);
  });

  it("exits with 1 for a file that is not there", async () => {
    const { code, stderr } = await gen("no-such.x");
    expect(code).toBe(1);
    expect(stderr).toContain('cannot find "no-such.x"');
  });

  it("compiles again with --watch when a file changes, breaks, is mended, or when an included one appears", async () => {
    write("calc.x", broken);
    await using watching = startFarcall(["gen", "calc.x", "--watch"], { cwd: folder });
    const complaint = (pattern: RegExp) =>
      vi.waitFor(() => expect(watching.stderr).toMatch(pattern), { timeout: 15_000 });
    await complaint(/^watching 1 file; Ctrl-C ends$/m);
    write("calc.x", calc);
    await watching.line(/^wrote +calc\.ts$/);
    write("calc.x", `#include "common.x"\n${calc}`);
    await complaint(/error: .*common\.x/);
    write("common.x", "const COMMON = 1;");
    await watching.line(/^wrote +calc\.ts$/, { skip: 1 });
    write("common.x", "const COMMON = 2;");
    await watching.line(/^wrote +calc\.ts$/, { skip: 2 });
    expect(read("calc.ts")).toContain("COMMON = 2");
    watching.kill("SIGINT");
    expect(await watching.ended).toBe(0);
  });
});

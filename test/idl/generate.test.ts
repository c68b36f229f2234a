import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatDiagnostic, type GenerateHost, generateFiles } from "farcall/idl";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

describe("generateFiles", () => {
  let dir: string;
  const at = (name: string): string => join(dir, name);
  const write = (name: string, text: string): void => writeFileSync(at(name), text);
  const read = (name: string): string => readFileSync(at(name), "utf8");

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "farcall-idl-"));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it("writes NAME.ts beside NAME.x, or into a folder that it makes", () => {
    write("a.x", "const A = 1;");
    expect(generateFiles({ files: [at("a.x")] }).written).toEqual([at("a.ts")]);
    expect(generateFiles({ files: [at("a.x")], outDir: at("new/out") }).written).toEqual([at("new/out/a.ts")]);
    expect(read("new/out/a.ts")).toBe(read("a.ts"));
  });

  it("says the same of the same file, wherever it stands", () => {
    write("a.x", "const A = 1;");
    generateFiles({ files: [at("a.x")] });
    expect(read("a.ts")).not.toContain(dir);
  });

  it("does not touch an output that would not change", () => {
    write("a.x", "const A = 1;");
    generateFiles({ files: [at("a.x")] });
    const past = new Date(1_000_000_000_000);
    utimesSync(at("a.ts"), past, past);
    const result = generateFiles({ files: [at("a.x")] });
    expect(result).toMatchObject({ written: [], unchanged: [at("a.ts")] });
    expect(statSync(at("a.ts")).mtime).toEqual(past);
    // A comment that documents nothing changes nothing.
    write("a.x", "/* new */\n\nconst A = 1;");
    expect(generateFiles({ files: [at("a.x")] }).unchanged).toEqual([at("a.ts")]);
  });

  it("leaves earlier output alone when a file is broken, and writes the others", () => {
    write("a.x", "const A = 1;");
    generateFiles({ files: [at("a.x")] });
    const before = read("a.ts");
    write("a.x", "const A = ;");
    write("b.x", "const B = 1;");
    const result = generateFiles({ files: [at("a.x"), at("b.x")] });
    expect(result).toMatchObject({ failed: [at("a.x")], written: [at("b.ts")] });
    expect(result.diagnostics.map(formatDiagnostic).join()).toContain("a.x:1:11: error:");
    expect(read("a.ts")).toBe(before);
    expect(readdirSync(dir).sort()).toEqual(["a.ts", "a.x", "b.ts", "b.x"]);
  });

  it("with check, writes nothing and says what is stale", () => {
    write("a.x", "const A = 1;");
    write("b.x", "const B = 1;");
    generateFiles({ files: [at("b.x")] });
    const result = generateFiles({ files: [at("a.x"), at("b.x")], check: true });
    expect(result).toMatchObject({ stale: [at("a.ts")], unchanged: [at("b.ts")], written: [] });
    expect(readdirSync(dir).sort()).toEqual(["a.x", "b.ts", "b.x"]);
  });

  it("finds included files beside the file and in includeDirs, and lists them for a watcher", () => {
    write("a.x", '#include "b.x"\n#include "c.x"');
    write("b.x", "const B = 1;");
    generateFiles({ files: [], includeDirs: [] });
    const inc = mkdtempSync(join(dir, "inc"));
    writeFileSync(join(inc, "c.x"), "const C = N;");
    const { results } = generateFiles({ files: [at("a.x")], includeDirs: [inc], defines: { N: "4" } });
    expect(results[0]?.files).toEqual([at("a.x"), at("b.x"), join(inc, "c.x")]);
    expect(read("a.ts")).toContain("export const C = 4;");
  });

  it("reports a file that is not there", () => {
    const result = generateFiles({ files: [at("no.x")] });
    expect(result.failed).toEqual([at("no.x")]);
    expect(result.diagnostics.map(({ message }) => message)).toEqual([`cannot find "${at("no.x")}"`]);
  });

  it("refuses two files that would be written to one", () => {
    const files: Record<string, string> = { "a/m.x": "const A = 1;", "b/m.x": "const B = 1;" };
    const written: string[] = [];
    const host: GenerateHost = { readFile: (path) => files[path], writeFile: (path) => void written.push(path) };
    const result = generateFiles({ files: Object.keys(files), outDir: "out", host });
    expect(result.failed).toEqual(["b/m.x"]);
    expect(written).toEqual([join("out", "m.ts")]);
  });

  it("passes the spelling of names and strings on", () => {
    write("a.x", "struct a_b { string c_d<>; };");
    generateFiles({ files: [at("a.x")], names: "verbatim", strings: "bytes" });
    expect(read("a.ts")).toContain("export interface a_b {\n  c_d: Uint8Array;\n}");
    expect(read("a.ts")).toContain("export const xdr_a_b: XdrCodec<a_b> = {");
  });
});

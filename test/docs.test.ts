/**
 * The code in README.md and docs/ compiles, and what is marked `run` prints what it says.
 *
 * A block that begins with ```ts is a module of its own, or belongs to the block before it when it is marked `continued`.
 * One marked `run` is run, and each `console.log(...); // text` in it must print that text. ```x NAME.x is a file that
 * the document's modules import the compiled form of; a document without one has the README's. Links lead somewhere.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { generateFiles } from "farcall/idl";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildCli } from "./support/cli.js";
import { run } from "./support/processes.js";

const root = fileURLToPath(new URL("../", import.meta.url));
const documents = [
  "README.md",
  "examples/calc/README.md",
  ...readdirSync(join(root, "docs")).map((name) => `docs/${name}`),
].filter((path) => path.endsWith(".md"));

interface Block {
  /** Where it is, such as `README.md:12`. */
  readonly place: string;
  readonly info: readonly string[];
  code: string;
}

function blocksOf(path: string): Block[] {
  const blocks: Block[] = [];
  let open: Block | undefined;
  for (const [i, line] of readFileSync(join(root, path), "utf8").split("\n").entries()) {
    if (!line.startsWith("```")) {
      if (open !== undefined) open.code += `${line}\n`;
    } else if (open === undefined) {
      open = { place: `${path}:${i + 1}`, info: line.slice(3).split(" "), code: "" };
      blocks.push(open);
    } else open = undefined;
  }
  if (open !== undefined) throw new Error(`${open.place}: the block has no end`);
  return blocks;
}

/** The modules of a document, with what continues them. */
function modulesOf(path: string): Block[] {
  const modules: Block[] = [];
  for (const block of blocksOf(path).filter(({ info }) => info[0] === "ts")) {
    const last = modules.at(-1);
    if (block.info[1] !== "continued") modules.push({ ...block });
    else if (last === undefined) throw new Error(`${block.place} continues nothing`);
    else last.code += block.code;
  }
  return modules;
}

const interfaces = (path: string): Block[] => blocksOf(path).filter(({ info }) => info[0] === "x");

describe("the documentation", () => {
  const scratch = join(root, ".build");
  let folder = "";

  beforeAll(() => {
    buildCli();
    mkdirSync(scratch, { recursive: true });
    folder = mkdtempSync(join(scratch, "docs-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const programs = documents.flatMap((path) =>
    modulesOf(path)
      .filter(({ info }) => info[1] === "run")
      .map((block) => [block.place, block, path] as const),
  );
  const fileOf = (path: string, block: Block): string =>
    join(path.replace(/\W/g, "-"), `line-${block.place.split(":")[1]}`);

  it("compiles", async () => {
    for (const path of documents) {
      const modules = modulesOf(path);
      if (modules.length === 0) continue;
      const target = join(folder, path.replace(/\W/g, "-"));
      mkdirSync(target);
      const own = interfaces(path);
      for (const { info, code } of own.length > 0 ? own : interfaces("README.md")) {
        const file = join(target, basename(info[1] ?? ""));
        writeFileSync(file, code);
        const { diagnostics } = generateFiles({ files: [file] });
        expect(diagnostics).toEqual([]);
      }
      for (const block of modules) writeFileSync(join(folder, `${fileOf(path, block)}.ts`), block.code);
    }
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({
        extends: "../../tsconfig.base.json",
        compilerOptions: {
          rootDir: ".",
          outDir: "out",
          customConditions: [],
          isolatedDeclarations: false,
          declaration: false,
        },
        include: ["**/*.ts"],
      }),
    );
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const { code, stdout } = await run(process.execPath, [tsc, "-p", folder], { cwd: folder });
    expect(stdout).toBe("");
    expect(code).toBe(0);
  });

  it.each(programs)("prints what it says at %s", async (_place, block, path) => {
    const said = [...block.code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map((match) => match[1]);
    expect(said.length).toBeGreaterThan(0);
    const file = join(folder, "out", `${fileOf(path, block)}.js`);
    const { code, lines, stderr } = await run(process.execPath, [file], { cwd: folder });
    expect(stderr).toBe("");
    expect(lines).toEqual(said);
    expect(code).toBe(0);
  });

  it("has a call within the README's first ten lines of code", () => {
    const first = blocksOf("README.md").find(({ info }) => info[0] === "ts");
    expect(first?.code.split("\n").slice(0, 10).join("\n")).toMatch(/await calc\.add\(/);
  });

  it.each(documents)("links from %s to files that are there", (path) => {
    const text = readFileSync(join(root, path), "utf8");
    const targets = [...text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map((match) => match[1] ?? "");
    for (const target of targets.filter((target) => !/^\w+:/.test(target))) {
      expect(existsSync(join(root, dirname(path), target)), `${path} links to ${target}`).toBe(true);
    }
  });
});

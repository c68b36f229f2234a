import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build as esbuild } from "esbuild";
import { farcall } from "farcall/bundler";
import type { XdrCodec } from "farcall/xdr";
import { XdrWriter } from "farcall/xdr";
import { createServer, type Rollup, build as viteBuild } from "vite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { home } from "../idl/support.js";

/** Inside the package, so that `farcall/onc` resolves to its sources. */
const root = join(home, ".build/bundler");

describe("a project imports a .x file", () => {
  let dir: string;
  const at = (name: string): string => join(dir, name);
  const write = (name: string, text: string): void => writeFileSync(at(name), text);

  beforeEach(() => {
    mkdirSync(root, { recursive: true });
    dir = mkdtempSync(join(root, "case-"));
    write("types.x", "struct pair { int a; int b; };");
    write("calc.x", '#include "types.x"\nprogram CALC_PROG { version V { int ADD(pair) = 1; } = 1; } = 0x20000101;');
    write(
      "main.ts",
      'import { CalcV1, xdrPair } from "./calc.x";\nexport const program: number = CalcV1.program;\nexport { xdrPair };\n',
    );
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const vite = (options?: Parameters<typeof farcall.vite>[0]) =>
    viteBuild({
      root: dir,
      configFile: false,
      logLevel: "silent",
      plugins: [farcall.vite(options)],
      build: {
        write: true,
        outDir: "out",
        minify: false,
        lib: { entry: at("main.ts"), formats: ["es"], fileName: "main" },
        rollupOptions: { external: [/^farcall\//] },
      },
    });

  async function expectWorks(path: string): Promise<void> {
    const module = (await import(/* @vite-ignore */ path)) as { program: number; xdrPair: XdrCodec<unknown> };
    expect(module.program).toBe(0x20000101);
    const writer = new XdrWriter();
    module.xdrPair.encode(writer, { a: 1, b: 2 });
    expect([...writer.view()]).toEqual([0, 0, 0, 1, 0, 0, 0, 2]);
  }

  it("with Vite", async () => {
    await vite();
    await expectWorks(at("out/main.js"));
  });

  it("with esbuild", async () => {
    await esbuild({
      entryPoints: [at("main.ts")],
      outfile: at("out/main.js"),
      bundle: true,
      format: "esm",
      external: ["farcall/*"],
      logLevel: "silent",
      plugins: [farcall.esbuild({ types: false })],
    });
    await expectWorks(at("out/main.js"));
    expect(existsSync(at("calc.d.x.ts"))).toBe(false);
  });

  it("and has its types from the declarations beside it, which are not touched without need", async () => {
    await vite();
    expect(readFileSync(at("calc.d.x.ts"), "utf8")).toContain("export declare const CalcV1: OncService<CalcV1>;");
    const past = new Date(1_000_000_000_000);
    utimesSync(at("calc.d.x.ts"), past, past);
    await vite();
    expect(statSync(at("calc.d.x.ts")).mtime).toEqual(past);
  });

  it("and is told where an error stands, in the file that it stands in", async () => {
    write("types.x", "struct pair {\n  int a;\n  nope_type b;\n};");
    await expect(vite()).rejects.toMatchObject({
      message: expect.stringMatching(/types\.x:3:3: error: unknown type "nope_type"/),
      loc: { file: at("types.x"), line: 3, column: 2 },
    });
    const failure = await esbuild({
      entryPoints: [at("main.ts")],
      write: false,
      bundle: true,
      logLevel: "silent",
      plugins: [farcall.esbuild()],
    }).catch((error: unknown) => error as { errors: { text: string; location: { line: number } | null }[] });
    expect(failure.errors?.[0]).toMatchObject({ text: expect.stringContaining("unknown type"), location: { line: 3 } });
    expect(existsSync(at("calc.d.x.ts"))).toBe(false);
  });

  it("and is built again when an included file changes", async () => {
    const watcher = (await viteBuild({
      root: dir,
      configFile: false,
      logLevel: "silent",
      plugins: [farcall.vite({ types: false })],
      build: {
        watch: {},
        outDir: "out",
        lib: { entry: at("main.ts"), formats: ["es"], fileName: "main" },
        rollupOptions: { external: [/^farcall\//] },
      },
    })) as Rollup.RollupWatcher;
    const built = (): Promise<void> =>
      new Promise((resolve, reject) => {
        const listen = (event: Rollup.RollupWatcherEvent): void => {
          if (event.code === "END") resolve();
          else if (event.code === "ERROR") reject(event.error);
          else return;
          watcher.off("event", listen);
        };
        watcher.on("event", listen);
      });
    try {
      await built();
      expect(readFileSync(at("out/main.js"), "utf8")).not.toContain("sum");
      const again = built();
      write("types.x", "struct pair { int a; int sum; };");
      await again;
      expect(readFileSync(at("out/main.js"), "utf8")).toContain("sum");
    } finally {
      await watcher.close();
    }
  });

  it("in Vite's development server too", async () => {
    const server = await createServer({
      root: dir,
      configFile: false,
      logLevel: "silent",
      plugins: [farcall.vite({ types: false })],
      server: { middlewareMode: true, ws: false },
      optimizeDeps: { noDiscovery: true },
      ssr: { external: true },
    });
    try {
      const result = await server.transformRequest("/calc.x", { ssr: true });
      expect(result?.code).toContain("0x20000101");
    } finally {
      await server.close();
    }
  });
});

// Node programs of ours that run beside the tests, written in TypeScript against the sources: bundled, since Node 20
// runs no TypeScript.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { Running } from "./processes.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const built = new Map<string, Promise<string>>();

/**
 * Bundles `test/support/children/NAME.ts` with the sources as they are now.
 *
 * @returns the path of a script that Node runs as it is
 */
export function buildChild(name: string): Promise<string> {
  let path = built.get(name);
  if (path === undefined) {
    path = bundle(name);
    built.set(name, path);
  }
  return path;
}

async function bundle(name: string): Promise<string> {
  const output = await build({
    root,
    configFile: false,
    logLevel: "error",
    resolve: { conditions: ["farcall-source", "module", "node"] },
    ssr: { noExternal: true, resolve: { conditions: ["farcall-source", "module", "node"] } },
    build: {
      write: false,
      target: "node20",
      minify: false,
      ssr: join(root, `test/support/children/${name}.ts`),
      rollupOptions: { output: { codeSplitting: false, inlineDynamicImports: true, format: "esm" } as object },
    },
  });
  if (Array.isArray(output) || !("output" in output)) throw new Error("not one bundle");
  const { code } = output.output[0];
  const folder = join(root, ".build/children");
  const digest = createHash("sha256").update(code).digest("hex").slice(0, 16);
  const path = join(folder, `${name}-${digest}.mjs`);
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  // Two runs may write the same bundle at once.
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, code);
  renameSync(temporary, path);
  return path;
}

/** Starts a child by its name; `await using` ends it. */
export async function startChild(name: string, args: readonly (string | number)[] = []): Promise<Running> {
  return new Running(process.execPath, [await buildChild(name), ...args.map(String)]);
}

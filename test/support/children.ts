// Node programs of ours that run beside the tests, written in TypeScript against the sources: bundled, since Node 20
// runs no TypeScript.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { Running } from "./processes.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const cache = join(root, ".build/children");
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
  const conditions = ["farcall-source", "module", "node"];
  const result = await build({
    root,
    configFile: false,
    logLevel: "error",
    resolve: { conditions },
    // Drivers of databases bring binaries, which no bundle can hold.
    ssr: { noExternal: true, external: ["libsql", "better-sqlite3", "pg", "koffi"], resolve: { conditions } },
    build: { write: false, target: "node20", minify: false, ssr: join(root, `test/support/children/${name}.ts`) },
  });
  if (Array.isArray(result) || !("output" in result)) throw new Error("not one bundle");
  const chunks = result.output.filter((file) => file.type === "chunk");
  const [entry] = chunks;
  if (entry === undefined) throw new Error("an empty bundle");
  const hash = createHash("sha256");
  for (const { fileName, code } of chunks) hash.update(fileName).update(code);
  const home = join(cache, `${name}-${hash.digest("hex").slice(0, 16)}`);
  if (!existsSync(home)) write(home, chunks);
  return join(home, entry.fileName);
}

/** Writes a bundle at once: two runs may make the same one at the same time. */
function write(home: string, chunks: readonly { readonly fileName: string; readonly code: string }[]): void {
  mkdirSync(cache, { recursive: true });
  const workshop = mkdtempSync(join(cache, "bundling-"));
  for (const { fileName, code } of chunks) {
    const path = join(workshop, fileName);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, code);
  }
  try {
    renameSync(workshop, home);
  } catch (error) {
    rmSync(workshop, { recursive: true, force: true });
    if (!existsSync(home)) throw error;
  }
}

/** Starts a child by its name; `await using` ends it. */
export async function startChild(name: string, args: readonly (string | number)[] = []): Promise<Running> {
  return new Running(process.execPath, [await buildChild(name), ...args.map(String)]);
}

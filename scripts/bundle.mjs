// A worker of the tests and the sources that it imports as one script: Node 20 runs no TypeScript.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const root = fileURLToPath(new URL("../", import.meta.url));

/**
 * @param entry the worker, by its path in the project
 * @param name the folder under .build that the script goes to
 * @returns the script's path
 */
export async function bundle(entry, name) {
  const conditions = ["farcall-source", "module", "node"];
  const { output } = await build({
    root,
    configFile: false,
    logLevel: "error",
    resolve: { conditions },
    ssr: { noExternal: true, resolve: { conditions } },
    build: { write: false, target: "node20", minify: false, ssr: join(root, entry) },
  });
  const folder = join(root, ".build", name);
  for (const { fileName, code, type } of output) {
    if (type !== "chunk") continue;
    mkdirSync(join(folder, fileName, ".."), { recursive: true });
    writeFileSync(join(folder, fileName), code);
  }
  return join(folder, output[0].fileName);
}

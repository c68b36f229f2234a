import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { buildChild } from "./children.js";
import { run } from "./processes.js";

/** Runs a child of the tests where no package can be found, and gives what it prints. */
export async function runWithoutPackages(name: string): Promise<readonly string[]> {
  const script = await buildChild(name);
  const home = mkdtempSync(join(tmpdir(), "farcall-alone-"));
  try {
    cpSync(dirname(script), home, { recursive: true });
    // It is a module only by its package, which is not there.
    const { lines, stderr, code } = await run(process.execPath, [
      "--experimental-default-type=module",
      join(home, basename(script)),
    ]);
    if (code !== 0) throw new Error(stderr);
    return lines;
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

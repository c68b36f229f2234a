import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Brings `.build/examples` up to date: programs are run as users run them. */
export function buildExamples(): void {
  const { status, stderr } = spawnSync(process.execPath, ["scripts/ensure.mjs", "examples"], {
    cwd: root,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
}

/** The path of a program, such as `vxi11/server.js`, once it is built. */
export function exampleProgram(name: string): string {
  return `${root}.build/examples/${name}`;
}

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type Finished, Running } from "./processes.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
/** The command as users get it. */
export const cliMain: string = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** Brings `dist` up to date: the command is tested as users get it. `npm test` has done so; a single file's run may not. */
export function buildCli(): void {
  const { status, stderr } = spawnSync(process.execPath, ["scripts/ensure.mjs", "build"], {
    cwd: root,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
}

export interface CliOptions {
  readonly cwd?: string | undefined;
  /** What is on stdin; by default there is none. */
  readonly input?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** What runs the command, such as `["setpriv", ...]`. */
  readonly under?: readonly string[] | undefined;
}

// Colours are asked for where they are tested.
const environment = (more: CliOptions["env"] = {}): NodeJS.ProcessEnv => {
  const { NO_COLOR: _no, FORCE_COLOR: _force, ...rest } = process.env;
  return { ...rest, ...more };
};

/** Runs `farcall` to its end. */
export async function farcall(args: readonly string[], options: CliOptions = {}): Promise<Omit<Finished, "lines">> {
  const [command = process.execPath, ...before] = [...(options.under ?? []), process.execPath];
  const child = spawn(command, [...before, cliMain, ...args], {
    cwd: options.cwd,
    env: environment(options.env),
    stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdin?.end(options.input);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

/** Starts `farcall` and lets it run. */
export function startFarcall(args: readonly string[], options: CliOptions = {}): Running {
  return new Running(process.execPath, [cliMain, ...args], { cwd: options.cwd, env: environment(options.env) });
}

import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AllowList } from "../../src/model/index.js";
import { buildChild } from "./children.js";
import { Running, run } from "./processes.js";

/** Calls to make at one address, over one connection. */
export interface UserTask {
  readonly over: "onc" | "xmlrpc";
  readonly address: string;
  readonly requirePeer?: AllowList | undefined;
  /** Default off: a session asks the server before the first call. */
  readonly session?: "off" | "auto" | undefined;
  /** `ping`, `whoami`, or what to reset. */
  readonly calls: readonly string[];
}

export interface UserScript {
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly groups?: readonly number[] | undefined;
  /** A socket on which to count the bytes that arrive; the process then stays. */
  readonly serve?: string | undefined;
  readonly tasks: readonly UserTask[];
}

/** What came of a call: `value`, or `code` and `executed`; or of connecting, `connect`. */
export interface Told {
  readonly value?: unknown;
  readonly code?: string;
  readonly connect?: string;
  readonly executed?: string;
  readonly message?: string;
}

/** Runs a script as another user, which only root can, and gives what came of it. */
export async function asUser(script: UserScript): Promise<{ readonly pid: number; readonly told: readonly Told[] }> {
  const { stdout, stderr, code } = await run(process.execPath, [
    await buildChild("local-user"),
    JSON.stringify(script),
  ]);
  const [, pid, json] = /^pid (\d+) (.*)$/m.exec(stdout) ?? [];
  if (code !== 0 || json === undefined) throw new Error(`the user's process failed: ${stdout}\n${stderr}`);
  return { pid: Number(pid), told: JSON.parse(json) as Told[] };
}

/** A process of another user that listens at a socket, and tells how many bytes it got. */
export async function serveAsUser(script: UserScript): Promise<Running> {
  const running = new Running(process.execPath, [await buildChild("local-user"), JSON.stringify(script)]);
  await running.line(/^READY$/);
  return running;
}

/** A directory that every user can look into, gone at the end. */
export function openDirectory(): { readonly path: (name: string) => string } & Disposable {
  const home = mkdtempSync(join(tmpdir(), "farcall-local-"));
  chmodSync(home, 0o777);
  return {
    path: (name) => join(home, name),
    [Symbol.dispose]: () => rmSync(home, { recursive: true, force: true }),
  };
}

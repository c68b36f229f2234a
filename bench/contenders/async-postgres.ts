// A PostgreSQL of its own, with its defaults: every commit is flushed to the disk.
import { execFileSync, spawn } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { RequestEngine } from "farcall/async";
import { openPostgresRequestEngine } from "farcall/store";
import type { Contender } from "../contender.js";
import { acceptingWith } from "./async.js";

async function open(): Promise<RequestEngine> {
  const home = "/usr/lib/postgresql";
  const [version] = existsSync(home) ? readdirSync(home).sort((a, b) => Number(b) - Number(a)) : [];
  if (version === undefined) throw new Error("PostgreSQL is not installed");
  const bin = join(home, version, "bin");
  const folder = mkdtempSync(join(tmpdir(), "farcall-bench-pg-"));
  // It refuses to run as root.
  const as: { uid?: number; gid?: number } = {};
  if (process.getuid?.() === 0) {
    const id = (flag: string): number => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
    as.uid = id("-u");
    as.gid = id("-g");
    chownSync(folder, as.uid, as.gid);
  }
  const data = join(folder, "data");
  const options = { cwd: folder, stdio: "ignore", ...as } as const;
  execFileSync(join(bin, "initdb"), ["-D", data, "-U", "farcall", "-A", "trust", "--no-sync"], options);
  const settings = ["-c", "listen_addresses=", "-c", `unix_socket_directories=${folder}`];
  const server = spawn(join(bin, "postgres"), ["-D", data, ...settings], options);
  const stop = (): void => {
    server.kill("SIGQUIT");
    // It may still be writing: what is left then is removed with the system's temporary files.
    try {
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    } catch {}
  };
  process.on("exit", stop);
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => process.exit());
  for (let left = 100; ; left--) {
    try {
      return await openPostgresRequestEngine({ connection: { host: folder, user: "farcall", database: "postgres" } });
    } catch (error) {
      if (left === 0) throw error;
      await sleep(100);
    }
  }
}

export const contender: Contender = acceptingWith(open);

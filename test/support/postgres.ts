// A PostgreSQL of the tests' own: in a folder of its own, on a Unix socket in it, as a user without rights.
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Running, run } from "./processes.js";

/** Debian keeps the server's programs where no PATH looks. */
function binaries(): string | undefined {
  const home = "/usr/lib/postgresql";
  const versions = existsSync(home) ? readdirSync(home).sort((a, b) => Number(b) - Number(a)) : [];
  return versions.map((version) => join(home, version, "bin")).find((bin) => existsSync(join(bin, "initdb")));
}

/** Why there is none here; undefined when there can be one. */
export async function postgresMissing(): Promise<string | undefined> {
  if (binaries() === undefined) return "postgresql is not installed";
  if (process.getuid?.() !== 0) return undefined;
  const { code } = await run("id", ["-u", "postgres"]);
  return code === 0 ? undefined : "there is no user postgres to run it as";
}

export interface Postgres extends AsyncDisposable {
  /** What `pg` connects with. */
  readonly connection: { readonly host: string; readonly user: string; readonly database: string };
  /** Kills all its processes at once (SIGKILL), as a power failure does, and resolves when they have gone. */
  kill(): Promise<void>;
  /** Starts it again on what was left, and resolves when it takes connections. */
  start(): Promise<void>;
}

/** Starts one; `settings` are lines of its configuration, such as `fsync=off`. */
export async function startPostgres(settings: readonly string[] = []): Promise<Postgres> {
  const bin = binaries() as string;
  const folder = mkdtempSync(join(tmpdir(), "farcall-pg-"));
  // It refuses to run as root.
  let as: string[] = [];
  if (process.getuid?.() === 0) {
    const [uid, gid] = await Promise.all(
      ["-u", "-g"].map(async (flag) => (await run("id", [flag, "postgres"])).stdout),
    );
    chownSync(folder, Number(uid), Number(gid));
    as = ["setpriv", `--reuid=${Number(uid)}`, `--regid=${Number(gid)}`, "--clear-groups"];
  }
  const command = (name: string, args: readonly string[]): [string, string[]] => {
    const [first = "", ...rest] = [...as, join(bin, name), ...args];
    return [first, rest];
  };
  const data = join(folder, "data");
  const made = await run(...command("initdb", ["-D", data, "-U", "farcall", "-A", "trust", "--no-sync", "-E", "UTF8"]));
  if (made.code !== 0) throw new Error(made.stderr);
  // After a crash it has the system write all its files out; one by one that takes seconds.
  const recovery = "recovery_init_sync_method=syncfs";
  const options = ["listen_addresses=", `unix_socket_directories=${folder}`, recovery, ...settings].flatMap((line) => [
    "-c",
    line,
  ]);
  const connection = { host: folder, user: "farcall", database: "postgres" };
  let server: Running | undefined;
  const start = async (): Promise<void> => {
    const started = new Running(...command("postgres", ["-D", data, ...options]), { cwd: folder });
    server = started;
    await accepting(started, connection);
  };
  const kill = async (): Promise<void> => {
    if (server === undefined) return;
    // Each of its processes leads a group of its own, so all are named; the first one first, which would start others.
    const children = childrenOf(server.pid);
    await server.stop();
    for (const pid of children) await gone(pid);
    server = undefined;
  };
  const stop = async (): Promise<void> => {
    // At once, and without leaving anything to the next start.
    server?.kill("SIGQUIT");
    await server?.ended;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return { connection, kill, start, [Symbol.asyncDispose]: stop };
}

/** Waits until it takes connections. */
async function accepting(server: Running, connection: object): Promise<void> {
  const { default: pg } = await import("pg");
  for (let left = 200; ; left--) {
    const client = new pg.Client(connection);
    client.on("error", () => {});
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      if (left === 0) throw new Error(`PostgreSQL did not start: ${server.stderr}`, { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
}

/** Kills a process that is nobody's child any more, and waits for its end. */
async function gone(pid: number): Promise<void> {
  for (let left = 2_000; left > 0; left--) {
    try {
      process.kill(pid, "SIGKILL");
      // A process that has ended may wait for whoever collects it.
      if (/\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"))) return;
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`process ${pid} does not end`);
}

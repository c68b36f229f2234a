// A PostgreSQL of the tests' own: in a folder of its own, on a Unix socket in it, as a user without rights.
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
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
  /** The server's process. */
  readonly process: Running;
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
  const options = ["listen_addresses=", `unix_socket_directories=${folder}`, ...settings].flatMap((line) => [
    "-c",
    line,
  ]);
  const server = new Running(...command("postgres", ["-D", data, ...options]), { cwd: folder });
  const connection = { host: folder, user: "farcall", database: "postgres" };
  const stop = async (): Promise<void> => {
    // At once, and without leaving anything to the next start.
    server.kill("SIGQUIT");
    await server.ended;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const { default: pg } = await import("pg");
    for (let left = 100; ; left--) {
      const client = new pg.Client(connection);
      try {
        await client.connect();
        await client.end();
        break;
      } catch (error) {
        if (left === 0) throw new Error(`PostgreSQL did not start: ${server.stderr}`, { cause: error });
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { connection, process: server, [Symbol.asyncDispose]: stop };
}

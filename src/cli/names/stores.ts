import type { Directory } from "../../binder/directory/service.js";
import type { DirectoryStore } from "../../store/index.js";
import { CliError, ExitCode } from "../exit.js";

const forms = "memory, sqlite:FILE, etcd:URL,URL,..., dns:DOMAIN or none";

/**
 * Makes the directory that `--names` says.
 *
 * @throws CliError for what is none of them, or cannot be opened
 */
export async function directoryOf(where: string): Promise<Directory | false> {
  if (where === "none") return false;
  const [, kind, rest = ""] = /^(\w+)(?::(.*))?$/s.exec(where) ?? [];
  const stores = await import("../../store/index.js");
  const open: Readonly<Record<string, () => DirectoryStore | Promise<DirectoryStore>>> = {
    memory: () => stores.memoryDirectoryStore(),
    sqlite: () => stores.openSqliteDirectoryStore({ path: rest }),
    etcd: () => stores.openEtcdDirectoryStore({ endpoints: rest.split(",").map((url) => url.trim()) }),
    dns: () => stores.dnsDirectoryStore({ domain: rest }),
  };
  if (kind === undefined || !Object.hasOwn(open, kind) || (kind === "memory") !== (rest === "")) {
    throw new CliError(`--names ${where} is none of ${forms}`);
  }
  const { Directory } = await import("../../binder/directory/service.js");
  try {
    return new Directory({ store: await open[kind]?.() });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new CliError(`--names ${where} cannot be used: ${text}`, ExitCode.failed);
  }
}

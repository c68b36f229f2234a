import { type FSWatcher, watch } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { CliError } from "./exit.js";

/** Milliseconds of quiet before files are looked at: an editor saves in several steps, and a checkout changes many. */
const quietMs = 50;

/** What a run tells the watch. */
export interface Watched {
  readonly files: readonly string[];
  /** Then a file that was missing may be what comes next, so every change counts. */
  readonly failed: boolean;
}

/**
 * Runs `again` whenever one of the files changes, until the process is told to end. Folders are watched and not files:
 * editors save by replacing the file.
 *
 * @param extraDirs folders where a missing file may appear
 */
export async function watchFiles(
  files: readonly string[],
  extraDirs: readonly string[],
  again: () => Watched,
  failed: boolean,
): Promise<void> {
  const folders = new Map<string, FSWatcher>();
  let watched = new Set<string>();
  let everything = failed;
  let timer: NodeJS.Timeout | undefined;

  const follow = (paths: readonly string[]): void => {
    watched = new Set(paths.map((path) => resolve(path)));
    const wanted = new Set([...watched].map(dirname).concat(extraDirs.map((dir) => resolve(dir))));
    for (const [folder, watcher] of folders) {
      if (wanted.has(folder)) continue;
      watcher.close();
      folders.delete(folder);
    }
    for (const folder of wanted) {
      if (folders.has(folder)) continue;
      try {
        const watcher = watch(folder, (_event, name) => onChange(name === null ? undefined : join(folder, name)));
        // A folder that is removed is watched again when it is there at a later run.
        watcher.on("error", () => folders.delete(folder));
        folders.set(folder, watcher);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
    }
  };
  const onChange = (path: string | undefined): void => {
    // What this command writes itself is no news, or a broken file would be reported for ever.
    if (path !== undefined && !watched.has(path) && (!everything || /\.(ts|tmp)$/.test(path))) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      const result = again();
      everything = result.failed;
      follow(result.files);
    }, quietMs);
  };

  follow(files);
  if (folders.size === 0) throw new CliError("there is no folder to watch");
  process.stderr.write(`watching ${watched.size} ${watched.size === 1 ? "file" : "files"}; Ctrl-C ends\n`);
  await new Promise<void>((end) => {
    process.once("SIGINT", () => end());
    process.once("SIGTERM", () => end());
  });
  clearTimeout(timer);
  for (const watcher of folders.values()) watcher.close();
}

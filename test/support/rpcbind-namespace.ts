import { fileURLToPath } from "node:url";
import { type Finished, type RunOptions, run } from "./processes.js";
import type { Need } from "./requirements.js";

/** What {@link runInRpcbindNamespace} needs of the machine. */
export const forRpcbind: readonly Need[] = ["unshare", "ip", "rpcbind", "namespaces"];

const script = fileURLToPath(new URL("rpcbind-namespace.sh", import.meta.url));

/**
 * Runs a command in namespaces of its own, where a real rpcbind listens on port 111 of loopback (remote calls
 * enabled), and nothing else does. Both sides of a call must run inside: pass a shell line as `["bash", "-c", line]`,
 * or a Node script. Whatever it leaves running is killed at its end. Exit code 125: the namespace could not be set up.
 */
export function runInRpcbindNamespace(command: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
  return run("unshare", [...namespaces, "bash", script, ...command], {
    ...options,
    // Daemons live where an ordinary user's PATH does not look.
    env: { ...options.env, PATH: `${options.env?.["PATH"] ?? process.env["PATH"]}:/usr/sbin:/sbin` },
  });
}

import { fileURLToPath } from "node:url";
import { type Finished, type RunOptions, run } from "./processes.js";
import type { Need } from "./requirements.js";

/** What {@link runInRpcbindNamespace} needs of the machine. */
export const forRpcbind: readonly Need[] = ["unshare", "ip", "rpcbind", "namespaces"];

/** And what it needs with a binder of ours, or none. */
export const forNamespace: readonly Need[] = ["unshare", "ip", "namespaces"];

/** The two that stand in for each other. */
export const binders = ["rpcbind", "farcall bind"] as const;
export type BinderKind = (typeof binders)[number];

/** What a test with either needs. */
export const forEither = { rpcbind: forRpcbind, "farcall bind": forNamespace } as const;

export interface NamespaceOptions extends RunOptions {
  /** What listens on port 111; default a real rpcbind that makes remote calls. Further options follow `farcall bind`. */
  readonly binder?: "rpcbind" | "none" | `farcall bind${string}` | undefined;
  /** Whether there is a second machine, the network namespace `far`: 10.77.0.2 and fd77::2, where this one is 10.77.0.1 and fd77::1. */
  readonly far?: boolean | undefined;
}

const script = fileURLToPath(new URL("rpcbind-namespace.sh", import.meta.url));

/** The command `farcall`, as users get it. */
export const farcallCommand: string = [
  process.execPath,
  fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url)),
].join(" ");

/**
 * Runs a command in namespaces of its own, where a binder listens on port 111, and nothing else does. Both sides of a call
 * must run inside: pass a shell line as `["bash", "-c", line]`, or a Node script. Whatever it leaves running is killed at
 * its end. Exit code 125: the namespace could not be set up.
 */
export function runInRpcbindNamespace(command: readonly string[], options: NamespaceOptions = {}): Promise<Finished> {
  const { binder = "rpcbind", far = false, ...rest } = options;
  const namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const ours = binder.replace(/^farcall bind/, `${farcallCommand} bind --foreground`);
  return run("unshare", [...namespaces, "bash", script, ...command], {
    ...rest,
    env: {
      ...rest.env,
      BINDER: binder === "rpcbind" ? "" : ours,
      FAR: far ? "yes" : "",
      // Daemons live where an ordinary user's PATH does not look.
      PATH: `${rest.env?.["PATH"] ?? process.env["PATH"]}:/usr/sbin:/sbin`,
    },
  });
}

import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe } from "vitest";

/** What a test may need of the machine besides Node: a command by its name, or one of the named checks. */
export type Need = keyof typeof checks | (string & {});

const checks = {
  /** The C library of ONC RPC, to compile and link with. */
  libtirpc: () => (existsSync("/usr/include/tirpc/rpc/rpc.h") ? undefined : "libtirpc is not installed"),
  /** xmlrpc-c, to compile and link with. */
  "xmlrpc-c": () => (existsSync("/usr/include/xmlrpc-c/base.h") ? undefined : "xmlrpc-c is not installed"),
  "perl-rpc-xml": () => (existsSync("/usr/share/perl5/RPC/XML.pm") ? undefined : "Perl's RPC::XML is not installed"),
  "ruby-xmlrpc": () =>
    runs("ruby", ["-e", 'require "xmlrpc/server"; require "webrick"'], "Ruby's xmlrpc is not installed"),
  "php-xmlrpc": () =>
    runs("php", ["-r", "exit(function_exists('xmlrpc_encode') ? 0 : 1);"], "PHP's xmlrpc is not installed"),
  /** What asks the kernel who is at the other end of a Unix socket. */
  "peer-credentials": () => (process.platform === "linux" ? undefined : "the kernel can be asked on Linux only"),
  root: () => (process.getuid?.() === 0 ? undefined : "only root can become other users"),
  /** A network and mount namespace of the test's own. */
  namespaces: () =>
    spawnSync("unshare", ["-n", "-m", "-p", "-f", "true"], { stdio: "ignore" }).status === 0
      ? undefined
      : "may not make namespaces (needs root on Linux)",
} as const;

function runs(command: string, args: readonly string[], otherwise: string): string | undefined {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0 ? undefined : otherwise;
}

/** What C peers are built with. */
export const toBuildC = ["gcc", "rpcgen", "libtirpc"] as const;

// Daemons live where an ordinary user's PATH does not look.
const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];

/** Whether a command of this name can be run. */
export function hasCommand(name: string): boolean {
  return folders.some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Why a test with these needs cannot run here, such as `rpcgen is not installed`; undefined when it can. */
export function skipReason(...needs: readonly Need[]): string | undefined {
  for (const need of needs) {
    const reason = Object.hasOwn(checks, need)
      ? checks[need as keyof typeof checks]()
      : hasCommand(need)
        ? undefined
        : `${need} is not installed`;
    if (reason !== undefined) return reason;
  }
  return undefined;
}

/** A `describe` that is skipped, with the reason in its name, where the machine lacks what it needs. */
export function describeWith(needs: readonly Need[], name: string, body: () => void): void {
  const reason = skipReason(...needs);
  describe.skipIf(reason !== undefined)(reason === undefined ? name : `${name} [skipped: ${reason}]`, body);
}

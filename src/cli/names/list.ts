import type { Registered } from "../../binder/directory/client.js";
import { ExitCode } from "../exit.js";
import { harmless } from "../harmless.js";
import { type BinderFlags, withDirectory } from "./directory.js";
import { table } from "./table.js";

/** Prints what is registered with a binder, or what is under one name. */
export async function listNames(
  name: string | undefined,
  flags: BinderFlags & { readonly json?: true | undefined },
): Promise<void> {
  await withDirectory(flags, async (directory) => {
    const { entries, complete } = await directory.list(name);
    if (flags.json === true) process.stdout.write(`${harmless(JSON.stringify(entries.map(rowOf)))}\n`);
    else if (entries.length > 0) process.stdout.write(registrationTable(entries));
    if (!complete) process.stderr.write("farcall: the binder does not know all just now; there may be more\n");
    if (entries.length > 0) return;
    process.stderr.write(
      `farcall: nothing is registered${name === undefined ? "" : ` under the name ${harmless(name)}`}\n`,
    );
    if (name !== undefined) process.exitCode = ExitCode.failed;
  });
}

/** A registration as JSON. */
export function rowOf({ name, version, address, owner, leaseMs, interfaceSize }: Registered): object {
  return { name, version, address, owner, leaseMs, interface: interfaceSize > 0 };
}

function registrationTable(entries: readonly Registered[]): string {
  return table(
    ["NAME", "VERSION", "ADDRESS", "LEASE", "INTERFACE", "OWNER"],
    entries.map(({ name, version, address, leaseMs, interfaceSize, owner }) => [
      ...[name, version, address, leaseMs === 0 ? "-" : `${leaseMs / 1000} s`],
      ...[interfaceSize === 0 ? "-" : "told", owner],
    ]),
  );
}

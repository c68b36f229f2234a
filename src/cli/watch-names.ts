import { styleText } from "node:util";
import type { Command } from "commander";
import type { Registered } from "../binder/directory/client.js";
import { harmless } from "./harmless.js";
import { addBinderOptions, addTimeoutOption, type BinderFlags, withDirectory } from "./names/directory.js";
import { rowOf } from "./names/list.js";
import { hasColours } from "./paint.js";

interface WatchFlags extends BinderFlags {
  readonly json?: true | undefined;
}

export function define(command: Command): void {
  command
    .usage("[NAME] [options]")
    .description(
      "Says what is registered with a binder, and from then on what comes (+), changes (~) and goes (-), until stopped.",
    )
    .argument("[name]", "only this one")
    .option("--json", "print JSON, a line for each change");
  addBinderOptions(command);
  addTimeoutOption(command);
  command
    .addHelpText(
      "after",
      `
Exit code: 0 when it was stopped, or 1 when the binder cannot be watched, or 2 for a wrong command line.

Examples:
  farcall watch                  every name
  farcall watch calc --json      one name, for a program to read`,
    )
    .action(async (name: string | undefined, flags: WatchFlags) => {
      const stop = new AbortController();
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
      // The command runs until it is stopped, also while it only waits.
      const alive = setInterval(() => {}, 60_000);
      try {
        await withDirectory(flags, async (directory) => {
          let known = new Map<string, Registered>();
          for await (const entries of directory.watch(name?.replace(/^name:/, ""), stop.signal)) {
            const now = new Map(entries.map((entry) => [`${entry.name} ${entry.version} ${entry.address}`, entry]));
            for (const [key, entry] of known) if (!now.has(key)) tell("-", entry, flags);
            for (const [key, entry] of now) {
              const before = known.get(key);
              if (before === undefined) tell("+", entry, flags);
              else if (JSON.stringify(before) !== JSON.stringify(entry)) tell("~", entry, flags);
            }
            known = now;
          }
        });
      } finally {
        clearInterval(alive);
      }
    });
}

const changes = { "+": "registered", "-": "gone", "~": "changed" } as const;
const colours = { "+": "green", "-": "red", "~": "yellow" } as const;

function tell(sign: keyof typeof changes, entry: Registered, { json }: WatchFlags): void {
  if (json === true) {
    const line = JSON.stringify({ change: changes[sign], ...rowOf(entry) });
    return void process.stdout.write(`${harmless(line)}\n`);
  }
  const text = harmless(`${sign} ${entry.name} version ${entry.version} at ${entry.address}, of ${entry.owner}`);
  process.stdout.write(`${hasColours(process.stdout) ? styleText(colours[sign], text) : text}\n`);
}

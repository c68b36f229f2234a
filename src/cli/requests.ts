import { type Command, Option } from "commander";
import { harmless } from "./harmless.js";
import { milliseconds } from "./numbers.js";
import { addOwnerOptions, addressText, type OwnerFlags, ownerAuth, reporting } from "./requests/options.js";

interface RequestsFlags extends OwnerFlags {
  readonly watch?: true | undefined;
  readonly every: number;
  readonly json?: true | undefined;
}

export function define(command: Command): void {
  command
    .usage("ADDRESS [options]")
    .description("Lists your asynchronous requests at a server, the newest first.")
    .argument("<address>", addressText)
    .option("--watch", "a live table, until stopped with Ctrl-C")
    .addOption(new Option("--every <ms>", "how often the live table is asked for").argParser(milliseconds).default(500))
    .option("--json", "print JSON, on one line");
  addOwnerOptions(command);
  command.action((address: string, flags: RequestsFlags) => reporting(() => list(address, flags)));
}

async function list(address: string, flags: RequestsFlags): Promise<void> {
  const { asyncClient } = await import("../requests.js");
  const { default: Table } = await import("cli-table3");
  await using client = await asyncClient(address, { auth: await ownerAuth(flags), session: "off" });
  const show = async (): Promise<string> => {
    const rows = await client.list(100);
    if (flags.json === true) return `${harmless(JSON.stringify(rows))}\n`;
    const table = new Table({
      head: ["id", "procedure", "state", "attempt", "events", "age", "expires"],
      style: { head: [], border: [] },
    });
    for (const row of rows) {
      const ended = row.state !== "queued" && row.state !== "running";
      table.push([
        row.id,
        row.target,
        row.cancelled && !ended ? `${row.state}, to end` : row.state,
        String(row.attempt),
        `${row.acknowledged}/${row.lastEvent}`,
        seconds(row.ageMs),
        ended ? "" : seconds(row.ttlMs),
      ]);
    }
    return `${table.toString()}\n`;
  };
  if (flags.watch !== true) {
    process.stdout.write(await show());
    return;
  }
  let over = false;
  process.once("SIGINT", () => {
    over = true;
  });
  while (!over) {
    const text = await show();
    // Home, and what was there before is wiped out below.
    process.stdout.write(process.stdout.isTTY === true ? `\u001b[H\u001b[J${text}` : text);
    await new Promise((resolve) => setTimeout(resolve, flags.every));
  }
}

function seconds(ms: number): string {
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;
}

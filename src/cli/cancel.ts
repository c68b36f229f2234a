import type { Command } from "commander";
import { addOwnerOptions, addressText, type OwnerFlags, ownerAuth, reporting } from "./requests/options.js";

export function define(command: Command): void {
  command
    .usage("ADDRESS ID [options]")
    .description(
      "Asks to end a request, and prints what that did:\n" +
        "cancelled: it waited, and never runs; requested: it runs, and is told; too-late: it had ended.",
    )
    .argument("<address>", addressText)
    .argument("<id>", "as farcall submit has printed it");
  addOwnerOptions(command);
  command.action((address: string, id: string, flags: OwnerFlags) =>
    reporting(async () => {
      const { asyncClient } = await import("../requests.js");
      await using client = await asyncClient(address, { auth: await ownerAuth(flags), session: "off" });
      process.stdout.write(`${await client.cancel(id)}\n`);
    }),
  );
}

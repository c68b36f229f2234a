import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type RpcError } from "farcall";
import { afterAll, describe, expect, it } from "vitest";
import { startChild } from "../support/children.js";
import { HistoricV1 } from "../support/history.js";
import type { Running } from "../support/processes.js";

// What can still be learned of a call that failed as `unknown`, when its server is there again: the second table of
// docs/crash-table.md.

const page = readFileSync(new URL("../../docs/crash-table.md", import.meta.url), "utf8");
const folder = mkdtempSync(join(tmpdir(), "farcall-settle-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let folders = 0;

async function start(address: string, home: string | undefined): Promise<{ process: Running; address: string }> {
  const process = await startChild("settled-server", home === undefined ? [address] : [address, home]);
  const [, bound = ""] = await process.line(/^READY (\S+)$/);
  return { process, address: bound };
}

describe("what $settle learns", () => {
  it.each([
    ["killed, replies in memory", "once", "memory", "killed"],
    ["killed, replies in SQLite, at-most-once", "once", "sqlite", "killed"],
    ["killed, replies in SQLite, exactly-once", "exactly", "sqlite", "killed"],
    ["frozen, and thawed", "once", "memory", "frozen"],
  ] as const)("%s", { timeout: 60_000 }, async (title, procedure, store, fate) => {
    const home = store === "sqlite" ? mkdtempSync(join(folder, `${folders++}-`)) : undefined;
    const first = await start("tcp://127.0.0.1:0", home);
    let second: Running | undefined;
    const client = await connect(HistoricV1, first.address, { session: "auto" });
    try {
      expect(await client[procedure](2)).toBe(4);
      if (fate === "frozen") first.process.kill("SIGSTOP");
      const call = client[procedure](fate === "frozen" ? 4 : 1, { timeoutMs: 1_000 }).catch((error: unknown) => error);
      if (fate === "killed") {
        await first.process.line(/^ran 1$/);
        await first.process.stop();
      }
      const error = await call;
      expect(error).toMatchObject({ executed: "unknown" });
      if (fate === "frozen") first.process.kill("SIGCONT");
      else second = (await start(first.address, home)).process;
      const settled = await client.$settle(procedure, error as RpcError, { timeoutMs: 20_000 });
      const [, says] = new RegExp(`^\\| ${title} \\| \`(\\w+)\``, "m").exec(page) ?? [];
      expect(settled.executed, JSON.stringify(settled)).toBe(says);
      // `no` is for good, and whoever is told so may call again.
      if (settled.executed === "no") expect(await client[procedure](6)).toBe(12);
    } finally {
      await client.$close();
      await first.process.stop();
      await second?.stop();
    }
  });
});

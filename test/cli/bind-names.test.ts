// farcall bind --names: where a binder keeps what is registered by name.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { DirectoryClient } from "../../src/binder/directory/client.js";
import { buildCli, farcall, startFarcall } from "../support/cli.js";
import { startEtcd } from "../support/etcd.js";
import type { Running } from "../support/processes.js";
import { skipReason } from "../support/requirements.js";

const folder = mkdtempSync(join(tmpdir(), "farcall-names-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Starts a binder, and waits until it says where it serves. */
async function bind(names: string, port = "0"): Promise<{ readonly process: Running; readonly address: string }> {
  const at = ["--host", "127.0.0.1", "--port", port, "--no-socket", "--foreground"];
  const process = startFarcall(["bind", ...at, "--names", names]);
  const address = await vi.waitFor(
    () => {
      const [, found] = /rpcbind at (tcp:\S+?),/.exec(process.stderr) ?? [];
      if (found === undefined) throw new Error(process.describe());
      return found;
    },
    { timeout: 20_000 },
  );
  return { process, address };
}

async function register(binder: string): Promise<void> {
  await using directory = new DirectoryClient([binder]);
  const args = { name: "calc", version: 1, address: "tcp://127.0.0.1:1", lease: 60_000, interface: "" };
  expect(await directory.register(args)).toMatchObject({ status: 0 });
}

async function names(binder: string): Promise<string[]> {
  await using directory = new DirectoryClient([binder]);
  return (await directory.list()).entries.map(({ name }) => name);
}

describe("farcall bind --names", () => {
  beforeAll(buildCli);

  it("memory: forgets with the binder", async () => {
    const first = await bind("memory");
    await register(first.address);
    expect(await names(first.address)).toEqual(["calc"]);
    await first.process.stop();
    await using again = (await bind("memory", first.address.split(":").at(-1))).process;
    expect([await names(first.address), again.killed]).toEqual([[], false]);
  });

  it("sqlite:FILE keeps names over a SIGKILL", async () => {
    const file = `sqlite:${join(folder, "names.db")}`;
    const first = await bind(file);
    await register(first.address);
    await first.process.stop();
    const second = await bind(file);
    await using _ended = second.process;
    expect(await names(second.address)).toEqual(["calc"]);
  });

  const reason = skipReason("etcd");
  it.skipIf(reason !== undefined)("etcd:URL,... makes one directory of several binders", async () => {
    await using etcd = await startEtcd(1);
    const [one, other] = await Promise.all([1, 2].map(() => bind(`etcd:${etcd.endpoints.join(",")}`)));
    if (one === undefined || other === undefined) throw new Error("there are two");
    await using _one = one.process;
    await using _other = other.process;
    await register(one.address);
    await vi.waitFor(async () => expect(await names(other.address)).toEqual(["calc"]), { timeout: 15_000 });
  });

  it.each([
    ["files:x", 2, /--names files:x is none of memory, sqlite:FILE, etcd:URL,URL,..., dns:DOMAIN or none/],
    ["memory:x", 2, /is none of/],
    ["sqlite", 2, /is none of/],
    ["sqlite:/no/such/folder/names.db", 1, /cannot be used: .*/],
    ["etcd:http://127.0.0.1:9", 1, /cannot be used: no member of etcd answers \(http:\/\/127\.0\.0\.1:9: /],
  ])("%s ends the command with %i", async (where, code, message) => {
    const args = ["bind", "--host", "127.0.0.1", "--port", "0", "--no-socket", "--foreground", "--names", where];
    expect(await farcall(args)).toMatchObject({ code, stdout: "", stderr: expect.stringMatching(message) });
  });
});

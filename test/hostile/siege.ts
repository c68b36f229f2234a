// One attack on one server, while good clients call: how it went.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServerOptions } from "farcall";
import { expect } from "vitest";
import { startChild } from "../support/children.js";
import { later } from "../support/faults.js";
import type { attacks } from "./attacks.js";
import { GoodClient, HostileTarget } from "./target.js";

export const MB = 1024 * 1024;

/** What docs/limits.md says a connection may take, and V8 may leave uncollected. */
const perConnection = 96 * 1024;
const garbage = 64 * MB;

export interface Siege {
  readonly attack: keyof typeof attacks;
  /** What it is told besides. */
  readonly numbers: readonly number[];
  readonly ms: number;
  /** How many connections it makes, and how many of those read nothing. */
  readonly connections: number;
  readonly silent?: number;
  /** Bytes that it may make the server remember besides, as the limits say. */
  readonly remembered?: number;
  /** Whether it takes all that may run: then the good clients' calls must not wait for it to end. */
  readonly greedy?: boolean;
  readonly limits: ServerOptions & {
    readonly bufferedBytesMax: number;
    readonly runningBytesMax: number;
    readonly runningDatagramBytesMax: number;
    readonly writeBacklogMax: number;
    readonly recordSizeMax: number;
  };
}

/** Runs it, and holds the server to what docs/limits.md says. */
export async function besiege({
  attack,
  numbers,
  ms,
  connections,
  silent = 0,
  remembered = 0,
  greedy = false,
  limits,
}: Siege): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "farcall-"));
  try {
    await using target = await HostileTarget.start(limits, join(folder, "s"));
    // What a server needs that is not attacked: its code compiled, its buffers made.
    const warm = target.addresses.map((address) => new GoodClient(address, 30_000));
    await later(500);
    await Promise.all(warm.map((client) => client.stop()));
    const before = await target.usage();
    const baseline = target.peak;

    const good = target.addresses.map((address) => new GoodClient(address, 1_000));
    await using attacker = await startChild("hostile-attacker", [
      attack,
      ms,
      JSON.stringify(target.addresses),
      ...numbers,
    ]);
    expect(await attacker.ended, attacker.describe()).toBe(0);
    await Promise.all(good.map((client) => client.stop()));
    const peak = target.peak - baseline;
    const cap =
      limits.bufferedBytesMax +
      limits.runningBytesMax +
      limits.runningDatagramBytesMax +
      limits.recordSizeMax +
      garbage +
      connections * perConnection +
      remembered +
      silent * limits.writeBacklogMax;
    const calls = good.map((client) => client.calls);
    process.stderr.write(
      `${attack}, ${connections} connections, ${ms} ms: peak +${(peak / MB).toFixed(1)} MiB of ${(cap / MB).toFixed(1)}, good calls ${calls.join(" ")}\n`,
    );

    expect(good.flatMap(({ failures }) => failures.map(({ message }) => message))).toEqual([]);
    // A client that is served one call a second is served on; one that got none has been shut out.
    expect(Math.min(...calls)).toBeGreaterThan(ms / 1_000);
    // Those that call over the attacked transport are served like the others.
    if (greedy) expect(Math.min(...calls)).toBeGreaterThan(Math.max(...calls) / 2);
    expect(peak).toBeLessThan(1.1 * cap);

    // And when it is over, nothing of it is left.
    await expect
      .poll(async () => (await target.usage()).descriptors, { timeout: 15_000 })
      .toBeLessThanOrEqual(before.descriptors);
    await expect
      .poll(
        async () => {
          const { heapUsed, external } = await target.usage();
          return heapUsed + external - before.heapUsed - before.external;
        },
        { timeout: 15_000 },
      )
      .toBeLessThan(6 * MB);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

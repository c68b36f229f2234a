import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectSocket, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "farcall";
import { afterEach, describe, expect, it } from "vitest";
import { later, until } from "../support/faults.js";
import { TargetV1 } from "../support/hostile-target.js";
import { GoodClient, HostileTarget } from "./target.js";

// Idle connections until the server has no descriptor left. rpcbind then serves nobody any more.

const descriptors = 80;

describe.skipIf(process.platform !== "linux")("a server whose descriptors are used up by idle connections", () => {
  const folder = mkdtempSync(join(tmpdir(), "farcall-"));
  const idle = new Set<Socket>();
  afterEach(() => {
    for (const socket of idle) socket.destroy();
    rmSync(folder, { recursive: true, force: true });
  });

  it("serves on whoever is connected, over datagrams anybody, and new ones as soon as some have left", async () => {
    await using target = await HostileTarget.start({}, join(folder, "s"), descriptors);
    const [tcp] = target.addresses;
    const good = target.addresses.map((address) => new GoodClient(address, 100));
    await until(() => good.every(({ calls }) => calls > 0));

    let ended = 0;
    for (let i = 0; i < 3 * descriptors; i++) {
      const socket = connectSocket(Number(tcp.slice(tcp.lastIndexOf(":") + 1)), "127.0.0.1");
      idle.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        idle.delete(socket);
        ended++;
      });
    }
    // Those that are too many are taken and closed at once, so that they do not wait for ever.
    await until(() => ended > 2 * descriptors);
    const before = good.map(({ calls }) => calls);
    await until(() => good.every(({ calls }, i) => calls > (before[i] as number) + 20));
    const call = async (timeoutMs: number): Promise<number> => {
      await using client = await connect(TargetV1, tcp, { timeoutMs, retry: false });
      return await client.take(new Uint8Array(7));
    };
    await expect(call(1_000)).rejects.toMatchObject({ code: "unavailable" });

    for (const socket of [...idle].slice(0, 20)) socket.destroy();
    await later(50);
    expect(await call(10_000)).toBe(7);

    await Promise.all(good.map((client) => client.stop()));
    expect(good.flatMap(({ failures }) => failures.map(({ message }) => message))).toEqual([]);
  });
});

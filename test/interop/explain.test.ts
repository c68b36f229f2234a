import type { Timeline } from "farcall";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Peer, programs, startPeer } from "../support/c-peers.js";
import { connectEveryType } from "../support/everytype.js";
import { describeWith, toBuildC } from "../support/requirements.js";

describeWith(toBuildC, "a call to a C server, explained", () => {
  let peer: Peer;
  beforeAll(async () => {
    peer = await startPeer(programs.everyTypeServer);
  });
  afterAll(() => peer.stop());

  it.each(["tcp", "udp", "unix"] as const)("over %s says that the server told nothing", async (transport) => {
    await using client = await connectEveryType(peer.address(transport));
    const told: Timeline[] = [];
    expect(await client.subtract(5, 7, { explain: (timeline) => told.push(timeline) })).toBe(-2);
    expect(told).toMatchObject([{ serverTold: false, transmissions: 1 }]);
    const [{ steps, totalMs }] = told as [Timeline];
    expect(steps.map(({ step, side }) => [step, side])).toEqual(
      ["client", "stub", "marshal", "send", "network", "return"].map((step) => [step, "client"]),
    );
    expect(steps.reduce((sum, { durationMs }) => sum + durationMs, 0)).toBeCloseTo(totalMs, 6);
  });
});

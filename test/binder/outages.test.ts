import { expect, it } from "vitest";
import { describeWith } from "../support/requirements.js";
import { World } from "./outages.js";

describeWith(["etcd"], "20 servers and 200 clients of one name", () => {
  it("go on while etcd's members, the binders and servers are killed", { timeout: 180_000 }, async () => {
    const leaseMs = 4_000;
    await using world = await World.open({ processes: 4, serversPerProcess: 5, clients: 200, leaseMs, paceMs: 500 });
    expect(world.live).toBe(20);
    await world.goOn(500);

    world.phase = "without a member and five servers";
    const follower = await world.killMember("follower");
    await world.killServers();
    await world.startMember(follower);

    // For longer than a lease: the servers renew elsewhere.
    world.phase = "without the leader and a binder";
    const leader = await world.killMember("leader");
    await world.killBinder(0);
    await world.goOn(1.5 * leaseMs);
    await world.startMember(leader);
    await world.startBinder(0);

    // What was known last is known.
    world.phase = "without binders";
    await Promise.all([world.killBinder(0), world.killBinder(1)]);
    await world.goOn(500);
    await Promise.all([world.startBinder(0), world.startBinder(1)]);
    await world.startServers();
    await world.goOn(500);

    expect(world.live).toBe(20);
    const { lost, unanswered, failed, odd } = world.findings;
    expect({ lost, unanswered, failed, odd }).toEqual({ lost: [], unanswered: [], failed: [], odd: [] });
  });
});

import { expect, it } from "vitest";
import { seeded } from "../support/faults.js";
import { describeWith } from "../support/requirements.js";
import { World } from "./outages.js";

/** Rounds of outages, each of one kind or of several at once. */
const rounds = 12;
const leaseMs = 4_000;

describeWith(["etcd"], "20 servers and 200 clients of one name, for minutes", () => {
  it("lose no live server, and a dead one is gone within its lease and a second", { timeout: 900_000 }, async () => {
    const random = seeded(7);
    await using world = await World.open({ processes: 4, serversPerProcess: 5, clients: 200, leaseMs, paceMs: 250 });
    const gone: { goneMs: number; lagMs: number }[] = [];
    for (let round = 0; round < rounds; round++) {
      const member = random() < 0.7 ? (random() < 0.5 ? "leader" : "follower") : undefined;
      const binder = random() < 0.5 ? Math.floor(random() * 2) : undefined;
      world.phase = `round ${round}: ${member ?? "no member"}, ${binder === undefined ? "no binder" : `binder ${binder}`}`;
      const killed = member === undefined ? undefined : await world.killMember(member);
      if (binder !== undefined) await world.killBinder(binder);
      await world.goOn(random() * 1.5 * leaseMs);
      if (binder !== undefined) await world.startBinder(binder);
      if (killed !== undefined) await world.startMember(killed);
      // The time of a lease is measured where a binder has not just come back: it takes what it finds for alive.
      await world.goOn(6_000);
      gone.push(await world.killServers());
      await world.startServers();
    }
    expect(world.live).toBe(20);
    const { lost, unanswered, failed, odd, calls, lookUps, unknown } = world.findings;
    expect({ lost, unanswered, failed, odd }).toEqual({ lost: [], unanswered: [], failed: [], odd: [] });
    const slowest = gone.map(({ goneMs, lagMs }) => Math.round(goneMs - lagMs)).sort((a, b) => b - a);
    process.stderr.write(
      `${calls} calls, ${unknown} of them unknown, ${lookUps} look-ups; gone after ${slowest.join(", ")} ms\n`,
    );
    // A lease begins anew with its last renewal, so most are gone earlier.
    expect(slowest[0]).toBeLessThanOrEqual(leaseMs + 1_000);
  });
});

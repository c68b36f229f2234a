import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Authority } from "../support/certificates.js";
import { describeWith } from "../support/requirements.js";
import { loseServers, transports } from "./lost-servers.js";

const folder = mkdtempSync(join(tmpdir(), "farcall-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

// Descriptors are counted where Linux lists them.
describeWith(["openssl", "ip"], "servers killed and frozen in the middle of calls", () => {
  let authority: Authority;
  beforeAll(() => {
    authority = new Authority();
  });

  it.each(transports)("leave nothing behind of 80 calls over %s, and no call without its end", async (transport) => {
    const ends = await loseServers({ transport, folder, authority, rounds: 2, calls: 40 });
    expect(Object.values(ends).reduce((sum, count) => sum + count)).toBe(2 * 40);
    expect(
      Object.keys(ends).every((end) =>
        /^(done yes|unavailable (no|unknown)|deadline-exceeded (no|unknown))$/.test(end),
      ),
      JSON.stringify(ends),
    ).toBe(true);
    expect(ends["unavailable unknown"] ?? 0).toBeGreaterThan(transport === "udp" ? -1 : 0);
    expect(ends["deadline-exceeded unknown"]).toBeGreaterThan(0);
  });
});

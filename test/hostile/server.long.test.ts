import { beforeAll, describe, it } from "vitest";
import { buildChild } from "../support/children.js";
import { besiege, MB } from "./siege.js";

// The attacks of server.test.ts at their full length, on a server with its default limits, but for the datagrams: what fills more is more
// than loopback carries without loss.

const limits = {
  recordSizeMax: 16 * MB,
  bufferedBytesMax: 256 * MB,
  runningBytesMax: 256 * MB,
  runningDatagramBytesMax: 16 * MB,
  writeBacklogMax: 64 * MB,
};
const seed = (Math.random() * 2 ** 32) >>> 0;

describe.skipIf(process.platform !== "linux")("a server serves on, and stays within its memory, against", () => {
  beforeAll(() => Promise.all([buildChild("hostile-target"), buildChild("hostile-attacker")]));

  it("1,000 connections that claim the largest record and send a byte a second", async () => {
    // Longer than a record may take: they are ended, and come again.
    await besiege({ attack: "slowClaims", numbers: [1_000, 1_000], ms: 75_000, connections: 1_000, limits });
  });

  it("connections that claim the largest record and send what they can", async () => {
    await besiege({ attack: "fastClaims", numbers: [500], ms: 30_000, connections: 500, limits });
  });

  it("clients that ask for large replies and never read", async () => {
    await besiege({ attack: "neverRead", numbers: [20], ms: 30_000, connections: 20, silent: 20, limits });
  });

  it("large calls that run long", async () => {
    await besiege({ attack: "longCalls", numbers: [50], ms: 30_000, connections: 50, greedy: true, limits });
  });

  it("large datagrams whose calls run long", async () => {
    await besiege({ attack: "longDatagrams", numbers: [3], ms: 30_000, connections: 0, greedy: true, limits });
  });

  it(`garbage on every port (seed ${seed})`, async () => {
    await besiege({ attack: "garbage", numbers: [seed], ms: 30_000, connections: 40, limits });
  });

  it("claims of gigabytes in every field", async () => {
    await besiege({ attack: "gigabyteClaims", numbers: [], ms: 30_000, connections: 40, limits });
  });

  it("sessions by the thousand, and all that they may make it remember", async () => {
    await besiege({
      attack: "sessions",
      numbers: [40],
      ms: 30_000,
      connections: 40,
      remembered: 16 * MB,
      limits: {
        ...limits,
        sessions: { sessionsMax: 16_384, sessionLeaseMs: 500 },
        replyCache: { replyBytesMax: 16 * MB, replyWindowMs: 1_000 },
      },
    });
  });
});

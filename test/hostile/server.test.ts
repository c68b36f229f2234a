import { beforeAll, describe, it } from "vitest";
import { buildChild } from "../support/children.js";
import { besiege, MB } from "./siege.js";

// A server in a process of its own is attacked while good clients call over TCP, UDP and a Unix socket. The long
// version of this file takes the attacks' full time.

const limits = {
  recordSizeMax: 16 * MB,
  bufferedBytesMax: 32 * MB,
  runningBytesMax: 32 * MB,
  runningDatagramBytesMax: 8 * MB,
  writeBacklogMax: 8 * MB,
  recordTimeoutMs: 1_000,
};
const seed = (Math.random() * 2 ** 32) >>> 0;

describe.skipIf(process.platform !== "linux")("a server serves on, and stays within its memory, against", () => {
  beforeAll(() => Promise.all([buildChild("hostile-target"), buildChild("hostile-attacker")]));

  it("connections that claim the largest record and send a byte now and then", async () => {
    await besiege({ attack: "slowClaims", numbers: [1_000, 200], ms: 2_500, connections: 1_000, limits });
  });

  it("connections that claim the largest record and send what they can", async () => {
    await besiege({ attack: "fastClaims", numbers: [200], ms: 2_000, connections: 200, limits });
  });

  it("clients that ask for large replies and never read", async () => {
    await besiege({ attack: "neverRead", numbers: [10], ms: 1_500, connections: 10, silent: 10, limits });
  });

  it("large calls that run long", async () => {
    await besiege({ attack: "longCalls", numbers: [10], ms: 2_500, connections: 10, greedy: true, limits });
  });

  it("large datagrams whose calls run long", async () => {
    await besiege({ attack: "longDatagrams", numbers: [3], ms: 2_500, connections: 0, greedy: true, limits });
  });

  it(`garbage on every port (seed ${seed})`, async () => {
    await besiege({ attack: "garbage", numbers: [seed], ms: 2_000, connections: 40, limits });
  });

  it("claims of gigabytes in every field", async () => {
    await besiege({ attack: "gigabyteClaims", numbers: [], ms: 1_500, connections: 40, limits });
  });

  it("sessions by the thousand, and all that they may make it remember", async () => {
    await besiege({
      attack: "sessions",
      numbers: [20],
      ms: 2_000,
      connections: 20,
      remembered: 16 * MB,
      limits: {
        ...limits,
        sessions: { sessionsMax: 1_024, sessionLeaseMs: 500 },
        replyCache: { replyBytesMax: 16 * MB, replyWindowMs: 1_000 },
      },
    });
  });
});

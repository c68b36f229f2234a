import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { startTcpPeer, startUdpPeer } from "../support/bare-peers.js";
import { startChild } from "../support/children.js";
import { seeded } from "../support/faults.js";
import { fromHex, words } from "../support/raw-messages.js";

// A client in a process of its own calls servers that mean it harm: every call ends, by its deadline; the process
// lives, stays small, and ends by itself.

const MB = 1024 * 1024;
/** A reply twice (its pieces, and as one), what waits to be sent, and the garbage that V8 lets gather. */
const cap = 2 * 16 * MB + 16 * MB + 64 * MB;
const seed = (Math.random() * 2 ** 32) >>> 0;
const random = seeded(seed);
const noise = (size: number): Uint8Array => Uint8Array.from({ length: size }, () => random() * 256);
const mark = (length: number, last = true): Uint8Array => fromHex(words((last ? 0x8000_0000 : 0) + length));

/** Writes for as long as the connection takes it. */
function pour(socket: Socket, piece: () => Uint8Array): void {
  const write = (): void => {
    for (let i = 0; i < 16 && !socket.destroyed && socket.writableLength < MB; i++) socket.write(piece());
    if (!socket.destroyed) setTimeout(write, 1);
  };
  write();
}

/** The xid of the first call that came, and what answers it in each way. */
const xidOf = (received: Buffer): number => (received.length >= 8 ? received.readUInt32BE(4) : 0);
const zeros = new Uint8Array(65_536);
const foreign = Buffer.concat(
  Array.from({ length: 400 }, (_, i) => [mark(28), fromHex(words(i, 1, 0, 0, 0, 0, 0))]).flat(),
);

const servers: readonly [
  name: string,
  onData: (received: Buffer, socket: Socket) => void,
  onOpen?: (socket: Socket) => void,
][] = [
  ["garbage", () => {}, (socket) => pour(socket, () => noise(1_000))],
  ["an endless reply", () => {}, (socket) => pour(socket, () => Buffer.concat([mark(zeros.length, false), zeros]))],
  [
    "fragments without end, a byte each",
    () => {},
    (socket) => pour(socket, () => fromHex(`${words(1)}00`.repeat(1_000))),
  ],
  ["a record of two gigabytes", (_received, socket) => void socket.write(mark(0x7fff_ffff))],
  [
    "the largest record, and never its end",
    () => {},
    (socket) => {
      socket.write(mark(16 * MB));
      let left = 16 * MB - 1;
      pour(socket, () => {
        const size = Math.min(left, zeros.length);
        left -= size;
        return zeros.subarray(0, size);
      });
    },
  ],
  ["floods of replies to calls that nobody made", () => {}, (socket) => pour(socket, () => foreign)],
  [
    "half a reply, and then silence",
    (received, socket) => void socket.write(fromHex(words(0x8000_0040, xidOf(received), 1))),
  ],
  [
    "replies whose lengths claim gigabytes",
    (received, socket) => {
      // The answer to `give`: opaque data of 4 GiB, in a record of 28 bytes.
      for (let at = 0; at + 8 <= received.length; at += 4 + (received.readUInt32BE(at) & 0xffff)) {
        socket.write(
          Buffer.concat([mark(28), fromHex(words(received.readUInt32BE(at + 4), 1, 0, 0, 0, 0, 0xffff_fffc))]),
        );
      }
    },
  ],
  [
    "verifiers over the limit",
    (received, socket) =>
      void socket.write(
        Buffer.concat([mark(420), fromHex(words(xidOf(received), 1, 0, 0, 0xffff_ffff)), zeros.subarray(0, 400)]),
      ),
  ],
  ["its end at once", () => {}, (socket) => void socket.end()],
];

async function suffer(address: string, session: "off" | "auto"): Promise<void> {
  const child = await startChild("hostile-victim", [address, 4, session]);
  await using victim = child;
  const high = (): number =>
    Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${victim.pid}/status`, "utf8"))?.[1]) * 1024;
  await victim.line(/^UP$/);
  const baseline = high();
  const [, json = ""] = await victim.line(/^ENDS (.*)$/);
  const report = JSON.parse(json) as {
    ends: Record<string, number>;
    pending: number;
    queued: number;
    latest: number;
    /** The most memory that it ever had, in bytes. */
    high: number;
  };
  const { ends, pending, queued, latest } = report;
  const peak = report.high - baseline;
  expect(Object.values(ends).reduce((sum, count) => sum + count)).toBe(160);
  for (const end of Object.keys(ends)) {
    expect(end).toMatch(/^(done|(unavailable|deadline-exceeded|bad-reply) (no|unknown|yes)|denied unknown)$/);
  }
  expect({ pending, queued }).toEqual({ pending: 0, queued: 0 });
  // By the deadline, and not as late as a call that nobody ends.
  expect(latest).toBeLessThan(5_000);
  expect(peak).toBeLessThan(1.1 * cap);
  expect(await victim.ended, victim.describe()).toBe(0);
}

const modes = ["off", "auto"] as const;
const attacks = modes.flatMap((session) =>
  servers.map(([name, onData, onOpen]) => [name, session, onData, onOpen] as const),
);

describe.skipIf(process.platform !== "linux")(`a client is not harmed by a server that sends (seed ${seed})`, () => {
  it.each(attacks)("%s (session: %s)", async (_name, session, onData, onOpen) => {
    await using peer = await startTcpPeer(onData, onOpen);
    await suffer(peer.address, session);
  });

  it.each(modes)("floods of datagrams (session: %s)", async (session) => {
    await using peer = await startUdpPeer((message, _from, reply) => {
      for (let i = 0; i < 100; i++) {
        reply(fromHex(words(i, 1, 0, 0, 0, 0, 0)));
        reply(noise(1 + Math.floor(random() * 200)));
      }
      reply(new Uint8Array(60_000));
      reply(fromHex(words(message.readUInt32BE(), 1, 0, 0, 0, 0, 0xffff_fffc)));
    });
    await suffer(peer.address, session);
  });
});

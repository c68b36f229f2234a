import { type Client, connect, MemoryNetwork, type Procedure, Server } from "farcall";
import { type OncService, oncProgram } from "farcall/onc";
import { encode, uint } from "farcall/xdr";
import { describe, expect, it } from "vitest";
import type { Stream } from "../../src/net/index.js";
import {
  chain,
  codecOf,
  connectEveryType,
  EveryTypeV1,
  echo,
  everyTypeHandlers,
  everyValue,
} from "../support/everytype.js";
import { later, seeded, until } from "../support/faults.js";
import { callMessage, fragment, fromHex, toHex, words } from "../support/raw-messages.js";

// Nothing a peer sends can crash, hang or bloat the process: damaged messages by the thousand, at either end.

const seed = (Math.random() * 2 ** 32) >>> 0;
const seeds = [1, 2, 3, seed];

/** Valid calls of everytype.x, one for each value. */
const calls: readonly Uint8Array[] = everyValue.map(([, procedure, value], i) => {
  const { number } = (EveryTypeV1.procedures as Record<string, { number: number }>)[procedure] ?? { number: 0 };
  const args = toHex(encode(codecOf(procedure), value));
  return callMessage({ xid: i, program: EveryTypeV1.program, version: 1, procedure: number, args });
});

/** A message with something wrong: bytes changed, cut off, put in, or a length that lies. */
function damaged(message: Uint8Array, random: () => number): Uint8Array {
  const upTo = (max: number): number => Math.floor(random() * max);
  const bytes = Buffer.from(message);
  switch (upTo(5)) {
    case 0:
      for (let i = 0; i <= upTo(6); i++) bytes[upTo(bytes.length)] = upTo(256);
      return bytes;
    case 1:
      return bytes.subarray(0, upTo(bytes.length));
    case 2:
      return Buffer.concat([bytes, Buffer.from(Array.from({ length: upTo(40) }, () => upTo(256)))]);
    case 3:
      if (bytes.length < 4) return bytes;
      // A word becomes one that means trouble: a huge length, a negative one, a small one.
      bytes.writeUInt32BE(
        [0xffff_ffff, 0x7fff_ffff, 0x8000_0000, 0, 1, 401][upTo(6)] as number,
        4 * upTo(Math.floor(bytes.length / 4)),
      );
      return bytes;
    default:
      return Buffer.from(Array.from({ length: upTo(200) }, () => upTo(256)));
  }
}

/** A list as an array: comparing nested objects 100,000 deep would overflow the stack of whoever compares. */
function valuesOf(list: unknown): number[] {
  const values: number[] = [];
  for (let node = list as ReturnType<typeof chain>; node !== null; node = node.next) values.push(node.value);
  return values;
}

async function everyTypeOn(network: MemoryNetwork): Promise<{ server: Server; errors: unknown[] }> {
  const errors: unknown[] = [];
  const server = new Server({ network, onError: (error) => errors.push(error) });
  server.export(EveryTypeV1, everyTypeHandlers());
  await server.listen("memory://every-type");
  await server.listen("memory+datagram://every-type");
  return { server, errors };
}

describe("a server", () => {
  it.each(seeds)("serves on, whatever datagrams come (seed %i)", async (seed) => {
    const network = new MemoryNetwork();
    const { server } = await everyTypeOn(network);
    const random = seeded(seed);
    const peer = network.bind("peer");
    let answers = 0;
    peer.start({ onDatagram: () => answers++, onError: () => {} });
    for (let i = 0; i < 3_000; i++) {
      const message = damaged(calls[i % calls.length] as Uint8Array, random);
      peer.send(message, { host: "every-type", port: 0 });
      if (i % 200 === 0) await later(0);
    }
    await later(5);
    expect(answers).toBeGreaterThan(500);
    expect(answers).toBeLessThanOrEqual(3_000);
    await using client = await connectEveryType("memory+datagram://every-type", { network });
    expect(await client.subtract(5, 7)).toBe(-2);
    await server.close();
  });

  it.each(seeds)("serves on, whatever streams bring (seed %i)", async (seed) => {
    const network = new MemoryNetwork();
    const { server } = await everyTypeOn(network);
    const random = seeded(seed);
    await using bystander = await connectEveryType("memory://every-type", { network });
    let hungUp = 0;
    for (let i = 0; i < 300; i++) {
      const stream = await network.connect("every-type");
      stream.start({ onData: () => {}, onDrain: () => {}, onClose: () => void hungUp++ });
      for (let n = 0; n < 10; n++) {
        const message = damaged(calls[(i + n) % calls.length] as Uint8Array, random);
        // Mostly whole records with damaged messages in them; sometimes the marks are damaged too.
        const record = fragment(message, true);
        stream.write(random() < 0.9 ? record : damaged(record, random));
      }
      if (i % 3 === 0) stream.end();
      else setTimeout(() => stream.destroy(), 5);
      if (i % 20 === 0) expect(await bystander.subtract(5, 7)).toBe(-2);
    }
    await until(() => hungUp === 300);
    expect(await echo(bystander, "echoList", chain(100))).toEqual(chain(100));
    await server.close();
  });

  it("allocates nothing on the word of a length", async () => {
    const network = new MemoryNetwork();
    const { server } = await everyTypeOn(network);
    const target = { program: EveryTypeV1.program, version: 1 };
    const bombs = [
      { procedure: 11, args: words(0xffff_ffff) }, // opaque<>
      { procedure: 11, args: words(0x7fff_fffc, 0) },
      { procedure: 10, args: words(0xffff_ffff) }, // string<>
      { procedure: 15, args: words(0xffff_ffff, 0, 0, 0) }, // string<> <>
      { procedure: 14, args: words(0xffff_ffff) }, // int<10>
      { procedure: 22, args: words(...Array<number>(9).fill(0), 0xffff_fff0) },
    ].map((call) => callMessage({ ...target, ...call }));
    const before = process.memoryUsage();
    const garbage: string[] = [];
    const peer = network.bind("peer");
    peer.start({ onDatagram: (bytes) => garbage.push(toHex(bytes)), onError: () => {} });
    for (let i = 0; i < 500; i++) for (const bomb of bombs) peer.send(bomb, { host: "every-type", port: 0 });
    await until(() => garbage.length === 500 * bombs.length);
    expect(new Set(garbage)).toEqual(new Set([words(7, 1, 0, 0, 0, 4)]));
    const after = process.memoryUsage();
    expect(after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed).toBeLessThan(100 * 1024 * 1024);
    // A record that claims to be large, and goes no further.
    const stream = await network.connect("every-type");
    const closed: boolean[] = [];
    stream.start({ onData: () => {}, onDrain: () => {}, onClose: () => closed.push(true) });
    stream.write(fromHex(words(0xffff_ffff)));
    await until(() => closed.length > 0);
    await server.close();
  });

  it("takes a list of 100,000 nodes, and one that never ends for GARBAGE_ARGS", async () => {
    const network = new MemoryNetwork();
    const { server } = await everyTypeOn(network);
    await using client = await connectEveryType("memory://every-type", { network });
    expect(valuesOf(await echo(client, "echoList", chain(100_000)))).toEqual(
      Array.from({ length: 100_000 }, (_, i) => i),
    );
    const stream = await network.connect("every-type");
    const answers: string[] = [];
    stream.start({ onData: (bytes) => answers.push(toHex(bytes)), onDrain: () => {}, onClose: () => {} });
    const endless = callMessage({
      program: EveryTypeV1.program,
      version: 1,
      procedure: 20,
      args: words(1).repeat(200_000),
    });
    stream.write(fragment(endless, true));
    await until(() => answers.length > 0);
    expect(answers.join("")).toBe(toHex(fragment(fromHex(words(7, 1, 0, 0, 0, 4)), true)));
    stream.destroy();
    await server.close();
  });
});

interface Twice {
  twice: Procedure<[value: number], number, "at-most-once">;
}
const TwiceV1: OncService<Twice> = oncProgram<Twice>({
  name: "TWICE",
  program: 0x20000e1f,
  version: 1,
  procedures: { twice: { number: 1, name: "TWICE", args: [uint], result: uint } },
});

describe("a client", () => {
  const codes = [
    "bad-reply",
    "unavailable",
    "deadline-exceeded",
    "unimplemented",
    "denied",
    "server-error",
    "bad-arguments",
  ];

  it.each(seeds)("settles every call, whatever datagrams answer it (seed %i)", async (seed) => {
    const random = seeded(seed);
    const network = new MemoryNetwork();
    const peer = network.bind("liar");
    peer.start({
      onDatagram(bytes, from) {
        const xid = Buffer.from(bytes).readUInt32BE();
        const reply = fromHex(words(xid, 1, 0, 0, 0, 0, 42));
        peer.send(damaged(reply, random), from);
        if (random() < 0.5) peer.send(damaged(reply, random), from);
      },
      onError: () => {},
    });
    await using client = await connect(TwiceV1, "memory+datagram://liar", { network, timeoutMs: 100 });
    await settle(client, 500);
  });

  it.each(seeds)("settles every call, whatever streams answer it (seed %i)", async (seed) => {
    const random = seeded(seed);
    const network = new MemoryNetwork();
    network.listen("liar", (stream: Stream) => {
      stream.start({
        onData(bytes) {
          for (let at = 0; at + 48 <= bytes.length; at += 48) {
            const xid = Buffer.from(bytes).readUInt32BE(at + 4);
            const record = fragment(damaged(fromHex(words(xid, 1, 0, 0, 0, 0, 42)), random), true);
            stream.write(random() < 0.95 ? record : damaged(record, random));
          }
        },
        onDrain: () => {},
        onClose: () => {},
      });
    });
    const client = await connect(TwiceV1, "memory://liar", {
      network,
      timeoutMs: 100,
      retry: { backoff: { initialMs: 1, maxMs: 2 } },
    });
    for (let i = 0; i < 10; i++) {
      await settle(client, 50);
      await later(3);
    }
    await client.$close();
  });

  async function settle(client: Client<Twice>, count: number): Promise<void> {
    const ends = await Promise.allSettled(Array.from({ length: count }, () => client.twice(21)));
    for (const end of ends) {
      if (end.status === "fulfilled") expect(end.value).toEqual(expect.any(Number));
      else expect(codes).toContain((end.reason as { code: string }).code);
    }
    expect(client.$stats()).toMatchObject({ pending: 0, queued: 0 });
  }
});

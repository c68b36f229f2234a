import { connect } from "node:net";
import { connect as connectClient, Server } from "farcall";
import { OncClient, type OncService, oncProgram, type Procedure } from "farcall/onc";
import { int, opaque, uint } from "farcall/xdr";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTcpPeer } from "../support/bare-peers.js";
import { ask, askTcp, askUdp, callMessage, fragment, fromHex, words } from "../support/raw-messages.js";

// What libtirpc does wrong, each found by running it, and farcall must not.

interface Sum {
  add: Procedure<[a: number, b: number], number>;
  size: Procedure<[bytes: Uint8Array], number>;
}
const SumV1: OncService<Sum> = oncProgram<Sum>({
  name: "SUM",
  program: 0x20000e13,
  version: 1,
  procedures: {
    add: { number: 1, name: "ADD", args: [int, int], result: int },
    size: { number: 2, name: "SIZE", args: [opaque()], result: uint },
  },
});
const { program } = SumV1;
const ran: string[] = [];
const server = new Server();
let tcp = "";
let udp = "";

beforeAll(async () => {
  server.export(SumV1, {
    add(a, b) {
      ran.push("add");
      return a + b;
    },
    size: (bytes) => bytes.length,
  });
  tcp = await server.listen("tcp://127.0.0.1:0");
  udp = await server.listen("udp://127.0.0.1:0");
});
afterAll(() => server.close({ drainMs: 0 }));

const add = callMessage({ program, version: 1, procedure: 1, args: words(40, 2) });
const success = (result: number): string => words(7, 1, 0, 0, 0, 0, result);

describe("a farcall server", () => {
  // libtirpc closes the connection, and over UDP is silent.
  it.each([
    ["tcp", 1],
    ["tcp", 3],
    ["udp", 1],
    ["udp", 3],
  ] as const)(
    "answers RPC_MISMATCH 2..2 over %s to version %i of the protocol, and goes on",
    async (transport, rpcvers) => {
      const wrong = callMessage({ rpcvers, program, version: 1, procedure: 1, args: words(40, 2) });
      const mismatch = words(7, 1, 1, 0, 2, 2);
      if (transport === "udp") {
        expect(await askUdp(udp, wrong)).toBe(mismatch);
        expect(await askUdp(udp, add)).toBe(success(42));
      } else {
        expect(await askTcp(tcp, fragment(wrong, true))).toBe(mismatch);
        // The connection serves the next call.
        const both = Buffer.concat([fragment(wrong, true), fragment(add, true)]);
        expect(await bytesFrom(tcp, both, 4 + 24 + 4 + 28)).toBe(
          words(0x8000_0018) + mismatch + words(0x8000_001c) + success(42),
        );
      }
    },
  );

  // libtirpc decodes what an earlier datagram left in the buffer.
  it.each([
    ["no argument", ""],
    ["one of two arguments", words(40)],
    ["half a word too little", `${words(40)}0000`],
    ["one byte too little", `${words(40)}000000`],
  ])("answers GARBAGE_ARGS to a datagram that ends early, with %s, and runs nothing", async (_what, args) => {
    expect(await ask(udp, add)).toBe(success(42));
    ran.length = 0;
    const short = callMessage({ program, version: 1, procedure: 1, args });
    expect(await ask(udp, short)).toBe(words(7, 1, 0, 0, 0, 4));
    expect(await ask(tcp, short)).toBe(words(7, 1, 0, 0, 0, 4));
    expect(ran).toEqual([]);
  });

  // libtirpc takes an empty fragment in the middle for the end.
  it.each([
    ["in the middle", [8, 8, 0]],
    ["at the start", [0, 0, 48]],
    ["everywhere", [0, 4, 0, 0, 20, 0, 3, 0]],
    ["before an empty last one", [48, 0]],
  ])("takes a message with empty fragments %s", async (_where, cuts) => {
    const pieces: Uint8Array[] = [];
    let at = 0;
    for (const length of cuts) {
      pieces.push(fragment(add.subarray(at, at + length), false));
      at += length;
    }
    pieces.push(fragment(add.subarray(at), true));
    expect(await askTcp(tcp, Buffer.concat(pieces))).toBe(success(42));
  });

  // libtirpc drops the call.
  it.each([1, 6])("answers AUTH_BADCRED to a credential of more than 400 bytes, of flavor %i", async (flavor) => {
    const credential = words(flavor, 404, ...Array<number>(101).fill(0));
    const call = callMessage({ program, version: 1, procedure: 1, args: words(40, 2), credential });
    expect(await ask(udp, call)).toBe(words(7, 1, 1, 1, 1));
    expect(await ask(tcp, call)).toBe(words(7, 1, 1, 1, 1));
  });

  // RFC 2203, erratum 4067.
  it("answers AUTH_REJECTEDCRED to a flavor that it lacks", async () => {
    const call = callMessage({ program, version: 1, procedure: 1, args: words(40, 2), credential: words(6, 4, 1) });
    expect(await ask(udp, call)).toBe(words(7, 1, 1, 1, 2));
    expect(await ask(tcp, call)).toBe(words(7, 1, 1, 1, 2));
  });

  // libtirpc cuts what is larger than 65,532 bytes into several fragments, which some peers misread.
  it("sends a large reply in one fragment", async () => {
    const blob = new Server();
    const BlobV1 = oncProgram<{ make: Procedure<[size: number], Uint8Array> }>({
      name: "BLOB",
      program: 0x20000e14,
      version: 1,
      procedures: { make: { number: 1, name: "MAKE", args: [uint], result: opaque() } },
    });
    blob.export(BlobV1, { make: (size) => new Uint8Array(size) });
    const address = await blob.listen("tcp://127.0.0.1:0");
    try {
      const call = callMessage({ program: 0x20000e14, version: 1, procedure: 1, args: words(1_000_000) });
      const length = 24 + 4 + 1_000_000;
      const got = await bytesFrom(address, fragment(call, true), 4 + length);
      expect(got.slice(0, 8)).toBe(words(0x8000_0000 + length));
    } finally {
      await blob.close({ drainMs: 0 });
    }
  });
});

describe("a farcall client", () => {
  it("sends a large call in one fragment", async () => {
    await using peer = await startTcpPeer((bytes, socket) => {
      // The mark, then the call; answered once the whole of it is there.
      const length = bytes.readUInt32BE() & 0x7fff_ffff;
      if (bytes.length < 4 + length) return;
      socket.write(fragment(fromHex(words(bytes.readUInt32BE(4), 1, 0, 0, 0, 0, length)), true));
    });
    await using client = await connectClient(SumV1, peer.address, { session: "off" });
    const size = 1_000_000;
    expect(await client.size(new Uint8Array(size))).toBe(40 + 4 + size);
    expect(peer.received.readUInt32BE()).toBe(0x8000_0000 + 40 + 4 + size);
  });

  it("takes a reply in many fragments, empty ones among them", async () => {
    await using peer = await startTcpPeer((bytes, socket) => {
      if (bytes.length < 52) return;
      const reply = fromHex(words(bytes.readUInt32BE(4), 1, 0, 0, 0, 0, 42));
      const pieces = [...reply].flatMap((byte) => [
        fragment(new Uint8Array([byte]), false),
        fragment(new Uint8Array(0), false),
      ]);
      for (const piece of [...pieces, fragment(new Uint8Array(0), true)]) socket.write(piece);
    });
    await using client = await connectClient(SumV1, peer.address, { session: "off" });
    expect(await client.add(40, 2)).toBe(42);
  });

  it("ends a call at once where the server answers RPC_MISMATCH", async () => {
    await using peer = await startTcpPeer((bytes, socket) => {
      socket.write(fragment(fromHex(words(bytes.readUInt32BE(4), 1, 1, 0, 3, 4)), true));
    });
    await using client = await OncClient.open(peer.address);
    await expect(client.call({ program, version: 1, procedure: 1 }, int, 1, int)).rejects.toMatchObject({
      code: "unimplemented",
      executed: "no",
      status: { number: 6, text: "RPC: Incompatible versions of RPC", low: 3, high: 4 },
    });
  });
});

/** Sends bytes over TCP and gives the first `length` bytes that come back, in hex. */
function bytesFrom(address: string, bytes: Uint8Array, length: number): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port: Number(address.split(":").at(-1)) });
  socket.write(bytes);
  return new Promise<string>((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size < length) return;
      resolve(Buffer.concat(chunks).subarray(0, length).toString("hex"));
      socket.destroy();
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`the connection was closed after ${size} of ${length} bytes`)));
  });
}

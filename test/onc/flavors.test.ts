import { afterEach, describe, expect, it } from "vitest";
import { type Client, connect, MemoryNetwork, type Procedure, Server } from "../../src/index.js";
import type { Stream, StreamEvents, StreamLayer } from "../../src/net/index.js";
import {
  type ClientAuth,
  clientAuthNone,
  type OncService,
  oncProgram,
  type ServerAuth,
  serverAuthNone,
} from "../../src/onc/index.js";
import type { OpaqueAuth } from "../../src/onc/message.js";
import { array, encode, uint, type XdrCodec, XdrReader, type XdrWriter } from "../../src/xdr/index.js";

// Flavors of the tests' own, as demanding as those of the specifications: one signs the header and hides arguments and
// results as RPCSEC_GSS does (RFC 2203), one upgrades the stream as AUTH_TLS does (RFC 9289).

interface SumV1 {
  sum: Procedure<[numbers: number[]], number>;
}
const SumV1: OncService<SumV1> = oncProgram<SumV1>({
  name: "SUM_PROG",
  program: 0x2000_0102,
  version: 1,
  procedures: { sum: { number: 1, name: "SUM", args: [array(uint)], result: uint } },
});
const sum = (numbers: number[]): number => numbers.reduce((a, b) => a + b, 0);

const xor = (bytes: Uint8Array): Uint8Array => bytes.map((byte) => byte ^ 0x5a);
const checksum = (bytes: Uint8Array): Uint8Array =>
  encode(
    uint,
    bytes.reduce((a, b) => (a * 31 + b) >>> 0, 7),
  );
const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

const hide = (w: XdrWriter, write: (w: XdrWriter) => void): void => {
  const plain: XdrCodec<undefined> = {
    encode: (inner) => write(inner),
    decode: () => undefined,
    shape: { kind: "void" },
  };
  w.opaque(xor(encode(plain, undefined)));
};
const reveal = (r: XdrReader): XdrReader => {
  const hidden = r.opaque();
  r.finish();
  return new XdrReader(xor(hidden));
};

const flavor = 400_001;
const credential: OpaqueAuth = { flavor, body: Buffer.from("me!!") };
const clientSigns: ClientAuth = {
  ...clientAuthNone(),
  name: "AUTH_SIGNED",
  constant: false,
  credential: () => credential,
  verifier: (header) => ({ flavor, body: checksum(header) }),
  wrapArgs: hide,
  unwrapResult: reveal,
  accepted: (verifier) => verifier.flavor === flavor && equal(verifier.body, Buffer.from("yes!")),
};
const serverChecks = (reply = "yes!"): ServerAuth => ({
  flavor,
  authenticate: (call, { buffer, start, credentialEnd }) =>
    equal(call.verifier.body, checksum(buffer.subarray(start, credentialEnd)))
      ? {
          identity: { flavor: "signed", verified: true },
          verifier: { flavor, body: Buffer.from(reply) },
          unwrapArgs: reveal,
          wrapResult: hide,
        }
      : { denied: 3 },
});

/** Hides what passes, in both directions, and notes it. */
function xorLayer(seen: Uint8Array[]): StreamLayer {
  return async (below) => {
    below.detach();
    const above: Stream = Object.assign(Object.create(below) as Stream, {
      start: (events: StreamEvents) => below.start({ ...events, onData: (chunk) => events.onData(xor(chunk)) }),
      write: (bytes: Uint8Array, written?: () => void) => {
        const hidden = xor(bytes);
        seen.push(hidden);
        return below.write(hidden, written);
      },
    });
    for (const name of ["pause", "resume", "end", "destroy", "ref", "unref", "detach"] as const) {
      Object.assign(above, { [name]: (...args: never[]) => (below[name] as (...args: never[]) => unknown)(...args) });
    }
    return above;
  };
}

const upgradeFlavor = 400_002;
const asks: ClientAuth = {
  ...clientAuthNone(),
  credential: () => ({ flavor: upgradeFlavor, body: new Uint8Array(0) }),
  accepted: (verifier) => Buffer.from(verifier.body).toString() === "STARTXOR",
};
const agrees: ServerAuth = {
  flavor: upgradeFlavor,
  authenticate: () => ({
    identity: { flavor: "upgrade", verified: false },
    verifier: { flavor: 0, body: Buffer.from("STARTXOR") },
    upgrade: true,
  }),
};

describe("an authentication flavor", () => {
  const open: AsyncDisposable[] = [];
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]();
  });

  async function pair(
    scheme: string,
    server: ServerAuth,
    client: ClientAuth,
  ): Promise<{ client: Client<SumV1>; callers: unknown[] }> {
    const network = new MemoryNetwork();
    const callers: unknown[] = [];
    const serving = new Server({ network, auth: [server] });
    serving.export(SumV1, {
      sum(numbers, context) {
        callers.push(context.caller.identity);
        return sum(numbers);
      },
    });
    open.push(serving);
    const connected = await connect(SumV1, await serving.listen(`${scheme}://sum`), { network, auth: client });
    open.push(connected);
    return { client: connected, callers };
  }

  it.each(["memory", "memory+datagram"])(
    "signs the header, and hides arguments and results, over %s",
    async (scheme) => {
      const { client, callers } = await pair(scheme, serverChecks(), clientSigns);
      expect(await client.sum([1, 2, 3])).toBe(6);
      expect(await Promise.all([client.sum([]), client.sum([5])])).toEqual([0, 5]);
      expect(callers[0]).toEqual({ flavor: "signed", verified: true });
    },
  );

  it("is denied when it signs another header", async () => {
    const wrong = { ...clientSigns, verifier: () => ({ flavor, body: checksum(new Uint8Array(3)) }) };
    const { client, callers } = await pair("memory", serverChecks(), wrong);
    await expect(client.sum([1])).rejects.toMatchObject({
      code: "denied",
      executed: "no",
      status: { number: 7, why: { text: "AUTH_BADVERF" } },
    });
    expect(callers).toEqual([]);
  });

  it("is not fooled by a reply that the server did not sign", async () => {
    const { client } = await pair("memory", serverChecks("nope"), clientSigns);
    await expect(client.sum([1])).rejects.toMatchObject({ code: "denied", executed: "unknown" });
  });

  it("makes hidden arguments that do not verify GARBAGE_ARGS", async () => {
    const plain = { ...clientSigns, wrapArgs: undefined };
    const { client, callers } = await pair("memory", serverChecks(), plain);
    await expect(client.sum([1])).rejects.toMatchObject({ code: "bad-arguments", executed: "no" });
    expect(callers).toEqual([]);
  });
});

describe("a stream", () => {
  it("is upgraded in place, before the first call", async () => {
    const network = new MemoryNetwork();
    const [up, down]: Uint8Array[][] = [[], []];
    await using server = new Server({ network, auth: [serverAuthNone, agrees], layer: xorLayer(down ?? []) });
    server.export(SumV1, { sum });
    const address = await server.listen("memory://sum");
    await using client = await connect(SumV1, address, { network, upgrade: { auth: asks, layer: xorLayer(up ?? []) } });
    expect(await client.sum([20, 22])).toBe(42);
    expect(await Promise.all(Array.from({ length: 200 }, (_, i) => client.sum([i, 1])))).toHaveLength(200);
    expect(up?.length).toBeGreaterThan(0);
    expect(down?.length).toBeGreaterThan(0);
    const first = Buffer.from(xor(up?.[0] ?? new Uint8Array(0)));
    expect(first.readUInt32BE(12)).toBe(2); // rpcvers, once the layer is taken off
  });

  it("is not used when the server does not agree", async () => {
    const network = new MemoryNetwork();
    await using server = new Server({ network });
    server.export(SumV1, { sum });
    const address = await server.listen("memory://sum");
    const upgrade = { auth: asks, layer: xorLayer([]) };
    await expect(connect(SumV1, address, { network, upgrade })).rejects.toMatchObject({
      code: "denied",
      executed: "no",
    });
  });

  it("is cut off when clear text follows the request for an upgrade", async () => {
    const network = new MemoryNetwork();
    await using server = new Server({ network, auth: [serverAuthNone, agrees], layer: xorLayer([]) });
    server.export(SumV1, { sum });
    await server.listen("memory://sum");
    const stream = await network.connect("sum");
    const closed = new Promise((resolve) => {
      stream.start({ onData: () => {}, onDrain: () => {}, onClose: resolve });
    });
    const ask = `80000028 00000001 00000000 00000002 20000102 00000001 00000000 ${upgradeFlavor.toString(16).padStart(8, "0")} 00000000 00000000 00000000`;
    stream.write(Buffer.from(`${ask}80000000`.replaceAll(" ", ""), "hex"));
    expect(await closed).toMatchObject({ code: "ECONNRESET" });
  });
});

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decode, encode } from "farcall/xdr";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Peer, peerArguments, programs, runPeer, startPeer, type Transport } from "../support/c-peers.js";
import {
  chain,
  codecOf,
  connectEveryType,
  EveryTypeV1,
  echo,
  everyTypeHandlers,
  everyTypeServer,
  everyValue,
  pattern,
} from "../support/everytype.js";
import { describeWith, toBuildC } from "../support/requirements.js";

// Every type of XDR (RFC 4506, section 4) between farcall and libtirpc, by the stub that our compiler makes of everytype.x.

const transports = ["tcp", "udp", "unix"] as const;
const MB = 1024 * 1024;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

const folder = mkdtempSync(join(tmpdir(), "farcall-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Where a farcall server listens. */
const listenAddress = (transport: Transport): string =>
  transport === "unix" ? `unix:${join(folder, "s")}` : `${transport}://127.0.0.1:0`;

describeWith(toBuildC, "what C encodes", () => {
  const vectors = new Map<string, string>();
  beforeAll(async () => {
    const { lines } = await runPeer(programs.everyTypeClient, ["-", "-", "bytes"]);
    for (const line of lines) {
      const [name = "", bytes = ""] = line.split(" ");
      vectors.set(name, bytes);
    }
  });

  it("is known by name for every value of the table, and the other way round", () => {
    expect(everyValue.map(([name]) => name)).toEqual([...vectors.keys()]);
  });

  it("covers every procedure with one argument", () => {
    const called = new Set(everyValue.map(([, procedure]) => procedure));
    const echoes = Object.keys(EveryTypeV1.procedures).filter((name) => name.startsWith("echo") && name !== "echoVoid");
    expect(echoes.filter((name) => !called.has(name))).toEqual([]);
  });

  it.each(everyValue)("is what our stub encodes: %s", (name, procedure, value) => {
    expect(hex(encode(codecOf(procedure), value))).toBe(vectors.get(name));
  });

  it.each(everyValue)("is read back by our stub: %s", (name, procedure, value) => {
    const bytes = new Uint8Array(Buffer.from(vectors.get(name) ?? "", "hex"));
    expect(decode(codecOf(procedure), bytes)).toEqual(value);
  });
});

describeWith(toBuildC, "a farcall client and a C server", () => {
  let peer: Peer;
  beforeAll(async () => {
    peer = await startPeer(programs.everyTypeServer);
  });
  afterAll(() => peer.stop());

  it.each(transports)("exchange every type over %s", async (transport) => {
    await using client = await connectEveryType(peer.address(transport));
    for (const [name, procedure, value] of everyValue) {
      expect(await echo(client, procedure, value), name).toEqual(value);
    }
    expect(await echo(client, "echoList", chain(1000))).toEqual(chain(1000));
    expect(await client.echoVoid()).toBe(undefined);
    expect(await client.subtract(5, 7)).toBe(-2);
    await client.$ping();
  });

  // libtirpc's server sends more than 65,532 bytes in several fragments.
  it.each([
    ["tcp", [1, 2, 1000, 65_532, 65_536, MB, 8 * MB]],
    ["unix", [1, 2, 1000, 65_532, 65_536, MB, 8 * MB]],
    ["udp", [1, 2, 1000, 8192, 64_000]],
  ] as const)("exchange opaque data of every size over %s", async (transport, sizes) => {
    await using client = await connectEveryType(peer.address(transport));
    for (const size of sizes) {
      const sent = pattern(size);
      expect(await client.consume(sent), `consume ${size}`).toBe(size);
      expect(Buffer.compare(await client.produce(size), sent), `produce ${size}`).toBe(0);
      expect(Buffer.compare(await client.echoOpaque(sent), sent), `echo ${size}`).toBe(0);
    }
  });

  it.each(transports)("keep 300 calls over %s apart that are under way at once", async (transport) => {
    await using client = await connectEveryType(peer.address(transport));
    const texts = Array.from({ length: 300 }, (_, i) => `number ${i}`);
    expect(await Promise.all(texts.map((text) => client.echoString(text)))).toEqual(texts);
    expect(client.$stats()).toMatchObject({ pending: 0, queued: 0, calls: 300, strayReplies: 0 });
  });

  it("keep large and small replies apart that share a connection", async () => {
    await using client = await connectEveryType(peer.address("tcp"));
    const sizes = Array.from({ length: 60 }, (_, i) => (i % 7 === 0 ? 300_000 + i : i));
    const replies = await Promise.all(sizes.map((size) => client.produce(size)));
    expect(replies.map((bytes) => bytes.length)).toEqual(sizes);
    for (const bytes of replies) expect(Buffer.compare(bytes, pattern(bytes.length))).toBe(0);
  });
});

describeWith(toBuildC, "a C client and a farcall server", () => {
  it.each(transports)("exchange every type over %s", async (transport) => {
    await using server = await everyTypeServer(listenAddress(transport));
    const { code, lines } = await runPeer(programs.everyTypeClient, [...peerArguments(server.address), "types"]);
    expect(lines.filter((line) => !line.startsWith("ok "))).toEqual([]);
    expect(lines).toHaveLength(everyValue.length + 2);
    expect(code).toBe(0);
  });

  // libtirpc's client sends large calls in several fragments.
  it.each([
    ["tcp", [1, 1000, 65_532, 65_536, MB, 8 * MB]],
    ["unix", [1, 1000, 65_532, 65_536, MB, 8 * MB]],
    ["udp", [1, 1000, 8192, 64_000]],
  ] as const)("exchange opaque data of every size over %s", async (transport, sizes) => {
    await using server = await everyTypeServer(listenAddress(transport));
    const args = [...peerArguments(server.address), "sizes", ...sizes];
    const { code, lines } = await runPeer(programs.everyTypeClient, args);
    expect(lines).toEqual(sizes.flatMap((n) => [`ok echo-${n}`, `ok consume-${n}`, `ok produce-${n}`]));
    expect(code).toBe(0);
  });
});

describe("a farcall client and a farcall server", () => {
  it.each([...transports, "memory", "memory+datagram"] as const)("exchange every type over %s", async (transport) => {
    const address = transport.startsWith("memory")
      ? `${transport}://every-type`
      : listenAddress(transport as Transport);
    await using server = await everyTypeServer(address);
    await using client = await connectEveryType(server.address);
    for (const [name, procedure, value] of everyValue) {
      expect(await echo(client, procedure, value), name).toEqual(value);
    }
    expect(await client.subtract(5, 7)).toBe(-2);
    await client.$ping();
  });

  // 65,507 bytes are a datagram; the call's header takes 40 of them and the length 4, the reply's 24 and 4.
  it.each([
    ["tcp", 8 * MB],
    ["unix", 8 * MB],
    ["memory", 8 * MB],
    ["udp", 65_460],
  ] as const)("exchange opaque data up to the limit over %s", async (transport, size) => {
    const address = transport === "memory" ? "memory://sizes" : listenAddress(transport);
    await using server = await everyTypeServer(address);
    await using client = await connectEveryType(server.address, { session: "off" });
    expect(await client.consume(pattern(size))).toBe(size);
    expect(Buffer.compare(await client.echoOpaque(pattern(size)), pattern(size))).toBe(0);
  });

  it("name the size where a call or a reply is too large for a datagram", async () => {
    const errors: unknown[] = [];
    await using server = await everyTypeServer("udp://127.0.0.1:0", { onError: (error) => errors.push(error) });
    await using client = await connectEveryType(server.address, { session: "off" });
    await expect(client.consume(pattern(65_500))).rejects.toMatchObject({
      code: "invalid-argument",
      executed: "no",
      status: { number: 1, text: "RPC: Can't encode arguments" },
    });
    await expect(client.produce(65_500)).rejects.toMatchObject({
      code: "server-error",
      executed: "unknown",
      status: { number: 12, text: "RPC: Remote system error" },
    });
    expect(errors).toHaveLength(1);
    expect(String(errors[0])).toMatch(/65507/);
  });

  it("have a handler for every procedure", () => {
    expect(Object.keys(everyTypeHandlers())).toEqual(Object.keys(EveryTypeV1.procedures));
  });
});

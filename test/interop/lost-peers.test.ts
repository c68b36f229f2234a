import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, RpcError } from "farcall";
import { OncClient } from "farcall/onc";
import { int, nothing, string } from "farcall/xdr";
import { describe, expect, it } from "vitest";
import { startTcpPeer, startUdpPeer } from "../support/bare-peers.js";
import { programs, startPeer } from "../support/c-peers.js";
import { EveryTypeV1 } from "../support/everytype.js";
import { fragment, fromHex, words } from "../support/raw-messages.js";
import { describeWith, toBuildC } from "../support/requirements.js";

// What a caller is told when its server is gone, was never there, or answers in its own order.

const streams = ["tcp", "unix"] as const;
const program = 0x20000e02;

describeWith(toBuildC, "a C server that is killed", () => {
  it.each(streams)("in mid-call ends every call over %s as unavailable, executed unknown", async (transport) => {
    await using peer = await startPeer(programs.statusServer);
    await using client = await OncClient.open(peer.address(transport));
    const calls = [9, 9, 11].map((procedure) =>
      client.call({ program, version: 2, procedure }, nothing, undefined, nothing),
    );
    const settled = Promise.allSettled(calls);
    // It has answered the last, so it has begun on all.
    await peer.line(/^called$/);
    peer.process.kill("SIGKILL");
    const lost = { code: "unavailable", executed: "unknown", status: { number: 4, text: "RPC: Unable to receive" } };
    const rejected = { status: "rejected", reason: expect.objectContaining(lost) as unknown };
    const ends = await settled;
    expect(ends.slice(0, 2)).toMatchObject([rejected, rejected]);
  });

  it("in mid-call ends a call over udp at its deadline, executed unknown", async () => {
    await using peer = await startPeer(programs.statusServer);
    await using client = await OncClient.open(peer.address("udp"));
    const target = { program, version: 2, procedure: 9 };
    const call = client.call(target, nothing, undefined, nothing, { timeoutMs: 500 });
    const settled = expect(call).rejects.toMatchObject({ code: "deadline-exceeded", executed: "unknown" });
    await client.call({ ...target, procedure: 11 }, nothing, undefined, nothing);
    await peer.stop();
    await settled;
  });

  it.each(streams)("refuses the next call over %s: unavailable, executed no", async (transport) => {
    const peer = await startPeer(programs.statusServer);
    await using client = await OncClient.open(peer.address(transport));
    const target = { program, version: 2, procedure: 11 };
    await client.call(target, nothing, undefined, nothing);
    await peer.stop();
    const error: unknown = await client.call(target, nothing, undefined, nothing).catch((reason: unknown) => reason);
    // The call may be on its way before the loss is known: then nobody can know, and it must say so.
    expect(error).toMatchObject({ code: "unavailable", executed: expect.stringMatching(/^(no|unknown)$/) as string });
    await expect(client.call(target, nothing, undefined, nothing)).rejects.toMatchObject({
      code: "unavailable",
      executed: "no",
      attempts: 3,
      transmissions: 0,
    });
  });
});

describe("an address where nobody listens", () => {
  it.each([
    ["tcp", /ECONNREFUSED/],
    ["unix", /ENOENT/],
  ] as const)("is known when connecting over %s: unavailable, executed no", async (transport, why) => {
    const address =
      transport === "unix"
        ? `unix:${join(tmpdir(), `farcall-nobody-${process.pid}`)}`
        : `tcp://127.0.0.1:${await freePort()}`;
    const error: unknown = await connect(EveryTypeV1, address).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RpcError);
    expect(error).toMatchObject({ code: "unavailable", executed: "no", peer: address });
    expect(String(error)).toMatch(why);
    expect(String(error)).toContain(address);
  });

  // The network doubles datagrams: what one copy's refusal says, another copy may belie.
  it("is known at the first call over udp: unavailable, executed unknown", async () => {
    const peer = await startUdpPeer(() => {});
    await peer[Symbol.asyncDispose]();
    await using client = await connect(EveryTypeV1, peer.address, { session: "off" });
    await expect(client.echoInt(1)).rejects.toMatchObject({
      code: "unavailable",
      executed: "unknown",
      status: { number: 4 },
      attempts: 1,
    });
    await expect(client.$ping()).rejects.toMatchObject({ code: "unavailable", executed: "unknown" });
  });

  it.each([
    ["tcp://no-such-host.invalid:1", "not-found"],
    ["udp://no-such-host.invalid:1", "not-found"],
    ["tcp://127.0.0.1:99999", "invalid-argument"],
    ["http://127.0.0.1:1", "invalid-argument"],
    ["127.0.0.1:1", "invalid-argument"],
  ])("is told apart: %s is %s", async (address, code) => {
    await expect(connect(EveryTypeV1, address)).rejects.toMatchObject({ code, executed: "no" });
  });
});

describe("replies", () => {
  const numbers = Array.from({ length: 200 }, (_, i) => i);
  /** Answers the call in a message with the int that it carried, less one million. */
  const answerTo = (call: Buffer): Uint8Array =>
    fromHex(words(call.readUInt32BE(), 1, 0, 0, 0, 0, call.readInt32BE(40) - 1_000_000));
  const call = (client: OncClient, value: number): Promise<number> =>
    client.call({ program, version: 2, procedure: 1 }, int, value, int);

  it("may come in any order over a stream, and twice, and unasked", async () => {
    await using peer = await startTcpPeer((received, socket) => {
      if (received.length < 48 * numbers.length) return;
      const calls = numbers.map((i) => received.subarray(48 * i + 4, 48 * i + 48));
      const order = calls.map((_, i) => calls[(i * 77) % calls.length] as Buffer);
      for (const message of order) {
        const reply = answerTo(message);
        const stranger = fromHex(words(message.readUInt32BE() ^ 0x4000_0000, 1, 0, 0, 0, 0, 5));
        for (const bytes of [stranger, reply, reply]) socket.write(fragment(bytes, true));
      }
    });
    await using client = await OncClient.open(peer.address);
    const results = await Promise.all(numbers.map((i) => call(client, i)));
    expect(results).toEqual(numbers.map((i) => i - 1_000_000));
  });

  it("may come in any order as datagrams, and twice", async () => {
    const waiting: (() => void)[] = [];
    await using peer = await startUdpPeer((message, _from, reply) => {
      waiting.push(() => reply(answerTo(message)));
      if (waiting.length < 25) return;
      // Not all twice: client and peer share a thread, and a socket's buffer holds some 270 small datagrams.
      for (const [i, answer] of waiting.splice(0).reverse().entries()) {
        answer();
        if (i % 10 === 0) answer();
      }
    });
    await using client = await OncClient.open(peer.address);
    const results = await Promise.all(numbers.map((i) => call(client, i)));
    expect(results).toEqual(numbers.map((i) => i - 1_000_000));
  });

  it("that come after the deadline are not taken for the next call's", async () => {
    const late: (() => void)[] = [];
    await using peer = await startUdpPeer((message, _from, reply) => {
      const answer = (): void => reply(answerTo(message));
      if (late.length === 0) late.push(answer);
      else for (const each of [...late.splice(0), answer]) each();
    });
    await using client = await OncClient.open(peer.address);
    const first = client.call({ program, version: 2, procedure: 1 }, int, 1, int, { timeoutMs: 100 });
    await expect(first).rejects.toMatchObject({ code: "deadline-exceeded", executed: "unknown" });
    expect(await call(client, 2)).toBe(2 - 1_000_000);
  });

  it("of datagrams count only when they come from the server that was asked", async () => {
    const other = createSocket("udp4");
    let forged = 0;
    await using peer = await startUdpPeer((message, from, reply) => {
      // Another port of the same host answers first, with the right xid.
      const lie = fromHex(words(message.readUInt32BE(), 1, 0, 0, 0, 0, 666));
      other.send(lie, from.port, from.address, () => {
        forged++;
        setTimeout(() => reply(answerTo(message)), 50);
      });
    });
    await using client = await OncClient.open(peer.address);
    expect(await call(client, 1)).toBe(1 - 1_000_000);
    expect(forged).toBe(1);
    other.close();
  });

  it.each([
    ["a status that does not exist", words(1, 0, 0, 0, 9), "unknown"],
    ["a result that is cut short", words(1, 0, 0, 0, 0), "yes"],
    ["a string longer than the message", words(1, 0, 0, 0, 0, 0xffff_ffff), "yes"],
    ["bytes behind the result", words(1, 0, 0, 0, 0, 0, 0), "yes"],
    ["a verifier longer than the message", words(1, 0, 0, 400), "unknown"],
    ["nothing behind the xid", words(1), "unknown"],
  ] as const)("that are wrong end the call as bad-reply: %s", async (_what, rest, executed) => {
    await using peer = await startTcpPeer((received, socket) => {
      socket.write(fragment(fromHex(words(received.readUInt32BE(4)) + rest), true));
    });
    await using client = await OncClient.open(peer.address);
    const asked = client.call({ program, version: 2, procedure: 1 }, nothing, undefined, string());
    await expect(asked).rejects.toMatchObject({ code: "bad-reply", executed, status: { number: 2 } });
  });

  it("of more bytes than the client takes cost the connection, not the memory", async () => {
    await using peer = await startTcpPeer((_received, socket) => socket.write(fromHex(words(0xffff_ffff))));
    await using client = await OncClient.open(peer.address, { recordSizeMax: 1_000_000 });
    await expect(call(client, 1)).rejects.toMatchObject({
      code: "unavailable",
      executed: "unknown",
      message: expect.stringMatching(/recordSizeMax/) as string,
    });
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

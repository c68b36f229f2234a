import { type Client, connect, MemoryNetwork, type Procedure, Server, type ServerOptions } from "farcall";
import { type OncService, oncProgram } from "farcall/onc";
import { opaque, uint } from "farcall/xdr";
import { describe, expect, it } from "vitest";
import type { Stream } from "../../src/net/index.js";
import { later, until } from "../support/faults.js";
import { callMessage, fragment, fromHex, words } from "../support/raw-messages.js";

// What a server allows whoever connects. Whoever exceeds a limit goes; everybody else is served on.

interface Echo {
  size: Procedure<[bytes: Uint8Array], number>;
  give: Procedure<[size: number], Uint8Array>;
  wait: Procedure<[ms: number], number>;
}
const EchoV1: OncService<Echo> = oncProgram<Echo>({
  name: "ECHO",
  program: 0x20000e20,
  version: 1,
  procedures: {
    size: { number: 1, name: "SIZE", args: [opaque()], result: uint },
    give: { number: 2, name: "GIVE", args: [uint], result: opaque() },
    wait: { number: 3, name: "WAIT", args: [uint], result: uint },
  },
});

/** A connection of bare bytes, and whether the server has ended it. */
interface Bare {
  readonly stream: Stream;
  closed: boolean;
  received: number;
}

async function start(options: ServerOptions): Promise<{
  readonly server: Server;
  readonly network: MemoryNetwork;
  readonly client: () => Promise<Client<Echo>>;
  readonly bare: () => Promise<Bare>;
}> {
  const network = new MemoryNetwork();
  const server = new Server({ network, ...options });
  server.export(EchoV1, {
    size: (bytes) => bytes.length,
    async give(size) {
      await later(5);
      return new Uint8Array(size);
    },
    async wait(ms) {
      await later(ms);
      return ms;
    },
  });
  await server.listen("memory://echo");
  return {
    server,
    network,
    // Exact sizes: a session puts its head before the arguments.
    client: () => connect(EchoV1, "memory://echo", { network, session: "off" }),
    async bare() {
      const bare: Bare = { stream: await network.connect("echo"), closed: false, received: 0 };
      bare.stream.start({
        onData(bytes) {
          bare.received += bytes.length;
        },
        onDrain: () => {},
        onClose() {
          bare.closed = true;
        },
      });
      return bare;
    },
  };
}

const call = (procedure: number, args: string): Uint8Array =>
  fragment(callMessage({ program: EchoV1.program, version: 1, procedure, args }), true);

describe("a server closes", () => {
  it("the connection over connectionsMax, and takes another when one has ended", async () => {
    const { server, client, bare } = await start({ connectionsMax: 2 });
    await using first = await client();
    const second = await client();
    expect([await first.wait(0), await second.wait(0)]).toEqual([0, 0]);
    const third = await bare();
    await until(() => third.closed);
    expect(await first.wait(1)).toBe(1);
    await second.$close();
    await later(5);
    await using fourth = await client();
    expect(await fourth.wait(2)).toBe(2);
    await server.close();
  });

  it("the connection over connectionsPerPeerMax, over TCP", async () => {
    const { server } = await start({ connectionsPerPeerMax: 1 });
    const address = await server.listen("tcp://127.0.0.1:0");
    const first = await connect(EchoV1, address, { session: "off" });
    expect(await first.wait(0)).toBe(0);
    await using second = await connect(EchoV1, address, { session: "off" });
    await expect(second.wait(0, { timeoutMs: 2_000 })).rejects.toMatchObject({ code: "unavailable" });
    expect(await first.wait(1)).toBe(1);
    await first.$close();
    await until(() => second.$stats().pending === 0);
    // The place is free again, as soon as the server has seen the end.
    for (let tries = 0; ; tries++) {
      const value = await second.wait(2, { timeoutMs: 2_000 }).catch((error: unknown) => error);
      if (value === 2) break;
      expect(tries).toBeLessThan(100);
      await later(20);
    }
    await server.close({ drainMs: 0 });
  });

  it("a connection that is silent for idleTimeoutMs, and none with a call that runs", async () => {
    const { server, client, bare } = await start({ idleTimeoutMs: 300 });
    const silent = await bare();
    await using busy = await client();
    const call = busy.wait(2_500);
    await until(() => silent.closed);
    expect(await call).toBe(2_500);
    expect(busy.$stats().connects).toBe(1);
    await server.close();
  });

  it("a connection that takes longer than recordTimeoutMs for one record", async () => {
    const { server, client, bare } = await start({ recordTimeoutMs: 300 });
    const slow = await bare();
    await using fine = await client();
    const record = call(3, words(0));
    let at = 0;
    // A byte at a time, never silent for long.
    while (!slow.closed && at < record.length - 1) {
      slow.stream.write(record.subarray(at, at + 1));
      at++;
      await later(100);
    }
    expect(slow.closed).toBe(true);
    expect(await fine.wait(0)).toBe(0);
    await server.close();
  });

  it("the connection whose record is the oldest, when the unfinished ones of all exceed bufferedBytesMax", async () => {
    const { server, client, bare } = await start({ bufferedBytesMax: 100_000 });
    await using fine = await client();
    const [first, second] = [await bare(), await bare()];
    for (const { stream } of [first, second]) {
      stream.write(fromHex(words(0x8000_0000 + 60_000)));
      stream.write(new Uint8Array(59_000));
      await later(10);
    }
    await until(() => first.closed);
    expect(second.closed).toBe(false);
    expect(await fine.size(new Uint8Array(30_000))).toBe(30_000);
    // What the second sent counts no more when it is gone.
    second.stream.destroy();
    await later(10);
    expect(await fine.size(new Uint8Array(90_000))).toBe(90_000);
    await server.close();
  });

  it("a connection that takes none of its replies for writeTimeoutMs", async () => {
    const { server, client, bare } = await start({ writeBacklogMax: 1_000_000, writeTimeoutMs: 100 });
    const deaf = await bare();
    deaf.stream.pause();
    await using fine = await client();
    // They run at once, and all end before the backlog can keep any of them from starting.
    for (let i = 0; i < 40; i++) deaf.stream.write(call(2, words(100_000)));
    await later(500);
    expect(await fine.wait(1)).toBe(1);
    deaf.stream.resume();
    await until(() => deaf.closed);
    expect(deaf.received).toBeLessThan(2_000_000);
    for (let i = 0; i < 40; i++) expect(await fine.give(100_000)).toHaveLength(100_000);
    await server.close({ drainMs: 0 });
  });

  it("a connection that sends more than recordSizeMax", async () => {
    const { server, client, bare } = await start({ recordSizeMax: 10_000 });
    await using fine = await client();
    const large = await bare();
    large.stream.write(fragment(new Uint8Array(10_001), true));
    await until(() => large.closed);
    const cut = await bare();
    // In pieces, none of which is too large.
    for (let i = 0; i < 6; i++) cut.stream.write(fragment(new Uint8Array(2_000), false));
    await until(() => cut.closed);
    expect(await fine.size(new Uint8Array(9_900))).toBe(9_900);
    await server.close();
  });

  it("a connection that sends what is no call", async () => {
    const { server, client, bare } = await start({});
    await using fine = await client();
    const rude = await bare();
    rude.stream.write(fragment(fromHex(words(1, 1, 0, 0, 0, 0)), true));
    await until(() => rude.closed);
    expect(await fine.wait(0)).toBe(0);
    await server.close();
  });
});

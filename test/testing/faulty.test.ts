import { type Client, connect, MemoryNetwork, type Procedure, RpcError, Server } from "farcall";
import { type OncService, oncProgram } from "farcall/onc";
import { type FaultyRoute, faulty } from "farcall/testing";
import { opaque, uint } from "farcall/xdr";
import { afterEach, describe, expect, it } from "vitest";
import { until } from "../support/faults.js";

interface Echo {
  add: Procedure<[id: number], number>;
  read: Procedure<[id: number], number, "at-least-once">;
  large: Procedure<[bytes: Uint8Array], Uint8Array, "at-least-once">;
}
const bytes = opaque();
const EchoV1: OncService<Echo> = oncProgram<Echo>({
  name: "ECHO",
  program: 0x2000_0101,
  version: 1,
  procedures: {
    add: { number: 1, name: "ADD", args: [uint], result: uint },
    read: { number: 2, name: "READ", args: [uint], result: uint, semantics: "at-least-once" },
    large: { number: 3, name: "LARGE", args: [bytes], result: bytes, semantics: "at-least-once" },
  },
});

const ends: AsyncDisposable[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end[Symbol.asyncDispose]();
});

/** A server that counts how often each id was added, behind a faulty route. */
async function serve(
  address: string,
  faults: Parameters<typeof faulty>[1] = {},
  network?: MemoryNetwork,
): Promise<{ route: FaultyRoute; client: Client<Echo>; added: Map<number, number> }> {
  const added = new Map<number, number>();
  const server = new Server({ network });
  server.export(EchoV1, {
    add(id) {
      added.set(id, (added.get(id) ?? 0) + 1);
      return 2 * id;
    },
    read: (id) => id,
    large: (given) => given,
  });
  ends.push(server);
  const route = await faulty(await server.listen(address), { network, ...faults });
  ends.push(route);
  const client = await connect(EchoV1, route.address, {
    network,
    retransmit: { initialMs: 20, minMs: 20 },
    retry: { attempts: 50, budget: false, backoff: { initialMs: 1, maxMs: 20 } },
  });
  ends.push(client);
  return { route, client, added };
}

const ids = Array.from({ length: 60 }, (_, i) => i);

describe("a faulty route", () => {
  it.each(["tcp://127.0.0.1:0", "udp://127.0.0.1:0", "memory://echo", "memory+datagram://echo"])(
    "to %s without faults is as if there was none",
    async (address) => {
      const network = new MemoryNetwork();
      const { route, client, added } = await serve(address, {}, network);
      expect(await Promise.all(ids.map((id) => client.add(id)))).toEqual(ids.map((id) => 2 * id));
      const block = new Uint8Array(30_000).fill(7);
      expect(await client.large(block)).toEqual(block);
      expect([...added.values()]).toEqual(ids.map(() => 1));
      expect(Object.values(route.faults).every((count) => count === 0)).toBe(true);
    },
  );

  it("over UDP loses, doubles, delays, reorders and damages datagrams, and what is repeated is answered all the same", async () => {
    const rates = { loss: 0.15, duplication: 0.3, delay: 0.3, delayMs: 10, reordering: 0.2, corruption: 0.05 };
    const { route, client, added } = await serve("udp://127.0.0.1:0", { ...rates, seed: 4 });
    const read = await Promise.all(ids.map((id) => client.read(id).catch((error: unknown) => error)));
    // A damaged message may end a call; that it is answered wrongly may not be.
    for (const [id, value] of read.entries()) {
      if (value !== id) expect(value).toMatchObject({ code: expect.stringMatching(/^bad-/) as string });
    }
    expect(read.filter((value) => typeof value === "number").length).toBeGreaterThan(ids.length / 2);
    await Promise.all(ids.map((id) => client.add(id, { timeoutMs: 100 }).catch(() => {})));
    expect([...added.values()].every((count) => count === 1)).toBe(true);
    for (const kind of ["loss", "duplication", "delay", "reordering", "corruption"] as const) {
      expect(route.faults[kind], kind).toBeGreaterThan(0);
    }
  });

  it("over TCP resets connections in the middle of messages: what may run twice gets through", async () => {
    const { route, client } = await serve("tcp://127.0.0.1:0", { reset: 0.2, delay: 0.2, delayMs: 5, seed: 9 });
    for (const id of ids) expect(await client.read(id)).toBe(id);
    expect(route.faults.reset).toBeGreaterThan(0);
    expect(route.faults.delay).toBeGreaterThan(0);
    expect(client.$stats().connects).toBeGreaterThan(1);
  });

  it("resets every connection when it is told to", async () => {
    const { route, client } = await serve("tcp://127.0.0.1:0");
    expect(await client.add(1)).toBe(2);
    expect(route.reset()).toBe(1);
    await until(() => route.faults.reset === 1);
    expect(await client.read(2)).toBe(2);
    expect(client.$stats().connects).toBe(2);
  });

  it.each(["tcp://127.0.0.1:0", "udp://127.0.0.1:0"])(
    "holds what is sent to %s during a partition",
    async (address) => {
      const { route, client, added } = await serve(address);
      expect(await client.add(1)).toBe(2);
      route.partition();
      const lost: unknown = await client.add(2, { timeoutMs: 60 }).catch((error: unknown) => error);
      expect(lost).toBeInstanceOf(RpcError);
      expect(lost).toMatchObject({ code: "deadline-exceeded", executed: "unknown" });
      const read = client.read(3);
      route.heal();
      expect(await read).toBe(3);
      // A stream keeps what it was given; a datagram is gone.
      expect(added.get(2)).toBe(address.startsWith("tcp") ? 1 : undefined);
      expect(route.faults.partition).toBeGreaterThan(0);
    },
  );

  it("ends a connection in order when either end does", async () => {
    const { client, route } = await serve("tcp://127.0.0.1:0");
    expect(await client.add(1)).toBe(2);
    await client.$close();
    await until(() => route.reset() === 0);
  });

  it.each([
    ["tcp://127.0.0.1", {}, /has no port/],
    ["tcp://127.0.0.1:1", { loss: 2 }, /loss must be from 0 to 1, not 2/],
    ["tcp://127.0.0.1:1", { reset: -1 }, /reset must be from 0 to 1, not -1/],
    ["http://127.0.0.1:1", {}, /Bad address/],
  ] as const)("to %s with %j is refused", async (address, options, message) => {
    await expect(faulty(address, options)).rejects.toThrow(message);
    await expect(faulty(address, options)).rejects.toMatchObject({ code: "invalid-argument" });
  });
});

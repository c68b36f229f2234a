import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { type Procedure, Server, type ServerOptions } from "farcall";
import { type OncService, oncProgram } from "farcall/onc";
import { uint } from "farcall/xdr";
import { describe, expect, it } from "vitest";
import { programs, runPeer } from "../support/c-peers.js";
import { later, until } from "../support/faults.js";
import { words } from "../support/raw-messages.js";
import { describeWith, toBuildC } from "../support/requirements.js";

// libtirpc's UDP client sends a call again, under the same xid, until it is answered. What C's own server does with that
// is run the procedure again, unless its author asked for a cache.

interface Counter {
  /** Adds to the sum and gives it: a second execution shows. */
  add: Procedure<[amount: number], number>;
  read: Procedure<[amount: number], number, "at-least-once">;
}
const CounterV1: OncService<Counter> = oncProgram<Counter>({
  name: "COUNTER",
  program: 0x2000_0e21,
  version: 1,
  procedures: {
    add: { number: 1, name: "ADD", args: [uint], result: uint },
    read: { number: 2, name: "READ", args: [uint], result: uint, semantics: "at-least-once" },
  },
});

/** A server whose handlers end once so many datagrams have come, behind a relay that shows every datagram. */
async function serve(datagrams: number, options: ServerOptions = {}, loses: (reply: number) => boolean = () => false) {
  const server = new Server(options);
  let sum = 0;
  let runs = 0;
  const handle = async (amount: number): Promise<number> => {
    runs++;
    // Right behind a datagram: the next one is a while away, so none crosses the reply.
    await until(() => relay.calls.length >= datagrams);
    // The relay counts a datagram before it is through.
    await later(20);
    sum += amount;
    return sum;
  };
  server.export(CounterV1, { add: handle, read: handle });
  const address = await server.listen("udp://127.0.0.1:0");
  const relay = await startRelay(Number(address.slice(address.lastIndexOf(":") + 1)), loses);
  return {
    get runs() {
      return runs;
    },
    relay,
    /** Calls from C, `times` times one after another; gives each result. */
    async call(procedure: number, amount: number, times = 1): Promise<string[]> {
      const args = ["udp", relay.port, CounterV1.program, 1, procedure, words(amount)];
      const { lines } = await runPeer(programs.rawClient, ["-T", 100, "-r", 4, "-n", times, ...args]);
      return lines.map((line) => (JSON.parse(line) as { result: string }).result);
    },
    async [Symbol.asyncDispose]() {
      relay.socket.close();
      for (const upstream of relay.upstreams.values()) upstream.close();
      await server.close({ drainMs: 0 });
    },
  };
}

/** Passes datagrams on, each client by a port of its own, and keeps what passed. */
async function startRelay(to: number, loses: (reply: number) => boolean) {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const calls: string[] = [];
  const replies: string[] = [];
  const upstreams = new Map<number, Socket>();
  const upstreamOf = (from: RemoteInfo): Socket => {
    let upstream = upstreams.get(from.port);
    if (upstream === undefined) {
      upstream = createSocket("udp4");
      upstream.on("message", (reply) => {
        replies.push(reply.toString("hex"));
        if (!loses(replies.length)) socket.send(reply, from.port, from.address);
      });
      upstreams.set(from.port, upstream);
    }
    return upstream;
  };
  socket.on("message", (message, from) => {
    calls.push(message.toString("hex"));
    upstreamOf(from).send(message, to, "127.0.0.1");
  });
  return { port: socket.address().port, socket, upstreams, calls, replies };
}

describeWith(toBuildC, "a C client that sends its datagram again and again", () => {
  describe("to a slow handler", () => {
    it("makes it run once, and gets one reply", async () => {
      await using server = await serve(4);
      expect(await server.call(1, 5)).toEqual([words(5)]);
      expect(server.relay.calls.length).toBeGreaterThanOrEqual(4);
      expect(new Set(server.relay.calls).size).toBe(1);
      expect(server.runs).toBe(1);
      // Whatever else would come has had the time to.
      await later(100);
      // The handler ended at the fourth datagram: on a busy machine a fifth may cross the reply, and gets it again.
      const { calls, replies } = server.relay;
      expect(replies.length).toBeLessThanOrEqual(1 + calls.length - 4);
      expect(new Set(replies).size).toBe(1);
    });

    it("makes it run for each datagram where nothing is kept", async () => {
      await using server = await serve(4, { replyCache: false });
      await server.call(1, 5);
      await until(() => server.runs === server.relay.calls.length);
      expect(server.runs).toBeGreaterThan(2);
    });

    it("makes it run for each datagram where the contract allows it", async () => {
      await using server = await serve(4);
      await server.call(2, 5);
      await until(() => server.runs === server.relay.calls.length);
      expect(server.runs).toBeGreaterThan(2);
    });
  });

  it("because replies are lost gets the first one again, byte for byte", async () => {
    await using server = await serve(0, {}, (reply) => reply <= 3);
    expect(await server.call(1, 5)).toEqual([words(5)]);
    expect(server.runs).toBe(1);
    expect(server.relay.replies).toHaveLength(4);
    expect(new Set(server.relay.replies).size).toBe(1);
  });

  it("makes each of its calls run once, however alike they are", async () => {
    // Every second reply is lost: each call is sent twice.
    await using server = await serve(0, {}, (reply) => reply % 2 === 1);
    const results = await server.call(1, 5, 10);
    expect(results).toEqual(Array.from({ length: 10 }, (_, i) => words(5 * (i + 1))));
    expect(server.runs).toBe(10);
    expect(server.relay.calls.length).toBeGreaterThanOrEqual(20);
  });
});

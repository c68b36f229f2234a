import { createHash, randomBytes } from "node:crypto";
import { createSocket, type Socket as Datagrams } from "node:dgram";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { Catalogue } from "../../src/cli/trace/catalogue.js";
import { proxyDatagrams } from "../../src/cli/trace/datagram-proxy.js";
import { StreamOutput } from "../../src/cli/trace/output.js";
import { textPrinter } from "../../src/cli/trace/print.js";
import { type SessionOptions, TraceSession } from "../../src/cli/trace/session.js";
import { proxyStreams } from "../../src/cli/trace/stream-proxy.js";
import { later, until } from "../support/faults.js";

/** What was printed, without times. */
class Log {
  readonly lines: string[] = [];
  readonly session: TraceSession;

  constructor(options: Partial<SessionOptions> = {}) {
    this.session = new TraceSession({
      catalogue: new Catalogue(),
      printer: textPrinter({ full: false, bytes: false }),
      output: {
        write: (text) => this.lines.push(text.trimEnd().replace(/^\S+ /, "")),
        blocked: false,
        whenFree: () => {},
      },
      now: () => performance.now(),
      ...options,
    });
  }
}

const at = (port: number, scheme: "tcp" | "udp" = "tcp") => ({ scheme, host: "127.0.0.1", port }) as const;
const portOf = (address: string): number => Number(address.split(":").at(-1));

/** A server, the proxy before it, and a client that is connected through it. */
async function chain(
  log: Log,
  use: (client: Socket, server: Socket, port: number) => Promise<void>,
  connectionsMax?: number,
): Promise<void> {
  const listener: Server = createServer({ allowHalfOpen: true });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const relay = await proxyStreams(
    at(0),
    at((listener.address() as { port: number }).port),
    log.session,
    connectionsMax,
  );
  const port = portOf(relay.address);
  try {
    const client = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    const [[server]] = (await Promise.all([once(listener, "connection"), once(client, "connect")])) as unknown as [
      [Socket],
    ];
    // What a test provokes is none of the process's business.
    for (const socket of [client, server]) socket.on("error", () => {});
    await use(client, server, port);
    client.destroy();
    server.destroy();
  } finally {
    await relay.close();
    listener.close();
  }
}

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** The digest of all that comes until the other end has said all; the socket stays open. */
async function digestOf(socket: Socket): Promise<string> {
  const hash = createHash("sha256");
  socket.on("data", (chunk: Uint8Array) => hash.update(chunk));
  const ended = once(socket, "end");
  socket.resume();
  await ended;
  return hash.digest("hex");
}

describe("the proxy of streams", () => {
  it("passes 8 MiB of anything both ways at once, unchanged, whether it can be decoded or not", async () => {
    const log = new Log();
    await chain(log, async (client, server) => {
      const [up, down] = [randomBytes(8 << 20), randomBytes(8 << 20)];
      up[0] = 0x7f; // a fragment of more than 2 GB is announced
      const arrived = Promise.all([digestOf(server), digestOf(client)]);
      client.end(up);
      server.end(down);
      expect(await arrived).toEqual([digest(up), digest(down)]);
    });
    expect(log.lines[1]).toMatch(
      /^#1 [→←] not decoded any more: .* is over the limit of 16777216 \(recordSizeMax\); bytes still pass$/,
    );
  });

  it.each([
    ["to a server that does not read", (client: Socket, server: Socket) => [client, server] as const],
    ["to a client that does not read", (client: Socket, server: Socket) => [server, client] as const],
  ])("stops taking bytes %s, and goes on when it does", async (_to, choose) => {
    await chain(new Log(), async (client, server) => {
      const [from, to] = choose(client, server);
      const piece = randomBytes(1 << 20);
      let left = 0;
      to.pause();
      const hash = createHash("sha256");
      const feeding = (async () => {
        for (; left < 64; left++) {
          hash.update(piece);
          await new Promise((written) => from.write(piece, written));
        }
        from.end();
      })();
      // Only time can show that nothing moves any more.
      for (let before = -1; before !== left; ) {
        before = left;
        await later(300);
      }
      // What is under way is in the buffers of the kernel; the proxy's own are small.
      expect(left).toBeLessThan(64);
      const heard = await digestOf(to);
      await feeding;
      expect(heard).toBe(hash.digest("hex"));
    });
  });

  it("passes half-closes on: a client that has said all still hears the answer", async () => {
    await chain(new Log(), async (client, server) => {
      client.end("question");
      const heard = await digestOf(server);
      expect(heard).toBe(digest(Buffer.from("question")));
      server.end("answer");
      expect(await digestOf(client)).toBe(digest(Buffer.from("answer")));
    });
  });

  it.each([
    ["server", "client"],
    ["client", "server"],
  ] as const)("passes a reset by the %s on to the %s", async (who, whom) => {
    const log = new Log();
    await chain(log, async (client, server) => {
      const ends = { client, server };
      // Both ways are open once a byte has come through.
      client.write("x");
      await once(server, "data");
      ends[whom].resume();
      const failed = once(ends[whom], "error");
      ends[who].resetAndDestroy();
      expect((await failed)[0]).toMatchObject({ code: "ECONNRESET" });
      await until(() => log.lines.includes(`#1 closed: the ${who}: read ECONNRESET`));
    });
  });

  it("refuses a connection too many, and serves the others on", async () => {
    const log = new Log();
    await chain(
      log,
      async (client, server, port) => {
        const second = connect(port, "127.0.0.1");
        second.on("error", () => {}).resume();
        await once(second, "close");
        client.write("still here");
        expect(String((await once(server, "data"))[0])).toBe("still here");
      },
      1,
    );
    expect(log.lines).toContain("#2 failed to reach the server: 1 connections are open already");
  });

  it("does not let the unfinished records of all connections grow together", async () => {
    const log = new Log({ bufferedBytesMax: 100_000 });
    await chain(log, async (client, server) => {
      const bytes = Buffer.concat([Buffer.from("80ffffff", "hex"), Buffer.alloc(200_000)]);
      client.end(bytes);
      expect(await digestOf(server)).toBe(digest(bytes));
    });
    expect(log.lines[1]).toBe(
      "#1 → not decoded any more: unfinished records of all connections take too much memory; bytes still pass",
    );
  });

  it("goes on when the tracer itself fails", async () => {
    const printer = textPrinter({ full: false, bytes: false });
    const log = new Log({
      printer(connection, event) {
        if (event.kind === "malformed") throw new Error("a mistake");
        return printer(connection, event);
      },
    });
    await chain(log, async (client, server) => {
      const bytes = Buffer.from("8000000400000001", "hex");
      client.end(bytes);
      expect(await digestOf(server)).toBe(digest(bytes));
    });
    expect(log.lines[1]).toBe("#1 → not decoded any more: the tracer failed: Error: a mistake; bytes still pass");
  });
});

describe("a reader of the trace that is slow", () => {
  /** An output that nobody reads until it is told. */
  class Slow extends Log {
    readonly reader: PassThrough;

    constructor() {
      const reader = new PassThrough({ highWaterMark: 1_000 });
      super({ output: new StreamOutput(reader) });
      this.reader = reader;
    }
  }

  it("slows the streams, and loses nothing", async () => {
    const log = new Slow();
    await chain(log, async (client, server) => {
      // A malformed record of four bytes, 100,000 times: a line for each.
      const bytes = Buffer.alloc(800_000, Buffer.from("8000000400000001", "hex"));
      let left = false;
      client.end(bytes, () => {
        left = true;
      });
      const heard = digestOf(server);
      await until(() => log.session.output.blocked);
      const waiting = () => log.reader.writableLength;
      for (let before = -1; before !== waiting(); ) {
        before = waiting();
        await later(200);
      }
      // What one read of the socket gave; and there is more to read.
      expect(log.session.counts.malformed).toBeLessThan(20_000);
      log.reader.resume();
      expect(await heard).toBe(digest(bytes));
      expect(left).toBe(true);
      await until(() => log.session.counts.malformed === 100_000);
    });
  });

  it("misses datagrams, which pass, and says how many", async () => {
    const log = new Slow();
    const server = createSocket("udp4").bind(0, "127.0.0.1");
    await once(server, "listening");
    const relay = await proxyDatagrams(at(0, "udp"), at(server.address().port, "udp"), log.session);
    const client = createSocket("udp4");
    const send = async (): Promise<void> => {
      client.send("x", portOf(relay.address), "127.0.0.1");
      await once(server, "message");
    };
    while (!log.session.output.blocked) await send();
    const { malformed } = log.session.counts;
    for (let i = 0; i < 3; i++) await send();
    expect(log.session.counts.malformed).toBe(malformed);
    let shown = "";
    log.reader.on("data", (text) => {
      shown += String(text);
    });
    await until(() => !log.session.output.blocked);
    await send();
    await relay.close();
    await until(() => shown.includes("#1 closed"));
    expect(shown).toMatch(/#1 failed to show 3 datagrams: the output is too slow\n/);
    expect(log.session.counts.malformed).toBe(malformed + 1);
    client.close();
    server.close();
  });
});

describe("the proxy of datagrams", () => {
  async function socket(): Promise<Datagrams> {
    const made = createSocket("udp4").bind(0, "127.0.0.1");
    await once(made, "listening");
    return made;
  }
  const next = async (from: Datagrams): Promise<Buffer> => ((await once(from, "message")) as [Buffer])[0];

  async function serving(
    log: Log,
    use: (port: number, server: Datagrams) => Promise<void>,
    sendersMax?: number,
  ): Promise<void> {
    const server = await socket();
    const relay = await proxyDatagrams(at(0, "udp"), at(server.address().port, "udp"), log.session, sendersMax);
    try {
      await use(portOf(relay.address), server);
    } finally {
      await relay.close();
      server.close();
    }
  }

  it("passes datagrams unchanged, empty and largest ones too, and answers to whoever asked", async () => {
    await serving(new Log(), async (port, server) => {
      server.on("message", (bytes, from) => server.send(Buffer.from(bytes).reverse(), from.port, from.address));
      const clients = [await socket(), await socket()];
      for (const size of [0, 1, 1_000, 65_507]) {
        const sent = clients.map(() => randomBytes(size));
        const answers = Promise.all(clients.map(next));
        for (const [i, client] of clients.entries()) client.send(sent[i] as Buffer, port, "127.0.0.1");
        expect((await answers).map(digest)).toEqual(sent.map((bytes) => digest(Buffer.from(bytes).reverse())));
      }
      for (const client of clients) client.close();
    });
  });

  it("forgets the sender that was silent longest when there are too many", async () => {
    const log = new Log();
    await serving(
      log,
      async (port, server) => {
        const clients = [await socket(), await socket(), await socket()];
        for (const client of clients) {
          client.send("x", port, "127.0.0.1");
          await next(server);
        }
        expect(log.lines.filter((line) => line.includes("closed"))).toEqual(["#1 closed: too many senders"]);
        for (const client of clients) client.close();
      },
      2,
    );
  });
});

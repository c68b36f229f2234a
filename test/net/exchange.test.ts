import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync, gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import type { ExchangeTransport } from "../../src/net/exchange.js";
import { parseExchangeAddress } from "../../src/net/exchange-address.js";
import { FetchTransport } from "../../src/net/fetch.js";
import { HttpTransport } from "../../src/net/http-client.js";
import { Authority } from "../support/certificates.js";
import { ask, handlerOf, serve, transportTo } from "../support/exchanges.js";
import { until } from "../support/faults.js";

// One contract, and everything that keeps it: each way of making exchanges against each way of serving them.

const folder = mkdtempSync(join(tmpdir(), "farcall-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const authority = new Authority();
const own = authority.issue("server", "IP:127.0.0.1");

const ways = [
  { name: "http", listen: "http://127.0.0.1:0/RPC2", tellsSent: true },
  { name: "https", listen: "https://127.0.0.1:0/RPC2", tellsSent: true },
  { name: "http+unix", listen: `http+unix:${folder}/http.sock:/RPC2`, tellsSent: true },
  { name: "scgi", listen: "scgi://127.0.0.1:0/RPC2", tellsSent: true },
  { name: "scgi+unix", listen: `scgi+unix:${folder}/scgi.sock:/RPC2`, tellsSent: true },
  { name: "fetch", listen: "http://127.0.0.1:0/RPC2", tellsSent: false },
] as const;

const tls = { cert: own.cert, key: own.key };

function wayTo(name: string, address: string): ExchangeTransport {
  if (name === "fetch") return new FetchTransport(parseExchangeAddress(address));
  return transportTo(address, { ca: authority.ca.cert });
}

describe.each(ways)("exchanges over $name", ({ name, listen, tellsSent }) => {
  it("carry a request and its response", async () => {
    const handler = handlerOf((exchange) => {
      const { method, target } = exchange;
      return `${method} ${target} ${exchange.header("content-type")} ${exchange.header("x-more")} ${exchange.body.length}`;
    });
    await using server = await serve(listen, handler, {}, tls);
    const transport = wayTo(name, server.address);
    const { events, head, body } = await ask(transport, { headers: { "X-More": "yes" } });
    expect(body).toBe("POST /RPC2 text/xml yes 4");
    expect(head?.status).toBe(200);
    expect(head?.headers["content-type"]).toBe("text/plain");
    expect(events).toEqual(["sent", "head", "data", "end"]);
    transport.close();
  });

  it("carry bodies of many chunks, both ways", async () => {
    const size = 3_000_000;
    const handler = handlerOf(({ body }) => "x".repeat(body.length));
    await using server = await serve(listen, handler, {}, tls);
    const transport = wayTo(name, server.address);
    const { body } = await ask(transport, { body: Buffer.alloc(size, 0x61) });
    expect(body).toBe("x".repeat(size));
    transport.close();
  });

  it("run side by side", async () => {
    let waiting: (() => void)[] = [];
    const handler = handlerOf(async ({ body }) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      return Buffer.from(body).toString();
    });
    await using server = await serve(listen, handler, {}, tls);
    const transport = wayTo(name, server.address);
    const running = Array.from({ length: 5 }, (_, i) => ask(transport, { body: String(i) }));
    await until(() => waiting.length === 5);
    for (const answer of waiting.reverse()) answer();
    waiting = [];
    expect((await Promise.all(running)).map(({ body }) => body)).toEqual(["0", "1", "2", "3", "4"]);
    transport.close();
  });

  it("end without an event when they are given up, and the server is told", async () => {
    let gone = false;
    let arrived = false;
    const handler = handlerOf((exchange) => {
      arrived = true;
      exchange.onGone = () => {
        gone = true;
      };
    });
    await using server = await serve(listen, handler, {}, tls);
    const transport = wayTo(name, server.address);
    const events: string[] = [];
    void ask(transport, {
      onEvent: (event) => events.push(event),
      started: (exchange) => void until(() => arrived).then(() => exchange.abort()),
    });
    await until(() => gone);
    expect(events).toEqual(["sent"]);
    transport.close();
  });

  it("say whether anything was sent when nobody is there", async () => {
    const server = await serve(
      listen,
      handlerOf(() => "never"),
      {},
      tls,
    );
    await server.listener.close();
    const transport = wayTo(name, server.address);
    const { events, error } = await ask(transport);
    expect(error).toBeInstanceOf(Error);
    expect(events).toEqual(tellsSent ? ["error"] : ["sent", "error"]);
    if (tellsSent) await expect(transport.open(new AbortController().signal)).rejects.toThrow();
    transport.close();
  });

  it("find out beforehand whether somebody is there", async () => {
    await using server = await serve(
      listen,
      handlerOf(() => "pong"),
      {},
      tls,
    );
    const transport = wayTo(name, server.address);
    await transport.open(new AbortController().signal);
    expect((await ask(transport)).body).toBe("pong");
    transport.close();
  });
});

/** A server that reads a little and answers with these bytes; what follows is up to it. */
async function bare(onRequest: (socket: Socket, count: number) => void): Promise<AsyncDisposable & { port: number }> {
  const sockets = new Set<Socket>();
  let count = 0;
  const server: Server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    socket.on("data", () => onRequest(socket, ++count));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe.each(["http", "scgi", "fetch"])("a server that answers badly over %s", (name) => {
  const to = (port: number): ExchangeTransport =>
    wayTo(name, `${name === "fetch" ? "http" : name}://127.0.0.1:${port}/`);
  const start = name === "scgi" ? "Status: 200 OK\r\n" : "HTTP/1.1 200 OK\r\n";

  it.each([
    ["hangs up before it answers", ""],
    ["hangs up in the head", `${start}Content-`],
    ["hangs up in the body", `${start}Content-Length: 10\r\n\r\nhalf`],
    ["writes what is no head", "what is this\r\n\r\n"],
    ["writes a length that is none", `${start}Content-Length: ten\r\n\r\n`],
    ["never ends its head", `${start}X: ${"y".repeat(100_000)}`],
  ])("%s: an error, and something was sent", async (_what, bytes) => {
    await using server = await bare((socket) => socket.end(bytes));
    const { events, error } = await ask(to(server.port));
    expect(events.filter((event) => event !== "head" && event !== "data")).toEqual(["sent", "error"]);
    expect(error).toBeInstanceOf(Error);
  });

  it("ends the body with the connection where it has no length", async () => {
    const head = start.replace("1.1", "1.0");
    await using server = await bare((socket) => socket.end(`${head}Content-Type: text/xml\r\n\r\nall of it`));
    expect(await ask(to(server.port))).toMatchObject({ body: "all of it", error: undefined });
  });
});

describe("HTTP at the client's end", () => {
  it.each([
    ["gzip", gzipSync("inflated")],
    ["deflate", deflateSync("inflated")],
  ])("undoes %s", async (encoding, bytes) => {
    await using server = await serve("http://127.0.0.1:0", {
      admit: () => undefined,
      handle: (exchange) => exchange.respond({ status: 200, headers: { "Content-Encoding": encoding }, body: bytes }),
    });
    expect((await ask(transportTo(server.address))).body).toBe("inflated");
  });

  it("asks for gzip, unless it is told not to", async () => {
    await using server = await serve(
      "http://127.0.0.1:0",
      handlerOf((exchange) => exchange.header("accept-encoding")),
    );
    expect((await ask(transportTo(server.address))).body).toBe("gzip");
    const plain = new HttpTransport(parseExchangeAddress(server.address), { gzip: false });
    expect((await ask(plain)).body).toBe("identity");
  });

  it.each([
    ["gzip that is none", "gzip", Buffer.from("not gzip")],
    ["gzip that is cut short", "gzip", gzipSync("x".repeat(1000)).subarray(0, 20)],
    ["an encoding that nobody asked for", "br", Buffer.from("...")],
  ])("fails at %s", async (_what, encoding, bytes) => {
    await using server = await serve("http://127.0.0.1:0", {
      admit: () => undefined,
      handle: (exchange) => exchange.respond({ status: 200, headers: { "Content-Encoding": encoding }, body: bytes }),
    });
    const { events, error } = await ask(transportTo(server.address));
    expect(error).toBeInstanceOf(Error);
    expect(events.at(-1)).toBe("error");
  });

  it("inflates no more than is asked for before it is given up", async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    await using server = await serve("http://127.0.0.1:0", {
      admit: () => undefined,
      handle: (exchange) => exchange.respond({ status: 200, headers: { "Content-Encoding": "gzip" }, body: bomb }),
    });
    let taken = 0;
    await new Promise<void>((resolve) => {
      const exchange = transportTo(server.address).start(
        { target: "/", headers: {}, body: new Uint8Array(), progress: false },
        {
          onSent() {},
          onUploaded() {},
          onHead() {},
          onData(chunk) {
            taken += chunk.length;
            if (taken > 1_000_000) {
              exchange.abort();
              resolve();
            }
          },
          onEnd() {},
          onError() {},
        },
      );
    });
    const then = taken;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(taken).toBe(then);
    expect(taken).toBeLessThan(1_200_000);
  });

  it("uses a connection again, and the one that was made beforehand", async () => {
    const connections = new Set<object>();
    await using server = await serve(
      "http://127.0.0.1:0",
      handlerOf(({ connection }) => connections.add(connection).size),
    );
    const transport = transportTo(server.address);
    await transport.open(new AbortController().signal);
    for (let i = 0; i < 5; i++) expect((await ask(transport)).body).toBe("1");
    transport.close();
    await until(() => server.load.connections === 0);
  });

  it("keeps an idle connection no longer than it is told to", async () => {
    await using server = await serve(
      "http://127.0.0.1:0",
      handlerOf(() => "here"),
    );
    const transport = new HttpTransport(parseExchangeAddress(server.address), { idleMs: 50 });
    await ask(transport);
    await until(() => server.load.connections === 0);
    expect((await ask(transport)).body).toBe("here");
    expect(transport.connects).toBe(2);
    transport.close();
  });

  it("does not use a connection that ended meanwhile", async () => {
    await using server = await bare((socket, count) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${count}`);
      setTimeout(() => socket.end(), 5);
    });
    const transport = transportTo(`http://127.0.0.1:${server.port}/`);
    expect((await ask(transport)).body).toBe("1");
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect((await ask(transport)).body).toBe("2");
  });

  it("tells how a large body gets on", async () => {
    await using server = await serve(
      "http://127.0.0.1:0",
      handlerOf(({ body }) => body.length),
    );
    const { uploaded, body } = await ask(transportTo(server.address), {
      body: new Uint8Array(200_000),
      progress: true,
    });
    expect(body).toBe("200000");
    expect(uploaded).toEqual([65_536, 131_072, 196_608, 200_000]);
  });

  it("takes an answer that comes before the body is out", async () => {
    await using server = await serve("http://127.0.0.1:0", {
      admit: () => ({ status: 401, headers: {}, body: "who are you?" }),
      handle() {},
    });
    const { head, body } = await ask(transportTo(server.address), { body: new Uint8Array(8_000_000) });
    expect(head?.status).toBe(401);
    expect(body).toBe("who are you?");
  });

  it("refuses a certificate that nobody vouches for, with nothing sent", async () => {
    await using server = await serve(
      "https://127.0.0.1:0",
      handlerOf(() => "secret"),
      {},
      tls,
    );
    const { events, error } = await ask(transportTo(server.address));
    expect(events).toEqual(["error"]);
    expect(error?.message).toMatch(/certificate/);
    await expect(transportTo(server.address).open(new AbortController().signal)).rejects.toThrow(/certificate/);
  });

  it("gives an attempt to connect up when it is told to", async () => {
    const aborter = new AbortController();
    aborter.abort(new Error("enough"));
    await expect(transportTo("http://127.0.0.1:9/").open(aborter.signal)).rejects.toThrow("enough");
  });
});

describe("HTTP at the server's end", () => {
  /** Sends bytes over a bare socket and gives what comes back until the server hangs up, or `until` is in it. */
  function talk(port: number, text: string | readonly string[], end = /\r\n\r\n/): Promise<string> {
    return new Promise((resolve) => {
      let received = "";
      const socket = connect({ port, host: "127.0.0.1" }, () => {
        for (const piece of [text].flat()) socket.write(piece);
      });
      socket.on("data", (chunk) => {
        received += chunk.toString("latin1");
        if (end.test(received)) socket.destroy();
      });
      socket.on("error", () => {});
      socket.on("close", () => resolve(received));
    });
  }
  const portOf = ({ address }: { address: string }): number => parseExchangeAddress(address).port;
  const length = handlerOf(({ body }) => `${body.length} bytes`);

  it("answers HTTP/1.0 with a length, and hangs up", async () => {
    await using server = await serve("http://127.0.0.1:0", length);
    const answer = await talk(portOf(server), "POST / HTTP/1.0\r\nContent-Length: 4\r\n\r\nping", /never/);
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(answer).toMatch(/\r\nContent-Length: 7\r\n/);
    expect(answer).toMatch(/Connection: close/);
    expect(answer).toMatch(/4 bytes$/);
  });

  it("keeps an HTTP/1.0 connection that asks for it", async () => {
    await using server = await serve("http://127.0.0.1:0", length);
    const request = "POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nping";
    expect(await talk(portOf(server), [request, request], /4 bytes.*4 bytes$/s)).toMatch(/keep-alive/);
  });

  it("reads chunked and compressed bodies", async () => {
    await using server = await serve("http://127.0.0.1:0", length);
    const chunked =
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nping\r\n3\r\nabc\r\n0\r\n\r\n";
    expect(await talk(portOf(server), chunked, /bytes$/)).toMatch(/7 bytes$/);
    for (const [encoding, body] of [
      ["gzip", gzipSync("inflated")],
      ["deflate", deflateSync("inflated")],
    ] as const) {
      const { body: said } = await ask(transportTo(server.address), {
        headers: { "Content-Encoding": encoding },
        body,
      });
      expect(said).toBe("8 bytes");
    }
  });

  it("asks for a body that waits to be asked for, and only where it is wanted", async () => {
    await using server = await serve("http://127.0.0.1:0", length, { bodySizeMax: 10 });
    const expecting = (size: number): string =>
      `POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: ${size}\r\n\r\n`;
    expect(await talk(portOf(server), expecting(4), /100 Continue/)).toMatch(/^HTTP\/1.1 100 Continue/);
    const refused = await talk(portOf(server), expecting(11), /never/);
    expect(refused).toMatch(/^HTTP\/1.1 413 /);
    expect(refused).toMatch(/Connection: close/);
  });

  it.each([
    ["an encoding that it does not know", { "Content-Encoding": "br" }, "x", 415],
    ["gzip that is none", { "Content-Encoding": "gzip" }, "not gzip", 400],
    ["a body over the limit", {}, "x".repeat(1_001), 413],
    ["a body that inflates over the limit", { "Content-Encoding": "gzip" }, gzipSync("x".repeat(100_000)), 413],
  ])("refuses %s", async (_what, headers, body, status) => {
    await using server = await serve("http://127.0.0.1:0", length, { bodySizeMax: 1_000 });
    const transport = transportTo(server.address);
    expect((await ask(transport, { headers, body })).head?.status).toBe(status);
    expect((await ask(transport, { body: "x".repeat(1_000) })).body).toBe("1000 bytes");
  });

  it("refuses headers over the limit", async () => {
    await using server = await serve("http://127.0.0.1:0", length, { headersSizeMax: 2_000 });
    const transport = transportTo(server.address);
    expect((await ask(transport, { headers: { "X-Long": "y".repeat(2_000) } })).head?.status).toBe(431);
    expect((await ask(transport)).body).toBe("4 bytes");
  });

  it.each([["connectionsMax"], ["connectionsPerPeerMax"]])(
    "closes a connection above %s at once, and serves on when one has gone",
    async (limit) => {
      await using server = await serve("http://127.0.0.1:0", length, { [limit]: 1 });
      const first = transportTo(server.address);
      await first.open(new AbortController().signal);
      await until(() => server.load.connections === 1);
      expect((await ask(transportTo(server.address))).events).toEqual(["sent", "error"]);
      expect((await ask(first)).body).toBe("4 bytes");
      first.close();
      await until(() => server.load.connections === 0);
      expect((await ask(transportTo(server.address))).body).toBe("4 bytes");
    },
  );

  it("ends a request that takes too long", async () => {
    await using server = await serve("http://127.0.0.1:0", length, { requestTimeoutMs: 100 });
    const answer = await talk(portOf(server), "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\npi", /never/);
    expect(answer).toMatch(/^HTTP\/1.1 408 /);
    await until(() => server.load.connections === 0);
  });

  it("ends a request of which there is always a little more, but never the end", async () => {
    await using server = await serve("http://127.0.0.1:0", length, { requestTimeoutMs: 300 });
    let answer = "";
    const socket = connect({ port: portOf(server), host: "127.0.0.1" });
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1");
    });
    socket.on("error", () => {});
    const over = new Promise((resolve) => socket.once("close", resolve));
    socket.write("POST / HTTP/1.1\r\nHost: h\r\n");
    let sent = 0;
    const drip = setInterval(() => socket.write(`X-${sent++}: y\r\n`), 10);
    await over;
    clearInterval(drip);
    expect(sent).toBeGreaterThan(1);
    expect(answer).toMatch(/^HTTP\/1.1 408 /);
  });

  it.each([
    ["a length beside chunks", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400],
    ["chunks beside a length", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", 400],
    ["two lengths", "Content-Length: 0\r\nContent-Length: 50\r\n\r\n", 400],
    ["a folded length", "Content-Length:\r\n 50\r\n\r\n", 400],
    ["a length behind a bare line end", "X: y\nContent-Length: 50\r\n\r\n", 400],
    ["a coding in disguise", "Transfer-Encoding: x, chunked\r\n\r\n0\r\n\r\n", 501],
    ["a chunk that claims too little", "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n", 400],
  ])("handles nothing of a request with %s, nor what is behind it", async (_what, headers, status) => {
    const handled: string[] = [];
    const handler = handlerOf(({ target }) => {
      handled.push(target);
      return "";
    });
    await using server = await serve("http://127.0.0.1:0", handler);
    const behind = "POST /smuggled HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n";
    const answer = await talk(portOf(server), `POST /first HTTP/1.1\r\nHost: h\r\n${headers}${behind}`, /never/);
    expect(answer.match(/HTTP\/1.1 (\d+)/g)).toEqual([`HTTP/1.1 ${status}`]);
    expect(handled).toEqual([]);
    await until(() => server.load.connections === 0);
  });

  it("ends a connection that is idle for too long", async () => {
    await using server = await serve("http://127.0.0.1:0", length, { idleTimeoutMs: 50 });
    const answer = await talk(portOf(server), "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nping", /never/);
    expect(answer).toMatch(/4 bytes$/);
  });

  it("drops the oldest unfinished body when all of them are too much", async () => {
    await using server = await serve("http://127.0.0.1:0", length, { bufferedBytesMax: 10_000 });
    const head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9000\r\n\r\n";
    const slow = talk(portOf(server), `${head}${"x".repeat(6_000)}`, /never/);
    await until(() => server.load.bufferedBytes === 6_000);
    const quick = connect({ port: portOf(server), host: "127.0.0.1" });
    quick.write(`${head}${"y".repeat(6_000)}`);
    expect(await slow).toBe("");
    let answer = "";
    quick.on("data", (chunk) => {
      answer += chunk.toString();
    });
    quick.write("y".repeat(3_000));
    await until(() => answer.includes("9000 bytes"));
    quick.destroy();
    await until(() => server.load.bufferedBytes === 0);
  });

  it("ends the connection of a peer that does not take its response", async () => {
    const large = "x".repeat(32 * 1024 * 1024);
    await using server = await serve(
      "http://127.0.0.1:0",
      handlerOf(() => large),
      { writeTimeoutMs: 200 },
    );
    const socket = connect({ port: portOf(server), host: "127.0.0.1" });
    socket.on("error", () => {});
    socket.pause();
    socket.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    await until(() => server.load.connections === 1);
    await until(() => server.load.connections === 0);
    socket.destroy();
  });

  it("handles requests of one connection one after another, and does not read far ahead", async () => {
    const waiting: (() => void)[] = [];
    let handled = 0;
    const handler = handlerOf(async () => {
      handled++;
      await new Promise<void>((resolve) => waiting.push(resolve));
      return `answer ${handled}`;
    });
    await using server = await serve("http://127.0.0.1:0", handler);
    const request = `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n${"x".repeat(1000)}`;
    const socket = connect({ port: portOf(server), host: "127.0.0.1" });
    let received = "";
    socket.on("data", (chunk) => {
      received += chunk.toString();
    });
    // More than any buffer on the way holds: it is not all taken.
    for (let i = 0; i < 20_000; i++) socket.write(request);
    await until(() => waiting.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(handled).toBe(1);
    expect(socket.writableLength).toBeGreaterThan(1_000_000);
    for (let i = 1; i <= 200; i++) {
      await until(() => waiting.length === i);
      waiting[i - 1]?.();
    }
    await until(() => received.includes("answer 200"));
    expect([...received.matchAll(/answer (\d+)/g)].map((match) => Number(match[1]))).toEqual(
      Array.from({ length: 200 }, (_, i) => i + 1),
    );
    socket.destroy();
  });

  it("stops accepting, and finishes what runs", async () => {
    const waiting: (() => void)[] = [];
    const handler = handlerOf(async () => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      return "done";
    });
    const server = await serve("http://127.0.0.1:0", handler);
    const transport = transportTo(server.address);
    const running = ask(transport);
    await until(() => waiting.length === 1);
    server.listener.stop();
    expect((await ask(transportTo(server.address))).events).toEqual(["error"]);
    for (const answer of waiting) answer();
    const { body, head } = await running;
    expect(body).toBe("done");
    expect(head?.headers["connection"]).toBe("close");
    await server.listener.close();
    expect(server.load.connections).toBe(0);
  });
});

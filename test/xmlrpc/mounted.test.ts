import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import express from "express";
import { Server } from "farcall";
import { encodeCall, type HttpHandlers, int, method, string, XmlRpcClient, xmlRpcService } from "farcall/xmlrpc";
import Fastify from "fastify";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { failureOf } from "../support/failure.js";
import { until } from "../support/faults.js";

// Within somebody else's server: Node's own, Express, Fastify, Hono.

const Test = xmlRpcService({
  square: method("test.square", { params: [int], result: int }),
  say: method("test.say", { params: [string], result: string }),
  wait: method("test.wait", { params: [], result: int }),
});

const signals: AbortSignal[] = [];

async function handlersOf(documentSizeMax = 1_000_000): Promise<HttpHandlers & { server: Server }> {
  const server = new Server({ xmlRpc: { documentSizeMax } });
  server.export(Test, {
    square: (n) => n * n,
    say: (text) => text,
    wait: (context) => {
      signals.push(context.signal);
      return new Promise(() => {});
    },
  });
  return { ...(await server.httpHandlers()), server };
}

/** Listens, and gives the server's origin and what ends it. */
async function listening(server: HttpServer): Promise<Mounted> {
  if (!server.listening) await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async end() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Mounted {
  readonly origin: string;
  readonly end: () => Promise<void>;
}

const hosts: [name: string, mount: (handlers: HttpHandlers) => Promise<Mounted>][] = [
  [
    "node:http",
    ({ node }) =>
      listening(
        createServer((request, response) => (request.url === "/RPC2" ? node(request, response) : response.end("page"))),
      ),
  ],
  [
    "Express",
    ({ node }) => {
      const app = express();
      app.post("/RPC2", node);
      app.get("/", (_request, response) => void response.end("page"));
      return listening(createServer(app));
    },
  ],
  [
    "Express, below a path and behind a parser of text",
    ({ node }) => {
      const app = express();
      app.use(express.text({ type: "text/xml", limit: "2mb" }));
      app.use("/RPC2", node);
      app.get("/", (_request, response) => void response.end("page"));
      return listening(createServer(app));
    },
  ],
  [
    "Fastify",
    async ({ node }) => {
      const app = Fastify();
      app.addContentTypeParser("text/xml", (_request, _payload, done) => done(null));
      app.post("/RPC2", (request, reply) => {
        reply.hijack();
        node(request.raw, reply.raw);
      });
      app.get("/", () => "page");
      await app.listen({ port: 0, host: "127.0.0.1" });
      return {
        origin: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`,
        end: () => {
          app.server.closeAllConnections();
          return app.close();
        },
      };
    },
  ],
  [
    "Hono",
    ({ fetch }) => {
      const app = new Hono();
      app.post("/RPC2", (c) => fetch(c.req.raw));
      app.get("/", (c) => c.text("page"));
      return new Promise((resolve) => {
        const server = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, () =>
          resolve(listening(server as HttpServer)),
        );
      });
    },
  ],
];

describe.each(hosts)("in %s", (_name, mount) => {
  async function mounted(documentSizeMax?: number) {
    const handlers = await handlersOf(documentSizeMax);
    const { origin, end } = await mount(handlers);
    return {
      origin,
      url: `${origin}/RPC2`,
      [Symbol.asyncDispose]: async () => {
        await end();
        await handlers.server.close({ drainMs: 0 });
      },
    };
  }

  it("calls are answered, beside the pages of the host", async () => {
    await using here = await mounted();
    await using client = new XmlRpcClient(here.url);
    expect(await client.execute("test.square", [14])).toBe(196);
    expect(await client.execute("test.say", ["x".repeat(200_000)])).toHaveLength(200_000);
    expect(await failureOf(client.execute("test.cube", [1]))).toMatchObject({ code: "unimplemented", executed: "no" });
    expect(await (await fetch(here.origin)).text()).toBe("page");
  });

  it("bodies are bounded", async () => {
    await using here = await mounted(1_000);
    await using client = new XmlRpcClient(here.url);
    expect(await failureOf(client.execute("test.say", ["x".repeat(2_000)]))).toMatchObject({
      code: "invalid-argument",
      executed: "no",
      status: { number: 413 },
    });
    expect(await client.execute("test.square", [2])).toBe(4);
  });

  it("pages of the host may call, and no others", async () => {
    await using here = await mounted();
    const call = (origin: string): Promise<Response> =>
      fetch(here.url, {
        method: "POST",
        headers: { "Content-Type": "text/xml", Origin: origin },
        body: encodeCall("test.square", [2]),
      });
    expect((await call(here.origin)).status).toBe(200);
    expect((await call("https://evil.example")).status).toBe(403);
  });

  it("handlers learn when nobody waits any more", async () => {
    await using here = await mounted();
    await using client = new XmlRpcClient(here.url);
    signals.length = 0;
    const aborter = new AbortController();
    const call = failureOf(client.execute("test.wait", [], { signal: aborter.signal }));
    await until(() => signals.length === 1);
    aborter.abort();
    await until(() => signals[0]?.aborted === true);
    await call;
  });
});

describe("a handler of Node's", () => {
  it("says so when a parser has taken the body and kept nothing", async () => {
    const { node, server } = await handlersOf();
    const app = express();
    app.use(
      express.json({ type: "*/*", strict: false }),
      (_error: unknown, _request: unknown, _response: unknown, next: () => void) => next(),
    );
    app.post("/RPC2", node);
    const { origin, end } = await listening(createServer(app));
    await using client = new XmlRpcClient(`${origin}/RPC2`);
    const error = await failureOf(client.execute("test.square", [2]));
    expect(error).toMatchObject({ code: "server-error", status: { number: 500 } });
    expect(error.message).toMatch(/body parser/);
    await end();
    await server.close();
  });

  it("is not to be had without a service of XML-RPC", async () => {
    await using server = new Server();
    expect(await failureOf(server.httpHandlers())).toMatchObject({ code: "invalid-argument" });
  });

  it("undoes compressed bodies, in the shape of fetch too", async () => {
    const { fetch: handle, server } = await handlersOf();
    const { gzipSync } = await import("node:zlib");
    const headers = { "Content-Type": "text/xml", "Content-Encoding": "gzip" };
    const ask = (body: Uint8Array, encoding = "gzip") =>
      handle(
        new Request("http://h/RPC2", {
          method: "POST",
          headers: { ...headers, "Content-Encoding": encoding },
          body: body as Uint8Array<ArrayBuffer>,
        }),
      );
    expect(await (await ask(gzipSync(encodeCall("test.square", [3])))).text()).toMatch(/<int>9<\/int>/);
    expect((await ask(gzipSync(new Uint8Array(5_000_000)))).status).toBe(413);
    expect((await ask(encodeCall("test.square", [3]))).status).toBe(400);
    expect((await ask(encodeCall("test.square", [3]), "br")).status).toBe(415);
    await server.close();
  });
});

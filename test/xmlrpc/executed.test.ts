import { connect, RpcError, type RpcErrorCode } from "farcall";
import { int, method, XmlRpcClient, xmlRpcService } from "farcall/xmlrpc";
import { describe, expect, it } from "vitest";
import { failureOf } from "../support/failure.js";
import { fault, result, type Script, ScriptedHttp } from "../support/scripted-http.js";

// What a failed call says about its execution, for everything that a server may do to it. Each is sent once.

const Test = xmlRpcService({ square: method("test.square", { params: [int], result: int }) });

const xml = { "Content-Type": "text/xml" };
const html = { "Content-Type": "text/html; charset=utf-8" };

describe("executed", () => {
  const table: [what: string, script: Script, code: RpcErrorCode, executed: string, status?: number][] = [
    // Faults: what the field agrees upon is proof, and nothing else.
    ["a fault of parsing", fault(-32700, "not well formed"), "bad-arguments", "no", -32700],
    ["a fault of the encoding", fault(-32701, "unsupported"), "bad-arguments", "no", -32701],
    ["a fault of a character", fault(-32702, "invalid"), "bad-arguments", "no", -32702],
    ["a fault of the request", fault(-32600, "invalid"), "bad-arguments", "no", -32600],
    ["a fault of the method", fault(-32601, "no such method"), "unimplemented", "no", -32601],
    ["a fault of the parameters", fault(-32602, "bad"), "bad-arguments", "no", -32602],
    ["xmlrpc-c's fault of the method", fault(-506, "Method 'x' not defined"), "unimplemented", "no", -506],
    [
      "xmlrpc-c's fault of parsing, which rtorrent has for values too",
      fault(-503, "parse"),
      "bad-arguments",
      "unknown",
      -503,
    ],
    ["an internal fault", fault(-32603, "oops"), "server-error", "unknown", -32603],
    ["an application's fault", fault(-32500, "oops"), "server-error", "unknown", -32500],
    [
      "Python's fault, for a method that is not there too",
      fault(1, "<class 'Exception'>:method \"x\" is not supported"),
      "server-error",
      "unknown",
      1,
    ],
    ["a fault of one's own", fault(4711, "no money"), "server-error", "unknown", 4711],
    // A farcall server says it.
    ["a fault of a farcall handler", fault(4711, "no money", { Farcall: "executed=yes" }), "server-error", "yes", 4711],
    [
      "a fault of a farcall server before its handler",
      fault(-507, "denied", { Farcall: "executed=no" }),
      "denied",
      "no",
      -507,
    ],
    [
      "a fault that a farcall handler passes on",
      fault(-32601, "no such method", { Farcall: "executed=yes" }),
      "unimplemented",
      "yes",
      -32601,
    ],
    // HTTP: what its specification calls not applied is proof.
    ["401", { status: 401, headers: html, body: "<h1>Who are you?</h1>" }, "denied", "no", 401],
    ["403", { status: 403, headers: html, body: "no" }, "denied", "no", 403],
    ["404", { status: 404, headers: html, body: "<h1>Not here</h1>" }, "not-found", "no", 404],
    ["405", { status: 405, headers: html, body: "" }, "unimplemented", "no", 405],
    ["413", { status: 413, body: "" }, "invalid-argument", "no", 413],
    ["429", { status: 429, body: "" }, "busy", "no", 429],
    ["400", { status: 400, headers: html, body: "bad" }, "bad-reply", "unknown", 400],
    ["500", { status: 500, headers: html, body: "<h1>oops</h1>" }, "server-error", "unknown", 500],
    ["502", { status: 502, headers: html, body: "gateway" }, "unavailable", "unknown", 502],
    ["503", { status: 503, headers: html, body: "gateway" }, "busy", "unknown", 503],
    ["503 of a farcall server", { status: 503, headers: { Farcall: "executed=no" }, body: "busy" }, "busy", "no", 503],
    ["504", { status: 504, headers: html, body: "gateway" }, "unavailable", "unknown", 504],
    [
      "303, which says that there is an answer elsewhere",
      { status: 303, headers: { Location: "/there" } },
      "bad-reply",
      "unknown",
      303,
    ],
    [
      "a fault in an answer of another status",
      { ...(fault(-32601, "no such method") as object), status: 500 },
      "unimplemented",
      "no",
      -32601,
    ],
    ["an XML page of another status", { status: 404, headers: xml, body: "<html/>" }, "not-found", "no", 404],
    ["a page in place of an answer", { headers: html, body: "<html>Log in</html>" }, "bad-reply", "unknown", 200],
    // Answers that are none.
    ["an answer that is no XML", { headers: xml, body: "hello" }, "bad-reply", "unknown"],
    ["XML that is no answer", { headers: xml, body: "<methodCall/>" }, "bad-reply", "unknown"],
    ["half an answer", { headers: xml, body: "<methodResponse><params>" }, "bad-reply", "unknown"],
    ["an empty answer", { headers: xml, body: "" }, "bad-reply", "unknown"],
    ["a result that is not what the contract says", result("<string>196</string>"), "bad-reply", "yes"],
    ["a connection that ends before the answer", "hang up", "unavailable", "unknown"],
    ["a connection that ends within the answer", "hang up in the body", "unavailable", "unknown"],
  ];

  it.each(table)("after %s", async (_what, script, code, executed, status) => {
    await using server = await ScriptedHttp.start(script);
    await using client = await connect(Test, server.url);
    const error = await failureOf(client.square(14, { retry: false }));
    expect(error).toMatchObject({ code, executed, attempts: 1 });
    expect(error.status?.number).toBe(status);
    expect(server.seen).toHaveLength(1);
  });

  it("is no when nobody is there, at the start and later", async () => {
    const server = await ScriptedHttp.start(result("<int>4</int>"));
    const { url } = server;
    await using client = await connect(Test, url);
    expect(await client.square(2)).toBe(4);
    await server[Symbol.asyncDispose]();
    expect(await failureOf(client.square(2))).toMatchObject({ code: "unavailable", executed: "no", transmissions: 0 });
    expect(await failureOf(connect(Test, url))).toMatchObject({ code: "unavailable", executed: "no" });
  });

  it("is no for a host that nobody knows", async () => {
    const client = new XmlRpcClient("http://host.invalid/RPC2");
    expect(await failureOf(client.execute("x", [], { retry: false }))).toMatchObject({
      code: "not-found",
      executed: "no",
    });
    expect(await failureOf(connect(Test, "http://host.invalid/RPC2"))).toMatchObject({
      code: "not-found",
      executed: "no",
    });
  });

  it("is no for arguments that cannot be sent, and nothing is", async () => {
    await using server = await ScriptedHttp.start(result("<int>4</int>"));
    await using client = new XmlRpcClient(server.url);
    const error = await failureOf(client.execute("x", [{ items: [1, { id: undefined }] }]));
    expect(error).toMatchObject({ code: "invalid-argument", executed: "no", attempts: 0 });
    expect(error.message).toMatch(/params\[0\]\.items\[1\]\.id/);
    expect(server.connections).toBe(0);
  });

  it("is unknown after a deadline that passed while the server was silent", async () => {
    await using server = await ScriptedHttp.start("be silent");
    await using client = await connect(Test, server.url);
    const error = await failureOf(client.square(14, { timeoutMs: 50 }));
    expect(error).toMatchObject({ code: "deadline-exceeded", executed: "unknown", attempts: 1 });
    expect(error.message).toMatch(/no answer came within 50 ms/);
  });

  it("is unknown after a call was cancelled while the server worked", async () => {
    await using server = await ScriptedHttp.start("be silent");
    await using client = await connect(Test, server.url);
    const aborter = new AbortController();
    const call = failureOf(client.square(14, { signal: aborter.signal }));
    while (server.seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    aborter.abort("enough");
    expect(await call).toMatchObject({ code: "cancelled", executed: "unknown", cause: "enough" });
  });

  it("is no for a call that was cancelled, or whose client was closed, before it was sent", async () => {
    await using server = await ScriptedHttp.start("be silent");
    await using client = new XmlRpcClient(server.url, { exchangesMax: 1 });
    const first = failureOf(client.execute("first"));
    const aborter = new AbortController();
    const second = failureOf(client.execute("second", [], { signal: aborter.signal }));
    const third = failureOf(client.execute("third"));
    while (server.seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    aborter.abort();
    expect(await second).toMatchObject({ code: "cancelled", executed: "no" });
    await client.close();
    expect(await first).toMatchObject({ code: "closed", executed: "unknown" });
    expect(await third).toMatchObject({ code: "closed", executed: "no" });
    expect(await failureOf(client.execute("fourth"))).toMatchObject({ code: "closed", executed: "no" });
    expect(server.seen).toHaveLength(1);
  });

  it("is unknown over all transmissions when one may have run", async () => {
    await using server = await ScriptedHttp.start("hang up", fault(-32601, "no such method"));
    await using client = new XmlRpcClient(server.url);
    const error = await failureOf(client.execute("x", [], { semantics: "at-least-once" }));
    expect(error).toMatchObject({ code: "unimplemented", executed: "unknown", attempts: 2 });
  });
});

describe("an answer that is no XML", () => {
  it("gives its status, its content type and its first bytes", async () => {
    const page = `<!doctype html><title>Log in</title>${"x".repeat(10_000)}`;
    await using server = await ScriptedHttp.start({ status: 401, headers: html, body: page });
    await using client = new XmlRpcClient(server.url);
    const error = await failureOf(client.execute("x"));
    expect(error).toBeInstanceOf(RpcError);
    expect(error.status).toEqual({ number: 401, text: "Unauthorized" });
    const { status, contentType, firstBytes } = error.cause as {
      status: number;
      contentType: string;
      firstBytes: Uint8Array;
    };
    expect(status).toBe(401);
    expect(contentType).toBe("text/html; charset=utf-8");
    expect(Buffer.from(firstBytes).toString()).toBe(page.slice(0, 512));
    expect(error.message).toMatch(/HTTP 401 Unauthorized, text\/html; charset=utf-8: "<!doctype html><title>Log in/);
  });

  it("shows nothing that a terminal would obey", async () => {
    await using server = await ScriptedHttp.start({ status: 500, headers: html, body: "\x1b[2J\x07 red\r\nline" });
    await using client = new XmlRpcClient(server.url);
    expect((await failureOf(client.execute("x"))).message).toMatch(/: "\[2J red line"$/);
  });

  it("does not cost the connection, when it is short", async () => {
    await using server = await ScriptedHttp.start(
      { status: 404, headers: html, body: "x".repeat(5_000) },
      result("<int>1</int>"),
    );
    await using client = new XmlRpcClient(server.url);
    await failureOf(client.execute("x"));
    expect(await client.execute("x")).toBe(1);
    expect(server.seen.map(({ connection }) => connection)).toEqual([1, 1]);
  });

  it("is not read without end", async () => {
    let written = 0;
    await using server = await ScriptedHttp.start((_seen, response) => {
      response.writeHead(200, html);
      const more = (): void => {
        while (!response.destroyed && written < 1e9 && response.write("x".repeat(65_536))) written += 65_536;
      };
      response.on("drain", more);
      more();
    });
    await using client = new XmlRpcClient(server.url);
    expect(await failureOf(client.execute("x"))).toMatchObject({ code: "bad-reply", executed: "unknown" });
    expect(written).toBeLessThan(50e6);
  });

  it("is taken for XML where it is XML, whatever it is called", async () => {
    const body =
      '\r\n<?xml version="1.0"?><methodResponse><params><param><value><int>7</int></value></param></params></methodResponse>';
    await using server = await ScriptedHttp.start({ headers: html, body });
    await using client = new XmlRpcClient(server.url);
    expect(await client.execute("x")).toBe(7);
    await using strict = new XmlRpcClient(server.url, { profile: "strict" });
    expect(await failureOf(strict.execute("x"))).toMatchObject({ code: "bad-reply" });
  });
});

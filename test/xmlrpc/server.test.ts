import { connect as connectTcp } from "node:net";
import { type CallContext, connect, Server, type ServerOptions } from "farcall";
import {
  boolean,
  decodeResponse,
  encodeCall,
  int,
  method,
  nothing,
  optional,
  serverAuthBasic,
  serverAuthBearer,
  string,
  WebServer,
  XmlRpcClient,
  XmlRpcFault,
  XmlRpcServer,
  xmlRpcService,
} from "farcall/xmlrpc";
import { describe, expect, it } from "vitest";
import { Authority } from "../support/certificates.js";
import { failureOf } from "../support/failure.js";
import { until } from "../support/faults.js";

const Calc = xmlRpcService({
  square: method("calc.square", { params: [int], result: int, help: "The square of a number." }),
  join: method("calc.join", { params: [string, optional(string), optional(boolean)], result: string }),
  clear: method("calc.clear", { params: [], result: nothing }),
  fail: method("calc.fail", { params: [string], result: int }),
  wait: method("calc.wait", { params: [], result: int }),
});

/** Serves Calc; `release` lets what waits go on. */
async function served(options: ServerOptions["xmlRpc"] = {}, address = "http://127.0.0.1:0/RPC2") {
  const errors: unknown[] = [];
  const contexts: CallContext[] = [];
  const waiting: (() => void)[] = [];
  const server = new Server({ xmlRpc: { onError: (error) => errors.push(error), ...options } });
  server.export(Calc, {
    square: (n, context) => {
      contexts.push(context);
      return n * n;
    },
    join: (a, b, upper) => (upper === true ? `${a}${b ?? ""}`.toUpperCase() : `${a}${b ?? ""}`),
    clear: () => {},
    fail: (how) => {
      if (how === "fault") throw new XmlRpcFault(4711, "no money");
      if (how === "result") return 1.5;
      throw new Error("secret detail");
    },
    wait: async (context) => {
      contexts.push(context);
      await new Promise<void>((resolve) => waiting.push(resolve));
      return 1;
    },
  });
  const url = await server.listen(address);
  return {
    server,
    url,
    errors,
    contexts,
    waiting,
    client: (more: ConstructorParameters<typeof XmlRpcClient>[1] = {}) =>
      new XmlRpcClient(url, { retry: false, ...more }),
    [Symbol.asyncDispose]: () => server.close({ drainMs: 0 }),
  };
}

/** Posts to a server by fetch and gives what came. */
async function post(url: string, init: RequestInit & { body?: string | Uint8Array<ArrayBuffer> } = {}) {
  const body = init.body ?? encodeCall("calc.square", [3]);
  const response = await fetch(url, {
    method: "POST",
    ...init,
    headers: { "Content-Type": "text/xml", ...init.headers },
    body,
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

const fault = (text: string) => decodeResponse(new TextEncoder().encode(text)).fault;

describe("a server", () => {
  it("answers by the contract's types, with the context last", async () => {
    await using here = await served();
    await using client = await connect(Calc, here.url);
    expect(await client.square(14)).toBe(196);
    expect(await client.join("a", "b")).toBe("ab");
    expect(await client.join("a")).toBe("a");
    expect(await client.join("a", "b", true)).toBe("AB");
    expect(await client.clear()).toBeUndefined();
    const [context] = here.contexts;
    expect(context).toMatchObject({ procedure: "square", session: undefined, transaction: undefined });
    expect(context?.caller.identity).toEqual({ flavor: "none", verified: false });
    expect(context?.caller.address).toMatch(/^tcp:\/\/127\.0\.0\.1:\d+$/);
  });

  it.each([
    ["no XML", "hello", -32700],
    ["half a document", "<methodCall><methodName>calc.square</methodName>", -32700],
    ["a DTD", '<!DOCTYPE x [<!ENTITY a "b">]><methodCall/>', -32700],
    ["an encoding that it does not know", '<?xml version="1.0" encoding="EBCDIC"?><methodCall/>', -32701],
    ["a character that cannot be", "<methodCall><methodName>&#0;</methodName></methodCall>", -32702],
    ["XML that is no call", "<methodResponse/>", -32600],
    ["no such method", encodeCall("calc.cube", [3]), -32601],
    ["a method of every object", encodeCall("toString"), -32601],
    ["too few parameters", encodeCall("calc.square", []), -32602],
    ["too many parameters", encodeCall("calc.square", [1, 2]), -32602],
    ["a parameter of another type", encodeCall("calc.square", ["3"]), -32602],
    [
      "an int that is none",
      "<methodCall><methodName>calc.square</methodName><params><param><value><int>3a</int></value></param></params></methodCall>",
      -32602,
    ],
  ])("answers %s with a fault, and says that nothing ran", async (_what, body, code) => {
    await using here = await served();
    const { status, headers, text } = await post(here.url, { body });
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("text/xml");
    expect(fault(text)?.code).toBe(code);
    expect(headers.get("farcall")).toMatch(/^executed=no\b/);
    expect(here.errors).toEqual([]);
  });

  it("passes on a fault that is thrown on purpose, and nothing of other errors", async () => {
    await using here = await served();
    await using client = await connect(Calc, here.url);
    const deliberate = await failureOf(client.fail("fault"));
    expect(deliberate).toMatchObject({
      code: "server-error",
      executed: "yes",
      status: { number: 4711, text: "no money" },
    });
    expect(here.errors).toEqual([]);
    const other = await failureOf(client.fail("error"));
    expect(other).toMatchObject({
      code: "server-error",
      executed: "yes",
      status: { number: -32500, text: "the procedure failed" },
    });
    expect(here.errors).toEqual([expect.objectContaining({ message: "secret detail" })]);
    const bad = await failureOf(client.fail("result"));
    expect(bad).toMatchObject({ code: "server-error", executed: "yes", status: { number: -32603 } });
    expect(here.errors).toHaveLength(2);
  });

  it.each([
    ["another path", "/other", {}, 404],
    ["GET", "/RPC2", { method: "GET", body: undefined }, 405],
    ["another content type", "/RPC2", { headers: { "Content-Type": "text/plain" } }, 415],
    ["a form", "/RPC2", { headers: { "Content-Type": "application/x-www-form-urlencoded" } }, 415],
    ["a page of another origin", "/RPC2", { headers: { Origin: "https://evil.example" } }, 403],
    ["a page that claims to be its own", "/RPC2", { headers: { Origin: "http://localhost" } }, 403],
  ])("refuses %s, and says why", async (_what, path, init, status) => {
    await using here = await served();
    const url = here.url.replace("/RPC2", path);
    const usual = { method: "POST", headers: { "Content-Type": "text/xml" }, body: encodeCall("calc.square", [3]) };
    const response = await fetch(url, { ...usual, ...init } as RequestInit);
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toMatch(/^text\/plain/);
    expect((await response.text()).length).toBeGreaterThan(5);
  });

  it("serves the usual paths where its address says none, and several addresses", async () => {
    await using here = await served({}, "http://127.0.0.1:0");
    expect(here.url).toMatch(/\/RPC2$/);
    for (const path of ["/", "/RPC2", "/RPC2?x=1"]) {
      expect((await post(here.url.replace("/RPC2", path))).status).toBe(200);
    }
    const second = await here.server.listen("http://127.0.0.1:0/second");
    expect((await post(second)).status).toBe(200);
    expect(here.server.addresses).toEqual([here.url, second]);
  });

  it("lets pages of chosen origins in", async () => {
    await using here = await served({ cors: { origins: ["https://app.example"] } });
    const asked = await fetch(here.url, {
      method: "OPTIONS",
      headers: {
        Origin: "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
      },
    });
    expect(asked.status).toBe(204);
    expect(asked.headers.get("access-control-allow-origin")).toBe("https://app.example");
    expect(asked.headers.get("access-control-allow-headers")).toBe("content-type");
    const answered = await post(here.url, { headers: { Origin: "https://app.example" } });
    expect(answered.status).toBe(200);
    expect(answered.headers.get("access-control-allow-origin")).toBe("https://app.example");
    const stranger = await post(here.url, { headers: { Origin: "https://evil.example" } });
    expect(stranger.status).toBe(403);
    expect(stranger.headers.get("access-control-allow-origin")).toBeNull();
  });

  it("lets pages of chosen origins read why a call was refused", async () => {
    const nobody = serverAuthBasic(() => false);
    await using here = await served({ cors: { origins: ["https://app.example"] }, auth: [nobody], gzipFrom: 1 });
    const headers = { Origin: "https://app.example" };
    for (const [url, more, status] of [
      [here.url, {}, 401],
      [here.url, { Authorization: `Basic ${btoa("me:sesame")}` }, 401],
      [here.url.replace("/RPC2", "/elsewhere"), {}, 404],
    ] as const) {
      const refused = await post(url, { headers: { ...headers, ...more } });
      expect(refused.status).toBe(status);
      expect(refused.headers.get("access-control-allow-origin")).toBe("https://app.example");
      expect(refused.headers.get("access-control-expose-headers")).toBe("Farcall");
    }
  });

  it("says everything that its answers depend on", async () => {
    await using here = await served({ cors: { origins: ["https://app.example"] }, gzipFrom: 1 });
    const answered = await post(here.url, { headers: { Origin: "https://app.example", "Accept-Encoding": "gzip" } });
    expect(answered.headers.get("content-encoding")).toBe("gzip");
    expect(answered.headers.get("vary")).toBe("Origin, Accept-Encoding");
  });

  it("compresses large answers for those who take it, where it is told to", async () => {
    await using here = await served({ gzipFrom: 1_000 });
    const large = "x".repeat(5_000);
    await using client = here.client();
    expect(await client.execute("calc.join", [large])).toBe(large);
    await using plain = here.client({ gzip: false });
    expect(await plain.execute("calc.join", [large])).toBe(large);
    const zipped = await fetch(here.url, {
      method: "POST",
      headers: { "Content-Type": "text/xml" },
      body: encodeCall("calc.join", [large]),
    });
    expect(zipped.headers.get("content-encoding")).toBe("gzip");
  });

  it("speaks over HTTPS", async () => {
    const authority = new Authority();
    const { cert, key } = authority.issue("localhost", "IP:127.0.0.1");
    await using here = await served({ tls: { cert, key } }, "https://127.0.0.1:0/RPC2");
    await using client = await connect(Calc, here.url, { tls: { ca: authority.ca.cert } });
    expect(await client.square(3)).toBe(9);
    expect(here.contexts[0]?.caller.address).toMatch(/^tls:/);
    expect(await failureOf(connect(Calc, here.url))).toMatchObject({ code: "unavailable", executed: "no" });
  });
});

describe("who calls", () => {
  const auth = [
    serverAuthBasic((user, password) => user === "me" && password === "sé:cret"),
    serverAuthBearer(async (token) => (token === "good" ? "robot" : undefined)),
  ];

  it("is known to handlers by the scheme that proved it", async () => {
    await using here = await served({ auth });
    await here.client({ auth: { user: "me", password: "sé:cret" } }).execute("calc.square", [1]);
    await here.client({ auth: { token: "good" } }).execute("calc.square", [1]);
    expect(here.contexts.map(({ caller }) => caller.identity)).toEqual([
      { flavor: "basic", verified: true, principal: "me" },
      { flavor: "bearer", verified: true, principal: "robot" },
    ]);
  });

  it.each([
    ["nothing", {}],
    ["a wrong password", { auth: { user: "me", password: "wrong" } }],
    ["a wrong token", { auth: { token: "bad" } }],
    ["another scheme", { headers: { Authorization: "Digest x" } }],
    ["Basic that is none", { headers: { Authorization: "Basic !!!" } }],
  ])("is refused with %s", async (_what, options) => {
    await using here = await served({ auth });
    const error = await failureOf(here.client(options).execute("calc.square", [1]));
    expect(error).toMatchObject({ code: "denied", executed: "no", status: { number: 401 } });
    expect(here.contexts).toEqual([]);
    const { headers } = await post(here.url);
    expect(headers.get("www-authenticate")).toBe('Basic realm="XML-RPC", charset="UTF-8", Bearer');
  });

  it("is asked before a large body is read", async () => {
    await using here = await served({ auth });
    const port = Number(new URL(here.url).port);
    let answer = "";
    const socket = connectTcp({ port, host: "127.0.0.1" });
    socket.on("data", (chunk) => {
      answer += chunk.toString();
    });
    socket.write("POST /RPC2 HTTP/1.1\r\nHost: h\r\nContent-Type: text/xml\r\nContent-Length: 10000000\r\n\r\n");
    await until(() => answer.includes("401"));
    socket.destroy();
  });

  it("is asked of an authority for each call, and for each inner call", async () => {
    const asked: string[] = [];
    const authorize = async (context: CallContext & { method: string }) => {
      asked.push(context.method);
      return context.procedure !== "square";
    };
    await using here = await served({ authorize });
    await using client = here.client();
    expect(await failureOf(client.execute("calc.square", [2]))).toMatchObject({ code: "denied", executed: "no" });
    const outcomes = await client.multicall([
      ["calc.square", [2]],
      ["calc.join", ["a"]],
    ]);
    expect(outcomes).toMatchObject([
      { ok: false, executed: "no", error: { code: "denied" } },
      { ok: true, value: "a" },
    ]);
    // The client's question whether the server has multicall is an inner call like any other.
    expect(asked).toEqual(["calc.square", "system.methodHelp", "calc.square", "calc.join"]);
    expect(here.contexts).toEqual([]);
  });

  it("cannot be found out when the check itself fails: nothing runs", async () => {
    const broken = serverAuthBearer(() => Promise.reject(new Error("the directory is down")));
    await using here = await served({ auth: [broken] });
    const error = await failureOf(here.client({ auth: { token: "x" } }).execute("calc.square", [1]));
    expect(error).toMatchObject({ code: "server-error", executed: "no", status: { number: 500 } });
    expect(here.errors).toEqual([expect.objectContaining({ message: "the directory is down" })]);
  });
});

describe("introspection", () => {
  const systemMethods = [
    "getCapabilities",
    "listMethods",
    "methodExist",
    "methodHelp",
    "methodSignature",
    "multicall",
  ].map((name) => `system.${name}`);

  it("tells all methods, their types and their texts", async () => {
    await using here = await served();
    await using client = here.client();
    expect(await client.listMethods()).toEqual([
      "calc.clear",
      "calc.fail",
      "calc.join",
      "calc.square",
      "calc.wait",
      ...systemMethods,
    ]);
    expect(await client.methodSignature("calc.square")).toEqual([["int", "int"]]);
    expect(await client.methodSignature("calc.join")).toEqual([
      ["string", "string", "string", "boolean"],
      ["string", "string", "string"],
      ["string", "string"],
    ]);
    expect(await client.methodHelp("calc.square")).toBe("The square of a number.");
    expect(await client.methodHelp("calc.join")).toBe("");
    expect(await client.execute("system.methodExist", ["calc.square"])).toBe(true);
    expect(await client.execute("system.methodExist", ["calc.cube"])).toBe(false);
    expect(await failureOf(client.methodSignature("calc.cube"))).toMatchObject({ status: { number: -32601 } });
    const capabilities = await client.getCapabilities();
    expect(Object.keys(capabilities).sort()).toEqual(["faults_interop", "introspection", "system.multicall", "xmlrpc"]);
    expect(capabilities["faults_interop"]?.specVersion).toBe(20010516);
  });

  it("tells of methods without a contract that their types are not known", async () => {
    await using server = new WebServer(0);
    server.addHandler("test", { square: (n: number) => n * n });
    await using client = new XmlRpcClient(await server.start());
    expect(await client.execute("system.methodSignature", ["test.square"])).toBe("undef");
    expect(await client.methodSignature("test.square")).toBeUndefined();
  });

  it("can be left out", async () => {
    await using here = await served({ introspection: false, multicall: false });
    await using client = here.client();
    for (const name of systemMethods) {
      expect(await failureOf(client.execute(name, []))).toMatchObject({ code: "unimplemented", executed: "no" });
    }
  });
});

describe("system.multicall", () => {
  it("makes each call as if it had come by itself", async () => {
    await using here = await served();
    const calls = [
      { methodName: "calc.square", params: [3] },
      { methodName: "calc.square", params: ["3"] },
      { methodName: "calc.cube", params: [3] },
      { methodName: "calc.fail", params: ["fault"] },
      { methodName: "calc.fail", params: ["error"] },
      { methodName: "calc.fail", params: ["result"] },
      { methodName: "system.multicall", params: [[]] },
      { methodName: "calc.clear" },
      { params: [3] },
      { methodName: "calc.square", params: 3 },
      "calc.square",
    ];
    const { headers, text } = await post(here.url, { body: encodeCall("system.multicall", [calls]) });
    expect(decodeResponse(new TextEncoder().encode(text)).value).toEqual([
      [9],
      expect.objectContaining({ faultCode: -32602 }),
      expect.objectContaining({ faultCode: -32601 }),
      { faultCode: 4711, faultString: "no money" },
      { faultCode: -32500, faultString: "the procedure failed" },
      expect.objectContaining({ faultCode: -32603 }),
      expect.objectContaining({ faultCode: -32600 }),
      [""],
      expect.objectContaining({ faultCode: -32600 }),
      expect.objectContaining({ faultCode: -32600 }),
      expect.objectContaining({ faultCode: -32600 }),
    ]);
    expect(headers.get("farcall")).toMatch(/^inner=ynnyyynynnn\b/);
    expect(text).not.toMatch(/secret/);
  });

  it("is bounded, and nothing runs over the bound", async () => {
    await using here = await served({ multicallMax: 3 });
    await using client = here.client();
    const call = { methodName: "calc.square", params: [1] };
    expect(await client.execute("system.multicall", [[call, call, call]])).toEqual([[1], [1], [1]]);
    const before = here.contexts.length;
    const error = await failureOf(client.execute("system.multicall", [[call, call, call, call]]));
    expect(error).toMatchObject({ executed: "no", status: { number: -32600 } });
    expect(error.message).toMatch(/multicallMax, 3/);
    expect(here.contexts).toHaveLength(before);
  });

  it("tells every call's end within the size of a document", async () => {
    await using server = new WebServer(0, { documentSizeMax: 20_000 });
    let ran = 0;
    const repeat = (n: number): string => {
      ran++;
      return "x".repeat(n);
    };
    server.addHandler("test", { repeat });
    await using client = new XmlRpcClient(await server.start());
    const outcomes = await client.multicall([9_000, 9_500, 10, 9_000, 100].map((n) => ["test.repeat", [n]]));
    expect(outcomes.map((outcome) => (outcome.ok ? String(outcome.value).length : outcome.executed))).toEqual([
      9_000,
      "yes",
      10,
      "yes",
      100,
    ]);
    expect(ran).toBe(5);
    await using small = new WebServer(0, { documentSizeMax: 1_000 });
    small.addHandler("test", { repeat });
    await using other = new XmlRpcClient(await small.start());
    ran = 0;
    const none = await other.multicall([
      ["test.repeat", [1]],
      ["test.repeat", [1]],
    ]);
    expect(none).toMatchObject([
      { ok: false, executed: "no" },
      { ok: false, executed: "no" },
    ]);
    expect(ran).toBe(0);
  });

  it("begins no further call when nobody waits any more", async () => {
    await using here = await served();
    await using client = here.client();
    const aborter = new AbortController();
    const calls = [{ methodName: "calc.wait" }, { methodName: "calc.square", params: [2] }];
    const running = failureOf(client.execute("system.multicall", [calls], { signal: aborter.signal }));
    await until(() => here.waiting.length === 1);
    aborter.abort();
    const { signal } = here.contexts[0] as CallContext;
    await until(() => signal.aborted);
    here.waiting[0]?.();
    await running;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(here.contexts.map(({ procedure }) => procedure)).toEqual(["wait"]);
  });

  it("runs the calls one after another, in their order", async () => {
    await using here = await served();
    await using client = here.client();
    const running = client.execute("system.multicall", [
      [
        { methodName: "calc.wait", params: [] },
        { methodName: "calc.square", params: [2] },
      ],
    ]);
    await until(() => here.waiting.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(here.contexts.map(({ procedure }) => procedure)).toEqual(["wait"]);
    here.waiting[0]?.();
    expect(await running).toEqual([[1], [4]]);
  });
});

describe("calls that run", () => {
  it("are bounded: one more is told to come again, and has not run", async () => {
    await using here = await served({ runningCallsMax: 2 });
    await using client = here.client();
    const running = [client.execute("calc.wait"), client.execute("calc.wait")];
    await until(() => here.waiting.length === 2);
    const error = await failureOf(client.execute("calc.square", [1]));
    expect(error).toMatchObject({ code: "busy", executed: "no", status: { number: 503 } });
    here.waiting[0]?.();
    await Promise.race(running);
    expect(await client.execute("calc.square", [2])).toBe(4);
    for (const release of here.waiting) release();
    await Promise.all(running);
  });

  it("are bounded in bytes, whatever their number", async () => {
    await using here = await served({ runningBytesMax: 1_000 });
    await using client = here.client();
    const large = client.execute("system.multicall", [
      [
        { methodName: "calc.wait", params: [] },
        { methodName: "calc.join", params: ["x".repeat(2_000)] },
      ],
    ]);
    await until(() => here.waiting.length === 1);
    expect(await failureOf(client.execute("calc.square", [1]))).toMatchObject({ code: "busy", executed: "no" });
    here.waiting[0]?.();
    await large;
    expect(await client.execute("calc.square", [2])).toBe(4);
  });

  it("learn when nobody waits for them any more", async () => {
    await using here = await served();
    await using client = here.client();
    const aborter = new AbortController();
    const call = failureOf(client.execute("calc.wait", [], { signal: aborter.signal }));
    await until(() => here.contexts.length === 1);
    const { signal } = here.contexts[0] as CallContext;
    expect(signal.aborted).toBe(false);
    aborter.abort();
    await until(() => signal.aborted);
    expect((signal.reason as Error).message).toMatch(/hung up/);
    await call;
  });

  it("learn when a farcall caller gives up", async () => {
    await using here = await served();
    await using client = here.client();
    await client.execute("calc.square", [1]);
    await client.execute("calc.square", [1], { timeoutMs: 5_000 });
    const left = (here.contexts[1]?.deadline ?? 0) - performance.now();
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(5_000);
    // Nobody else is told what nobody else understands.
    expect(here.contexts[0]?.deadline).toBeUndefined();
  });

  it("are let finish when the server closes, for a while", async () => {
    const here = await served();
    await using client = here.client();
    const first = client.execute("calc.wait");
    const second = failureOf(client.execute("calc.wait"));
    await until(() => here.waiting.length === 2);
    const closing = here.server.close({ drainMs: 200 });
    here.waiting[0]?.();
    expect(await first).toBe(1);
    await closing;
    expect(here.contexts[1]?.signal.aborted).toBe(true);
    expect(await second).toMatchObject({ code: "unavailable", executed: "unknown" });
    expect(await failureOf(client.execute("calc.square", [1]))).toMatchObject({ code: "unavailable", executed: "no" });
  });
});

describe("Server", () => {
  const fits = (service: typeof Calc) =>
    new Server().export(service, { square: () => 1, join: () => "", clear: () => {}, fail: () => 1, wait: () => 1 });

  it.each([
    ["tcp://127.0.0.1:0", /no exported service goes over tcp:/],
    ["memory://x", /services of xmlrpc only/],
    ["http://127.0.0.1:0/a?b", /not at a query/],
    ["http://me@127.0.0.1:0/", /no user and password/],
    ["https://127.0.0.1:0/", /tls option/],
    ["http:127.0.0.1", /none of the known forms/],
  ])("does not listen at %s", async (address, why) => {
    await using server = fits(Calc);
    const error = await failureOf(server.listen(address));
    expect(error).toMatchObject({ code: "invalid-argument", executed: "no" });
    expect(error.message).toMatch(why);
  });

  it("says so when nothing is exported, and when the port is taken", async () => {
    await using empty = new Server();
    expect((await failureOf(empty.listen("http://127.0.0.1:0"))).message).toMatch(/nothing is exported/);
    await using first = fits(Calc);
    const url = await first.listen("http://127.0.0.1:0");
    await using second = fits(Calc);
    expect(await failureOf(second.listen(url))).toMatchObject({ code: "unavailable", executed: "no" });
  });

  it("refuses what cannot be served", () => {
    const server = fits(Calc);
    expect(() => server.export(Calc, {} as never)).toThrow(/the method calc\.square is exported already/);
    const Other = xmlRpcService({ a: method("other.a", { params: [], result: int }) });
    expect(() => server.export(Other, {} as never)).toThrow(/no handler for a/);
  });

  it("serves what is exported after it listens, and objects for each call", async () => {
    await using here = await served();
    let made = 0;
    let disposed = 0;
    const Late = xmlRpcService({ count: method("late.count", { params: [], result: int }) });
    here.server.export(
      Late,
      () => {
        made++;
        return { count: async () => made, [Symbol.dispose]: () => void disposed++ };
      },
      { lifetime: "per-call" },
    );
    await using client = await connect(Late, here.url);
    expect(await client.count()).toBe(1);
    expect(await client.count()).toBe(2);
    await until(() => disposed === 2);
  });

  it("has no sessions to give objects to", async () => {
    const server = new Server();
    const One = xmlRpcService({ a: method("one.a", { params: [], result: int }) });
    server.export(One, () => ({ a: () => 1 }), { lifetime: "per-session" });
    await expect(server.listen("http://127.0.0.1:0")).rejects.toThrow(/no sessions/);
  });
});

describe("the classic server", () => {
  it("serves an object's own methods and those of its class, and no others", async () => {
    class Base {
      hello(): string {
        return "hello";
      }
      _private(): number {
        return 1;
      }
      get computed(): () => number {
        throw new Error("a getter was asked");
      }
    }
    class Test extends Base {
      factor = 2;
      double(n: number): number {
        return n * this.factor;
      }
      $hidden(): number {
        return 1;
      }
    }
    await using server = new WebServer(0);
    server
      .addHandler("test", new Test())
      .addHandler("sum", (a: number, b: number) => a + b)
      .addHandler("$default", { bare: () => "bare" });
    await using client = new XmlRpcClient(await server.start());
    expect(await client.execute("test.double", [21])).toBe(42);
    expect(await client.execute("test.hello")).toBe("hello");
    expect(await client.execute("sum", [1, 2])).toBe(3);
    expect(await client.execute("bare")).toBe("bare");
    for (const name of [
      "test._private",
      "test.$hidden",
      "test.computed",
      "test.constructor",
      "test.toString",
      "test.factor",
    ]) {
      expect(await failureOf(client.execute(name))).toMatchObject({ code: "unimplemented", executed: "no" });
    }
    expect(() => server.addHandler("empty", {})).toThrow(/no methods/);
    expect(() => server.addHandler("test", new Test())).toThrow(/served already/);
  });

  it("gives handlers their parameters and nothing behind them", async () => {
    await using server = new WebServer(0);
    server.addHandler("test", { count: (...params: unknown[]) => params.length });
    await using client = new XmlRpcClient(await server.start());
    expect(await client.execute("test.count")).toBe(0);
    expect(await client.execute("test.count", [1, "a", true])).toBe(3);
  });

  it("says so when its port is taken", async () => {
    await using first = new WebServer(0);
    const { port } = new URL(await first.start());
    const second = new WebServer(Number(port));
    expect(await failureOf(second.start())).toMatchObject({ code: "unavailable" });
    await second.shutdown();
  });

  it("exports one method after another in XmlRpcServer", async () => {
    const server = new XmlRpcServer();
    server.exportMethod("a.b", (x: number) => x + 1);
    const url = await server.listen("http://127.0.0.1:0");
    await using client = new XmlRpcClient(url);
    expect(await client.execute("a.b", [1])).toBe(2);
    await server.close(0);
  });
});

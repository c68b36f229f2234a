import { connect } from "farcall";
import { int, method, WebServer, XmlRpcClient, xmlRpcService } from "farcall/xmlrpc";
import { describe, expect, it } from "vitest";
import { failureOf } from "../support/failure.js";
import { fault, result, type Script, ScriptedHttp } from "../support/scripted-http.js";

// Calls that go together, against farcall's own server and against servers that answer otherwise.

const Test = xmlRpcService({
  square: method("test.square", { params: [int], result: int }),
  lookup: method("test.lookup", { params: [], result: int, semantics: "at-least-once" }),
});

const list = (...values: string[]): Script => result(`<array><data>${values.join("")}</data></array>`);
const one = (value: string): string => `<value><array><data><value>${value}</value></data></array></value>`;
const bad = (code: number, text: string): string =>
  `<value><struct><member><name>faultCode</name><value><int>${code}</int></value></member><member><name>faultString</name><value>${text}</value></member></struct></value>`;

async function classic() {
  const server = new WebServer(0, { onError: () => {} });
  const called: unknown[] = [];
  server.addHandler("test", {
    square: (n: number) => {
      called.push(n);
      if (n < 0) throw new Error("negative");
      return n * n;
    },
    lookup: () => 7,
  });
  return { url: await server.start(), called, [Symbol.asyncDispose]: () => server.shutdown() };
}

describe("calls that go together", () => {
  it("end each by itself, with the types of the contract", async () => {
    await using server = await classic();
    await using client = await connect(Test, server.url);
    const [square, failed, lookup] = await client.$multicall((calls) => [
      calls.square(3),
      calls.square(-1),
      calls.lookup(),
    ]);
    expect(square).toEqual({ ok: true, value: 9 });
    expect(failed).toMatchObject({
      ok: false,
      executed: "yes",
      error: { code: "server-error", status: { number: -32500 } },
    });
    expect(lookup).toEqual({ ok: true, value: 7 });
    // The question whether the server can, and the calls.
    expect(client.$stats().calls).toBe(2);
    await client.$multicall((calls) => [calls.lookup()]);
    expect(client.$stats().calls).toBe(3);
  });

  it("are none where none is collected", async () => {
    await using server = await classic();
    await using client = await connect(Test, server.url);
    expect(await client.$multicall(() => [])).toEqual([]);
    expect(client.$stats().calls).toBe(0);
  });

  it("go without the one whose arguments cannot be sent", async () => {
    await using server = await classic();
    await using client = await connect(Test, server.url);
    const [wrong, right] = await client.$multicall((calls) => [calls.square("3" as never), calls.square(4)]);
    expect(wrong).toMatchObject({ ok: false, executed: "no", error: { code: "invalid-argument" } });
    expect(right).toEqual({ ok: true, value: 16 });
    expect(server.called).toEqual([4]);
  });

  it("are divided where there are more than the bound", async () => {
    await using server = await classic();
    await using client = new XmlRpcClient(server.url, { multicallMax: 10 });
    const outcomes = await client.multicall(Array.from({ length: 25 }, (_, i) => ["test.square", [i]]));
    expect(outcomes.map((outcome) => outcome.ok && outcome.value)).toEqual(Array.from({ length: 25 }, (_, i) => i * i));
  });

  it("that nobody gave back fail in silence", async () => {
    await using server = await classic();
    await using client = await connect(Test, server.url);
    await client.$multicall((calls) => {
      void calls.square(-1);
      return [calls.square(1)];
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(server.called).toEqual([-1, 1]);
  });

  it("go as one document", async () => {
    await using server = await ScriptedHttp.start(list(), list(one("<int>9</int>"), one("<int>16</int>")));
    await using client = await connect(Test, server.url);
    await client.$multicall((calls) => [calls.square(3), calls.square(4)]);
    // The first asks whether the server has it, in the way that also shows how it answers inner calls.
    expect(server.seen[0]?.body).toMatch(
      /<methodName>system.multicall<\/methodName><params>.*<string>system.methodHelp<\/string>/,
    );
    expect(server.seen[1]?.body).toContain(
      "<value><struct><member><name>methodName</name><value><string>test.square</string></value></member>" +
        "<member><name>params</name><value><array><data><value><int>3</int></value></data></array></value></member></struct></value>",
    );
  });
});

describe("a server without system.multicall", () => {
  it.each([
    ["the agreed fault", fault(-32601, "no such method")],
    ["Python's fault for everything", fault(1, "<class 'Exception'>:method \"system.multicall\" is not supported")],
    ["something that is no list", result("<int>0</int>")],
  ])("that says so by %s gets the calls one by one, and is asked once", async (_what, script) => {
    await using server = await ScriptedHttp.start(
      script,
      result("<int>9</int>"),
      fault(4, "no"),
      result("<int>1</int>"),
    );
    await using client = await connect(Test, server.url, { exchangesMax: 1 });
    const outcomes = await client.$multicall((calls) => [calls.square(3), calls.square(4)]);
    expect(outcomes).toMatchObject([
      { ok: true, value: 9 },
      { ok: false, executed: "unknown", error: { status: { number: 4 } } },
    ]);
    expect(await client.$multicall((calls) => [calls.square(1)])).toEqual([{ ok: true, value: 1 }]);
    expect(server.seen.filter(({ body }) => body.includes("multicall"))).toHaveLength(1);
  });

  it("that does not answer the question fails the calls, which were not sent", async () => {
    await using server = await ScriptedHttp.start("be silent", list(), list(one("<int>9</int>")));
    await using client = await connect(Test, server.url);
    const [outcome] = await client.$multicall((calls) => [calls.square(3)], { timeoutMs: 50 });
    expect(outcome).toMatchObject({ ok: false, executed: "no", error: { code: "deadline-exceeded" } });
    // It may be there later: it is asked again.
    expect(await client.$multicall((calls) => [calls.square(3)])).toEqual([{ ok: true, value: 9 }]);
  });
});

describe("what a failed multicall says", () => {
  const cases: [what: string, script: Script, first: object, second: object][] = [
    ["a lost answer", "hang up", { executed: "unknown", error: { code: "unavailable" } }, { executed: "unknown" }],
    [
      "a fault of the whole",
      fault(-32600, "too many"),
      { executed: "no", error: { code: "bad-arguments" } },
      { executed: "no" },
    ],
    [
      "too few results",
      list(one("<int>9</int>")),
      { ok: true, value: 9 },
      { executed: "unknown", error: { code: "bad-reply" } },
    ],
    [
      "a fault that proves something",
      list(bad(-32601, "no"), bad(1, "?")),
      { executed: "no", error: { code: "unimplemented" } },
      { executed: "unknown" },
    ],
    [
      "a result of another type",
      list(one("<string>9</string>"), one("<int>1</int>")),
      { executed: "yes", error: { code: "bad-reply" } },
      { ok: true, value: 1 },
    ],
    [
      "a bare result",
      list("<value><int>9</int></value>", one("<int>1</int>")),
      { executed: "yes", error: { code: "bad-reply" } },
      { ok: true, value: 1 },
    ],
    [
      "what a farcall server says",
      result(`<array><data>${bad(5, "a")}${bad(5, "b")}</data></array>`, { Farcall: "inner=yn" }),
      { executed: "yes" },
      { executed: "no" },
    ],
  ];

  it.each(cases)("after %s", async (_what, script, first, second) => {
    await using server = await ScriptedHttp.start(list(), script);
    await using client = await connect(Test, server.url, { retry: false });
    const outcomes = await client.$multicall((calls) => [calls.square(3), calls.square(4)]);
    expect(outcomes).toMatchObject([first, second]);
  });

  it("takes bare results of supervisord, which wraps none", async () => {
    const bare = list("<value><int>9</int></value>", bad(10, "BAD_NAME"));
    await using server = await ScriptedHttp.start(list(), bare);
    await using client = await connect(Test, server.url, { preset: "supervisord" });
    expect(await client.$multicall((calls) => [calls.square(3), calls.square(4)])).toMatchObject([
      { ok: true, value: 9 },
      { ok: false, executed: "no", error: { code: "not-found" } },
    ]);
  });

  it("is tried again only when every call of it may run twice", async () => {
    await using server = await ScriptedHttp.start(
      list(),
      "hang up",
      list(one("<int>1</int>"), one("<int>2</int>")),
      "hang up",
    );
    await using client = await connect(Test, server.url);
    expect(await client.$multicall((calls) => [calls.lookup(), calls.lookup()])).toEqual([
      { ok: true, value: 1 },
      { ok: true, value: 2 },
    ]);
    expect(await client.$multicall((calls) => [calls.lookup(), calls.square(1)])).toMatchObject([
      { executed: "unknown" },
      { executed: "unknown" },
    ]);
    expect(server.seen).toHaveLength(4);
  });

  it("is no when the client was closed", async () => {
    await using server = await classic();
    const client = new XmlRpcClient(server.url);
    await client.close();
    expect(await client.multicall([["test.square", [1]]])).toMatchObject([
      { ok: false, executed: "no", error: { code: "closed" } },
    ]);
    expect(await failureOf(client.execute("x"))).toMatchObject({ code: "closed" });
  });
});

import { gzipSync } from "node:zlib";
import { connect } from "farcall";
import { type CallProgress, int, method, string, XmlRpcClient, xmlRpcService } from "farcall/xmlrpc";
import { describe, expect, it } from "vitest";
import { failureOf } from "../support/failure.js";
import { until } from "../support/faults.js";
import { fault, result, ScriptedHttp } from "../support/scripted-http.js";

const Test = xmlRpcService({
  square: method("test.square", { params: [int], result: int }),
  lookup: method("test.lookup", { params: [], result: int, semantics: "at-least-once" }),
  say: method("test.say", { params: [string], result: string }),
});

const four = result("<int>4</int>");

describe("what a client sends", () => {
  it("is what every server understands", async () => {
    await using server = await ScriptedHttp.start(four);
    await using client = new XmlRpcClient(server.url);
    await client.execute("test.square", [2]);
    const [seen] = server.seen;
    expect(seen?.method).toBe("POST");
    expect(seen?.url).toBe("/RPC2");
    expect(seen?.headers["content-type"]).toBe("text/xml");
    expect(seen?.headers["content-length"]).toBe(String(seen?.body.length));
    expect(seen?.headers["transfer-encoding"]).toBeUndefined();
    expect(seen?.headers["content-encoding"]).toBeUndefined();
    expect(seen?.headers["host"]).toBe(`127.0.0.1:${server.port}`);
    expect(seen?.body).toBe(
      '<?xml version="1.0"?><methodCall><methodName>test.square</methodName><params><param><value><int>2</int></value></param></params></methodCall>',
    );
  });

  it("has an empty list where there are no parameters", async () => {
    await using server = await ScriptedHttp.start(four);
    await using client = new XmlRpcClient(server.url);
    await client.execute("test.now");
    expect(server.seen[0]?.body).toMatch(/<params><\/params>/);
  });

  it.each([
    ["", "/RPC2"],
    ["/", "/"],
    ["/a/b?c=d", "/a/b?c=d"],
    ["?c=d", "/?c=d"],
  ])("goes to the path of the address: %j is %s", async (path, url) => {
    await using server = await ScriptedHttp.start(four);
    await using client = new XmlRpcClient(`${server.origin}${path}`);
    await client.execute("x");
    expect(server.seen[0]?.url).toBe(url);
  });

  it("uses one connection for calls after one another", async () => {
    await using server = await ScriptedHttp.start(four);
    await using client = await connect(Test, server.url);
    for (let i = 0; i < 5; i++) await client.square(2);
    expect(server.connections).toBe(1);
    expect(client.$stats()).toMatchObject({ calls: 5, pending: 0, connects: 1, retransmissions: 0 });
  });

  it("uses no more connections at once than it may", async () => {
    const waiting: (() => void)[] = [];
    await using server = await ScriptedHttp.start(async (_seen, response) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      response.writeHead(200, { "Content-Type": "text/xml" });
      response.end("<methodResponse><params><param><value><int>4</int></value></param></params></methodResponse>");
    });
    await using client = await connect(Test, server.url, { exchangesMax: 3 });
    const calls = Array.from({ length: 10 }, () => client.square(2));
    await until(() => waiting.length === 3);
    expect(client.$stats()).toMatchObject({ pending: 10, queued: 7 });
    for (let i = 0; i < 10; i++) {
      await until(() => waiting.length > i);
      waiting[i]?.();
    }
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 10 }, () => 4));
    expect(server.connections).toBe(3);
  });

  it.each([
    [
      "a user and a password",
      { auth: { user: "me", password: "sé:cret" } },
      `Basic ${Buffer.from("me:sé:cret").toString("base64")}`,
    ],
    ["a token", { auth: { token: "abc.def" } }, "Bearer abc.def"],
    ["a token that is asked for", { auth: { token: () => "fresh" } }, "Bearer fresh"],
    ["headers of one's own", { headers: { Authorization: "Custom x" } }, "Custom x"],
  ])("says who calls by %s", async (_what, options, expected) => {
    await using server = await ScriptedHttp.start(four);
    await using client = new XmlRpcClient(server.url, options);
    await client.execute("x");
    expect(server.seen[0]?.headers.authorization).toBe(expected);
  });

  it("says who calls by what stands in the address, and never shows it", async () => {
    await using server = await ScriptedHttp.start({ status: 401, body: "" });
    await using client = new XmlRpcClient(`http://me:secret@127.0.0.1:${server.port}/RPC2`);
    const error = await failureOf(client.execute("x"));
    expect(server.seen[0]?.headers.authorization).toBe(`Basic ${Buffer.from("me:secret").toString("base64")}`);
    expect(error.message).not.toMatch(/secret/);
    expect(`${error.peer} ${client.address}`).not.toMatch(/secret/);
  });

  it("has headers of one's own, for all calls and for one", async () => {
    await using server = await ScriptedHttp.start(four);
    await using client = new XmlRpcClient(server.url, { headers: { "X-All": "1", "X-Both": "client" } });
    await client.execute("x", [], { headers: { "X-One": "2", "X-Both": "call" } });
    expect(server.seen[0]?.headers).toMatchObject({ "x-all": "1", "x-one": "2", "x-both": "call" });
  });

  it.each([
    ["a name that is none", { "X Y": "1" }, /X Y/],
    ["a line end in a value", { X: "a\r\nY: b" }, /value of X/],
    ["what the transport says", { "Content-Length": "4" }, /Content-Length is the transport's/],
  ])("has no headers with %s", async (_what, headers, why) => {
    expect(() => new XmlRpcClient("http://127.0.0.1/", { headers })).toThrow(why);
    await using client = new XmlRpcClient("http://127.0.0.1/");
    expect(await failureOf(client.execute("x", [], { headers }))).toMatchObject({
      code: "invalid-argument",
      executed: "no",
    });
  });

  it("fails with executed no when the user's function has no token", async () => {
    await using server = await ScriptedHttp.start(four);
    const token = (): string => {
      throw new Error("the vault is closed");
    };
    await using client = new XmlRpcClient(server.url, { auth: { token } });
    const error = await failureOf(client.execute("x"));
    expect(error).toMatchObject({ code: "invalid-argument", executed: "no" });
    expect(error.message).toMatch(/the vault is closed/);
  });
});

describe("cookies", () => {
  const set = (...cookies: string[]) => ({
    headers: { "Content-Type": "text/xml", "Set-Cookie": cookies },
    ...{ body: "" },
  });

  it("go back only where that is asked for", async () => {
    await using server = await ScriptedHttp.start(set("a=1"), four);
    await using client = new XmlRpcClient(server.url);
    await failureOf(client.execute("x"));
    await client.execute("x");
    expect(server.seen[1]?.headers.cookie).toBeUndefined();
  });

  it("go back to where they came from, while they live", async () => {
    await using server = await ScriptedHttp.start(
      set(
        "a=1; Path=/",
        "b=2; Path=/RPC2; HttpOnly",
        "c=3; Path=/elsewhere",
        "d=4; Secure",
        "e=5; Max-Age=0",
        "f=6; Max-Age=100",
      ),
      set("a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "bad", "g=\u00e9", "h=8; Expires=Thu, 01 Jan 2970 00:00:00 GMT"),
      four,
    );
    await using client = new XmlRpcClient(server.url, { cookies: true });
    await failureOf(client.execute("x"));
    await failureOf(client.execute("x"));
    await client.execute("x");
    expect(server.seen.map(({ headers }) => headers.cookie)).toEqual([undefined, "b=2; a=1; f=6", "b=2; f=6; h=8"]);
  });

  it("do not gather without end", async () => {
    await using server = await ScriptedHttp.start(set(...Array.from({ length: 80 }, (_, i) => `c${i}=x`)), four);
    await using client = new XmlRpcClient(server.url, { cookies: true });
    await failureOf(client.execute("x"));
    await client.execute("x");
    expect(server.seen[1]?.headers.cookie?.split("; ")).toHaveLength(50);
  });
});

describe("redirects", () => {
  const to = (location: string, status = 307) => ({ status, headers: { Location: location } });

  it.each([301, 302, 307, 308])("%i is followed to the same server, with the whole request", async (status) => {
    await using server = await ScriptedHttp.start(to("/new?x=1", status), four);
    await using client = new XmlRpcClient(server.url, {
      auth: { user: "me", password: "secret" },
      headers: { "X-Own": "1" },
    });
    expect(await client.execute("test.square", [2])).toBe(4);
    const [first, second] = server.seen;
    expect(second?.url).toBe("/new?x=1");
    expect(second?.method).toBe("POST");
    expect(second?.body).toBe(first?.body);
    expect(second?.headers.authorization).toBe(first?.headers.authorization);
    expect(second?.headers["x-own"]).toBe("1");
  });

  it.each([
    ["another port", (port: number) => `http://127.0.0.1:${port}/RPC2`],
    ["another host", (port: number) => `http://127.0.0.2:${port}/RPC2`],
  ])("are not followed to %s, because parameters may be secret", async (_what, place) => {
    await using other = await ScriptedHttp.start(four);
    await using server = await ScriptedHttp.start(to(place(other.port)));
    await using client = new XmlRpcClient(server.url);
    const error = await failureOf(client.execute("login", ["me", "secret"]));
    expect(error).toMatchObject({ code: "not-found", executed: "no", status: { number: 307 } });
    expect(error.message).toMatch(/another server/);
    expect(other.seen).toEqual([]);
  });

  it("take no credentials along where they are followed anywhere", async () => {
    await using other = await ScriptedHttp.start(four);
    await using server = await ScriptedHttp.start({
      ...to(other.url),
      headers: { Location: other.url, "Set-Cookie": "s=1" },
    });
    const options = {
      redirects: "any",
      cookies: true,
      auth: { token: "secret" },
      headers: { "X-Key": "secret" },
    } as const;
    await using client = new XmlRpcClient(server.url, options);
    expect(await client.execute("x", [], { headers: { "X-Call": "secret" } })).toBe(4);
    expect(JSON.stringify(other.seen[0]?.headers)).not.toMatch(/secret|s=1/);
    expect(other.seen[0]?.headers["content-type"]).toBe("text/xml");
  });

  it("do not come back to trust by way of a stranger", async () => {
    await using server = await ScriptedHttp.start("be silent");
    await using other = await ScriptedHttp.start(to(`${server.url}?back`));
    server.script = [to(other.url), four];
    await using client = new XmlRpcClient(server.url, { redirects: "any", auth: { token: "secret" } });
    expect(await client.execute("x")).toBe(4);
    expect(server.seen.map(({ headers }) => headers.authorization)).toEqual(["Bearer secret", undefined]);
  });

  it.each([
    ["ftp://127.0.0.1/", /leads away from HTTP/],
    ["http://[bad/", /is no address/],
  ])("are not followed to %s", async (location, why) => {
    await using server = await ScriptedHttp.start(to(location));
    await using client = new XmlRpcClient(server.url, { redirects: "any" });
    expect((await failureOf(client.execute("x"))).message).toMatch(why);
  });

  it("are not followed where that is forbidden, nor for ever", async () => {
    await using server = await ScriptedHttp.start(to("/RPC2"));
    await using none = new XmlRpcClient(server.url, { redirects: "none" });
    expect((await failureOf(none.execute("x"))).message).toMatch(/redirects is "none"/);
    await using client = new XmlRpcClient(server.url);
    const before = server.seen.length;
    const error = await failureOf(client.execute("x"));
    expect(error).toMatchObject({ code: "not-found", executed: "no" });
    expect(error.message).toMatch(/more than 5 redirects/);
    expect(server.seen.length - before).toBe(6);
  });
});

describe("answers", () => {
  it.each([
    [
      "UTF-8",
      "text/xml; charset=utf-8",
      Buffer.from("<methodResponse><params><param><value>é€</value></param></params></methodResponse>"),
      "é€",
    ],
    [
      "ISO-8859-1 by the header",
      'text/xml; charset="ISO-8859-1"',
      Buffer.from("<methodResponse><params><param><value>é</value></param></params></methodResponse>", "latin1"),
      "é",
    ],
    [
      "UTF-16",
      "application/xml; charset=utf-16",
      Buffer.from(
        "\ufeff<methodResponse><params><param><value>é€</value></param></params></methodResponse>",
        "utf16le",
      ),
      "é€",
    ],
    [
      "another kind of XML",
      "application/xmlrpc+xml",
      Buffer.from("<methodResponse><params><param><value>x</value></param></params></methodResponse>"),
      "x",
    ],
  ])("are read in %s", async (_what, type, body, value) => {
    await using server = await ScriptedHttp.start({ headers: { "Content-Type": type }, body });
    await using client = new XmlRpcClient(server.url);
    expect(await client.execute("x")).toBe(value);
  });

  it("are inflated, within the bound", async () => {
    const document = (size: number): Buffer =>
      gzipSync(`<methodResponse><params><param><value>${"x".repeat(size)}</value></param></params></methodResponse>`);
    const zipped = (body: Uint8Array) => ({
      headers: { "Content-Type": "text/xml", "Content-Encoding": "gzip" },
      body,
    });
    await using server = await ScriptedHttp.start(zipped(document(1_000)), zipped(document(50_000_000)));
    await using client = new XmlRpcClient(server.url, { documentSizeMax: 1_000_000, stringLengthMax: 100_000_000 });
    expect(await client.execute("x")).toHaveLength(1_000);
    const before = process.cpuUsage();
    const error = await failureOf(client.execute("x"));
    const { user, system } = process.cpuUsage(before);
    expect(error).toMatchObject({ code: "bad-reply", executed: "unknown" });
    expect(error.message).toMatch(/documentSizeMax, 1000000/);
    // Inflating all of it takes some 100 ms; a bound of processor time, not of time.
    expect((user + system) / 1000).toBeLessThan(90);
  });

  it("are read as they come: a fault in the first bytes is found before the last are here", async () => {
    let closed = false;
    await using server = await ScriptedHttp.start((_seen, response) => {
      response.writeHead(200, { "Content-Type": "text/xml", "Content-Length": "10000000" });
      response.write(`<methodResponse><params><param><value><int>12abc</int></value>${" ".repeat(70_000)}`);
      response.on("close", () => {
        closed = true;
      });
    });
    await using client = new XmlRpcClient(server.url);
    const error = await failureOf(client.execute("x"));
    expect(error).toMatchObject({ code: "bad-reply", executed: "unknown" });
    expect(error.message).toMatch(/12abc/);
    await until(() => closed);
  });

  it("tell how a large body gets on, both ways", async () => {
    const text = "y".repeat(300_000);
    const { body } = result(`<string>${text}</string>`) as { body: string };
    const headers = { "Content-Type": "text/xml", "Content-Length": String(body.length) };
    await using server = await ScriptedHttp.start({ headers, body });
    await using client = await connect(Test, server.url);
    const told: CallProgress[] = [];
    expect(await client.say("x".repeat(200_000), { progress: (progress) => told.push(progress) })).toBe(text);
    const last = told.at(-1) as CallProgress;
    expect(last.sent).toBe(last.toSend);
    expect(last.toSend).toBeGreaterThan(200_000);
    expect(last.received).toBe(last.toReceive);
    expect(last.toReceive).toBeGreaterThan(300_000);
    expect(told.some(({ sent, received }) => sent > 0 && sent < last.toSend && received === 0)).toBe(true);
    expect(told.some(({ received }) => received > 0 && received < last.received)).toBe(true);
  });
});

describe("repetition", () => {
  it("is for procedures that may run twice: a lost answer is asked for again", async () => {
    await using server = await ScriptedHttp.start("hang up", "hang up in the body", four);
    await using client = await connect(Test, server.url);
    expect(await client.lookup()).toBe(4);
    expect(server.seen).toHaveLength(3);
    expect(client.$stats().retransmissions).toBe(2);
  });

  it("is not for others", async () => {
    await using server = await ScriptedHttp.start("hang up", four);
    await using client = await connect(Test, server.url);
    expect(await failureOf(client.square(2))).toMatchObject({ code: "unavailable", executed: "unknown", attempts: 1 });
    expect(server.seen).toHaveLength(1);
  });

  it("is for all but maybe where the server says that it did nothing", async () => {
    const busy = { status: 503, headers: { "Retry-After": "0", Farcall: "executed=no" }, body: "" };
    await using server = await ScriptedHttp.start(busy, four);
    await using client = await connect(Test, server.url);
    expect(await client.square(2)).toBe(4);
    server.script = [busy, four];
    expect(await failureOf(client.square(2, { semantics: "at-most-once", retry: false }))).toMatchObject({
      code: "busy",
      executed: "no",
    });
    await using careful = await connect(Test, server.url, { semantics: { lookup: "maybe" } });
    server.script = [busy, four];
    expect(await failureOf(careful.lookup())).toMatchObject({ code: "busy", executed: "no" });
  });

  it("waits as long as the server asks for, or fails at once when that is too long", async () => {
    await using server = await ScriptedHttp.start({ status: 429, headers: { "Retry-After": "60" }, body: "" });
    await using client = await connect(Test, server.url);
    const error = await failureOf(client.lookup({ timeoutMs: 10_000 }));
    expect(error).toMatchObject({ code: "busy", executed: "no", attempts: 1 });
    expect(error.message).toMatch(/too little time is left/);
  });

  it("is never for a fault", async () => {
    await using server = await ScriptedHttp.start(fault(4, "no"));
    await using client = await connect(Test, server.url);
    await failureOf(client.lookup());
    expect(server.seen).toHaveLength(1);
  });
});

describe("limits of a client", () => {
  it("refuse calls over them, with executed no", async () => {
    await using server = await ScriptedHttp.start("be silent");
    await using client = await connect(Test, server.url, { pendingCallsMax: 2, queueBytesMax: 1_000 });
    const pending = [failureOf(client.square(1)), failureOf(client.square(2))];
    const error = await failureOf(client.square(3));
    expect(error).toMatchObject({ code: "busy", executed: "no" });
    expect(error.message).toMatch(/pendingCallsMax/);
    await client.$close();
    await Promise.all(pending);
    await using small = await connect(Test, server.url, { queueBytesMax: 1_000 });
    expect((await failureOf(small.say("x".repeat(1_000)))).message).toMatch(/queueBytesMax/);
  });

  it("let a producer wait for room", async () => {
    let answer: () => void = () => {};
    await using server = await ScriptedHttp.start((_seen, response) => {
      answer = () => {
        response.writeHead(200, { "Content-Type": "text/xml" });
        response.end("<methodResponse><params><param><value><int>4</int></value></param></params></methodResponse>");
      };
    });
    await using client = await connect(Test, server.url, { pendingCallsMax: 1 });
    await client.$ready();
    const call = client.square(2);
    let ready = false;
    const waiting = client.$ready().then(() => {
      ready = true;
    });
    await until(() => server.seen.length === 1);
    expect(ready).toBe(false);
    answer();
    await call;
    await waiting;
  });

  it.each([
    [{ timeoutMs: 0 }, /timeoutMs/],
    [{ connectTimeoutMs: -1 }, /connectTimeoutMs/],
    [{ retry: { attempts: 0 } }, /retry.attempts/],
    [{ auth: { user: "a:b", password: "" } }, /colon/],
    [{ auth: { token: "a b" } }, /token/],
    [{ profile: "loose" as never }, /profile/],
  ])("refuse the options %j", (options, why) => {
    expect(() => new XmlRpcClient("http://127.0.0.1/", options)).toThrow(why);
  });
});

describe("the controls of a client", () => {
  it("tell the address, and whether somebody is there", async () => {
    await using server = await ScriptedHttp.start(fault(1, "no such method"));
    await using client = await connect(Test, `http://me:secret@127.0.0.1:${server.port}`);
    expect(client.$address).toBe(`http://127.0.0.1:${server.port}/RPC2`);
    await client.$ping();
    server.script = [{ status: 404, body: "" }];
    expect(await failureOf(client.$ping())).toMatchObject({ code: "not-found" });
  });

  it("give failures as values", async () => {
    await using server = await ScriptedHttp.start(fault(4, "no"), four);
    await using client = await connect(Test, server.url);
    expect(await client.$try.square(2)).toMatchObject({
      ok: false,
      executed: "unknown",
      error: { code: "server-error" },
    });
    expect(await client.$try.square(2)).toEqual({ ok: true, value: 4 });
  });
});

import { afterEach, describe, expect, it } from "vitest";
import { RequestQueue, type RequestQueueOptions } from "../../src/async/index.js";
import { connect, requests, Server } from "../../src/index.js";
import { clientAuthSys } from "../../src/onc/index.js";
import { MemoryRequestEngine } from "../../src/store/index.js";
import { int, method, XmlRpcClient, type XmlRpcValue, xmlRpcService } from "../../src/xmlrpc/index.js";
import { Jobs } from "./jobs.js";

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each[Symbol.asyncDispose]();
});
function keep<T extends AsyncDisposable>(one: T): T {
  opened.push(one);
  return one;
}

const Squares = xmlRpcService({ square: method("test.square", { params: [int], result: int }) });

async function open(options: Partial<RequestQueueOptions> = {}) {
  const engine = new MemoryRequestEngine();
  const queue = keep(new RequestQueue({ engine, onError: () => {}, ...options }));
  queue.handle(Squares, { square: (n) => n * n });
  queue.handle(Jobs, {
    add: ({ a, b }) => a + b,
    count: async (to, { request }) => {
      for (let i = 1; i <= to; i++) await request?.progress(i);
      return to;
    },
    name: (text) => {
      if (text === "throw") throw new Error("secret");
      return text;
    },
  });
  const server = keep(new Server());
  queue.serve(server);
  const address = await server.listen("http://127.0.0.1:0/RPC2");
  const client = keep(new XmlRpcClient(address));
  type Struct = Readonly<Record<string, XmlRpcValue>>;
  const call = (name: string, ...params: unknown[]) =>
    client.execute(name, params) as Promise<unknown> as Promise<Struct>;
  return { call, engine, server };
}

describe("asynchronous requests over XML-RPC", () => {
  it("are submitted by the name of a method, and answered later", async () => {
    const { call } = await open();
    const { id, known } = await call("async.submit", "test.square", [14]);
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    expect(known).toBe(false);
    expect(await call("async.wait", id, 10_000)).toMatchObject({
      id,
      method: "test.square",
      state: "done",
      executed: "yes",
      result: 196,
    });
  });

  it("of a .x service go by the types that it has over XML-RPC, with progress", async () => {
    const { call } = await open();
    const { id } = await call("async.submit", "jobs.count", [2]);
    await call("async.wait", id, 10_000);
    const events = (await call("async.events", id)) as unknown as readonly Record<string, unknown>[];
    expect(events).toEqual([
      { number: 1, kind: "running" },
      { number: 2, kind: "progress", value: 1 },
      { number: 3, kind: "progress", value: 2 },
      { number: 4, kind: "done", executed: "yes", value: 2 },
    ]);
    expect(await call("async.events", id, 2, 0, 2)).toHaveLength(2);
    expect(await call("async.acknowledge", id, 4)).toBe(true);
    expect(await call("async.events", id)).toEqual([]);
    const sum = await call("async.submit", "jobs.add", [{ a: 1, b: 2 }]);
    expect(await call("async.wait", sum["id"], 10_000)).toMatchObject({ result: 3 });
  });

  it("with the same key are one, and with others' parameters refused", async () => {
    const { call } = await open();
    const first = await call("async.submit", "test.square", [2], { key: "k" });
    expect(await call("async.submit", "test.square", [2], { key: "k" })).toEqual({ id: first["id"], known: true });
    await expect(call("async.submit", "test.square", [3], { key: "k" })).rejects.toMatchObject({
      status: { number: 1006 },
    });
  });

  it("that are none are refused before they are queued", async () => {
    const { call, engine } = await open();
    await expect(call("async.submit", "test.square", ["two"])).rejects.toMatchObject({ status: { number: -32602 } });
    await expect(call("async.submit", "test.square", [])).rejects.toMatchObject({ status: { number: -32602 } });
    await expect(call("async.submit", "test.cube", [2])).rejects.toMatchObject({ status: { number: -32601 } });
    expect(engine.size).toBe(0);
  });

  it("say why they failed, and nothing of what was thrown", async () => {
    const { call } = await open();
    const { id } = await call("async.submit", "jobs.name", ["throw"]);
    const ended = await call("async.wait", id, 10_000);
    expect(ended).toMatchObject({ state: "failed", executed: "yes", reason: "the procedure failed" });
    expect(await call("async.cancel", id)).toBe("too-late");
    await expect(call("async.wait", "f".repeat(32))).rejects.toMatchObject({ status: { number: 1007 } });
    await expect(call("async.list")).rejects.toMatchObject({ status: { number: 1008 } });
  });

  it("are refused when the queue is full", async () => {
    const { call } = await open({ requestsPerOwnerMax: 1 });
    await call("async.submit", "test.square", [1]);
    await expect(call("async.submit", "test.square", [2])).rejects.toMatchObject({ status: { number: 1001 } });
  });

  it("are not another owner's, over whatever protocol", async () => {
    const { call, server } = await open();
    const auth = clientAuthSys({ uid: 1, gid: 1, machinename: "test" });
    const onc = keep(await connect(Jobs, await server.listen("tcp://127.0.0.1:0"), { auth }));
    const theirs = await requests(onc).add({ a: 1, b: 2 });
    expect(await theirs.result()).toBe(3);
    await expect(call("async.wait", theirs.id)).rejects.toMatchObject({ status: { number: 1007 } });
    const { id } = await call("async.submit", "jobs.add", [{ a: 3, b: 4 }]);
    await expect(requests(onc).$attach("add", id as string)).rejects.toMatchObject({ code: "not-found" });
  });
});

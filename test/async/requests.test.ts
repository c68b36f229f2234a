import { afterEach, describe, expect, it } from "vitest";
import { RequestQueue, type RequestQueueOptions } from "../../src/async/index.js";
import { connect, type Handlers, type RpcError, requests, Server } from "../../src/index.js";
import { clientAuthSys } from "../../src/onc/index.js";
import { MemoryRequestEngine } from "../../src/store/index.js";
import { Jobs } from "./jobs.js";

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each[Symbol.asyncDispose]();
});
function keep<T extends AsyncDisposable>(one: T): T {
  opened.push(one);
  return one;
}

/** Handlers that end when they are told to. */
class Stage implements Handlers<Jobs> {
  readonly started: string[] = [];
  readonly #gates = new Map<string, () => void>();

  add = ({ a, b }: { a: number; b: number }): number => {
    this.started.push(`add ${a} ${b}`);
    return a + b;
  };

  count: Handlers<Jobs>["count"] = async (to, { request }) => {
    this.started.push(`count ${to}`);
    for (let i = 1; i <= to; i++) await request?.progress(i);
    return to;
  };

  name: Handlers<Jobs>["name"] = async (text, { signal }) => {
    this.started.push(text);
    if (text === "throw") throw new Error("secret");
    if (text.startsWith("wait")) {
      await new Promise<void>((resolve, reject) => {
        this.#gates.set(text, resolve);
        signal.addEventListener("abort", () => reject(new Error("stopped")), { once: true });
      });
    }
    return `Hello, ${text}`;
  };

  go(text: string): void {
    this.#gates.get(text)?.();
  }

  async until(count: number): Promise<void> {
    for (let left = 2_000; this.started.length < count && left > 0; left--)
      await new Promise((go) => setTimeout(go, 5));
    expect(this.started.length).toBeGreaterThanOrEqual(count);
  }
}

async function open(options: Partial<RequestQueueOptions> = {}, stage: Stage | null = new Stage()) {
  const queue = keep(new RequestQueue({ engine: new MemoryRequestEngine(), onError: () => {}, ...options }));
  if (stage === null) queue.accept(Jobs);
  else queue.handle(Jobs, stage);
  const server = keep(new Server());
  server.export(Jobs, stage ?? new Stage());
  queue.serve(server);
  const address = await server.listen("tcp://127.0.0.1:0");
  const client = async (uid = 1000) =>
    keep(await connect(Jobs, address, { auth: clientAuthSys({ uid, gid: uid, machinename: "test" }) }));
  return { server, address, client, stage: stage as Stage, jobs: requests(await client()) };
}

async function all<T>(events: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const event of events) found.push(event);
  return found;
}

const text = (event: { number: number; kind: string; value?: unknown }): string =>
  [event.number, event.kind, event.value].filter((part) => part !== undefined).join(" ");

describe("an asynchronous request", () => {
  it("is given an id at once, and its result later", async () => {
    const { jobs, stage } = await open();
    const request = await jobs.name("wait");
    expect(request.id).toMatch(/^[0-9a-f]{32}$/);
    await stage.until(1);
    expect(await request.look()).toMatchObject({ id: request.id, procedure: "name", state: "running", attempt: 1 });
    const result = request.result();
    stage.go("wait");
    expect(await result).toBe("Hello, wait");
    expect(await request.look()).toMatchObject({ state: "done", executed: "yes" });
  });

  it("tells its events in order, with progress of the declared type", async () => {
    const { jobs } = await open();
    const request = await jobs.count(3);
    const events = await all(request.events());
    expect(events.map(text)).toEqual(["1 running", "2 progress 1", "3 progress 2", "4 progress 3", "5 done 3"]);
    expect((await all(request.events({ after: 3 }))).map(text)).toEqual(["4 progress 3", "5 done 3"]);
    // In types too.
    for (const event of events) if (event.kind === "progress") event.value satisfies number;
  });

  it("keeps events until they are acknowledged", async () => {
    const { jobs } = await open();
    const request = await jobs.count(2);
    const seen: string[] = [];
    for await (const event of request.events({ acknowledge: true })) {
      seen.push(text(event));
      if (event.number === 3) break;
    }
    expect(seen).toEqual(["1 running", "2 progress 1", "3 progress 2"]);
    // The third was not dealt with: nobody asked for the fourth.
    const again = await jobs.$attach("count", request.id);
    const rest = (await all(again.events({ acknowledge: true }))).map(text);
    expect(rest.slice(-2)).toEqual(["3 progress 2", "4 done 2"]);
    expect(await all(again.events())).toEqual([]);
    await expect(again.result()).rejects.toMatchObject({ code: "not-found", executed: "yes" });
  });

  it("is attached to by its id, by another client of the same owner, and by nobody else", async () => {
    const { jobs, client, stage } = await open();
    const request = await jobs.name("wait");
    const mine = requests(await client());
    const theirs = requests(await client(2000));
    const found = await mine.$attach("name", request.id);
    await expect(theirs.$attach("name", request.id)).rejects.toMatchObject({ code: "not-found" });
    expect((await mine.$list()).map(({ id }) => id)).toEqual([request.id]);
    expect(await theirs.$list()).toEqual([]);
    await stage.until(1);
    stage.go("wait");
    expect(await found.result()).toBe("Hello, wait");
    await expect(mine.$attach("add", request.id)).rejects.toMatchObject({ code: "invalid-argument", executed: "no" });
  });

  it("of callers without a name is found by its id alone", async () => {
    const { address } = await open();
    const jobs = requests(keep(await connect(Jobs, address)));
    const request = await jobs.add({ a: 1, b: 2 });
    await expect(jobs.$list()).rejects.toMatchObject({ code: "denied", executed: "no" });
    expect(await (await jobs.$attach("add", request.id)).result()).toBe(3);
  });

  it("whose key is known is the same request", async () => {
    const { jobs, stage } = await open();
    const first = await jobs.add({ a: 1, b: 2 }, { key: "k" });
    const second = await jobs.add({ a: 1, b: 2 }, { key: "k" });
    expect(second.id).toBe(first.id);
    expect(await second.result()).toBe(3);
    expect(stage.started).toEqual(["add 1 2"]);
    const other = jobs.add({ a: 1, b: 3 }, { key: "k" });
    await expect(other).rejects.toMatchObject({ code: "invalid-argument", executed: "no" });
  });

  it("that fails says so, without what the handler threw, and that it ran", async () => {
    const heard: unknown[] = [];
    const { jobs } = await open({ onError: (error, { procedure }) => heard.push(procedure, (error as Error).message) });
    const error = await (await jobs.name("throw")).result().catch((error: unknown) => error);
    expect(error).toMatchObject({ code: "server-error", executed: "yes" });
    expect((error as RpcError).message).not.toContain("secret");
    expect(heard).toEqual(["JOBS_PROG.name", "secret"]);
  });

  it("that waits is cancelled at once; one that runs is told", async () => {
    const { jobs, stage } = await open({ worker: { concurrency: 1 } });
    const running = await jobs.name("wait");
    await stage.until(1);
    const waiting = await jobs.add({ a: 1, b: 1 });
    expect(await waiting.cancel()).toBe("cancelled");
    await expect(waiting.result()).rejects.toMatchObject({ code: "cancelled", executed: "no" });
    expect(await running.cancel()).toBe("requested");
    await expect(running.result()).rejects.toMatchObject({ code: "cancelled", executed: "yes" });
    expect(await running.cancel()).toBe("too-late");
    expect(stage.started).toEqual(["wait"]);
  });

  it("expires with its time to live, and result ends with it", async () => {
    const { jobs } = await open({}, null);
    const request = await jobs.add({ a: 1, b: 1 }, { ttlMs: 50 });
    await expect(request.result()).rejects.toMatchObject({ code: "deadline-exceeded", executed: "no" });
  });

  it("is waited for as long as asked, and no longer", async () => {
    const { jobs } = await open({}, null);
    const request = await jobs.add({ a: 1, b: 1 });
    await expect(request.result({ timeoutMs: 50 })).rejects.toMatchObject({ code: "deadline-exceeded" });
    const abort = new AbortController();
    const result = request.result({ signal: abort.signal });
    abort.abort();
    await expect(result).rejects.toMatchObject({ code: "cancelled" });
  });

  it("is given back by a worker that closes, and run by the next", async () => {
    const engine = new MemoryRequestEngine();
    const worker = new RequestQueue({ engine, onError: () => {} });
    const first = new Stage();
    worker.handle(Jobs, first, { restart: { name: "requeue" } });
    const accepted = new RequestQueue({ engine });
    accepted.accept(Jobs, { restart: { name: "requeue" } });
    opened.push(accepted);
    const server = keep(new Server());
    accepted.serve(server);
    const client = keep(await connect(Jobs, await server.listen("tcp://127.0.0.1:0")));
    const request = await requests(client).name("wait");
    await first.until(1);
    await worker.close({ drainMs: 0 });
    const second = new Stage();
    keep(new RequestQueue({ engine })).handle(Jobs, second);
    await second.until(1);
    second.go("wait");
    expect(await request.result()).toBe("Hello, wait");
    expect((await all(request.events())).map(text)).toEqual([
      "1 running",
      "2 interrupted",
      "3 running",
      "4 done Hello, wait",
    ]);
  });
});

describe("what is no request", () => {
  it("is refused by the client where its arguments are not of their types", async () => {
    const { jobs } = await open();
    await expect(jobs.add({ a: 1.5, b: 2 })).rejects.toMatchObject({ code: "invalid-argument", executed: "no" });
  });

  it("is refused by the server before it is queued: bytes that are no arguments, a procedure that is not taken", async () => {
    const engine = new MemoryRequestEngine();
    const { address } = await open({ engine });
    const { FarcallAsyncV1, AsyncStatus } = await import("../../src/async/async.js");
    const raw = keep(await connect(FarcallAsyncV1, address));
    const args = { program: Jobs.program, version: 3, procedure: 1, key: "k", ttl: 0n, arguments: new Uint8Array(7) };
    expect(await raw.submit(args)).toMatchObject({ status: AsyncStatus.ASYNC_BAD_ARGUMENTS });
    expect(await raw.submit({ ...args, arguments: new Uint8Array(12) })).toMatchObject({
      status: AsyncStatus.ASYNC_BAD_ARGUMENTS,
    });
    expect(await raw.submit({ ...args, procedure: 9 })).toEqual({ status: AsyncStatus.ASYNC_NO_PROCEDURE });
    expect(await raw.submit({ ...args, procedure: 0 })).toEqual({ status: AsyncStatus.ASYNC_NO_PROCEDURE });
    expect(engine.size).toBe(0);
    expect(await raw.submit({ ...args, arguments: new Uint8Array(8) })).toMatchObject({ status: AsyncStatus.ASYNC_OK });
    expect(engine.size).toBe(1);
  });

  it("is refused where it is too large, by the name of the limit", async () => {
    const { jobs } = await open({ requestSizeMax: 16 });
    await jobs.name("short");
    await expect(jobs.name("rather long for that")).rejects.toMatchObject({
      code: "bad-arguments",
      executed: "no",
      message: expect.stringContaining("requestSizeMax") as string,
    });
  });

  it("is refused where the caller may not make it", async () => {
    const { jobs } = await open({ authorize: (_caller, procedure) => procedure !== "JOBS_PROG.name" });
    await expect(jobs.name("x")).rejects.toMatchObject({ code: "denied", executed: "no" });
    expect(await (await jobs.add({ a: 1, b: 1 })).result()).toBe(2);
  });

  it("is refused as busy when the queue is full", async () => {
    const { jobs } = await open({ requestsPerOwnerMax: 1 }, null);
    await jobs.add({ a: 1, b: 1 });
    await expect(jobs.add({ a: 1, b: 2 })).rejects.toMatchObject({ code: "busy", executed: "no" });
  });

  it("is refused as unavailable when the engine is dead, and has not been queued", async () => {
    const engine = new MemoryRequestEngine();
    const { EngineError } = await import("../../src/async/index.js");
    let dead = false;
    const failing = Object.assign(Object.create(engine) as MemoryRequestEngine, {
      transact: ((work, news) =>
        dead
          ? Promise.reject(new EngineError("no disk", "no"))
          : engine.transact(work, news)) as MemoryRequestEngine["transact"],
      listen: (listener: Parameters<MemoryRequestEngine["listen"]>[0]) => engine.listen(listener),
      close: () => {},
    });
    const { jobs } = await open({ engine: failing }, null);
    dead = true;
    const lost = jobs.add({ a: 1, b: 1 }, { timeoutMs: 300 });
    await expect(lost).rejects.toMatchObject({ code: "unavailable", executed: "no" });
    expect(engine.size).toBe(0);
    // One that comes back meanwhile is found.
    setTimeout(() => {
      dead = false;
    }, 100);
    expect((await jobs.add({ a: 1, b: 1 })).id).toMatch(/^[0-9a-f]{32}$/);
  });

  it("is no request where the server has no queue", async () => {
    const server = keep(new Server());
    server.export(Jobs, new Stage());
    const client = keep(await connect(Jobs, await server.listen("tcp://127.0.0.1:0")));
    await expect(requests(client).add({ a: 1, b: 1 })).rejects.toMatchObject({ code: "unimplemented", executed: "no" });
    expect(() => requests({})).toThrow(TypeError);
  });
});

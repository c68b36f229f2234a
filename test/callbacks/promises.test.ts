import { describe, expect, it, vi } from "vitest";
import {
  type CallContext,
  type Client,
  connect,
  type Handlers,
  MemoryNetwork,
  type RpcError,
  Server,
  type ServerOptions,
  serve,
} from "../../src/index.js";
import type { Network, Stream } from "../../src/net/index.js";
import { overXmlRpc } from "../../src/xmlrpc/index.js";
import { JobV1, ProgressV1 } from "../support/progress.js";

/** A network in memory whose connections can be cut, as a cable is. */
class CutNetwork implements Network {
  readonly #inner = new MemoryNetwork();
  readonly #streams: Stream[] = [];

  listen(name: string, onConnection: (stream: Stream) => void): ReturnType<MemoryNetwork["listen"]> {
    return this.#inner.listen(name, onConnection);
  }

  async connect(name: string): Promise<Stream> {
    const stream = await this.#inner.connect(name);
    this.#streams.push(stream);
    return stream;
  }

  bind(name?: string): ReturnType<MemoryNetwork["bind"]> {
    return this.#inner.bind(name);
  }

  cut(): void {
    for (const stream of this.#streams.splice(0)) stream.destroy(new Error("cut"));
  }
}

const quiet = (): void => {};
const address = "memory://job";
const job: Handlers<JobV1> = {
  run: async (done, context) => await context.callback(ProgressV1).report(done, { context }),
  plain: (text) => text,
  nest: async (depth, context) =>
    depth === 0 ? 0 : 1 + Number(await context.callback(ProgressV1).report(depth - 1, { context })),
};
const progress: Handlers<ProgressV1> = { report: (done) => `${done}!`, peek: () => 7, note: () => {} };

/** A server whose handler of `plain` gives a client of its caller away. */
async function start(network: Network, options: ServerOptions = {}, handlers: Partial<Handlers<JobV1>> = {}) {
  const kept: Client<ProgressV1>[] = [];
  const server = new Server({ network: network as MemoryNetwork, onError: quiet, ...options }).export(JobV1, {
    ...job,
    plain(text, context) {
      kept.push(context.callback(ProgressV1));
      return text;
    },
    ...handlers,
  });
  await server.listen(address);
  return {
    server,
    kept,
    get back(): Client<ProgressV1> {
      return kept.at(-1) as Client<ProgressV1>;
    },
    [Symbol.asyncDispose]: () => server.close({ drainMs: 0 }),
  };
}

const never = new Promise<never>(() => {});

describe("a callback", () => {
  it("whose connection is lost is sent again over the client's next one, and runs once: in a session", async () => {
    const network = new CutNetwork();
    await using serving = await start(network);
    const ran: number[] = [];
    let answer = (_text: string): void => {};
    const report = (done: number): Promise<string> =>
      new Promise((resolve) => {
        ran.push(done);
        answer = resolve;
      });
    const callbacks = [serve(ProgressV1, { ...progress, report })];
    await using client = await connect(JobV1, address, { network: network as never, callbacks });
    await client.plain("a");
    const called = serving.back.report(1);
    await vi.waitUntil(() => ran.length === 1);
    // By then the client has acknowledged its call: there is nothing left to say but where it is.
    await new Promise((resolve) => setTimeout(resolve, 500));
    network.cut();
    // The client comes back by itself: nobody makes a call.
    await vi.waitUntil(() => client.$stats().connects === 2);
    answer("done once");
    expect(await called).toBe("done once");
    expect(ran).toEqual([1]);
    // And it can be called from now on as before.
    expect(await serving.back.peek()).toBe(7);
  });

  it("whose connection is lost is unknown when it was sent, and further ones do not run: without a session", async () => {
    const network = new CutNetwork();
    await using serving = await start(network);
    const started = vi.fn();
    const callbacks = [
      serve(ProgressV1, {
        ...progress,
        report: () => {
          started();
          return never;
        },
      }),
    ];
    await using client = await connect(JobV1, address, { network: network as never, session: "off", callbacks });
    await client.plain("a");
    const { back } = serving;
    const called = back.report(1).catch((error: unknown) => error);
    await vi.waitUntil(() => started.mock.calls.length === 1);
    network.cut();
    expect(await called).toMatchObject({ code: "unavailable", executed: "unknown" });
    const after = await back.report(2).catch((error: unknown) => error);
    expect(after).toMatchObject({ code: "unavailable", executed: "no" });
    expect(started).toHaveBeenCalledTimes(1);
    // The next call comes over another connection, and brings another way back.
    await client.plain("b");
    expect(await serving.back.peek()).toBe(7);
  });

  it("tells the client's handler its deadline, and fires its signal when that has passed", async () => {
    const network = new MemoryNetwork();
    await using serving = await start(network);
    const seen: CallContext[] = [];
    const report = (_done: number, context: CallContext): Promise<never> => {
      seen.push(context);
      context.signal.throwIfAborted();
      return never;
    };
    await using client = await connect(JobV1, address, {
      network,
      callbacks: [serve(ProgressV1, { ...progress, report })],
    });
    await client.plain("a");
    const failure = await serving.back.report(1, { timeoutMs: 100 }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "deadline-exceeded", executed: "unknown" });
    expect(seen[0]?.deadline).toBeTypeOf("number");
    await vi.waitUntil(() => seen[0]?.signal.aborted);
  });

  it("ends when the call that it belongs to is cancelled, and so does its handler", async () => {
    const network = new MemoryNetwork();
    const ends: unknown[] = [];
    await using _serving = await start(
      network,
      {},
      {
        async run(done, context) {
          const outcome = await context.callback(ProgressV1).$try.report(done, { context });
          ends.push(outcome.ok ? "ran" : `${outcome.error.code} ${outcome.executed}`);
          return "";
        },
      },
    );
    const signals: CallContext["signal"][] = [];
    const report = (_done: number, { signal }: CallContext): Promise<never> => {
      signals.push(signal);
      return never;
    };
    await using client = await connect(JobV1, address, {
      network,
      callbacks: [serve(ProgressV1, { ...progress, report })],
    });
    const abort = new AbortController();
    const called = client.run(1, { signal: abort.signal }).catch((error: unknown) => error);
    await vi.waitUntil(() => signals.length === 1);
    abort.abort();
    expect(await called).toMatchObject({ code: "cancelled" });
    await vi.waitUntil(() => ends.length === 1 && signals[0]?.aborted);
    expect(ends).toEqual(["cancelled unknown"]);
  });

  it.each([
    ["auto", "yes"],
    ["off", "unknown"],
  ] as const)(
    "whose handler throws is server-error, with session %s executed %s; the client is told what",
    async (session, executed) => {
      const network = new MemoryNetwork();
      await using serving = await start(network);
      const told: unknown[] = [];
      const report = (): never => {
        throw new Error("not today");
      };
      await using client = await connect(JobV1, address, {
        network,
        session,
        callbacks: [serve(ProgressV1, { ...progress, report })],
        onCallbackError: (error, { procedure, caller }) => told.push([String(error), procedure, caller.address]),
      });
      await client.plain("a");
      const failure = await serving.back.report(1).catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: "server-error", executed });
      expect(told).toEqual([["Error: not today", "PROGRESS_PROG.report", address]]);
    },
  );

  it("may be one-way, and may fail as a value", async () => {
    const network = new MemoryNetwork();
    await using serving = await start(network);
    const notes: string[] = [];
    const callbacks = [serve(ProgressV1, { ...progress, note: (text) => void notes.push(text) })];
    await using client = await connect(JobV1, address, { network, callbacks });
    await client.plain("a");
    await serving.back.note("one");
    await serving.back.note("two");
    expect(await serving.back.$try.peek()).toEqual({ ok: true, value: 7 });
    expect(notes).toEqual(["one", "two"]);
    expect(serving.back.$address).toMatch(/^memory:/);
    await serving.back.$close();
    await expect(serving.back.peek()).rejects.toMatchObject({ code: "closed", executed: "no" });
    // Others have clients over the same connection.
    expect(await serving.kept[0]?.$try.peek()).toMatchObject({ ok: false });
    await client.plain("b");
    expect(await serving.back.peek()).toBe(7);
  });

  it("settles when its server closes, and when its client does", async () => {
    const network = new MemoryNetwork();
    for (const who of ["server", "client"] as const) {
      const serving = await start(network);
      const started = vi.fn(() => never);
      const client = await connect(JobV1, address, {
        network,
        callbacks: [serve(ProgressV1, { ...progress, report: started })],
      });
      await client.plain("a");
      const called = serving.back.report(1).catch((error: unknown) => error);
      await vi.waitUntil(() => started.mock.calls.length === 1);
      if (who === "server") await serving.server.close({ drainMs: 0 });
      else await client.$close();
      expect(await called).toMatchObject({ code: "unavailable", executed: "unknown" });
      await client.$close();
      await serving.server.close({ drainMs: 0 });
    }
  });
});

describe("calls within callbacks", () => {
  const nesting = (client: () => Client<JobV1>, bound: boolean): Handlers<ProgressV1> => ({
    ...progress,
    report: async (depth, context) => String(await client().nest(depth, bound ? { context } : { timeoutMs: 500 })),
  });

  it("do not wait, in a session that keeps the order, for the call that waits for them", async () => {
    const network = new MemoryNetwork();
    const order: string[] = [];
    await using _serving = await start(
      network,
      {},
      {
        plain(text) {
          order.push(text);
          return text;
        },
        async nest(depth, context) {
          order.push(`begin ${depth}`);
          const result = await (job.nest as (depth: number, context: CallContext) => Promise<number>)(depth, context);
          order.push(`end ${depth}`);
          return result;
        },
      },
    );
    const client: Client<JobV1> = await connect(JobV1, address, {
      network,
      order: "fifo",
      callbacks: [
        serve(
          ProgressV1,
          nesting(() => client, true),
        ),
      ],
    });
    await using _client = client;
    const [nested] = await Promise.all([client.nest(2), client.plain("behind")]);
    expect(nested).toBe(2);
    expect(order).toEqual(["begin 2", "begin 1", "begin 0", "end 0", "end 1", "end 2", "behind"]);
    // Without the context nobody knows that it belongs to the callback: it waits its turn, and settles.
    const other: Client<JobV1> = await connect(JobV1, address, {
      network,
      order: "fifo",
      callbacks: [
        serve(
          ProgressV1,
          nesting(() => other, false),
        ),
      ],
      onCallbackError: quiet,
    });
    await using _other = other;
    await expect(other.nest(1)).rejects.toMatchObject({ code: "server-error" });
  });

  it("are bounded: over callbacksPerCallerMax the next one is busy, and has not run", async () => {
    const network = new MemoryNetwork();
    const failures: RpcError[] = [];
    await using _serving = await start(network, {
      callbacksPerCallerMax: 5,
      onError: (error) => failures.push(error as RpcError),
    });
    let deepest = 1_000;
    const client: Client<JobV1> = await connect(JobV1, address, {
      network,
      session: "off",
      callbacks: [
        serve(ProgressV1, {
          ...progress,
          report: async (depth, context) => {
            deepest = Math.min(deepest, depth);
            return String(await client.nest(depth, { context }));
          },
        }),
      ],
      onCallbackError: quiet,
    });
    await using _client = client;
    await expect(client.nest(1_000)).rejects.toMatchObject({ code: "server-error" });
    expect(deepest).toBe(995);
    expect(failures[0]).toMatchObject({ code: "busy", executed: "no" });
    expect(failures[0]?.message).toMatch(/5 calls are pending already/);
    // All of it has settled.
    expect(await client.nest(2)).toBe(2);
  });
});

describe("a client's limits on callbacks", () => {
  it.each([
    ["callbacksMax", { callbacksMax: 2 }],
    ["callbackBytesMax", { callbackBytesMax: 100 }],
  ])("%s: what is over it is answered with SYSTEM_ERR, and its handler has not run", async (_name, limits) => {
    const network = new MemoryNetwork();
    await using serving = await start(network);
    let ran = 0;
    const open: ((text: string) => void)[] = [];
    const report = (): Promise<string> => {
      ran++;
      return new Promise((resolve) => open.push(resolve));
    };
    await using client = await connect(JobV1, address, {
      network,
      session: "off",
      ...limits,
      callbacks: [serve(ProgressV1, { ...progress, report })],
    });
    await client.plain("a");
    const calls = Array.from({ length: 10 }, (_, i) => serving.back.$try.report(i));
    // Who is refused is answered first.
    const refused = await Promise.race(calls);
    expect(refused).toMatchObject({ ok: false, executed: "unknown", error: { code: "server-error" } });
    await vi.waitUntil(() => ran > 0);
    for (const answer of open.splice(0)) answer("ok");
    const outcomes = await Promise.all(calls);
    expect(outcomes.filter(({ ok }) => ok)).toHaveLength(ran);
    expect(ran).toBeLessThan(4);
    // There is room again.
    const again = serving.back.$try.report(11);
    await vi.waitUntil(() => open.length > 0);
    open[0]?.("again");
    expect(await again).toEqual({ ok: true, value: "again" });
  });

  it.each([
    [{ callbacksMax: 0 }, /callbacksMax/],
    [{ callbackBytesMax: Number.NaN }, /callbackBytesMax/],
    [{ callbacks: [serve(ProgressV1, progress), serve(ProgressV1, progress)] }, /callbacks: .*exported already/],
    [
      { callbacks: [serve(ProgressV1, { peek: () => 1, note: () => {} } as never)] },
      /callbacks: .*no handler for report/,
    ],
  ])("%j is refused, by its name", async (options, why) => {
    const network = new MemoryNetwork();
    await using _serving = await start(network);
    const open = connect(JobV1, address, { network, ...options });
    await expect(open).rejects.toMatchObject({ code: "invalid-argument", executed: "no" });
    await expect(open).rejects.toThrow(why);
  });
});

describe("where there is nothing to call back over", () => {
  const refusal = async (listen: string, service: typeof JobV1, options: object = {}): Promise<unknown> => {
    let thrown: unknown;
    await using server = new Server({ onError: quiet }).export(service, {
      ...job,
      plain(_text, context) {
        try {
          context.callback(ProgressV1);
        } catch (error) {
          thrown = error;
        }
        return "";
      },
    });
    await using client = await connect(service, await server.listen(listen), options);
    await client.plain("a");
    return thrown;
  };

  it("context.callback says so: over datagrams, over XML-RPC", async () => {
    expect(await refusal("udp://127.0.0.1:0", JobV1)).toMatchObject({ code: "invalid-argument", executed: "no" });
    const overHttp = await refusal("http://127.0.0.1:0", overXmlRpc(JobV1) as never);
    expect(overHttp).toMatchObject({ code: "invalid-argument", executed: "no" });
    expect((overHttp as RpcError).message).toMatch(/HTTP cannot be called back/);
  });

  it("context.callback says so: in a callback, to a service of another protocol, with a timeout that is none", async () => {
    const network = new MemoryNetwork();
    const seen: unknown[] = [];
    await using _serving = await start(
      network,
      {},
      {
        plain(text, context) {
          for (const ask of [
            () => context.callback(overXmlRpc(ProgressV1) as never),
            () => context.callback(ProgressV1, { timeoutMs: 0 }),
          ]) {
            try {
              ask();
            } catch (error) {
              seen.push(error);
            }
          }
          return text;
        },
      },
    );
    const report = (_done: number, context: CallContext): string => {
      try {
        context.callback(JobV1);
      } catch (error) {
        seen.push(error);
      }
      return "";
    };
    await using client = await connect(JobV1, address, {
      network,
      callbacks: [serve(ProgressV1, { ...progress, report })],
    });
    await client.plain("a");
    await client.run(1);
    expect(seen).toHaveLength(3);
    for (const error of seen) expect(error).toMatchObject({ code: "invalid-argument", executed: "no" });
  });

  it("a client cannot offer callbacks", async () => {
    const open = connect(JobV1, "udp://127.0.0.1:9", { callbacks: [serve(ProgressV1, progress)] });
    await expect(open).rejects.toMatchObject({ code: "invalid-argument" });
  });
});

it("an exported address is called as any other, for two calls in place of one", async () => {
  const network = new MemoryNetwork();
  await using own = new Server({ network }).export(ProgressV1, progress);
  const mine = await own.listen("memory://mine");
  await using server = new Server({ network }).export(JobV1, {
    ...job,
    async plain(at, context) {
      await using back = await connect(ProgressV1, at, { network });
      return await back.report(5, { context });
    },
  });
  await using client = await connect(JobV1, await server.listen(address), { network });
  expect(await client.plain(mine)).toBe("5!");
});

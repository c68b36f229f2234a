import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import {
  type CallContext,
  type Client,
  connect,
  type Handlers,
  MemoryNetwork,
  RpcError,
  Server,
  type ServerOptions,
  serve,
} from "../../src/index.js";
import { JobV1, ProgressV1 } from "../support/progress.js";

const home = mkdtempSync(join(tmpdir(), "farcall-callbacks-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const run = async (steps: number, context: CallContext): Promise<string> => {
  const progress = context.callback(ProgressV1);
  const told: string[] = [];
  for (let done = 1; done <= steps; done++) told.push(await progress.report(done, { context }));
  return told.join(" ");
};

const job: Handlers<JobV1> = {
  run,
  plain: (text) => text,
  nest: async (depth, context) =>
    depth === 0 ? 0 : 1 + Number(await context.callback(ProgressV1).report(depth - 1, { context })),
};

const progress: Handlers<ProgressV1> = { report: (done) => `${done}!`, peek: () => 7, note: () => {} };

/** A client whose callback calls the server again. */
function nesting(client: () => Client<JobV1>): Handlers<ProgressV1> {
  return { ...progress, report: async (depth, context) => String(await client().nest(depth, { context })) };
}

describe.each([
  ["tcp", "tcp://127.0.0.1:0"],
  ["unix", `unix:${home}/s`],
  ["memory", "memory://callbacks"],
])("over %s, a server", (_name, where) => {
  const listen = async (options: ServerOptions = {}, handlers: Handlers<JobV1> = job) => {
    const network = new MemoryNetwork();
    const server = new Server({ network, ...options }).export(JobV1, handlers);
    return { server, network, address: await server.listen(where) };
  };

  it.each(["auto", "off"] as const)(
    "calls its client back in the middle of a call, with session %s",
    async (session) => {
      const { server, network, address } = await listen();
      await using _server = server;
      await using client = await connect(JobV1, address, {
        network,
        session,
        callbacks: [serve(ProgressV1, progress)],
      });
      expect(await client.run(3)).toBe("1! 2! 3!");
      expect(await Promise.all([client.run(2), client.plain("a"), client.run(1)])).toEqual(["1! 2!", "a", "1!"]);
    },
  );

  it.each(["auto", "off"] as const)("calls it after the call has been answered, with session %s", async (session) => {
    let kept: Client<ProgressV1> | undefined;
    const { server, network, address } = await listen(
      {},
      {
        ...job,
        plain(text, context) {
          kept = context.callback(ProgressV1);
          return text;
        },
      },
    );
    await using _server = server;
    const client = await connect(JobV1, address, { network, session, callbacks: [serve(ProgressV1, progress)] });
    await client.plain("a");
    expect(await kept?.report(9)).toBe("9!");
    expect(await kept?.peek()).toBe(7);
    await client.$close();
    // A call that was written before the server knew may be lost on its way.
    await vi.waitFor(async () => {
      const late = await kept?.report(10).catch((error: unknown) => error);
      expect(late).toMatchObject({ code: "unavailable", executed: "no" });
    });
  });

  it.each(["auto", "off"] as const)("is called again by the callback, ten deep, with session %s", async (session) => {
    const { server, network, address } = await listen();
    await using _server = server;
    const client: Client<JobV1> = await connect(JobV1, address, {
      network,
      session,
      callbacks: [
        serve(
          ProgressV1,
          nesting(() => client),
        ),
      ],
    });
    await using _client = client;
    expect(await client.nest(10)).toBe(10);
  });

  it("finds no way to one that offers nothing: unimplemented, and its calls go on", async () => {
    const { server, network, address } = await listen(
      {},
      {
        ...job,
        async run(_steps, context) {
          const outcome = await context.callback(ProgressV1).$try.report(1, { context });
          return outcome.ok ? "ran" : `${outcome.error.code} ${outcome.executed}`;
        },
      },
    );
    await using _server = server;
    for (const session of ["auto", "off"] as const) {
      await using client = await connect(JobV1, address, { network, session });
      expect(await client.run(1)).toBe("unimplemented no");
      expect(await client.plain("still here")).toBe("still here");
    }
  });

  it.each([{ runningPerConnectionMax: 1 }, { runningCallsMax: 1 }, { runningBytesMax: 1 }])(
    "that runs all that it may still hears the answers, and what the callbacks call: %j",
    async (limits) => {
      const { server, network, address } = await listen(limits);
      await using _server = server;
      const client: Client<JobV1> = await connect(JobV1, address, {
        network,
        session: "off",
        timeoutMs: 15_000,
        callbacks: [
          serve(
            ProgressV1,
            nesting(() => client),
          ),
        ],
      });
      await using _client = client;
      const calls = [client.nest(3), client.plain("x".repeat(20_000)), client.nest(2), client.plain("b")];
      const [first, second, third, fourth] = await Promise.all(calls);
      expect([first, (second as string).length, third, fourth]).toEqual([3, 20_000, 2, "b"]);
    },
  );
});

void vi;
void RpcError;

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type CallContext, connect, type DiagnosticEvents, type RpcError, Server, type Timeline } from "farcall";
import { int, method, nothing, WebServer, XmlRpcClient, XmlRpcFault, xmlRpcService } from "farcall/xmlrpc";
import { describe, expect, it } from "vitest";
import { listenTo } from "../support/events.js";

// The same channels and the same options, over XML-RPC.

const Bank = xmlRpcService({
  pay: method("bank.pay", { params: [int], result: int }),
  fail: method("bank.fail", { params: [], result: nothing }),
  refuse: method("bank.refuse", { params: [], result: nothing }),
  unsendable: method("bank.unsendable", { params: [], result: int }),
});

const clients = ["farcall:client:call:start", "farcall:client:call:end", "farcall:client:call:error"] as const;
const servers = ["farcall:server:call:start", "farcall:server:call:end", "farcall:server:call:error"] as const;
const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const boom = new Error("boom");

async function served() {
  const contexts: CallContext[] = [];
  const server = new Server({ onError: () => {} });
  server.export(Bank, {
    pay: (amount, context) => {
      contexts.push(context);
      return amount;
    },
    fail: async () => {
      await Promise.resolve();
      throw boom;
    },
    refuse: () => {
      throw new XmlRpcFault(7, "no money");
    },
    unsendable: () => 2 ** 40,
  });
  const address = await server.listen("http://127.0.0.1:0");
  const client = await connect(Bank, address);
  return {
    client,
    address,
    contexts,
    async [Symbol.asyncDispose]() {
      await client.$close();
      await server.close({ drainMs: 0 });
    },
  };
}

describe("the channels over XML-RPC", () => {
  it("tell of a call at both ends, and of its trace, which HTTP carries", async () => {
    await using here = await served();
    using events = listenTo(...clients, ...servers);
    expect(await here.client.pay(5, { traceparent })).toBe(5);
    expect(events.names).toEqual(["client:call:start", "server:call:start", "server:call:end", "client:call:end"]);
    const names = { protocol: "xmlrpc", service: "bank", procedure: "pay", numbers: undefined, traceparent };
    const [sent] = events.of("farcall:client:call:end");
    expect(sent).toMatchObject({ ...names, address: here.address, executed: "yes", timeline: { transmissions: 1 } });
    const [ran] = events.of("farcall:server:call:end");
    expect(ran).toMatchObject({ ...names, executed: "yes" });
    expect(ran?.steps.map(({ step }) => step)).toEqual(["receive", "execute", "reply"]);
    expect(here.contexts[0]?.traceparent).toBe(traceparent);
  });

  it("put a subscriber's trace into the call and into the handler's context", async () => {
    await using here = await served();
    const seen: unknown[] = [];
    const mine = (span: string) => (message: unknown) => {
      const event = message as DiagnosticEvents["farcall:server:call:start"];
      seen.push(event.traceparent);
      event.traceparent = traceparent.replace("00f067aa0ba902b7", span);
    };
    const [client, server] = [mine("1111111111111111"), mine("2222222222222222")];
    subscribe("farcall:client:call:start", client);
    subscribe("farcall:server:call:start", server);
    await here.client.pay(1);
    unsubscribe("farcall:client:call:start", client);
    unsubscribe("farcall:server:call:start", server);
    expect(seen).toEqual([undefined, traceparent.replace("00f067aa0ba902b7", "1111111111111111")]);
    expect(here.contexts[0]?.traceparent).toBe(traceparent.replace("00f067aa0ba902b7", "2222222222222222"));
  });

  it.each([
    ["throws", "fail", boom],
    ["answers with a fault", "refuse", expect.objectContaining({ code: 7 })],
    ["gives what cannot be sent", "unsendable", expect.any(Error)],
  ] as const)("tell of a handler that %s", async (_what, procedure, error) => {
    await using here = await served();
    using events = listenTo(...clients, ...servers);
    const failure: unknown = await here.client[procedure]().catch((reason: unknown) => reason);
    expect(events.names).toEqual(["client:call:start", "server:call:start", "server:call:error", "client:call:error"]);
    expect(events.of("farcall:server:call:error")[0]).toMatchObject({ procedure, error, executed: "yes" });
    expect(events.of("farcall:client:call:error")[0]).toMatchObject({ procedure, error: failure, executed: "yes" });
  });

  it("tell of a method without a contract by its own name", async () => {
    await using server = new WebServer(0);
    server.addHandler("test", { square: (n: number) => n * n });
    await using client = new XmlRpcClient(await server.start());
    using events = listenTo(...clients, ...servers);
    expect(await client.execute("test.square", [14])).toBe(196);
    const names = { protocol: "xmlrpc", service: undefined, procedure: "test.square" };
    expect(events.of("farcall:client:call:end")[0]).toMatchObject(names);
    expect(events.of("farcall:server:call:end")[0]).toMatchObject(names);
  });

  it("tell of a call that is sent again because the server was busy", async () => {
    let asked = 0;
    const busy = createServer((_request, response) => {
      asked++;
      response.writeHead(503, { "Retry-After": "0", Farcall: "executed=no" }).end();
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => busy.once("listening", resolve));
    await using client = new XmlRpcClient(`http://127.0.0.1:${(busy.address() as AddressInfo).port}/`, {
      retry: { attempts: 2, backoff: { initialMs: 1 } },
    });
    using events = listenTo(...clients, "farcall:client:retry");
    await expect(client.execute("a.b")).rejects.toMatchObject({ code: "busy" });
    busy.close();
    expect(asked).toBe(2);
    expect(events.of("farcall:client:retry")).toMatchObject([{ procedure: "a.b", reason: "busy", transmission: 2 }]);
    expect(events.of("farcall:client:retry")[0]?.call).toBe(events.of("farcall:client:call:start")[0]);
  });
});

describe("explain over XML-RPC", () => {
  it("tells the client's steps, also of a call that was refused before it was sent", async () => {
    await using here = await served();
    const told: Timeline[] = [];
    const explain = (timeline: Timeline): void => void told.push(timeline);
    await here.client.pay(1, { explain });
    await here.client.fail({ explain }).catch(() => {});
    const refused: unknown = await here.client.pay(1, { explain, timeoutMs: -1 }).catch((error: unknown) => error);
    const whole = ["client", "stub", "marshal", "send", "network", "return"];
    expect(told.map(({ steps }) => steps.map(({ step }) => step))).toEqual([whole, whole, ["client"]]);
    expect(told.map(({ serverTold }) => serverTold)).toEqual([false, false, false]);
    expect((refused as RpcError).timeline).toBe(told[2]);
  });
});

import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { context, metrics, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  AggregationTemporality,
  type HistogramMetricData,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { ATTR_ERROR_TYPE, ATTR_SERVER_ADDRESS } from "@opentelemetry/semantic-conventions";
import * as incubating from "@opentelemetry/semantic-conventions/incubating";
import { type CallContext, type Client, connect, MemoryNetwork, Server } from "farcall";
import { OncClient, type OncService, oncProgram, type Procedure } from "farcall/onc";
import { type Instrumentation, instrument } from "farcall/otel";
import { nothing, uint } from "farcall/xdr";
import { int, method, XmlRpcClient, xmlRpcService } from "farcall/xmlrpc";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { buildCli } from "../support/cli.js";
import { run } from "../support/processes.js";

// The real SDK, with exporters that keep what they get. Attribute and metric names come from OpenTelemetry's own package.

interface Shop {
  buy: Procedure<[number: number], number>;
  price: Procedure<[number: number], number>;
  fail: Procedure<[], void>;
  hang: Procedure<[], void>;
}
const ShopV2: OncService<Shop> = oncProgram<Shop>({
  name: "SHOP_PROG",
  program: 0x2000_0303,
  version: 2,
  procedures: {
    buy: { number: 1, name: "BUY", args: [uint], result: uint },
    price: { number: 2, name: "PRICE", args: [uint], result: uint },
    fail: { number: 3, name: "FAIL", args: [], result: nothing },
    hang: { number: 4, name: "HANG", args: [], result: nothing },
  },
});

const spanExporter = new InMemorySpanExporter();
const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spanExporter)] });
const tracer = tracerProvider.getTracer("test");
const metricExporter = new InMemoryMetricExporter(AggregationTemporality.DELTA);
const meterProvider = new MeterProvider({
  readers: [new PeriodicExportingMetricReader({ exporter: metricExporter, exportIntervalMillis: 3_600_000 })],
});

let telemetry: Instrumentation;
beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
});
afterAll(async () => {
  context.disable();
  await tracerProvider.shutdown();
  await meterProvider.shutdown();
});
beforeEach(async () => {
  telemetry = await instrument({ tracer, meter: meterProvider.getMeter("test") });
});
afterEach(async () => {
  telemetry.stop();
  await meterProvider.forceFlush();
  spanExporter.reset();
  metricExporter.reset();
});

/** What has ended, by kind and name. */
function spanOf(kind: SpanKind, name: string): ReadableSpan {
  const found = spanExporter.getFinishedSpans().find((span) => span.kind === kind && span.name === name);
  if (found === undefined) throw new Error(`no span ${name}`);
  return found;
}

/** Waits for it: a server's span ends when its reply is handed on, which the client may not wait for. */
async function spanOfSoon(kind: SpanKind, name: string): Promise<ReadableSpan> {
  for (let turn = 0; turn < 100; turn++) {
    if (spanExporter.getFinishedSpans().some((span) => span.kind === kind && span.name === name)) break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return spanOf(kind, name);
}

function histogramOf(name: string): HistogramMetricData {
  const all = metricExporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
  const found = all.find(({ descriptor }) => descriptor.name === name);
  if (found === undefined) throw new Error(`no metric ${name}`);
  return found as HistogramMetricData;
}

const seconds = ([whole, nano]: readonly [number, number]): number => whole + nano / 1e9;
const parentOf = (span: ReadableSpan): string | undefined => span.parentSpanContext?.spanId;

interface Served extends AsyncDisposable {
  readonly client: Client<Shop>;
  readonly address: string;
}

interface ServedOptions {
  readonly nested?: (context: CallContext) => Promise<number>;
  readonly session?: "require" | "off";
}

async function served(more: ServedOptions = {}): Promise<Served> {
  const server = new Server({ onError: () => {} });
  server.export(ShopV2, {
    buy: async (number, context) => (more.nested === undefined ? number : await more.nested(context)),
    price: (number) => number * 3,
    fail: () => {
      throw new TypeError("the till is stuck");
    },
    hang: () => new Promise(() => {}),
  });
  const address = await server.listen("tcp://127.0.0.1:0");
  const client = await connect(ShopV2, address, { timeoutMs: 10_000, session: more.session ?? "off" });
  return {
    client,
    address,
    async [Symbol.asyncDispose]() {
      await client.$close();
      await server.close({ drainMs: 0 });
    },
  };
}

describe("spans", () => {
  it("of a call: one of the client and one of the server, by the conventions for RPC", async () => {
    await using here = await served();
    expect(await here.client.price(2)).toBe(6);
    const port = Number(new URL(here.address).port);
    const common = {
      [incubating.ATTR_RPC_SYSTEM_NAME]: "onc_rpc",
      [incubating.ATTR_RPC_SYSTEM]: incubating.RPC_SYSTEM_VALUE_ONC_RPC,
      [incubating.ATTR_RPC_METHOD]: "SHOP_PROG/price",
      [incubating.ATTR_RPC_SERVICE]: "SHOP_PROG",
      [incubating.ATTR_ONC_RPC_PROGRAM_NAME]: "SHOP_PROG",
      [incubating.ATTR_ONC_RPC_VERSION]: 2,
      [incubating.ATTR_ONC_RPC_PROCEDURE_NUMBER]: 2,
      [incubating.ATTR_ONC_RPC_PROCEDURE_NAME]: "price",
      [ATTR_SERVER_ADDRESS]: "127.0.0.1",
      [incubating.ATTR_SERVER_PORT]: port,
      [incubating.ATTR_NETWORK_TRANSPORT]: "tcp",
      [incubating.ATTR_NETWORK_PEER_ADDRESS]: "127.0.0.1",
      "farcall.executed": "yes",
    };
    const client = spanOf(SpanKind.CLIENT, "SHOP_PROG/price");
    expect(client.attributes).toEqual({
      ...common,
      [incubating.ATTR_NETWORK_PEER_PORT]: port,
      [incubating.ATTR_RPC_STATUS_CODE]: "RPC_SUCCESS",
      "farcall.semantics": "at-most-once",
      "farcall.transmissions": 1,
    });
    expect(client.status.code).toBe(SpanStatusCode.UNSET);
    const server = await spanOfSoon(SpanKind.SERVER, "SHOP_PROG/price");
    const clientPort = server.attributes[incubating.ATTR_CLIENT_PORT];
    expect(server.attributes).toEqual({
      ...common,
      [incubating.ATTR_CLIENT_ADDRESS]: "127.0.0.1",
      [incubating.ATTR_CLIENT_PORT]: expect.any(Number),
      [incubating.ATTR_NETWORK_PEER_PORT]: clientPort,
      [incubating.ATTR_RPC_STATUS_CODE]: "SUCCESS",
    });
    expect(clientPort).not.toBe(port);
  });

  it("of a call that fails say how, and whether it ran", async () => {
    await using here = await served();
    await here.client.fail().catch(() => {});
    const client = spanOf(SpanKind.CLIENT, "SHOP_PROG/fail");
    expect(client.status).toMatchObject({
      code: SpanStatusCode.ERROR,
      message: expect.stringContaining("the server failed"),
    });
    expect(client.attributes).toMatchObject({
      [ATTR_ERROR_TYPE]: "server-error",
      [incubating.ATTR_RPC_STATUS_CODE]: "RPC_SYSTEMERROR",
    });
    expect(["yes", "unknown"]).toContain(client.attributes["farcall.executed"]);
    const server = await spanOfSoon(SpanKind.SERVER, "SHOP_PROG/fail");
    expect(server.status).toEqual({ code: SpanStatusCode.ERROR, message: "the till is stuck" });
    expect(server.attributes).toMatchObject({
      [ATTR_ERROR_TYPE]: "TypeError",
      [incubating.ATTR_RPC_STATUS_CODE]: "SYSTEM_ERR",
      "farcall.executed": "yes",
    });
    expect(server.events.map(({ name }) => name)).toEqual(["exception"]);
    expect(server.events[0]?.attributes).toMatchObject({ "exception.message": "the till is stuck" });
  });

  it.each([
    [
      "no answer comes",
      (client: Client<Shop>) => client.hang({ timeoutMs: 20 }),
      "deadline-exceeded",
      "RPC_TIMEDOUT",
      "unknown",
    ],
    [
      "it cannot be encoded",
      (client: Client<Shop>) => client.price(-1),
      "invalid-argument",
      "RPC_CANTENCODEARGS",
      "no",
    ],
    [
      "its caller does not want it any more",
      (client: Client<Shop>) => client.price(1, { signal: AbortSignal.abort() }),
      "cancelled",
      "RPC_FAILED",
      "no",
    ],
  ] as const)("of a call say what became of it when %s", async (_what, call, type, status, executed) => {
    await using here = await served();
    await call(here.client).catch(() => {});
    const [span] = spanExporter.getFinishedSpans().filter(({ kind }) => kind === SpanKind.CLIENT);
    expect(span?.attributes).toMatchObject({
      [ATTR_ERROR_TYPE]: type,
      [incubating.ATTR_RPC_STATUS_CODE]: status,
      "farcall.executed": executed,
    });
  });

  it("of a call by number are named after the system, and tell the program by its number", async () => {
    await using here = await served();
    await using client = await OncClient.open(here.address);
    await client.call({ program: 0x2000_0303, version: 2, procedure: 2 }, uint, 5, uint);
    const span = spanOf(SpanKind.CLIENT, "onc_rpc");
    expect(span.attributes).toMatchObject({
      [incubating.ATTR_RPC_METHOD]: "_OTHER",
      [incubating.ATTR_ONC_RPC_PROGRAM_NAME]: String(0x2000_0303),
      [incubating.ATTR_ONC_RPC_VERSION]: 2,
      [incubating.ATTR_ONC_RPC_PROCEDURE_NUMBER]: 2,
    });
    expect(span.attributes).not.toHaveProperty(incubating.ATTR_ONC_RPC_PROCEDURE_NAME);
  });

  it("of calls in memory have an address and no port", async () => {
    const network = new MemoryNetwork();
    await using server = new Server({ network });
    server.export(ShopV2, { buy: (n) => n, price: (n) => n, fail: () => {}, hang: () => {} });
    await using client = await connect(ShopV2, await server.listen("memory://shop"), { network });
    await client.price(1);
    const { attributes } = spanOf(SpanKind.CLIENT, "SHOP_PROG/price");
    expect(attributes).toMatchObject({ [ATTR_SERVER_ADDRESS]: "shop" });
    expect(attributes).not.toHaveProperty(incubating.ATTR_SERVER_PORT);
    expect(attributes).not.toHaveProperty(incubating.ATTR_NETWORK_TRANSPORT);
  });

  it("tell of transmissions beside the first", async () => {
    let lost = 0;
    const network = new MemoryNetwork({ fate: (_bytes, _from, to) => (to.host === "shop" && lost++ < 1 ? [] : [0]) });
    await using server = new Server({ network });
    const Repeatable = ShopV2.with({ idempotent: ["price"] });
    server.export(Repeatable, { buy: (n) => n, price: (n) => n, fail: () => {}, hang: () => {} });
    await using client = await connect(Repeatable, await server.listen("memory+datagram://shop"), {
      network,
      session: "off",
      retransmit: { initialMs: 5, minMs: 5 },
    });
    await client.price(1);
    const span = spanOf(SpanKind.CLIENT, "SHOP_PROG/price");
    expect(span.events[0]).toMatchObject({
      name: "retry",
      attributes: { "farcall.retry.reason": "no-answer", "farcall.transmission": 2 },
    });
    expect(span.attributes["farcall.transmissions"]).toBe(span.events.length + 1);
  });
});

describe("a trace", () => {
  it("goes on from the active span", async () => {
    await using here = await served();
    const outer = tracer.startSpan("outer");
    await context.with(trace.setSpan(context.active(), outer), () => here.client.price(1));
    outer.end();
    const span = spanOf(SpanKind.CLIENT, "SHOP_PROG/price");
    expect(parentOf(span)).toBe(outer.spanContext().spanId);
    expect(span.spanContext().traceId).toBe(outer.spanContext().traceId);
  });

  it("goes on from the traceparent that the caller gives, whatever is active", async () => {
    await using here = await served();
    const outer = tracer.startSpan("outer");
    const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    await context.with(trace.setSpan(context.active(), outer), () => here.client.price(1, { traceparent }));
    const span = spanOf(SpanKind.CLIENT, "SHOP_PROG/price");
    expect(span.spanContext().traceId).toBe("4bf92f3577b34da6a3ce929d0e0e4736");
    expect(parentOf(span)).toBe("00f067aa0ba902b7");
  });

  it("goes on in the handler: its spans, and calls that it makes with its context or without", async () => {
    await using below = await served();
    let seen: CallContext | undefined;
    await using here = await served({
      nested: async (context) => {
        seen = context;
        await Promise.resolve();
        tracer.startSpan("work").end();
        return (await below.client.price(1, { context })) + (await below.client.price(2));
      },
    });
    expect(await here.client.buy(1)).toBe(9);
    const server = await spanOfSoon(SpanKind.SERVER, "SHOP_PROG/buy");
    const { traceId, spanId } = server.spanContext();
    expect(seen?.traceparent).toBe(`00-${traceId}-${spanId}-01`);
    expect(parentOf(spanOf(SpanKind.INTERNAL, "work"))).toBe(spanId);
    const nested = spanExporter
      .getFinishedSpans()
      .filter(({ kind, name }) => kind === SpanKind.CLIENT && name === "SHOP_PROG/price");
    expect(nested.map((span) => [parentOf(span), span.spanContext().traceId])).toEqual([
      [spanId, traceId],
      [spanId, traceId],
    ]);
  });

  it("of a call made with a handler's context stands below the span that is active there", async () => {
    await using below = await served();
    let step = "";
    await using here = await served({
      nested: (handled) => {
        const span = tracer.startSpan("step");
        step = span.spanContext().spanId;
        return context.with(trace.setSpan(context.active(), span), () => below.client.price(1, { context: handled }));
      },
    });
    await here.client.buy(1);
    expect(parentOf(spanOf(SpanKind.CLIENT, "SHOP_PROG/price"))).toBe(step);
  });

  it("goes on at a server that has sessions, and in whatever it calls", async () => {
    await using below = await served({ session: "require" });
    await using here = await served({
      session: "require",
      nested: (handled) => below.client.price(1, { context: handled }),
    });
    const outer = tracer.startSpan("outer");
    await context.with(trace.setSpan(context.active(), outer), () => here.client.buy(1));
    await spanOfSoon(SpanKind.SERVER, "SHOP_PROG/buy");
    const path = [
      spanOf(SpanKind.CLIENT, "SHOP_PROG/buy"),
      spanOf(SpanKind.SERVER, "SHOP_PROG/buy"),
      spanOf(SpanKind.CLIENT, "SHOP_PROG/price"),
      spanOf(SpanKind.SERVER, "SHOP_PROG/price"),
    ];
    const above = [outer.spanContext().spanId, ...path.map((span) => span.spanContext().spanId)];
    expect(path.map(parentOf)).toEqual(above.slice(0, 4));
    expect(new Set(path.map((span) => span.spanContext().traceId))).toEqual(new Set([outer.spanContext().traceId]));
  });

  it("begins anew at a server that is told of none, whatever is active in its process", async () => {
    const outer = tracer.startSpan("outer");
    await context.with(trace.setSpan(context.active(), outer), async () => {
      // In memory the server's handlers run in what the client's call began.
      const network = new MemoryNetwork();
      await using server = new Server({ network });
      server.export(ShopV2, { buy: (n) => n, price: (n) => n, fail: () => {}, hang: () => {} });
      const address = await server.listen("memory://shop");
      await using client = await connect(ShopV2, address, { network, session: "off" });
      await client.price(1);
      const span = await spanOfSoon(SpanKind.SERVER, "SHOP_PROG/price");
      expect(parentOf(span)).toBeUndefined();
      expect(span.spanContext().traceId).not.toBe(outer.spanContext().traceId);
    });
  });

  it("goes on at the server over XML-RPC, whose spans have its names", async () => {
    const Sums = xmlRpcService({ add: method("sums.add", { params: [int, int], result: int }) });
    await using server = new Server();
    server.export(Sums, { add: (a, b) => a + b });
    const address = await server.listen("http://127.0.0.1:0");
    await using client = await connect(Sums, address);
    expect(await client.add(1, 2)).toBe(3);
    const sent = spanOf(SpanKind.CLIENT, "sums/add");
    const ran = await spanOfSoon(SpanKind.SERVER, "sums/add");
    expect(parentOf(ran)).toBe(sent.spanContext().spanId);
    expect(ran.spanContext().traceId).toBe(sent.spanContext().traceId);
    expect(ran.parentSpanContext?.isRemote).toBe(true);
    expect(sent.attributes).toMatchObject({
      [incubating.ATTR_RPC_SYSTEM_NAME]: "xmlrpc",
      [incubating.ATTR_RPC_METHOD]: "sums/add",
      [ATTR_SERVER_ADDRESS]: "127.0.0.1",
      [incubating.ATTR_SERVER_PORT]: Number(new URL(address).port),
      [incubating.ATTR_NETWORK_TRANSPORT]: "tcp",
      "farcall.executed": "yes",
    });
    await using classic = new XmlRpcClient(address);
    await classic.execute("sums.nothing").catch(() => {});
    expect(spanOf(SpanKind.CLIENT, "xmlrpc").attributes).toMatchObject({
      [incubating.ATTR_RPC_METHOD]: "_OTHER",
      [incubating.ATTR_RPC_METHOD_ORIGINAL]: "sums.nothing",
      [incubating.ATTR_RPC_STATUS_CODE]: "-32601",
      [ATTR_ERROR_TYPE]: "unimplemented",
      "farcall.executed": "no",
    });
  });

  it("goes on without a context manager, by passing the context on", async () => {
    context.disable();
    await using below = await served();
    await using here = await served({ nested: (handled) => below.client.price(1, { context: handled }) });
    await here.client.buy(1);
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    const server = await spanOfSoon(SpanKind.SERVER, "SHOP_PROG/buy");
    expect(parentOf(spanOf(SpanKind.CLIENT, "SHOP_PROG/price"))).toBe(server.spanContext().spanId);
  });
});

describe("metrics", () => {
  it("are the durations of calls in seconds, the same as the spans', with the conventions' buckets", async () => {
    await using here = await served();
    await here.client.price(2);
    await here.client.fail().catch(() => {});
    await spanOfSoon(SpanKind.SERVER, "SHOP_PROG/fail");
    await meterProvider.forceFlush();
    for (const [name, kind] of [
      [incubating.METRIC_RPC_CLIENT_CALL_DURATION, SpanKind.CLIENT],
      [incubating.METRIC_RPC_SERVER_CALL_DURATION, SpanKind.SERVER],
    ] as const) {
      const { descriptor, dataPoints } = histogramOf(name);
      expect(descriptor.unit).toBe("s");
      for (const [method, type] of [
        ["price", undefined],
        ["fail", kind === SpanKind.CLIENT ? "server-error" : "TypeError"],
      ] as const) {
        const point = dataPoints.find(({ attributes }) => attributes["rpc.method"] === `SHOP_PROG/${method}`);
        expect(point?.value.count).toBe(1);
        expect(point?.value.buckets.boundaries).toEqual([
          0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
        ]);
        // The SDK counts in nanoseconds, from another zero.
        expect(point?.value.sum).toBeCloseTo(seconds(spanOf(kind, `SHOP_PROG/${method}`).duration), 4);
        expect(point?.attributes[incubating.ATTR_RPC_SYSTEM_NAME]).toBe("onc_rpc");
        expect(point?.attributes[ATTR_ERROR_TYPE]).toBe(type);
        // What would make a series of its own for each caller.
        expect(Object.keys(point?.attributes ?? {}).filter((key) => /^(client|network\.peer)\./.test(key))).toEqual([]);
      }
    }
  });
});

describe("instrument", () => {
  beforeAll(() => buildCli());

  it("says what to install where the API is missing", async () => {
    // A copy of the package where nothing else is installed.
    const folder = mkdtempSync(join(tmpdir(), "farcall-"));
    try {
      cpSync(fileURLToPath(new URL("../../dist", import.meta.url)), join(folder, "dist"), { recursive: true });
      writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
      const main = join(folder, "main.js");
      writeFileSync(main, 'import { instrument } from "./dist/otel/index.js"; await instrument();');
      const { code, stderr } = await run(process.execPath, [main], { cwd: folder });
      expect(stderr).toContain("farcall/otel needs the package @opentelemetry/api: npm install @opentelemetry/api");
      expect(code).toBe(1);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("stops when it is told to", async () => {
    await using here = await served();
    telemetry.stop();
    await here.client.price(1);
    expect(spanExporter.getFinishedSpans()).toEqual([]);
  });

  it("does nothing to calls where no SDK is set up", async () => {
    telemetry.stop();
    using _nothing = await instrument();
    await using here = await served();
    const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    expect(await here.client.price(2, { traceparent })).toBe(6);
    await expect(here.client.fail()).rejects.toMatchObject({ code: "server-error" });
  });

  it("uses the global providers unless it is given others", async () => {
    telemetry.stop();
    trace.setGlobalTracerProvider(tracerProvider);
    metrics.setGlobalMeterProvider(meterProvider);
    using _global = await instrument();
    await using here = await served();
    await here.client.price(2);
    trace.disable();
    metrics.disable();
    expect(spanOf(SpanKind.CLIENT, "SHOP_PROG/price").instrumentationScope.name).toBe("farcall");
  });
});

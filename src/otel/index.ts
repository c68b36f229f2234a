/**
 * Spans and metrics of OpenTelemetry for every call that is made or served in this process.
 *
 * ```ts
 * import { instrument } from "farcall/otel";
 * const telemetry = await instrument();
 * ```
 *
 * @module
 */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Attributes, Context, Histogram, Meter, Span, Tracer } from "@opentelemetry/api";
import { isTraceparent, type RpcError } from "../model/index.js";
import type { ClientCallStart, DiagnosticEvents, ServerCallStart } from "../observe/events.js";
import { type AcceptStat, ClntStat } from "../onc/status.js";
import {
  clientAttributes,
  methodAttributes,
  methodOf,
  oncAttributes,
  originalAttributes,
  peerAttributes,
  serverAttributes,
  systemOf,
} from "./attributes.js";

type Api = typeof import("@opentelemetry/api");

export interface InstrumentOptions {
  /** Makes the spans; default: the global provider's, by the name `farcall`. */
  readonly tracer?: Tracer | undefined;
  /** Makes the histograms; default: the global provider's, by the name `farcall`. */
  readonly meter?: Meter | undefined;
}

/** Instrumentation that is on; `stop` or the end of a `using` block turns it off. */
export interface Instrumentation extends Disposable {
  stop(): void;
}

/**
 * Makes a span for every call that this process makes (CLIENT) or serves (SERVER), and measures how long it took:
 * `rpc.client.call.duration` and `rpc.server.call.duration`, in seconds. Handlers run inside their span's context, and
 * a call made with `{ context }`, or inside an active span, is a child of it.
 *
 * Turn it on once, before the calls that it is to see.
 *
 * @throws Error when `@opentelemetry/api` is not installed
 */
export async function instrument(options: InstrumentOptions = {}): Promise<Instrumentation> {
  const api = await loadApi();
  const tracer = options.tracer ?? api.trace.getTracer("farcall");
  const meter = options.meter ?? api.metrics.getMeter("farcall");
  const stops = [...instrumentClients(api, tracer, meter), ...instrumentServers(api, tracer, meter)];
  const stop = (): void => {
    for (const undo of stops.splice(0)) undo();
  };
  return { stop, [Symbol.dispose]: stop };
}

async function loadApi(): Promise<Api> {
  try {
    return await import("@opentelemetry/api");
  } catch (cause) {
    const message = "farcall/otel needs the package @opentelemetry/api: npm install @opentelemetry/api";
    throw new Error(message, { cause });
  }
}

/** What is known of a call between its start and its end. */
interface Measured {
  readonly span: Span;
  readonly startedAt: number;
  /** Of its metric. */
  readonly attributes: Attributes;
}

function instrumentClients(api: Api, tracer: Tracer, meter: Meter): (() => void)[] {
  const duration = histogram(meter, "rpc.client.call.duration", "The duration of outgoing remote procedure calls.");
  const calls = new WeakMap<ClientCallStart, Measured>();
  const end = (event: ClientCallStart, attributes: Attributes, failure: Error | undefined): void => {
    const call = calls.get(event);
    if (call === undefined) return;
    calls.delete(event);
    call.span.setAttributes(attributes);
    finish(api, call, duration, attributes, failure);
  };
  return [
    listen("farcall:client:call:start", (event) => {
      const attributes = { ...methodAttributes(event), ...serverAttributes(event.address) };
      const startedAt = performance.now();
      const span = tracer.startSpan(
        methodOf(event) ?? systemOf(event),
        {
          kind: api.SpanKind.CLIENT,
          startTime: startedAt,
          attributes: {
            ...attributes,
            ...originalAttributes(event),
            ...oncAttributes(event),
            ...peerAttributes(event.address),
            "farcall.semantics": event.semantics,
          },
        },
        callersContext(api, event),
      );
      calls.set(event, { span, startedAt, attributes });
      event.traceparent = traceparentOf(api, span) ?? event.traceparent;
    }),
    listen("farcall:client:call:end", (event) => {
      const status = event.protocol === "onc" ? { "rpc.status_code": "RPC_SUCCESS" } : {};
      calls.get(event)?.span.setAttribute("farcall.transmissions", event.timeline.transmissions);
      end(event, { ...status, "farcall.executed": event.executed }, undefined);
    }),
    listen("farcall:client:call:error", (event) => {
      const { error, executed } = event;
      const status = statusOf(event, error);
      calls.get(event)?.span.setAttribute("farcall.transmissions", error.transmissions);
      const attributes = { "error.type": error.code, "farcall.executed": executed };
      end(event, status === undefined ? attributes : { ...attributes, "rpc.status_code": status }, error);
    }),
    listen("farcall:client:retry", ({ call, reason, transmission }) => {
      const span = call === undefined ? undefined : calls.get(call)?.span;
      span?.addEvent("retry", { "farcall.retry.reason": reason, "farcall.transmission": transmission });
    }),
  ];
}

function instrumentServers(api: Api, tracer: Tracer, meter: Meter): (() => void)[] {
  const duration = histogram(meter, "rpc.server.call.duration", "The duration of incoming remote procedure calls.");
  const calls = new WeakMap<ServerCallStart, Measured>();
  const end = (event: ServerCallStart, attributes: Attributes, executed: string, failure: Error | undefined): void => {
    const call = calls.get(event);
    if (call === undefined) return;
    calls.delete(event);
    call.span.setAttributes({ ...attributes, "farcall.executed": executed });
    finish(api, call, duration, attributes, failure);
  };
  return [
    listen("farcall:server:call:start", (event) => {
      const attributes = methodAttributes(event);
      const startedAt = performance.now();
      // Not whatever was active when the server was made, or in a caller in the same process.
      const parent = remoteContext(api, api.ROOT_CONTEXT, event.traceparent) ?? api.ROOT_CONTEXT;
      const span = tracer.startSpan(
        methodOf(event) ?? systemOf(event),
        {
          kind: api.SpanKind.SERVER,
          startTime: startedAt,
          attributes: {
            ...attributes,
            ...originalAttributes(event),
            ...oncAttributes(event),
            ...serverAttributes(event.address),
            ...clientAttributes(event.caller.address),
          },
        },
        parent,
      );
      calls.set(event, { span, startedAt, attributes });
      event.traceparent = traceparentOf(api, span) ?? event.traceparent;
      const context = api.trace.setSpan(parent, span);
      const { run } = event;
      event.run = (handler) => api.context.with(context, run === undefined ? handler : () => run(handler));
    }),
    listen("farcall:server:call:end", (event) => {
      end(event, event.protocol === "onc" ? { "rpc.status_code": acceptedName } : {}, event.executed, undefined);
    }),
    listen("farcall:server:call:error", (event) => {
      const error = event.error instanceof Error ? event.error : new Error(String(event.error));
      // Nobody else is told: the caller learns only that something failed.
      calls.get(event)?.span.recordException(error);
      const attributes = { "error.type": error.name };
      end(
        event,
        event.protocol === "onc" ? { ...attributes, "rpc.status_code": failedName } : attributes,
        event.executed,
        error,
      );
    }),
  ];
}

/** A failure's status by its name in C, or by the protocol's own number. */
function statusOf({ protocol }: ClientCallStart, { status }: RpcError): string | undefined {
  if (status === undefined) return undefined;
  return protocol === "onc" ? clntStatNames.get(status.number) : String(status.number);
}

const clntStatNames: ReadonlyMap<number, string> = new Map(
  Object.entries(ClntStat).map(([name, number]) => [number, name]),
);
const acceptedName = "SUCCESS" satisfies keyof typeof AcceptStat;
const failedName = "SYSTEM_ERR" satisfies keyof typeof AcceptStat;

/** The convention's boundaries, in seconds. */
const boundaries = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

function histogram(meter: Meter, name: string, description: string): Histogram {
  return meter.createHistogram(name, { description, unit: "s", advice: { explicitBucketBoundaries: boundaries } });
}

/** Ends a span and records its duration, which are the same. */
function finish(
  api: Api,
  { span, startedAt, attributes }: Measured,
  duration: Histogram,
  ended: Attributes,
  failure: Error | undefined,
): void {
  const endedAt = performance.now();
  if (failure !== undefined) span.setStatus({ code: api.SpanStatusCode.ERROR, message: failure.message });
  const context = api.trace.setSpan(api.ROOT_CONTEXT, span);
  duration.record((endedAt - startedAt) / 1_000, { ...attributes, ...ended }, context);
  span.end(endedAt);
}

/**
 * What a call is a child of: the trace that it was given; or the active span, where that is of the same trace, since it
 * then stands below the call being handled; or the active span.
 */
function callersContext(api: Api, { traceparent, context }: ClientCallStart): Context {
  const active = api.context.active();
  const given = remoteContext(api, active, traceparent);
  if (given === undefined) return active;
  const trace = api.trace.getSpanContext(given)?.traceId;
  const inherited = traceparent === context?.traceparent;
  return inherited && api.trace.getSpanContext(active)?.traceId === trace ? active : given;
}

/** A context whose span is that of a `traceparent`. */
function remoteContext(api: Api, base: Context, traceparent: string | undefined): Context | undefined {
  if (traceparent === undefined || !isTraceparent(traceparent)) return undefined;
  const [, traceId = "", spanId = "", flags = "00"] = traceparent.split("-");
  const traceFlags = Number.parseInt(flags, 16);
  return api.trace.setSpanContext(base, { traceId, spanId, traceFlags, isRemote: true });
}

function traceparentOf(api: Api, span: Span): string | undefined {
  const context = span.spanContext();
  if (!api.isSpanContextValid(context)) return undefined;
  const { traceId, spanId, traceFlags } = context;
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
}

/** @returns what ends it */
function listen<Name extends keyof DiagnosticEvents>(
  name: Name,
  tell: (event: DiagnosticEvents[Name]) => void,
): () => void {
  const listener = (message: unknown): void => tell(message as DiagnosticEvents[Name]);
  subscribe(name, listener);
  return () => unsubscribe(name, listener);
}

import type { Semantics } from "../model/index.js";
import { argsCodec } from "../onc/args.js";
import { declaredBy, type OncProcedure, type OncService, proceduresOf } from "../onc/program.js";
import { decode, encode } from "../xdr/index.js";
import { decodeCall, decodeResponse } from "../xmlrpc/codec/message.js";
import {
  decodeParams,
  decodeResult,
  encodeProcedureCall,
  encodeResult,
  type XmlRpcProcedure,
} from "../xmlrpc/codec/procedure.js";
import { ShapeTypes } from "../xmlrpc/codec/shape-type.js";
import type { XmlRpcType } from "../xmlrpc/codec/type.js";
import type { XmlRpcValue } from "../xmlrpc/codec/value.js";
import { overXmlRpc } from "../xmlrpc/over.js";
import type { XmlRpcService } from "../xmlrpc/service.js";
import type { RestartPolicy } from "./core/request.js";

/** Either direction of a value that is kept as bytes. */
export interface Payload<T> {
  /** @throws EncodeError for a value that is not of its type */
  encode(value: T): Uint8Array;
  /** @throws DecodeError for bytes that are none */
  decode(bytes: Uint8Array): T;
}

/** What an asynchronous request may call: how its values are kept, and what runs it. */
export interface Job {
  /** As workers name it, such as `onc 536871169.1.4`. */
  readonly name: string;
  /** For messages and hooks, such as `CALC_PROG.add`. */
  readonly label: string;
  /** The procedure's name in its contract. */
  readonly key: string;
  readonly args: Payload<readonly unknown[]>;
  readonly result: Payload<unknown>;
  /** Undefined where it declares no progress. */
  readonly progress: Payload<unknown> | undefined;
  readonly restart: RestartPolicy;
  /** By its name over XML-RPC; undefined where its types do not go there. */
  readonly xml: XmlRpcProcedure | undefined;
  readonly xmlProgress: XmlRpcType<unknown> | undefined;
  /** Undefined where it is accepted here and run elsewhere. */
  readonly run: ((args: readonly unknown[], context: object) => unknown) | undefined;
}

/** A service whose procedures can be called as requests. */
export type AnyRequestService<C> = OncService<C> | XmlRpcService<C>;

export const oncName = (program: number, version: number, procedure: number): string =>
  `onc ${program}.${version}.${procedure}`;

/** What runs twice anyway is run again; anything else may have taken effect, and nobody can tell. */
function policyFor(semantics: Semantics): RestartPolicy {
  return semantics === "at-least-once" ? "requeue" : "fail";
}

/** The jobs of a service, one for each procedure that can be a request. */
export function jobsOf<C>(
  service: AnyRequestService<C>,
  handlers: object | undefined,
  restart: Readonly<Record<string, RestartPolicy | undefined>>,
): Job[] {
  const run = (key: string): Job["run"] => {
    if (handlers === undefined) return undefined;
    const handler = (handlers as Readonly<Record<string, unknown>>)[key];
    if (typeof handler !== "function") return undefined;
    return (args, context) => handler.call(handlers, ...args, context) as unknown;
  };
  const known = new Set(Object.keys(service.procedures));
  for (const key of Object.keys(restart)) {
    if (!known.has(key)) throw new RangeError(`restart: ${service.name} has no procedure ${key}`);
  }
  return service.protocol.name === "onc"
    ? oncJobs(service as OncService<C>, run, restart)
    : xmlRpcJobs(service as XmlRpcService<C>, run, restart);
}

function oncJobs<C>(
  service: OncService<C>,
  run: (key: string) => Job["run"],
  restart: Readonly<Record<string, RestartPolicy | undefined>>,
): Job[] {
  return proceduresOf(service).flatMap(([key, procedure]): Job[] => {
    if (procedure.number === 0 || procedure.oneWay === true) return [];
    const args = argsCodec(procedure.args);
    return [
      {
        name: oncName(service.program, service.version, procedure.number),
        label: `${service.name}.${key}`,
        key,
        args: { encode: (values) => encode(args, values), decode: (bytes) => decode(args, bytes) },
        result: payloadOf(procedure.result),
        progress: procedure.progress === undefined ? undefined : payloadOf(procedure.progress),
        restart: restart[key] ?? policyFor(declaredBy(procedure)),
        xml: xmlOf(service, key),
        xmlProgress: procedure.progress === undefined ? undefined : xmlTypeOf(procedure.progress),
        run: run(key),
      },
    ];
  });
}

function payloadOf(codec: OncProcedure["result"]): Payload<unknown> {
  return { encode: (value) => encode(codec, value), decode: (bytes) => decode(codec, bytes) };
}

/** The procedure over XML-RPC, where its types go there. */
function xmlOf<C>(service: OncService<C>, key: string): XmlRpcProcedure | undefined {
  const others = Object.keys(service.procedures).filter((other) => other !== key);
  try {
    const { procedures } = overXmlRpc(service as never, { without: others as never[] });
    return (procedures as unknown as Record<string, XmlRpcProcedure>)[key];
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function xmlTypeOf({ shape }: OncProcedure["result"]): XmlRpcType<unknown> | undefined {
  try {
    return new ShapeTypes({}).of(shape);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function xmlRpcJobs<C>(
  service: XmlRpcService<C>,
  run: (key: string) => Job["run"],
  restart: Readonly<Record<string, RestartPolicy | undefined>>,
): Job[] {
  return (Object.entries(service.procedures) as [string, XmlRpcProcedure][]).map(([key, procedure]) => ({
    name: `xmlrpc ${procedure.name}`,
    label: `${service.name}.${key}`,
    key,
    // Documents with every extension, which nobody but this server reads.
    args: {
      encode: (values) => encodeProcedureCall(procedure, values, kept),
      decode: (bytes) => decodeParams(procedure, decodeCall(bytes, kept).params),
    },
    result: {
      encode: (value) => encodeResult(procedure, value, kept),
      decode: (bytes) => decodeResult(procedure, decodeResponse(bytes, kept).value as XmlRpcValue),
    },
    progress: undefined,
    restart: restart[key] ?? policyFor(procedure.semantics ?? "at-most-once"),
    xml: procedure,
    xmlProgress: undefined,
    run: run(key),
  }));
}

const kept = { nil: "nil", i8: "bigint", nonFinite: true, fractions: "write" } as const;

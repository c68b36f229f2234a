import { isIP } from "node:net";
import type { ProcedureNames } from "../observe/events.js";

// The names of OpenTelemetry's semantic conventions for RPC, as of version 1.45 where `rpc.method` is the whole name and
// `rpc.system.name` the system. What they replace is given as well where both can stand: `onc_rpc` is a registered value of
// `rpc.system` only, and much of what displays traces still groups them by `rpc.service`.

type Attributes = Record<string, string | number>;

/** What a call with this procedure is called: a span's name, and `rpc.method`. */
export function methodOf({ service, procedure }: ProcedureNames): string | undefined {
  return service === undefined || procedure === undefined ? undefined : `${service}/${procedure}`;
}

/** The system by the convention's name, or the protocol's own where the convention has none. */
export function systemOf({ protocol }: ProcedureNames): string {
  return protocol === "onc" ? "onc_rpc" : protocol;
}

/** Which procedure: for spans and for metrics. */
export function methodAttributes(names: ProcedureNames): Attributes {
  const system = systemOf(names);
  return {
    "rpc.system.name": system,
    "rpc.system": system,
    // Whatever is called by number only may be any number.
    "rpc.method": methodOf(names) ?? "_OTHER",
    ...(names.service === undefined ? {} : { "rpc.service": names.service }),
  };
}

/** The name of a method that no contract names: only for spans, since there may be any number of them. */
export function originalAttributes(names: ProcedureNames): Attributes {
  if (methodOf(names) !== undefined || names.procedure === undefined) return {};
  return { "rpc.method_original": names.procedure };
}

/** Which procedure, in ONC RPC's terms. A program without a name goes by its number, as with rpcinfo. */
export function oncAttributes({ protocol, service, procedure, numbers }: ProcedureNames): Attributes {
  if (protocol !== "onc" || numbers === undefined) return {};
  return {
    "onc_rpc.program.name": service ?? String(numbers.program),
    "onc_rpc.version": numbers.version,
    "onc_rpc.procedure.number": numbers.procedure,
    ...(procedure === undefined ? {} : { "onc_rpc.procedure.name": procedure }),
  };
}

interface Endpoint {
  /** A host, the path of a Unix socket, or a name in the process's memory. */
  readonly address: string;
  readonly port: number | undefined;
  /** As `network.transport` calls it; undefined for what the convention does not know. */
  readonly transport: string | undefined;
}

const transports: Readonly<Record<string, string>> = {
  tcp: "tcp",
  tls: "tcp",
  http: "tcp",
  https: "tcp",
  scgi: "tcp",
  udp: "udp",
  unix: "unix",
};

/** Takes an address apart, as far as it has parts. */
export function endpointOf(text: string): Endpoint {
  const [, scheme = "", rest = ""] = /^([a-z+]+):(?:\/\/)?(.*)$/s.exec(text) ?? [];
  const socket = /^(?:http|scgi)\+unix$/.test(scheme) ? /^(.*?)(?::\/|$)/s.exec(rest)?.[1] : undefined;
  if (socket !== undefined) return { address: socket, port: undefined, transport: "unix" };
  const transport = transports[scheme];
  if (transport === undefined || transport === "unix") return { address: rest || text, port: undefined, transport };
  const [, host = "", port] = /^(\[[^\]]*\]|[^:/]*)(?::(\d+))?/.exec(rest) ?? [];
  const address = host.startsWith("[") ? host.slice(1, -1) : host;
  return { address, port: port === undefined ? undefined : Number(port), transport };
}

/** Where a call went. `server.address` is what the address says, and the peer's where that is known: as an IP address. */
export function serverAttributes(text: string | undefined): Attributes {
  if (text === undefined) return {};
  const { address, port, transport } = endpointOf(text);
  return {
    "server.address": address,
    ...(port === undefined ? {} : { "server.port": port }),
    ...(transport === undefined ? {} : { "network.transport": transport }),
  };
}

/** Whom a socket is connected to. */
export function peerAttributes(text: string): Attributes {
  const { address, port, transport } = endpointOf(text);
  if (address === "" || (transport !== "unix" && isIP(address) === 0)) return {};
  return { "network.peer.address": address, ...(port === undefined ? {} : { "network.peer.port": port }) };
}

/** Where a call came from. */
export function clientAttributes(text: string): Attributes {
  const { address, port, transport } = endpointOf(text);
  return {
    ...(address === "" ? {} : { "client.address": address }),
    ...(port === undefined ? {} : { "client.port": port }),
    ...(transport === undefined ? {} : { "network.transport": transport }),
    ...peerAttributes(text),
  };
}

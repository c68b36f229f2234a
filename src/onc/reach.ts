import type { Clock } from "../drive/clock.js";
import { type ReachTimes, type ResolveQuery, type Resolver, RpcError } from "../model/index.js";
import {
  type Address,
  type CompleteAddress,
  type Network,
  openDatagram,
  openStream,
  type PeerDemand,
  parseAddress,
  type Stream,
  type StreamLayer,
  type TlsClientCredentials,
  tlsLayer,
} from "../net/index.js";
import { channelOf } from "../observe/channels.js";
import { clientAuthTls } from "./auth/index.js";
import { nullTarget } from "./engine/index.js";
import type { Candidate, Places } from "./places.js";
import { onc } from "./protocol.js";
import { ClntStat, clntStatus } from "./status.js";
import { type StreamUpgrade, upgradeStream } from "./upgrade.js";

// Finding and reaching a server: the port from the binder, the connection, and TLS above it.

/** TLS at the client's end. */
export interface ClientTls extends TlsClientCredentials {
  /**
   * `required`, the default, refuses a server that does not agree to TLS, or whose answer was stripped of it on the way;
   * `opportunistic` goes on in clear text then; `off` never asks.
   */
  readonly policy?: "required" | "opportunistic" | "off" | undefined;
}

/** What a client wants to reach, and how. */
export interface Reach {
  /** One address, which may lack its port; or the instances of a name. */
  readonly where: Address | Places;
  /** The address as the user wrote it. */
  readonly text: string;
  readonly program: number;
  readonly version: number;
  readonly connectTimeoutMs: number;
  readonly options: {
    readonly resolver?: Resolver | undefined;
    readonly network?: Network | undefined;
    readonly upgrade?: StreamUpgrade | undefined;
    readonly tls?: ClientTls | undefined;
  };
  readonly clock: Clock;
  /** TLS, where the address or the options want it; made once for all connections to a host. */
  readonly layer: (address: Address) => StreamLayer | undefined;
  /** Who may serve, where the user says so. */
  readonly demand: PeerDemand | undefined;
  /** Is told the peer's complete address, and how long it took to reach it. */
  readonly onReached: (peer: string, times: ReachTimes) => void;
}

/**
 * The TLS that a client puts above its streams, if any.
 *
 * @throws RpcError `invalid-argument` for credentials that cannot be used
 */
export function layerOf(address: Address, tls: ClientTls | undefined): StreamLayer | undefined {
  if (address.scheme === "tls") return tlsLayer(tls ?? {}, address.host);
  if (address.scheme !== "tcp" || tls === undefined || tls.policy === "off") return undefined;
  return tlsLayer(tls, address.host);
}

const connected = channelOf("farcall:client:connect");
const notConnected = channelOf("farcall:client:connect:error");

/** Connects, and upgrades the connection where that is wanted. Rejects with an `RpcError`; nothing was called. */
export function reachStream(reach: Reach, signal: AbortSignal): Promise<Stream> {
  return told(reach, openStreamTo(reach, signal));
}

/** Opens a datagram socket to the server. Rejects with an `RpcError`; nothing was called. */
export function reachDatagram(reach: Reach): ReturnType<typeof openDatagram> {
  return told(reach, openDatagramTo(reach));
}

/** Tells whoever listens that nothing came of it. */
async function told<T>(reach: Reach, reaching: Promise<T>): Promise<T> {
  try {
    return await reaching;
  } catch (error) {
    if (notConnected.hasSubscribers) notConnected.publish({ protocol: onc.name, address: reach.text, error });
    throw error;
  }
}

async function openStreamTo(reach: Reach, signal: AbortSignal): Promise<Stream> {
  const startedAt = reach.clock.now();
  const candidates = await candidatesOf(reach, false, signal);
  const resolvedAt = reach.clock.now();
  const places = placesOf(reach);
  const failures: RpcError[] = [];
  for (const [i, { address, text }] of candidates.entries()) {
    const limit = limitOf(reach, signal, startedAt, candidates.length - i);
    try {
      const stream = await secure(reach, address, limit.signal);
      places?.reached(text);
      reached(reach, startedAt, resolvedAt, stream.peer);
      return stream;
    } catch (error) {
      places?.failed(text);
      failures.push(unreachable(error, text));
    } finally {
      limit.end();
    }
    if (signal.aborted) break;
  }
  throw noneReached(failures, reach.text);
}

async function openDatagramTo(reach: Reach): ReturnType<typeof openDatagram> {
  const { tls } = reach.options;
  if (tls !== undefined && (tls.policy ?? "required") === "required") {
    const message = `${reach.text} cannot be protected: Node has no DTLS; use tcp, or say tls.policy "opportunistic"`;
    throw new RpcError("invalid-argument", message, { executed: "no" });
  }
  const startedAt = reach.clock.now();
  const [{ address, text }] = (await candidatesOf(reach, true)) as readonly [Candidate];
  const resolvedAt = reach.clock.now();
  try {
    const opened = await openDatagram(address, { network: reach.options.network });
    placesOf(reach)?.reached(text);
    reached(reach, startedAt, resolvedAt, address.scheme === "udp" ? withPort(text, address.port) : text);
    return opened;
  } catch (error) {
    throw unreachable(error, text);
  }
}

function placesOf({ where }: Reach): Places | undefined {
  return "scheme" in where ? undefined : where;
}

/** Whom to try, one after another. At least one. */
async function candidatesOf(reach: Reach, datagrams: boolean, signal?: AbortSignal): Promise<readonly Candidate[]> {
  const places = placesOf(reach);
  if (places === undefined) return [{ address: await complete(reach, reach.where as Address), text: reach.text }];
  const asked = places.candidates(datagrams);
  if (signal === undefined) return await asked;
  return await new Promise((resolve, reject) => {
    const end = (): void => reject(unreachable(signal.reason, reach.text));
    signal.addEventListener("abort", end, { once: true });
    asked.then(resolve, reject).finally(() => signal.removeEventListener("abort", end));
  });
}

/** How long one of several candidates may take: its share of the time that is left, or a quarter of that. */
function limitOf(
  reach: Reach,
  signal: AbortSignal,
  startedAt: number,
  left: number,
): { readonly signal: AbortSignal; end(): void } {
  if (left === 1) return { signal, end() {} };
  const abort = new AbortController();
  const now = reach.clock.now();
  const waitMs = (startedAt + reach.connectTimeoutMs - now) / Math.min(left, 4);
  const alarm = reach.clock.alarm(() => abort.abort(new Error(`no connection within ${Math.round(waitMs)} ms`)));
  alarm.keepAlive(true);
  alarm.set(now + waitMs);
  return { signal: AbortSignal.any([signal, abort.signal]), end: () => alarm.clear() };
}

function noneReached(failures: readonly RpcError[], text: string): RpcError {
  const [first, second] = failures;
  if (first !== undefined && second === undefined) return first;
  const shown = failures.slice(0, 3).map(({ message }) => message);
  const more = failures.length > 3 ? `; and ${failures.length - 3} more` : "";
  return new RpcError("unavailable", `${text}: no instance can be reached: ${shown.join("; ")}${more}`, {
    executed: "no",
    peer: text,
    cause: first,
    status: clntStatus(ClntStat.RPC_SYSTEMERROR),
  });
}

/** Connects with what the address and the options want above the connection. */
async function secure(reach: Reach, address: CompleteAddress, signal: AbortSignal): Promise<Stream> {
  const { options, demand } = reach;
  const { network } = options;
  const open = async (): Promise<Stream> => {
    const stream = await openStream(address, { signal, network, credentials: demand?.credentials });
    try {
      demand?.check(stream.credentials, reach.text);
    } catch (error) {
      stream.destroy();
      throw error;
    }
    return stream;
  };
  const plain = await open();
  const layer = reach.layer(address);
  if (address.scheme === "tls" && layer !== undefined) {
    try {
      return await layer(plain, "client");
    } catch (error) {
      plain.destroy();
      throw error;
    }
  }
  const upgrade = layer === undefined ? options.upgrade : { auth: clientAuthTls(), layer };
  if (upgrade === undefined) return plain;
  try {
    const ping = nullTarget(reach.program, reach.version, "NULL");
    return await upgradeStream(plain, upgrade, ping, reach.connectTimeoutMs, reach.clock);
  } catch (error) {
    // Only a server that says no is talked to in clear text; a handshake that failed is no such answer.
    const refused = error instanceof RpcError && error.code === "denied";
    if (refused && options.tls?.policy === "opportunistic") return await open();
    throw error;
  }
}

/** Finds the port where the address has none. */
async function complete(reach: Reach, address: Address): Promise<CompleteAddress> {
  const { options } = reach;
  if (!("port" in address) || address.port !== undefined) return address as CompleteAddress;
  if (options.resolver === undefined || address.scheme === "tls") {
    const message = `${reach.text} has no port, and there is nobody to ask for it; give the port`;
    throw new RpcError("invalid-argument", message, { executed: "no" });
  }
  const query: ResolveQuery = {
    transport: address.scheme,
    host: address.host,
    program: reach.program,
    version: reach.version,
    timeoutMs: reach.connectTimeoutMs,
  };
  try {
    return parseAddress(await options.resolver.resolve(query)) as CompleteAddress;
  } catch (error) {
    throw notResolved(error, reach.text);
  }
}

/** Whatever became of the question, the user's own call was not sent. */
function notResolved(error: unknown, address: string): RpcError {
  const text = error instanceof Error ? error.message : String(error);
  const { code, status, peer } = error instanceof RpcError ? error : { code: "unavailable" as const };
  if (error instanceof RpcError && error.executed === "no") return error;
  return new RpcError(code, `${address} was not found: ${text}`, { executed: "no", status, peer, cause: error });
}

function reached(reach: Reach, startedAt: number, resolvedAt: number, peer: string): void {
  const { where } = reach;
  const asked = !("scheme" in where) || ("port" in where && where.port === undefined);
  const times: ReachTimes = {
    ...(asked ? { resolveMs: resolvedAt - startedAt } : {}),
    connectMs: reach.clock.now() - resolvedAt,
  };
  reach.onReached(peer, times);
  if (connected.hasSubscribers) connected.publish({ protocol: onc.name, address: peer, ...times });
}

function withPort(text: string, port: number): string {
  return /:\d+\/?$/.test(text) ? text : `${text.replace(/\/$/, "")}:${port}`;
}

/** Says in one line why a server could not be reached; nothing was sent, so nothing ran. */
function unreachable(error: unknown, address: string): RpcError {
  if (error instanceof RpcError) return error;
  const code = (error as { code?: unknown } | undefined)?.code;
  const text = error instanceof Error ? error.message : String(error);
  const details = { executed: "no" as const, peer: address, cause: error };
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") {
    return new RpcError("not-found", `${address}: the host is not known (${text})`, {
      ...details,
      status: clntStatus(ClntStat.RPC_UNKNOWNHOST),
    });
  }
  return new RpcError("unavailable", `${address} cannot be reached: ${text}`, {
    ...details,
    status: clntStatus(ClntStat.RPC_SYSTEMERROR),
  });
}

import { networkInterfaces } from "node:os";
import { timeoutProblem } from "../call/call-options.js";
import { RoundTrip } from "../call/round-trip.js";
import { type Machine, realMachine } from "../drive/machine.js";
import { type ArgsOf, type ResultOf, RpcError, type Semantics, type Signal } from "../model/index.js";
import { broadcastUdp, type Datagram, formatIpAddress } from "../net/index.js";
import { argsCodec, explainArgs } from "../onc/args.js";
import { type ClientAuth, clientAuthNone } from "../onc/auth/index.js";
import { BroadcastCall } from "../onc/engine/index.js";
import { declaredBy, type OncProcedure, type OncService } from "../onc/program.js";
import { ClntStat, clntStatus } from "../onc/status.js";
import { decode, type XdrReader, XdrWriter } from "../xdr/index.js";
import { broadcastAddress, parseUniversalAddress } from "./registry/uaddr.js";
import { RPCBIND_PORT, xdrRemoteCall, xdrRemotePortResult, xdrRemoteResult } from "./rpcbind/rpcbind.js";

/** Options of {@link broadcast}. */
export interface BroadcastOptions {
  /** How many answers end it; `all` waits for whoever answers within `timeoutMs`. Default 1. */
  readonly waitFor?: number | "all" | undefined;
  /** Milliseconds until it ends; default 5,000. */
  readonly timeoutMs?: number | undefined;
  /** The program's port, which all its servers have then. Default: the binders are asked to call (BCAST), on port 111. */
  readonly port?: number | undefined;
  /** The version of rpcbind that is asked to call; default 4 (BCAST). Versions 3 and 2 have the same as CALLIT. */
  readonly rpcbindVersion?: 2 | 3 | 4 | undefined;
  /** The port of the binders; default 111. */
  readonly rpcbindPort?: number | undefined;
  /** IPv4 addresses to send to; default: the broadcast address of every interface that can. */
  readonly addresses?: readonly string[] | undefined;
  /** Who calls; default nobody in particular. Binders pass no credentials on. */
  readonly auth?: ClientAuth | undefined;
  /** Ends it early with `cancelled`. */
  readonly signal?: Signal | undefined;
  /** Where time and chance come from; default: the machine that the process runs on. */
  readonly machine?: Machine | undefined;
}

/** One answer. */
export interface BroadcastReply<R> {
  /** Where it is served, as `connect` takes it: a broadcast's first answer is a binding. */
  readonly address: string;
  readonly value: R;
}

/** A broadcast that too few have answered. */
export class BroadcastError extends RpcError {
  /** Those who did. */
  readonly replies: readonly BroadcastReply<unknown>[];

  constructor(message: string, replies: readonly BroadcastReply<unknown>[]) {
    super("deadline-exceeded", message, { executed: "unknown", status: clntStatus(ClntStat.RPC_TIMEDOUT) });
    this.replies = replies;
  }
}

export const broadcastTimeoutMsDefault = 5_000;

/** Most answers that are kept; then it ends. */
export const broadcastRepliesMax = 4_096;

/**
 * Calls a procedure on every machine of the local networks at once, in datagrams over IPv4, and gathers who answers. Servers
 * that fail do not answer.
 *
 * ```ts
 * const [first] = await broadcast(CalcV1, "add", [{ a: 1, b: 2 }], { waitFor: 1, timeoutMs: 2_000 });
 * await using calc = await connect(CalcV1, first.address);
 * ```
 *
 * A procedure that may run twice is sent again until it ends, since datagrams get lost; any other is sent once.
 *
 * @returns at least `waitFor` answers, in the order in which they came, one of each server; with `all` whoever answered,
 *   which may be nobody
 * @throws BroadcastError (an RpcError `deadline-exceeded`) with the answers, when they are fewer
 * @throws RpcError `invalid-argument` for bad arguments and options, `unavailable` when there is no network to send to,
 *   `cancelled`
 */
export async function broadcast<C, const K extends keyof C & string>(
  service: OncService<C>,
  procedure: K,
  args: ArgsOf<C[K]>,
  options: BroadcastOptions = {},
): Promise<BroadcastReply<ResultOf<C[K]>>[]> {
  const { waitFor = 1, timeoutMs = broadcastTimeoutMsDefault, machine = realMachine, signal } = options;
  const described = service.procedures[procedure] as OncProcedure | undefined;
  const name = `broadcast of ${service.name}.${procedure}`;
  const problem = described === undefined ? "the contract has no such procedure" : problemOf(described, options);
  if (problem !== undefined) throw refused("invalid-argument", `${name}: ${problem}`);
  const call = prepare(service, described as OncProcedure, args, options, name);
  if (signal?.aborted === true) throw refused("cancelled", `${name}: cancelled by its caller`, signal.reason);
  const hosts = options.addresses ?? broadcastAddresses();
  if (hosts.length === 0) throw refused("unavailable", `${name}: no interface of this machine can broadcast over IPv4`);
  const socket = await broadcastUdp();
  const port = options.port ?? options.rpcbindPort ?? RPCBIND_PORT;
  const peers = hosts.map((host) => ({ host, port }));
  const repeats = declaredBy(described as OncProcedure) === "at-least-once";
  try {
    return (await gather({ name, call, socket, peers, repeats, waitFor, timeoutMs, machine, signal })) as never;
  } finally {
    await socket.close();
  }
}

interface Gathering {
  readonly name: string;
  readonly call: BroadcastCall<Answer>;
  readonly socket: Datagram;
  readonly peers: readonly { readonly host: string; readonly port: number }[];
  readonly repeats: boolean;
  readonly waitFor: number | "all";
  readonly timeoutMs: number;
  readonly machine: Machine;
  readonly signal: Signal | undefined;
}

/** An answer, and the port that it names where a binder made the call. */
interface Answer {
  readonly value: unknown;
  readonly port: number | undefined;
}

function gather(gathering: Gathering): Promise<BroadcastReply<unknown>[]> {
  const { name, call, socket, peers, repeats, waitFor, timeoutMs, machine, signal } = gathering;
  const { clock } = machine;
  const enough = waitFor === "all" ? broadcastRepliesMax : Math.min(waitFor, broadcastRepliesMax);
  const replies = new Map<string, BroadcastReply<unknown>>();
  return new Promise((resolve, reject) => {
    let [sent, failed] = [0, 0];
    const until = clock.now() + timeoutMs;
    const pauses = new RoundTrip();
    let transmissions = 0;
    const finish = (end: () => void): void => {
      alarm.clear();
      again.clear();
      signal?.removeEventListener("abort", onAbort);
      end();
    };
    const onAbort = (): void => {
      const message = `${name}: cancelled by its caller`;
      finish(() => reject(new RpcError("cancelled", message, { executed: "unknown", cause: signal?.reason })));
    };
    const send = (): void => {
      for (const peer of peers) {
        sent++;
        socket.send(call.message, peer);
      }
      if (repeats) again.set(clock.now() + pauses.timeoutMs(++transmissions));
    };
    const alarm = clock.alarm(() =>
      finish(() => {
        if (waitFor === "all") return resolve([...replies.values()]);
        const message = `${name}: ${replies.size} of ${waitFor} answered within ${timeoutMs} ms`;
        reject(new BroadcastError(message, [...replies.values()]));
      }),
    );
    const again = clock.alarm(send);
    alarm.keepAlive(true);
    alarm.set(until);
    signal?.addEventListener("abort", onAbort, { once: true });
    socket.start({
      onDatagram(bytes, from) {
        const answer = call.take(bytes)?.value;
        if (answer === undefined) return;
        const address = formatIpAddress("udp", from.host, answer.port ?? from.port);
        if (replies.has(address)) return;
        replies.set(address, { address, value: answer.value });
        if (replies.size >= enough) finish(() => resolve([...replies.values()]));
      },
      onError(error) {
        // While one network takes it, others may fail.
        if (++failed < sent || replies.size > 0) return;
        finish(() => reject(refused("unavailable", `${name}: nothing could be sent: ${error.message}`, error)));
      },
    });
    send();
  });
}

/** The message, and how answers are read: directly, or as what binders make of it. */
function prepare(
  service: { readonly program: number; readonly version: number },
  procedure: OncProcedure,
  args: readonly unknown[],
  { port, rpcbindVersion = 4, auth = clientAuthNone(), machine = realMachine }: BroadcastOptions,
  name: string,
): BroadcastCall<Answer> {
  const { program, version } = service;
  const { number, result } = procedure;
  const codec = argsCodec(procedure.args);
  const bytes = machine.randomBytes(4);
  const xid = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  const writer = new XdrWriter();
  try {
    codec.encode(writer, args);
  } catch (error) {
    const { message } = explainArgs(error, codec, args) as Error;
    throw refused("invalid-argument", `${name}: ${message}`, error);
  }
  const encoded = writer.take();
  if (port !== undefined) {
    const target = { program, version, procedure: number };
    const read = (r: XdrReader): Answer => ({ value: result.decode(r), port: undefined });
    return new BroadcastCall(xid, target, auth, (w) => w.bytes(encoded), read);
  }
  const remote = { prog: program, vers: version, proc: number, args: encoded };
  const target = { program: 100_000, version: rpcbindVersion, procedure: 5 };
  const read = (r: XdrReader): Answer => {
    const { results, ...place } = rpcbindVersion === 2 ? xdrRemotePortResult.decode(r) : xdrRemoteResult.decode(r);
    const at = "port" in place ? place.port : parseUniversalAddress(place.addr)?.port;
    if (at === undefined || at === 0 || at > 65_535) throw new RangeError("no address");
    return { value: decode(result, results), port: at };
  };
  return new BroadcastCall(xid, target, auth, (w) => xdrRemoteCall.encode(w, remote), read);
}

function problemOf(procedure: OncProcedure, options: BroadcastOptions): string | undefined {
  const { waitFor = 1, timeoutMs = broadcastTimeoutMsDefault, port } = options;
  if (procedure.oneWay === true) return "it is one-way, so nobody answers";
  const semantics: Semantics = declaredBy(procedure);
  if (semantics === "exactly-once") return "it is declared exactly-once, and a broadcast runs on every machine";
  if (waitFor !== "all" && !(Number.isInteger(waitFor) && waitFor > 0)) {
    return `waitFor must be a whole number above 0, or "all", not ${String(waitFor)}`;
  }
  if (port !== undefined && !(Number.isInteger(port) && port > 0 && port < 65_536)) return `port ${port} is none`;
  const bad = timeoutProblem(timeoutMs);
  return bad === undefined ? undefined : `timeoutMs ${bad}`;
}

/** The broadcast addresses of the machine's interfaces. */
function broadcastAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const own = all.filter(({ internal, family }) => !internal && family === "IPv4");
  return [...new Set(own.flatMap(({ address, netmask }) => broadcastAddress(address, netmask) ?? []))];
}

function refused(code: "invalid-argument" | "unavailable" | "cancelled", message: string, cause?: unknown): RpcError {
  return new RpcError(code, message, { executed: "no", cause });
}

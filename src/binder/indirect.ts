import { type ArgsOf, type ResultOf, RpcError, type Signal } from "../model/index.js";
import { formatIpAddress, parseAddress } from "../net/index.js";
import { argsCodec, explainArgs } from "../onc/args.js";
import { connectOnc } from "../onc/client.js";
import type { OncProcedure, OncService } from "../onc/program.js";
import { ClntStat, clntStatus } from "../onc/status.js";
import { decode, XdrWriter } from "../xdr/index.js";
import { parseUniversalAddress } from "./registry/uaddr.js";
import { RPCBIND_PORT, RpcbindV4 } from "./rpcbind/rpcbind.js";

/** Options of {@link callIndirect}. */
export interface IndirectOptions {
  /** Milliseconds until it ends; default 25,000. */
  readonly timeoutMs?: number | undefined;
  /** Ends it early with `cancelled`. */
  readonly signal?: Signal | undefined;
}

/** What an indirect call gives. */
export interface IndirectResult<R> {
  readonly value: R;
  /** Where the procedure ran, as `connect` takes it: the calls that follow go there. */
  readonly address: string;
}

/**
 * Calls a procedure through the binder of its machine, which forwards the call and says where it went (INDIRECT of RFC 1833):
 * the caller needs no look-up first. The binder has to allow calls for others.
 *
 * ```ts
 * const { value, address } = await callIndirect(CalcV1, "add", [{ a: 1, b: 2 }], "udp://calc.example.org");
 * await using calc = await connect(CalcV1, address);
 * ```
 *
 * The binder passes no credentials on, and calls no program that trusts its own machine.
 *
 * @param binder `tcp://HOST` or `udp://HOST`, with a port where it is not 111; the program is called over the same transport
 * @throws RpcError `invalid-argument`; `unimplemented` when the program is not registered or the binder makes no calls for others;
 *   `denied` when it makes none of this program; what else calls throw
 */
export async function callIndirect<C, const K extends keyof C & string>(
  service: OncService<C>,
  procedure: K,
  args: ArgsOf<C[K]>,
  binder: string,
  options: IndirectOptions = {},
): Promise<IndirectResult<ResultOf<C[K]>>> {
  const name = `${service.name}.${procedure}`;
  const mistake = (why: string, cause?: unknown): RpcError =>
    new RpcError("invalid-argument", `indirect call of ${name}: ${why}`, { executed: "no", cause });
  const described = service.procedures[procedure] as OncProcedure | undefined;
  if (described === undefined) throw mistake("the contract has no such procedure");
  if (described.oneWay === true) throw mistake("it is one-way, and a binder waits for the answer");
  if (described.semantics === "exactly-once")
    throw mistake("it is declared exactly-once, for which a binder has no session");
  const at = parseAddress(binder);
  if (at.scheme !== "tcp" && at.scheme !== "udp")
    throw mistake(`a binder is at tcp://HOST or udp://HOST, not at ${binder}`);
  const codec = argsCodec(described.args);
  const writer = new XdrWriter();
  try {
    codec.encode(writer, args);
  } catch (error) {
    throw mistake((explainArgs(error, codec, args) as Error).message, error);
  }
  const call = { prog: service.program, vers: service.version, proc: described.number, args: writer.take() };
  const address = formatIpAddress(at.scheme, at.host, at.port ?? RPCBIND_PORT);
  const timeoutMs = options.timeoutMs;
  await using client = await connectOnc(RpcbindV4, address, { session: "off", timeoutMs });
  const { addr, results } = await client.indirect(call, { signal: options.signal });
  const port = parseUniversalAddress(addr)?.port;
  try {
    if (port === undefined || port === 0) throw new RangeError(`"${addr}" is no address`);
    const value = decode(described.result, results) as ResultOf<C[K]>;
    return { value, address: formatIpAddress(at.scheme, at.host, port) };
  } catch (error) {
    const message = `indirect call of ${name} through ${address}: ${error instanceof Error ? error.message : String(error)}`;
    const status = clntStatus(ClntStat.RPC_CANTDECODERES);
    throw new RpcError("bad-reply", message, { executed: "yes", peer: address, status, cause: error });
  }
}

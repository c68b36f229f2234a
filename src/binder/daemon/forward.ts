import { RpcError } from "../../model/index.js";
import { OncClient } from "../../onc/client.js";
import { CallRefused } from "../../onc/engine/index.js";
import { ClntStat } from "../../onc/status.js";
import type { XdrCodec } from "../../xdr/index.js";
import type { Registration } from "../registry/registry.js";
import type { RemoteCall } from "../rpcbind/rpcbind.js";
import { localAddressOf } from "./probe.js";

/** Bytes that are encoded already. */
const encoded: XdrCodec<Uint8Array> = {
  encode: (w, v) => w.bytes(v),
  decode: (r) => r.bytes(r.remaining),
  shape: { kind: "opaque", length: 0xffff_ffff, fixed: false },
};

/**
 * Makes a call that the binder was asked to make, in nobody's name: credentials of the asker would be claims that come from
 * this machine.
 *
 * @returns the result, encoded
 * @throws CallRefused with the server's own refusal, RpcError for what else goes wrong
 */
export async function forwardCall(entry: Registration, call: RemoteCall, timeoutMs: number): Promise<Uint8Array> {
  const address = localAddressOf(entry);
  if (address === undefined) throw new CallRefused({ stat: "PROG_UNAVAIL" });
  const { prog: program, vers: version, proc: procedure, args } = call;
  const options = { timeoutMs, connectTimeoutMs: timeoutMs, retry: false, session: "off" } as const;
  try {
    await using client = await OncClient.open(address, options);
    return await client.call({ program, version, procedure }, encoded, args, encoded);
  } catch (error) {
    throw error instanceof RpcError ? (refusalOf(error) ?? error) : error;
  }
}

function refusalOf({ status, executed }: RpcError): CallRefused | undefined {
  switch (status?.number) {
    case ClntStat.RPC_PROGUNAVAIL:
      return new CallRefused({ stat: "PROG_UNAVAIL" });
    case ClntStat.RPC_PROCUNAVAIL:
      return new CallRefused({ stat: "PROC_UNAVAIL" });
    case ClntStat.RPC_CANTDECODEARGS:
      return new CallRefused({ stat: "GARBAGE_ARGS" });
    case ClntStat.RPC_PROGVERSMISMATCH:
      return new CallRefused({ stat: "PROG_MISMATCH", low: status.low ?? 0, high: status.high ?? 0 });
    default:
      // Nobody is there: to the asker that is a program that is not.
      return executed === "no" ? new CallRefused({ stat: "PROG_UNAVAIL" }) : undefined;
  }
}

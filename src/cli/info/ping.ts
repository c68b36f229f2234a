import { rpcbindResolver } from "../../binder/rpcbind/resolver.js";
import { RpcError } from "../../model/index.js";
import { OncClient } from "../../onc/client.js";
import { nothing } from "../../xdr/index.js";

// Whether a program answers: its procedure 0, which every version has and which does nothing.

export interface PingTarget {
  /** Without a port, rpcbind is asked, for each version. */
  readonly address: string;
  readonly program: number;
  readonly timeoutMs: number;
}

/** What came of one version. */
export interface Ping {
  readonly version: number;
  /** Why it is not available; undefined when it answered. */
  readonly error: RpcError | undefined;
}

/** The highest version number there can be. A program that serves version 0 is asked for it instead. */
const versionMax = 0xffff_ffff;

/** Most versions that are asked: a server may claim four billion of them. */
export const versionsMax = 1_000;

/**
 * Calls procedure 0 of one version.
 *
 * @throws RpcError when the program is not registered or cannot be reached
 */
export async function pingVersion(target: PingTarget, version: number): Promise<Ping> {
  const { address, program, timeoutMs } = target;
  await using client = await OncClient.open(address, {
    program,
    version,
    timeoutMs,
    connectTimeoutMs: Math.min(timeoutMs, 5_000),
    resolver: rpcbindResolver,
    retry: false,
  });
  try {
    await client.call({ program, version, procedure: 0 }, nothing, undefined, nothing);
    return { version, error: undefined };
  } catch (error) {
    if (error instanceof RpcError) return { version, error };
    throw error;
  }
}

/**
 * Finds the versions of a program by asking for one that it should not have, and calls each.
 *
 * @throws RpcError when the program is not registered or cannot be reached
 */
export async function* pingVersions(target: PingTarget): AsyncGenerator<Ping> {
  for (const unlikely of [0, versionMax]) {
    const ping = await pingVersion(target, unlikely);
    // It does serve that version, which says nothing about the others.
    if (ping.error === undefined && unlikely === 0) continue;
    const { low, high } = ping.error === undefined ? { low: 0, high: versionMax } : (ping.error.status ?? {});
    if (low === undefined || high === undefined) {
      yield ping;
      return;
    }
    for (let version = low; version <= Math.min(high, low + versionsMax - 1); version++) {
      yield await pingVersion(target, version);
    }
    if (high - low >= versionsMax) {
      throw new RpcError(
        "bad-reply",
        `the server claims versions ${low} to ${high}; only the first ${versionsMax} were asked`,
        { executed: "no" },
      );
    }
    return;
  }
}

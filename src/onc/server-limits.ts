import { limitProblem } from "../call/call-options.js";
import type { DatagramServerLimits, StreamServerLimits } from "./engine/index.js";
import { opaqueAuthMax } from "./message.js";

/** What a server allows whoever connects. Each limit has a default and a reason; over it, others are served on. */
export interface ServerLimits extends StreamServerLimits, DatagramServerLimits {
  /** Most bytes of a call on a stream; default 16 MiB, so that the 8 MiB that NFS peers send fit twice. The connection ends. */
  readonly recordSizeMax?: number | undefined;
  /** Most fragments of a call on a stream; default 4,096: libtirpc makes some 130 of 8 MiB. The connection ends. */
  readonly fragmentsMax?: number | undefined;
  /** Most bytes of a credential or verifier; default 400, which is all that RFC 5531, section 8.2, allows. AUTH_BADCRED or AUTH_BADVERF. */
  readonly credentialSizeMax?: number | undefined;
  /** Most calls of one connection that run at once; default 1,024. The connection is not read meanwhile. */
  readonly runningPerConnectionMax?: number | undefined;
  /**
   * Most calls on streams that run at once, where those of an address count twice and those of a connection three times,
   * so that nobody takes all of them; default 16,384. Who has no room is not read meanwhile.
   */
  readonly runningCallsMax?: number | undefined;
  /** Most bytes that these calls and their arguments take, counted likewise; default 256 MiB. The last may exceed it. */
  readonly runningBytesMax?: number | undefined;
  /** Bytes of a call that a connection may have running whatever the others have; default 16,384. */
  readonly reservedCallSizeMax?: number | undefined;
  /**
   * Most calls in datagrams that run at once, where those of an address count twice and those of a port three times;
   * default 4,096. Further datagrams are dropped.
   */
  readonly runningDatagramsMax?: number | undefined;
  /** Most bytes that these calls and their arguments take, counted likewise; default 64 MiB. The last may exceed it. */
  readonly runningDatagramBytesMax?: number | undefined;
  /** Most bytes of a call or reply in a datagram; default 65,507, UDP's own limit. A larger call is dropped, a larger reply becomes SYSTEM_ERR. */
  readonly datagramSizeMax?: number | undefined;
  /** Most connections at once; default 8,192, below the usual limit of 10,240 descriptors. One more is closed at once. */
  readonly connectionsMax?: number | undefined;
  /** Most connections of one peer address at once; default 4,096: half of all, so that one peer cannot take them all. */
  readonly connectionsPerPeerMax?: number | undefined;
  /**
   * Most callbacks to one caller that have not ended; default 256. It is also how deep calls and callbacks can be nested. One more
   * fails as `busy`.
   */
  readonly callbacksPerCallerMax?: number | undefined;
  /** Milliseconds a connection may be silent, with no call running, before it is closed; default 10 minutes. */
  readonly idleTimeoutMs?: number | undefined;
  /** Milliseconds from the first byte of a record to its last; default 60,000: 16 MiB at some 2 Mbit/s. */
  readonly recordTimeoutMs?: number | undefined;
  /** Most bytes of unfinished records of all connections; default 256 MiB. Whose record is the oldest loses the connection. */
  readonly bufferedBytesMax?: number | undefined;
  /** Bytes of replies that a peer has not taken, from which on further answers wait; default 64 MiB. */
  readonly writeBacklogMax?: number | undefined;
  /** Milliseconds in which a peer that has replies to take must take some; default 60,000. It loses the connection. */
  readonly writeTimeoutMs?: number | undefined;
}

/** What holds where a user says nothing. */
export const serverLimitDefaults: {
  readonly connectionsMax: number;
  readonly connectionsPerPeerMax: number;
  readonly idleTimeoutMs: number;
  readonly recordTimeoutMs: number;
  readonly bufferedBytesMax: number;
  readonly writeBacklogMax: number;
  readonly writeTimeoutMs: number;
} = {
  connectionsMax: 8_192,
  connectionsPerPeerMax: 4_096,
  idleTimeoutMs: 600_000,
  recordTimeoutMs: 60_000,
  bufferedBytesMax: 256 * 1024 * 1024,
  writeBacklogMax: 64 * 1024 * 1024,
  writeTimeoutMs: 60_000,
};

/** The least that each limit can be; a reserve may be none. */
const least: { readonly [K in keyof Required<ServerLimits>]: number } = {
  recordSizeMax: 1,
  fragmentsMax: 1,
  credentialSizeMax: 0,
  runningPerConnectionMax: 1,
  runningCallsMax: 1,
  runningBytesMax: 1,
  reservedCallSizeMax: 0,
  runningDatagramsMax: 1,
  runningDatagramBytesMax: 1,
  datagramSizeMax: 1,
  connectionsMax: 1,
  connectionsPerPeerMax: 1,
  callbacksPerCallerMax: 1,
  idleTimeoutMs: 1,
  recordTimeoutMs: 1,
  bufferedBytesMax: 1,
  writeBacklogMax: 1,
  writeTimeoutMs: 1,
};

/** @throws RangeError for a limit that is none, by its name */
export function checkServerLimits(limits: ServerLimits): void {
  for (const name of Object.keys(least) as (keyof ServerLimits)[]) {
    const problem = limitProblem(limits[name], least[name], name === "credentialSizeMax" ? opaqueAuthMax : undefined);
    if (problem !== undefined) throw new RangeError(`${name} ${problem}`);
  }
}

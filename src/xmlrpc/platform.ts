import { peerDemand } from "../drive/local-access.js";
import { type Machine, realMachine } from "../drive/machine.js";
import type { ExchangeTransport } from "../net/exchange.js";
import { type ExchangeAddress, formatExchangeAddress } from "../net/exchange-address.js";
import { HttpTransport } from "../net/http-client.js";
import type { PeerDemand } from "../net/peer-credentials.js";
import { ScgiTransport } from "../net/scgi-client.js";
import type { TransportOptions } from "./transport-options.js";

export { publishRetry, watchClientCall } from "../observe/client.js";

// What a client needs of the runtime that it is in. This file is for Node and whatever has its modules; bundlers for
// browsers take platform-browser.ts in its place, by the package's `imports`.

export const machine: Machine = realMachine;

/** Whether requests may have headers that a page of another origin would have to be allowed. */
export const hasFreeHeaders = true;

/** @throws RpcError `invalid-argument` for credentials that cannot be used */
export function transportTo(address: ExchangeAddress, options: TransportOptions): ExchangeTransport {
  const { requirePeer } = options;
  let asked: Promise<PeerDemand> | undefined;
  const demand =
    requirePeer === undefined
      ? undefined
      : (): Promise<PeerDemand> => {
          asked ??= peerDemand(requirePeer, address.socketPath !== "", formatExchangeAddress(address));
          return asked;
        };
  if (address.scheme === "scgi" || address.scheme === "scgi+unix") return new ScgiTransport(address, { demand });
  return new HttpTransport(address, { ...options, demand });
}

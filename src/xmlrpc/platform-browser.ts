import { realClock } from "../drive/clock.js";
import type { Machine } from "../drive/machine.js";
import { RpcError } from "../model/index.js";
import type { ExchangeTransport } from "../net/exchange.js";
import { type ExchangeAddress, formatExchangeAddress } from "../net/exchange-address.js";
import { FetchTransport } from "../net/fetch.js";
import type { TransportOptions } from "./transport-options.js";

// What a client needs of a browser, or of any runtime that has `fetch` and not Node's modules.

export const machine: Machine = {
  clock: realClock,
  random: Math.random,
  randomBytes: (size) => crypto.getRandomValues(new Uint8Array(size)),
};

export const hasFreeHeaders = false;

// There are no diagnostics channels.

export function publishRetry(): void {}

export function watchClientCall<T>(_describe: unknown, make: (watch: undefined) => Promise<T>): Promise<T> {
  return make(undefined);
}

export function transportTo(address: ExchangeAddress, { cookies, requirePeer }: TransportOptions): ExchangeTransport {
  if (requirePeer !== undefined) {
    throw new RpcError("invalid-argument", "requirePeer is for Unix sockets, which a browser does not have", {
      executed: "no",
    });
  }
  if (address.scheme === "http" || address.scheme === "https") return new FetchTransport(address, { cookies });
  const text = `${formatExchangeAddress(address)} cannot be reached from a browser: it has http: and https: only`;
  throw new RpcError("invalid-argument", text, { executed: "no" });
}

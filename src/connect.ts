import { rpcbindResolver } from "./binder/rpcbind/resolver.js";
import type { Client } from "./model/index.js";
import type { OncClientOptions } from "./onc/channel.js";
import type { OncService } from "./onc/program.js";

/** Options of {@link connect}. */
export type ConnectOptions = OncClientOptions;

/**
 * Connects to a service.
 *
 * The address says the transport: `tcp://HOST:PORT`, `udp://HOST:PORT`, `unix:/PATH`, `memory://NAME` or
 * `memory+datagram://NAME`. Without a port, the host's rpcbind is asked.
 *
 * @returns a client with one method per procedure, and the controls that start with `$`
 * @throws RpcError `invalid-argument` for a bad address or option, `not-found` for an unknown host or a service that is
 *   not registered, `unavailable` when nobody answers; always with `executed: "no"`
 */
export async function connect<C>(
  service: OncService<C>,
  address: string,
  options: ConnectOptions = {},
): Promise<Client<C>> {
  const { connectOnc } = await service.protocol.client();
  return await connectOnc(service, address, { resolver: rpcbindResolver, ...options });
}

import { rpcbindResolver } from "./binder/rpcbind/resolver.js";
import type { Client, NarrowedBy, Narrowing } from "./model/index.js";
import type { TypedClientOptions } from "./onc/channel.js";
import type { OncService } from "./onc/program.js";

/**
 * Options of {@link connect}.
 *
 * @typeParam C the contract that is called; none is needed for options without `semantics`
 * @typeParam N the procedures whose guarantees the client narrows
 */
export type ConnectOptions<C = unknown, N extends Narrowing<C> = Record<never, never>> = TypedClientOptions<C, N>;

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
export async function connect<C, const N extends Narrowing<C> = Record<never, never>>(
  service: OncService<C>,
  address: string,
  options: ConnectOptions<NoInfer<C>, N> = {},
): Promise<Client<NarrowedBy<C, N>>> {
  const { connectOnc } = await service.protocol.client();
  return await connectOnc<C, N>(service, address, { resolver: rpcbindResolver, ...options });
}

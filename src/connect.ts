import { withNames } from "./binder/directory/resolver.js";
import { connectAny } from "./connect-any.js";
import type { Client, NarrowedBy, Narrowing, Protocol, Resolver } from "./model/index.js";
import type { TypedClientOptions } from "./onc/channel.js";
import type { OncService } from "./onc/program.js";
import type { TypedXmlRpcClientOptions, XmlRpcServiceClient } from "./xmlrpc/client.js";
import type { XmlRpcService } from "./xmlrpc/service.js";

/**
 * Options of {@link connect} for a service of ONC RPC.
 *
 * @typeParam C the contract that is called; none is needed for options without `semantics`
 * @typeParam N the procedures whose guarantees the client narrows
 */
export type ConnectOptions<C = unknown, N extends Narrowing<C> = Record<never, never>> = TypedClientOptions<C, N>;

/**
 * Connects to a service. The service says the protocol, the address says the transport.
 *
 * ONC RPC: `tcp://HOST:PORT`, `udp://HOST:PORT`, `tls://HOST:PORT`, `unix:/PATH`, `memory://NAME` or
 * `memory+datagram://NAME`; without a port, the host's rpcbind is asked. `name:NAME` is wherever servers have registered
 * under that name: the binder of the option `resolver` is asked, or that of FARCALL_BINDER, or that of this machine.
 *
 * XML-RPC: `http://HOST[:PORT]/PATH`, `https://...`, `http+unix:/SOCKET:/PATH`, `scgi://HOST:PORT/PATH` or
 * `scgi+unix:/SOCKET:/PATH`; without a path, `/RPC2`.
 *
 * @returns a client with one method per procedure, and the controls that start with `$`
 * @throws RpcError `invalid-argument` for a bad address or option, `not-found` for an unknown host or a service that is
 *   not registered, `unavailable` when nobody answers; always with `executed: "no"`
 */
export function connect<C, const N extends Narrowing<C> = Record<never, never>>(
  service: XmlRpcService<C>,
  address: string,
  options?: TypedXmlRpcClientOptions<NoInfer<C>, N>,
): Promise<XmlRpcServiceClient<NarrowedBy<C, N>>>;
export function connect<C, const N extends Narrowing<C> = Record<never, never>>(
  service: OncService<C>,
  address: string,
  options?: ConnectOptions<NoInfer<C>, N>,
): Promise<Client<NarrowedBy<C, N>>>;
export function connect(
  service: { readonly protocol: Protocol; readonly name: string },
  address: string,
  options: object = {},
): Promise<unknown> {
  const resolver = withNames((options as { readonly resolver?: Resolver | undefined }).resolver);
  return connectAny(service, address, { ...options, resolver });
}

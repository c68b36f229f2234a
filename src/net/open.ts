import type { Address } from "./address.js";
import type { Datagram, DatagramPeer } from "./datagram.js";
import { processNetwork } from "./memory.js";
import type { Network } from "./network.js";
import type { CredentialReader } from "./peer-credentials.js";
import type { Stream, StreamListener } from "./stream.js";
import { connectTcp, listenTcp } from "./tcp.js";
import { bindUdp, connectUdp } from "./udp.js";
import { connectUnix, listenUnix } from "./unix.js";

/** An address that can be opened: its port is known. */
export type CompleteAddress =
  | Exclude<Address, { scheme: "tcp" | "udp" | "tls" }>
  | (Address & { readonly port: number });

export interface OpenOptions {
  readonly signal?: AbortSignal | undefined;
  /** The network that `memory:` addresses are on. */
  readonly network?: Network | undefined;
  /** Asks the kernel who is at the other end of Unix sockets. */
  readonly credentials?: CredentialReader | undefined;
  /** The permissions of a Unix socket's file that is listened on. */
  readonly mode?: number | undefined;
}

/** Whether an address is one of datagrams. */
export function isDatagram(address: Address): boolean {
  return address.scheme === "udp" || address.scheme === "memory+datagram";
}

/** Connects to a stream address. Rejects with the system's error. */
export function openStream(address: CompleteAddress, options: OpenOptions): Promise<Stream> {
  switch (address.scheme) {
    case "tcp":
    case "tls": // the layer above is the protocol's to put in place
      return connectTcp(address.host, address.port, options);
    case "unix":
      return connectUnix(address.path, options);
    case "memory":
      return (options.network ?? processNetwork).connect(address.name, options.signal);
    default:
      throw new RangeError(`${address.scheme} has no streams`);
  }
}

/** Opens a datagram socket that talks to the address. Rejects with the system's error. */
export async function openDatagram(
  address: CompleteAddress,
  options: OpenOptions,
): Promise<{ socket: Datagram; peer: DatagramPeer }> {
  switch (address.scheme) {
    case "udp":
      return await connectUdp(address.host, address.port);
    case "memory+datagram":
      return { socket: (options.network ?? processNetwork).bind(), peer: { host: address.name, port: 0 } };
    default:
      throw new RangeError(`${address.scheme} has no datagrams`);
  }
}

/** Listens on a stream address. Rejects with the system's error. */
export async function listenStream(
  address: CompleteAddress,
  onConnection: (stream: Stream) => void,
  options: OpenOptions,
): Promise<StreamListener> {
  switch (address.scheme) {
    case "tcp":
    case "tls":
      return await listenTcp(address.host, address.port, onConnection);
    case "unix":
      return await listenUnix(address.path, onConnection, options);
    case "memory":
      return (options.network ?? processNetwork).listen(address.name, onConnection);
    default:
      throw new RangeError(`${address.scheme} has no streams`);
  }
}

/** Binds a datagram socket at the address. Rejects with the system's error. */
export async function bindDatagram(address: CompleteAddress, options: OpenOptions): Promise<Datagram> {
  switch (address.scheme) {
    case "udp":
      return await bindUdp(address.host, address.port);
    case "memory+datagram":
      return (options.network ?? processNetwork).bind(address.name);
    default:
      throw new RangeError(`${address.scheme} has no datagrams`);
  }
}

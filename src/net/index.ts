export { type Address, formatIpAddress, nameIn, parseAddress } from "./address.js";
export type { Datagram, DatagramEvents, DatagramPeer } from "./datagram.js";
export { type DatagramFate, MemoryNetwork, type MemoryNetworkOptions } from "./memory.js";
export type { Network } from "./network.js";
export {
  bindDatagram,
  type CompleteAddress,
  isDatagram,
  listenStream,
  type OpenOptions,
  openDatagram,
  openStream,
} from "./open.js";
export { type CredentialReader, credentialReader, type PeerDemand } from "./peer-credentials.js";
export type { Stream, StreamEvents, StreamLayer, StreamListener } from "./stream.js";
export {
  type TlsClientCredentials,
  type TlsCredentials,
  type TlsServerCredentials,
  tlsLayer,
} from "./tls.js";
export { broadcastUdp } from "./udp.js";

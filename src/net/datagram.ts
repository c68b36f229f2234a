/**
 * A datagram socket: UDP or memory. Datagrams that arrive are never written to again.
 *
 * `Peer` is whatever the transport sends to; its text form is for messages and for telling senders apart.
 */
export interface Datagram<Peer = DatagramPeer> {
  readonly local: string;
  start(events: DatagramEvents<Peer>): void;
  /** Sends one datagram. The bytes must not change afterwards. Errors are events: datagrams promise nothing. */
  send(bytes: Uint8Array, to: Peer): void;
  close(): Promise<void>;
  ref(): void;
  unref(): void;
}

export interface DatagramEvents<Peer = DatagramPeer> {
  onDatagram(bytes: Uint8Array, from: Peer): void;
  /** Something went wrong with a datagram sent before; `refused` when the peer's host said that nobody listens. */
  onError(error: Error, refused: boolean): void;
}

export interface DatagramPeer {
  readonly host: string;
  readonly port: number;
}

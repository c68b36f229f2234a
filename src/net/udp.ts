import { createSocket, type Socket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { formatIpAddress } from "./address.js";
import type { Datagram, DatagramEvents, DatagramPeer } from "./datagram.js";

// Names are looked up with IPv4 first (`verbatim: false`): a datagram cannot try both, and `localhost` means 127.0.0.1
// to nearly every server.

/**
 * A UDP socket that talks to one peer. It is connected, so the kernel drops what comes from anyone else and reports
 * a port where nobody listens.
 *
 * @throws the system's error when the host is not found
 */
export async function connectUdp(host: string, port: number): Promise<{ socket: Datagram; peer: DatagramPeer }> {
  const { address, family } = await lookup(host, { verbatim: false });
  const socket = createSocket(family === 6 ? "udp6" : "udp4");
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.connect(port, address, () => {
      socket.off("error", reject);
      resolve();
    });
  });
  return { socket: new NodeDatagram(socket, true), peer: { host: address, port } };
}

/** A UDP socket that answers whoever sends; port 0 takes a free one, which `local` names. */
export async function bindUdp(host: string, port: number): Promise<Datagram> {
  const { address, family } = await lookup(host, { verbatim: false });
  const socket = createSocket(family === 6 ? "udp6" : "udp4");
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(port, address, () => {
      socket.off("error", reject);
      resolve();
    });
  });
  return new NodeDatagram(socket, false);
}

/** A UDP socket of IPv4 on a free port, that may send to broadcast addresses. */
export async function broadcastUdp(): Promise<Datagram> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(0, "0.0.0.0", () => {
      socket.off("error", reject);
      resolve();
    });
  });
  socket.setBroadcast(true);
  return new NodeDatagram(socket, false);
}

class NodeDatagram implements Datagram {
  readonly local: string;
  readonly #socket: Socket;
  readonly #connected: boolean;
  #closed = false;
  #events: DatagramEvents | undefined;
  /** Datagrams that Node has not handed to the kernel yet; closing the socket would lose them. */
  #sending = 0;
  #onAllSent: () => void = () => {};

  constructor(socket: Socket, connected: boolean) {
    this.#socket = socket;
    this.#connected = connected;
    const bound = socket.address();
    this.local = formatIpAddress("udp", bound.address, bound.port);
    // Without a listener an error would end the process.
    socket.on("error", (error: NodeJS.ErrnoException) => this.#report(error));
  }

  start(events: DatagramEvents): void {
    this.#events = events;
    this.#socket.on("message", (bytes, from) =>
      this.#events?.onDatagram(bytes, { host: from.address, port: from.port }),
    );
  }

  send(bytes: Uint8Array, to: DatagramPeer): void {
    if (this.#closed) return;
    this.#sending++;
    if (this.#connected) this.#socket.send(bytes, this.#onSent);
    else this.#socket.send(bytes, to.port, to.host, this.#onSent);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#events = undefined;
    if (this.#sending > 0) {
      await new Promise<void>((resolve) => {
        this.#onAllSent = resolve;
      });
    }
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  readonly #onSent = (error: NodeJS.ErrnoException | null): void => {
    if (--this.#sending === 0) this.#onAllSent();
    if (error !== null) this.#report(error);
  };

  #report(error: NodeJS.ErrnoException): void {
    this.#events?.onError(error, error.code === "ECONNREFUSED");
  }
}

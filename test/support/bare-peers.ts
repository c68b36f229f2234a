// Peers without an RPC library: they accept, read, and do what a test says.
import { createSocket, type RemoteInfo } from "node:dgram";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";

export interface BarePeer extends AsyncDisposable {
  readonly address: string;
  /** Everything that has come in over the latest connection, or the latest datagram. */
  readonly received: Buffer;
  /** How many connections it has accepted, or datagrams it has taken. */
  readonly count: number;
}

/** Listens on TCP; `onData` gets everything that has come over a connection so far, at each chunk. */
export async function startTcpPeer(
  onData: (received: Buffer, socket: Socket) => void,
  onConnection: (socket: Socket) => void = () => {},
): Promise<BarePeer & { readonly sockets: ReadonlySet<Socket> }> {
  let latest: Buffer = Buffer.alloc(0);
  let count = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    count++;
    let received: Buffer = Buffer.alloc(0);
    latest = received;
    sockets.add(socket);
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      latest = received;
      onData(received, socket);
    });
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    onConnection(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("no port");
  return {
    address: `tcp://127.0.0.1:${bound.port}`,
    get received() {
      return latest;
    },
    get count() {
      return count;
    },
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** Answers datagrams as a test says. */
export async function startUdpPeer(
  onDatagram: (bytes: Buffer, from: RemoteInfo, reply: (bytes: Uint8Array) => void) => void,
): Promise<BarePeer> {
  let latest: Buffer = Buffer.alloc(0);
  let count = 0;
  const socket = createSocket("udp4");
  socket.on("message", (bytes: Buffer, from) => {
    count++;
    latest = bytes;
    onDatagram(bytes, from, (reply) => socket.send(reply, from.port, from.address));
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    address: `udp://127.0.0.1:${socket.address().port}`,
    get received() {
      return latest;
    },
    get count() {
      return count;
    },
    async [Symbol.asyncDispose]() {
      socket.close();
      await once(socket, "close");
    },
  };
}

import { connect, createServer, type Server, type Socket } from "node:net";
import { formatIpAddress } from "./address.js";
import { NodeStream } from "./node-stream.js";
import type { Stream, StreamListener } from "./stream.js";

/** Idle time after which the kernel asks whether the peer is still there, in milliseconds. */
const keepAliveMs = 30_000;

export interface ConnectOptions {
  /** Gives the attempt up. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Connects over TCP, without Nagle's delay and with keepalive.
 *
 * @throws the system's error (`ECONNREFUSED`, `ENOTFOUND`, ...), or the signal's reason
 */
export async function connectTcp(host: string, port: number, options: ConnectOptions = {}): Promise<Stream> {
  const socket = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs });
  await connected(socket, options.signal);
  return tcpStream(socket);
}

/** Listens on TCP; port 0 takes a free one, which `address` names. */
export async function listenTcp(
  host: string,
  port: number,
  onConnection: (stream: Stream) => void,
): Promise<StreamListener> {
  const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs }, (socket) =>
    onConnection(tcpStream(socket)),
  );
  await listening(server, () => server.listen({ host, port }));
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("a TCP listener without an address");
  return { address: formatIpAddress("tcp", bound.address, bound.port), close: () => closed(server) };
}

function tcpStream(socket: Socket): Stream {
  return new NodeStream(
    socket,
    formatIpAddress("tcp", socket.remoteAddress ?? "0.0.0.0", socket.remotePort ?? 0),
    formatIpAddress("tcp", socket.localAddress ?? "0.0.0.0", socket.localPort ?? 0),
  );
}

/** Waits until the socket is connected, by `event`; destroys it otherwise. */
export function connected(
  socket: Socket,
  signal: AbortSignal | undefined,
  event: "connect" | "secureConnect" = "connect",
): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (error?: unknown): void => {
      socket.off(event, onConnect);
      socket.off("error", finish);
      signal?.removeEventListener("abort", onAbort);
      if (error === undefined) return resolve();
      socket.on("error", () => {}); // what follows the first error is of no interest, but must not end the process
      socket.destroy();
      reject(error);
    };
    const onConnect = (): void => finish();
    const onAbort = (): void => finish(signal?.reason ?? new Error("aborted"));
    socket.once(event, onConnect);
    socket.once("error", finish);
    if (signal?.aborted) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** Waits until the server listens, or throws why it cannot. */
export function listening(server: Server, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.once("listening", () => {
      server.off("error", reject);
      // A failed accept (too many open files) must not end the process; the next one may succeed.
      server.on("error", () => {});
      resolve();
    });
    listen();
  });
}

/** Stops accepting. Resolves at once: Node's own callback waits for the last connection, which lives on. */
export function closed(server: Server): Promise<void> {
  server.close();
  return Promise.resolve();
}

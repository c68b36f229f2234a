import { chmod, lstat, unlink } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import type { LocalPeer } from "../model/index.js";
import { NodeStream } from "./node-stream.js";
import type { CredentialReader } from "./peer-credentials.js";
import type { Stream, StreamListener } from "./stream.js";
import { type ConnectOptions, closed, connected, listening } from "./tcp.js";

export interface UnixOptions {
  /** Asks the kernel who is at the other end. */
  readonly credentials?: CredentialReader | undefined;
  /** Of a listener: the permissions of the socket's file. */
  readonly mode?: number | undefined;
}

/**
 * Connects to a Unix stream socket.
 *
 * @throws the system's error (`ENOENT`, `ECONNREFUSED`, `EACCES`, ...), or the signal's reason
 */
export async function connectUnix(path: string, options: ConnectOptions & UnixOptions = {}): Promise<Stream> {
  const socket = connect({ path });
  await connected(socket, options.signal);
  try {
    return new NodeStream(socket, `unix:${path}`, "unix:", { credentials: options.credentials?.of(socket) });
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/**
 * Listens on a Unix stream socket. A socket file that nobody listens on any more is replaced; one that is in use, or
 * any other kind of file, is an error.
 */
export async function listenUnix(
  path: string,
  onConnection: (stream: Stream) => void,
  options: UnixOptions = {},
): Promise<StreamListener> {
  await removeStaleSocket(path);
  const server = createServer((socket) => {
    let credentials: LocalPeer | undefined;
    try {
      // Before a byte of the peer is read.
      credentials = options.credentials?.of(socket);
    } catch {
      // Whoever cannot be told is nobody to serve.
      return refuse(socket);
    }
    // What is counted by peer is then counted by user.
    const peer = credentials === undefined ? "unix:" : `unix:uid=${credentials.uid ?? "unmapped"}`;
    onConnection(new NodeStream(socket, peer, `unix:${path}`, { credentials }));
  });
  await listening(server, () => server.listen({ path }));
  // Until then the umask holds, which lets in fewer.
  if (options.mode !== undefined) await chmod(path, options.mode);
  return { address: `unix:${path}`, close: () => closed(server) };
}

function refuse(socket: Socket): void {
  socket.on("error", () => {});
  socket.destroy();
}

/** Removes a socket file that nobody listens on any more. */
export async function removeStaleSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (!found?.isSocket()) return; // nothing there, or not ours to remove: listening says so
  const probe = connect({ path });
  const inUse = await connected(probe, undefined).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== "ECONNREFUSED",
  );
  probe.destroy();
  if (!inUse) await unlink(path);
}

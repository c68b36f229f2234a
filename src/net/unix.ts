import { lstat, unlink } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { NodeStream } from "./node-stream.js";
import type { Stream, StreamListener } from "./stream.js";
import { type ConnectOptions, closed, connected, listening } from "./tcp.js";

/**
 * Connects to a Unix stream socket.
 *
 * @throws the system's error (`ENOENT`, `ECONNREFUSED`, `EACCES`, ...), or the signal's reason
 */
export async function connectUnix(path: string, options: ConnectOptions = {}): Promise<Stream> {
  const socket = connect({ path });
  await connected(socket, options.signal);
  return new NodeStream(socket, `unix:${path}`, "unix:");
}

/**
 * Listens on a Unix stream socket. A socket file that nobody listens on any more is replaced; one that is in use, or
 * any other kind of file, is an error.
 */
export async function listenUnix(path: string, onConnection: (stream: Stream) => void): Promise<StreamListener> {
  await removeStaleSocket(path);
  const server = createServer((socket) => onConnection(new NodeStream(socket, "unix:", `unix:${path}`)));
  await listening(server, () => server.listen({ path }));
  return { address: `unix:${path}`, close: () => closed(server) };
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

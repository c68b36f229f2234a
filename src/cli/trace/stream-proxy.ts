import type { Socket } from "node:net";
import { type CompleteAddress, listenStream, openStream, type Stream } from "../../net/index.js";
import type { Output } from "./output.js";
import type { TraceSession, Wiretap } from "./session.js";

/** Milliseconds that connecting to the server may take, as farcall's clients wait. */
const connectTimeoutMs = 5_000;

/** Most connections at once, each of which takes two descriptors. One more is closed at once. */
const connectionsMaxDefault = 4_096;

export interface Relay {
  /** Where it listens, with the port that it was given. */
  readonly address: string;
  close(): Promise<void>;
}

/**
 * Passes bytes between whoever connects to `from` and a server at `to`, both ways and unchanged, and tells the session
 * of them. Each end feels the other's back-pressure, its half-close and its reset, as if there was nothing in between.
 */
export async function proxyStreams(
  from: CompleteAddress,
  to: CompleteAddress,
  session: TraceSession,
  connectionsMax: number = connectionsMaxDefault,
): Promise<Relay> {
  const sockets = new Set<Socket>();
  const keep = (stream: Stream): Socket => {
    // Node's own socket: it knows half-closes and resets, which the contract of streams leaves out.
    const socket = stream.detach() as Socket;
    socket.allowHalfOpen = true;
    // Without a listener an error would end the process; `close` follows, and is what counts.
    socket.on("error", () => {});
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    return socket;
  };
  const accept = async (accepted: Stream): Promise<void> => {
    const tap = session.open(accepted.peer === "unix:" ? "a local process" : accepted.peer);
    const client = keep(accepted);
    try {
      if (sockets.size > 2 * connectionsMax) throw new Error(`${connectionsMax} connections are open already`);
      const stream = await openStream(to, { signal: AbortSignal.timeout(connectTimeoutMs) });
      const server = keep(stream);
      if (client.destroyed) {
        server.destroy();
        throw new Error("the client has gone");
      }
      join(client, server, tap, session.output);
    } catch (error) {
      tap.failed(`to reach the server: ${error instanceof Error ? error.message : String(error)}`);
      client.destroy();
      tap.closed();
    }
  };
  const listener = await listenStream(from, (stream) => void accept(stream), {});
  return {
    address: listener.address,
    async close() {
      await listener.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function join(client: Socket, server: Socket, tap: Wiretap, output: Output): void {
  let open = 2;
  let why: string | undefined;
  const onClose = (name: string, end: Socket, other: Socket) => (): void => {
    why ??= end.errored === null ? undefined : `the ${name}: ${end.errored.message}`;
    // An orderly end has been passed on already; what is still under way reaches the other end.
    if (end.errored !== null) reset(other);
    else if (!other.writableEnded) other.end();
    if (--open === 0) tap.closed(why);
  };
  client.on("close", onClose("client", client, server));
  server.on("close", onClose("server", server, client));
  pass(client, server, (chunk) => tap.stream("to-server", chunk), output);
  pass(server, client, (chunk) => tap.stream("to-client", chunk), output);
}

/** Passes on what is read, before it is looked at, and reads no more than the other end and the output take. */
function pass(from: Socket, to: Socket, look: (chunk: Uint8Array) => void, output: Output): void {
  const goOn = (): void => {
    if (to.writableNeedDrain) return;
    if (output.blocked) output.whenFree(goOn);
    else from.resume();
  };
  from.on("data", (chunk: Uint8Array) => {
    to.write(chunk);
    look(chunk);
    if (!to.writableNeedDrain && !output.blocked) return;
    from.pause();
    goOn();
  });
  from.on("end", () => to.end());
  to.on("drain", goOn);
  from.resume();
}

/** Ends a connection as one that was reset; only TCP has that. */
function reset(socket: Socket): void {
  if (socket.remoteFamily === undefined) socket.destroy();
  else socket.resetAndDestroy();
}

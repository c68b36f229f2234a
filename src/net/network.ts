import type { Datagram } from "./datagram.js";
import type { Stream, StreamListener } from "./stream.js";

/** What `memory:` addresses are on: streams and datagram sockets by name. */
export interface Network {
  /** Throws the system's error when the name is in use. */
  listen(name: string, onConnection: (stream: Stream) => void): StreamListener;
  /** Rejects with the system's error, or the signal's reason. */
  connect(name: string, signal?: AbortSignal | undefined): Promise<Stream>;
  /** A datagram socket; without a name it gets one of its own. */
  bind(name?: string | undefined): Datagram;
}

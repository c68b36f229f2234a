import type { Socket } from "node:net";
import type { LocalPeer, TlsPeer } from "../model/index.js";
import type { Stream, StreamEvents } from "./stream.js";

/**
 * A stream over one of Node's sockets: TCP and Unix, and TLS in time.
 *
 * Node hands out a fresh buffer for every read, which is what lets decoders keep views.
 */
export class NodeStream implements Stream {
  readonly peer: string;
  readonly local: string;
  readonly tls: TlsPeer | undefined;
  readonly credentials: LocalPeer | undefined;
  readonly #socket: Socket;
  #events: StreamEvents | undefined;
  #error: Error | undefined;

  constructor(
    socket: Socket,
    peer: string,
    local: string,
    proved: { readonly tls?: TlsPeer | undefined; readonly credentials?: LocalPeer | undefined } = {},
  ) {
    this.#socket = socket;
    this.peer = peer;
    this.local = local;
    this.tls = proved.tls;
    this.credentials = proved.credentials;
    // An error event without a listener would end the process, and it may come before `start`.
    socket.on("error", this.#onError);
  }

  get backlog(): number {
    return this.#socket.writableLength;
  }

  start(events: StreamEvents): void {
    this.#events = events;
    this.#socket.on("data", this.#onData);
    this.#socket.on("drain", this.#onDrain);
    this.#socket.on("close", this.#onClose);
    if (this.#socket.destroyed) queueMicrotask(this.#onClose);
  }

  write(bytes: Uint8Array, written?: () => void): boolean {
    return this.#socket.write(bytes, written);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
    // A peer that never ends its half would keep the descriptor.
    this.#socket.destroySoon();
  }

  destroy(error?: Error): void {
    this.#error ??= error;
    this.#socket.destroy();
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  detach(): Socket {
    this.#events = undefined;
    this.#socket.off("data", this.#onData);
    this.#socket.off("drain", this.#onDrain);
    this.#socket.off("close", this.#onClose);
    this.#socket.off("error", this.#onError);
    this.#socket.pause();
    return this.#socket;
  }

  readonly #onData = (chunk: Uint8Array): void => this.#events?.onData(chunk);

  readonly #onDrain = (): void => this.#events?.onDrain();

  readonly #onError = (error: Error): void => {
    this.#error ??= error;
  };

  readonly #onClose = (): void => {
    const events = this.#events;
    this.#events = undefined;
    events?.onClose(this.#error);
  };
}

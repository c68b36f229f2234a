import type { Datagram, DatagramEvents, DatagramPeer } from "./datagram.js";
import type { Network } from "./network.js";
import type { Stream, StreamEvents, StreamListener } from "./stream.js";

/** What becomes of one datagram: a delay in milliseconds for each copy that arrives; an empty list loses it. */
export type DatagramFate = (bytes: Uint8Array, from: DatagramPeer, to: DatagramPeer) => readonly number[];

export interface MemoryNetworkOptions {
  /** Decides what becomes of each datagram; default: it arrives once, at once. */
  readonly fate?: DatagramFate | undefined;
  /** Bytes a stream holds for its peer before `write` answers false; default 65,536, as Node's sockets come. */
  readonly highWaterMark?: number | undefined;
}

/**
 * Streams and datagrams within one process, under the same contracts as the real ones: for tests, and for calling a
 * service that lives in the same process. Everything is delivered in a later turn, as a network does.
 */
export class MemoryNetwork implements Network {
  readonly #listeners = new Map<string, (stream: Stream) => void>();
  readonly #sockets = new Map<string, MemoryDatagram>();
  readonly #fate: DatagramFate;
  readonly #highWaterMark: number;
  #nextPort = 1;

  constructor(options: MemoryNetworkOptions = {}) {
    this.#fate = options.fate ?? (() => [0]);
    this.#highWaterMark = options.highWaterMark ?? 65_536;
  }

  listen(name: string, onConnection: (stream: Stream) => void): StreamListener {
    if (this.#listeners.has(name)) throw systemError("EADDRINUSE", `memory://${name} is in use`);
    this.#listeners.set(name, onConnection);
    return {
      address: `memory://${name}`,
      close: () => {
        this.#listeners.delete(name);
        return Promise.resolve();
      },
    };
  }

  async connect(name: string): Promise<Stream> {
    await Promise.resolve();
    const accept = this.#listeners.get(name);
    if (accept === undefined) throw systemError("ECONNREFUSED", `nobody listens on memory://${name}`);
    const [near, far] = memoryPair(`memory://${name}`, `memory:client-${this.#nextPort++}`, this.#highWaterMark);
    accept(far);
    return near;
  }

  /** A datagram socket; without a name it gets one of its own. */
  bind(name: string = `client-${this.#nextPort++}`): Datagram {
    if (this.#sockets.has(name)) throw systemError("EADDRINUSE", `memory+datagram://${name} is in use`);
    const socket = new MemoryDatagram(
      name,
      (bytes, to) => this.#carry(bytes, socket, to),
      () => this.#sockets.delete(name),
    );
    this.#sockets.set(name, socket);
    return socket;
  }

  #carry(bytes: Uint8Array, from: MemoryDatagram, to: DatagramPeer): void {
    const source = { host: from.name, port: 0 };
    for (const delay of this.#fate(bytes, source, to)) {
      const deliver = (): void => {
        const target = this.#sockets.get(to.host);
        if (target !== undefined) target.deliver(new Uint8Array(bytes), source);
        else from.refuse(systemError("ECONNREFUSED", `nobody listens on memory+datagram://${to.host}`));
      };
      if (delay === 0) setImmediate(deliver);
      else setTimeout(deliver, delay);
    }
  }
}

/** The network that `memory://` addresses mean unless a client or server is given another. */
export const processNetwork: MemoryNetwork = new MemoryNetwork();

/** Two ends of one stream: what is written to one arrives at the other. */
export function memoryPair(nearPeer: string, farPeer: string, highWaterMark = 65_536): [near: Stream, far: Stream] {
  const near = new MemoryStream(nearPeer, farPeer, highWaterMark);
  const far = new MemoryStream(farPeer, nearPeer, highWaterMark);
  near.other = far;
  far.other = near;
  return [near, far];
}

class MemoryStream implements Stream {
  readonly peer: string;
  readonly local: string;
  other!: MemoryStream;
  backlog = 0;
  readonly #highWaterMark: number;
  #events: StreamEvents | undefined;
  /** What was written to this end's peer and has not been taken: chunks, then the end. */
  readonly #inbox: {
    readonly chunk: Uint8Array | undefined;
    readonly taken: () => void;
    readonly error?: Error | undefined;
  }[] = [];
  #paused = false;
  #scheduled = false;
  #ended = false;
  #closed = false;

  constructor(peer: string, local: string, highWaterMark: number) {
    this.peer = peer;
    this.local = local;
    this.#highWaterMark = highWaterMark;
  }

  start(events: StreamEvents): void {
    this.#events = events;
    this.#schedule();
  }

  write(bytes: Uint8Array, written?: () => void): boolean {
    if (this.#ended || this.#closed) {
      if (written !== undefined) queueMicrotask(written);
      return true;
    }
    // The writer may use its buffer again, the reader may keep what it got: so the bytes are copied.
    const chunk = new Uint8Array(bytes);
    this.backlog += chunk.length;
    this.other.#put(chunk, () => {
      const wasFull = this.backlog > this.#highWaterMark;
      this.backlog -= chunk.length;
      written?.();
      if (wasFull && this.backlog <= this.#highWaterMark) this.#events?.onDrain();
    });
    return this.backlog <= this.#highWaterMark;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#schedule();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.other.#put(undefined, () => this.#close(undefined));
  }

  destroy(error?: Error): void {
    if (this.#closed) return;
    this.#ended = true;
    this.#inbox.length = 0;
    queueMicrotask(() => this.#close(error));
    this.other.#inbox.length = 0;
    this.other.#put(undefined, () => {}, systemError("ECONNRESET", `${this.local} reset the stream`));
  }

  ref(): void {}

  unref(): void {}

  detach(): { below: Stream } {
    this.#events = undefined;
    return { below: this };
  }

  #put(chunk: Uint8Array | undefined, taken: () => void, error?: Error): void {
    if (this.#closed) {
      queueMicrotask(taken);
      return;
    }
    this.#inbox.push({ chunk, taken, error });
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#inbox.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      while (this.#events !== undefined && !this.#paused) {
        const item = this.#inbox.shift();
        if (item === undefined) return;
        if (item.chunk !== undefined) this.#events.onData(item.chunk);
        else this.#close(item.error);
        item.taken();
      }
    });
  }

  #close(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ended = true;
    const events = this.#events;
    this.#events = undefined;
    events?.onClose(error);
  }
}

class MemoryDatagram implements Datagram {
  readonly name: string;
  readonly #carry: (bytes: Uint8Array, to: DatagramPeer) => void;
  readonly #onClose: () => void;
  #events: DatagramEvents | undefined;

  constructor(name: string, carry: (bytes: Uint8Array, to: DatagramPeer) => void, onClose: () => void) {
    this.name = name;
    this.#carry = carry;
    this.#onClose = onClose;
  }

  get local(): string {
    return `memory+datagram://${this.name}`;
  }

  start(events: DatagramEvents): void {
    this.#events = events;
  }

  send(bytes: Uint8Array, to: DatagramPeer): void {
    this.#carry(bytes, to);
  }

  deliver(bytes: Uint8Array, from: DatagramPeer): void {
    this.#events?.onDatagram(bytes, from);
  }

  refuse(error: Error): void {
    this.#events?.onError(error, true);
  }

  close(): Promise<void> {
    this.#events = undefined;
    this.#onClose();
    return Promise.resolve();
  }

  ref(): void {}

  unref(): void {}
}

function systemError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

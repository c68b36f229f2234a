import { endSession } from "../call/lifetime.js";
import type { Alarm, Clock } from "../drive/clock.js";
import { type Machine, realMachine } from "../drive/machine.js";
import { StreamServerDrive } from "../drive/stream-server.js";
import {
  bindDatagram,
  type CompleteAddress,
  type Datagram,
  listenStream,
  type Network,
  type Stream,
  type StreamLayer,
  type StreamListener,
} from "../net/index.js";
import { channelOf } from "../observe/channels.js";
import {
  DatagramServer,
  type DatagramServerLimits,
  type DatagramServerLink,
  runningBytesMax,
  runningCallsMax,
  type ServerCall,
  type ServerEngine,
  type ServerLink,
  type StreamServerLimits,
  StreamServerLink,
} from "./engine/index.js";
import { onc } from "./protocol.js";

const connected = channelOf("farcall:server:connect");
const gone = channelOf("farcall:server:disconnect");

/** What a server allows whoever connects. Each limit has a default and a reason; over it, others are served on. */
export interface ServerLimits extends StreamServerLimits, DatagramServerLimits {
  /** Most bytes of a call on a stream; default 16 MiB, so that the 8 MiB that NFS peers send fit twice. The connection ends. */
  readonly recordSizeMax?: number | undefined;
  /** Most fragments of a call on a stream; default 4,096: libtirpc makes some 130 of 8 MiB. The connection ends. */
  readonly fragmentsMax?: number | undefined;
  /** Most calls of one connection that run at once; default 1,024. The connection is not read meanwhile. */
  readonly runningPerConnectionMax?: number | undefined;
  /** Most calls that run at once; default 16,384. No connection is read meanwhile, and datagrams are dropped. */
  readonly runningCallsMax?: number | undefined;
  /** Most bytes of the calls that run, which they keep; default 256 MiB. As with `runningCallsMax`; the last may exceed it. */
  readonly runningBytesMax?: number | undefined;
  /** Most bytes of a call or reply in a datagram; default 65,507, UDP's own limit. A larger call is dropped, a larger reply becomes SYSTEM_ERR. */
  readonly datagramSizeMax?: number | undefined;
  /** Most connections at once; default 8,192, below the usual limit of 10,240 descriptors. One more is closed at once. */
  readonly connectionsMax?: number | undefined;
  /** Most connections of one peer address at once; default 4,096: half of all, so that one peer cannot take them all. */
  readonly connectionsPerPeerMax?: number | undefined;
  /** Milliseconds a connection may be silent, with no call running, before it is closed; default 10 minutes. */
  readonly idleTimeoutMs?: number | undefined;
  /** Milliseconds from the first byte of a record to its last; default 60,000: 16 MiB at some 2 Mbit/s. */
  readonly recordTimeoutMs?: number | undefined;
  /** Most bytes of unfinished records of all connections; default 256 MiB. Whose record is the oldest loses the connection. */
  readonly bufferedBytesMax?: number | undefined;
  /** Bytes of replies that a peer has not taken, from which on further answers wait; default 64 MiB. */
  readonly writeBacklogMax?: number | undefined;
  /** Milliseconds in which a peer that has replies to take must take some; default 60,000. It loses the connection. */
  readonly writeTimeoutMs?: number | undefined;
}

/** What holds where a user says nothing. */
export const serverLimitDefaults: {
  readonly connectionsMax: number;
  readonly connectionsPerPeerMax: number;
  readonly idleTimeoutMs: number;
  readonly recordTimeoutMs: number;
  readonly bufferedBytesMax: number;
  readonly writeBacklogMax: number;
  readonly writeTimeoutMs: number;
} = {
  connectionsMax: 8_192,
  connectionsPerPeerMax: 4_096,
  idleTimeoutMs: 600_000,
  recordTimeoutMs: 60_000,
  bufferedBytesMax: 256 * 1024 * 1024,
  writeBacklogMax: 64 * 1024 * 1024,
  writeTimeoutMs: 60_000,
};

/** How often connections are looked at for being idle or slow, at the least, in milliseconds. */
const sweepMsMax = 1_000;

export interface EndpointOptions extends ServerLimits {
  /** What an upgrade puts between a stream and its use. */
  readonly layer?: StreamLayer | undefined;
  readonly network?: Network | undefined;
  readonly machine?: Machine | undefined;
  /** Is told that a connection is gone. */
  readonly onLost?: ((link: StreamServerLink) => void) | undefined;
}

/** Where a server listens, and whoever is connected: everything between the sockets and the engine. */
export class Endpoints {
  readonly #engine: ServerEngine;
  readonly #options: EndpointOptions;
  readonly #limits: typeof serverLimitDefaults;
  readonly #runningMax: number;
  readonly #runningBytesMax: number;
  readonly #listeners: StreamListener[] = [];
  readonly #connections = new Map<StreamServerLink, StreamServerDrive>();
  readonly #perPeer = new Map<string, number>();
  readonly #sockets = new Map<Datagram, DatagramServer>();
  readonly #clock: Clock;
  readonly #sweeper: Alarm;
  readonly #sweepMs: number;
  #bufferedBytes = 0;
  #closing = false;
  /** Wakes `close` when something has ended. */
  #onEnded: () => void = () => {};

  constructor(engine: ServerEngine, options: EndpointOptions) {
    this.#engine = engine;
    this.#options = options;
    const given = Object.entries(options).filter(([name, value]) => name in serverLimitDefaults && value !== undefined);
    this.#limits = { ...serverLimitDefaults, ...Object.fromEntries(given) };
    this.#runningMax = options.runningCallsMax ?? runningCallsMax;
    this.#runningBytesMax = options.runningBytesMax ?? runningBytesMax;
    this.#clock = (options.machine ?? realMachine).clock;
    this.#sweeper = this.#clock.alarm(() => this.#sweep());
    const { idleTimeoutMs, recordTimeoutMs, writeTimeoutMs } = this.#limits;
    this.#sweepMs = Math.min(sweepMsMax, ...[idleTimeoutMs, recordTimeoutMs, writeTimeoutMs].map((ms) => ms / 2));
  }

  /** Accepts streams at an address; `layer` stands above each from its start. */
  async accept(address: CompleteAddress, layer?: StreamLayer): Promise<string> {
    const { network } = this.#options;
    let local: string | undefined;
    const onConnection = (stream: Stream): void => {
      if (this.#admits(stream)) void this.#admit(stream, layer, local);
      else stream.destroy();
    };
    const listener = await listenStream(address, onConnection, { network });
    local = listener.address;
    this.#listeners.push(listener);
    return listener.address;
  }

  #admits(stream: Stream): boolean {
    const ofPeer = this.#perPeer.get(hostOf(stream.peer)) ?? 0;
    return this.#open < this.#limits.connectionsMax && ofPeer < this.#limits.connectionsPerPeerMax;
  }

  /** Connections, those in a handshake included. */
  #open = 0;

  async #admit(plain: Stream, layer: StreamLayer | undefined, local: string | undefined): Promise<void> {
    const host = hostOf(plain.peer);
    this.#open++;
    this.#perPeer.set(host, (this.#perPeer.get(host) ?? 0) + 1);
    const leave = (): void => {
      this.#open--;
      const left = (this.#perPeer.get(host) ?? 1) - 1;
      if (left === 0) this.#perPeer.delete(host);
      else this.#perPeer.set(host, left);
    };
    if (layer === undefined) return this.#connected(plain, local, leave);
    try {
      const stream = await layer(plain, "server");
      if (!this.#closing) return this.#connected(stream, local, leave);
      stream.destroy();
      leave();
    } catch {
      // The peer could not agree on a session: there is nobody to tell.
      plain.destroy();
      leave();
    }
  }

  #connected(stream: Stream, local: string | undefined, leave: () => void): void {
    const link = new StreamServerLink(this.#engine, stream.peer, this.#options);
    link.upgradable = this.#options.layer !== undefined && stream.tls === undefined;
    link.tls = stream.tls;
    link.local = local;
    if (connected.hasSubscribers) connected.publish({ protocol: onc.name, peer: link.peer, tls: link.tls });
    // All clients of a Unix socket have one address: nothing would tell one's calls from another's.
    link.filtered = this.#engine.filter?.streams === true && /^(tcp|tls):/.test(stream.peer);
    const events = {
      onClose: (reason: Error | undefined): void => {
        leave();
        if (gone.hasSubscribers) gone.publish({ protocol: onc.name, peer: link.peer, error: reason });
        this.#connections.delete(link);
        this.#account(link, 0);
        abandon(link, reason);
        this.#options.onLost?.(link);
        if (link.running === 0) endSession(link.session);
        this.#onEnded();
      },
      onBuffered: (bytes: number): void => this.#account(link, bytes),
      writeBacklogMax: this.#limits.writeBacklogMax,
      layer: this.#options.layer,
    };
    const drive = new StreamServerDrive(link, stream, events, this.#clock);
    this.#connections.set(link, drive);
    if (this.#connections.size === 1) this.#sweeper.set(this.#clock.now() + this.#sweepMs);
  }

  /**
   * Keeps the sum of all unfinished records. Over the limit the slowest peer goes: whoever is quick with a record
   * should not pay for those who came to hold the memory.
   */
  #account(link: StreamServerLink, bytes: number): void {
    this.#bufferedBytes += bytes - link.buffered;
    link.buffered = bytes;
    while (bytes > 0 && this.#bufferedBytes > this.#limits.bufferedBytesMax) {
      const slowest = this.#slowest() ?? link;
      this.#bufferedBytes -= slowest.buffered;
      slowest.buffered = 0;
      this.#connections.get(slowest)?.destroy(new Error("too many bytes of unfinished records (bufferedBytesMax)"));
      if (slowest === link) return;
    }
  }

  /** Whose unfinished record is the oldest. */
  #slowest(): StreamServerLink | undefined {
    let slowest: StreamServerLink | undefined;
    let since = Number.POSITIVE_INFINITY;
    for (const [link, { recordSince = Number.POSITIVE_INFINITY }] of this.#connections) {
      if (link.buffered === 0 || recordSince >= since) continue;
      slowest = link;
      since = recordSince;
    }
    return slowest;
  }

  /** Ends the connections that are silent, or slow with a record. */
  #sweep(): void {
    const now = this.#clock.now();
    const { idleTimeoutMs, recordTimeoutMs, writeTimeoutMs } = this.#limits;
    for (const [link, drive] of this.#connections) {
      if (drive.recordSince !== undefined && now - drive.recordSince > recordTimeoutMs) {
        drive.destroy(new Error(`a record took more than ${recordTimeoutMs} ms (recordTimeoutMs)`));
      } else if (drive.isStalled(now, writeTimeoutMs)) {
        drive.destroy(new Error(`took none of its replies for ${writeTimeoutMs} ms (writeTimeoutMs)`));
      } else if (link.running === 0 && !link.held && now - drive.heardAt > idleTimeoutMs) {
        drive.destroy(new Error(`silent for more than ${idleTimeoutMs} ms (idleTimeoutMs)`));
      }
    }
    if (this.#connections.size > 0) this.#sweeper.set(now + this.#sweepMs);
  }

  /** Binds a datagram socket at an address. */
  async bind(address: CompleteAddress): Promise<string> {
    const { network } = this.#options;
    const socket = await bindDatagram(address, { network });
    const side = new DatagramServer(this.#engine, this.#options);
    side.local = socket.local;
    this.#sockets.set(socket, side);
    socket.start({
      onDatagram: (bytes, from) =>
        side.receive(bytes, from.port === 0 ? from.host : `udp://${from.host}:${from.port}`, (reply) =>
          socket.send(reply, from),
        ),
      // An earlier reply found nobody: the caller is gone, and would have to ask again.
      onError: () => {},
    });
    return socket.local;
  }

  /** A call has ended in a later turn than it began in. */
  ended({ link, size }: ServerCall): void {
    // The last place of all was taken: whoever waits for it may be any connection.
    const { running, runningBytes } = this.#engine;
    const roomAgain = runningBytes < this.#runningBytesMax && runningBytes + size >= this.#runningBytesMax;
    if (roomAgain || running === this.#runningMax - 1) for (const drive of this.#connections.values()) drive.ended();
    if (link instanceof StreamServerLink) {
      this.#connections.get(link)?.ended();
      // Objects of a session outlive their connection by the calls that still use them.
      if (link.gone && link.running === 0) endSession(link.session);
    } else for (const side of this.#sockets.values()) side.ended(link as DatagramServerLink);
    this.#onEnded();
  }

  /**
   * Stops accepting, gives the calls that run `drainMs` milliseconds to end, then fires the signals of those that
   * still run and ends every connection.
   */
  async close(drainMs: number): Promise<void> {
    this.#closing = true;
    const listeners = this.#listeners.splice(0);
    await Promise.all(listeners.map((listener) => listener.close()));
    for (const drive of this.#connections.values()) drive.drain();
    for (const side of this.#sockets.values()) side.draining = true;
    await this.#idle(drainMs);
    for (const drive of this.#connections.values()) drive.destroy(new Error("the server is closing"));
    for (const [socket, side] of this.#sockets) {
      for (const link of side.links) abandon(link, new Error("the server is closing"));
      await socket.close();
    }
    this.#sockets.clear();
    await this.#idle(1_000);
    this.#sweeper.clear();
  }

  /** Waits until no call runs and no connection is left, at most for `ms` milliseconds. */
  async #idle(ms: number): Promise<void> {
    const isIdle = (): boolean =>
      this.#connections.size === 0 && [...this.#sockets.values()].every(({ links }) => links.size === 0);
    if (isIdle() || ms <= 0) return;
    await new Promise<void>((resolve) => {
      const limit = this.#clock.alarm(resolve);
      limit.keepAlive(true);
      limit.set(this.#clock.now() + ms);
      this.#onEnded = () => {
        if (!isIdle()) return;
        limit.clear();
        resolve();
      };
    });
    this.#onEnded = () => {};
  }
}

/** A peer's address without its port: whose connections are counted together. */
function hostOf(peer: string): string {
  return peer.replace(/:\d+$/, "");
}

/** Nobody waits for this link's answers any more. */
function abandon(link: ServerLink, reason: Error | undefined): void {
  link.gone = true;
  for (const aborter of link.aborters ?? []) aborter.abort(reason ?? new Error("the caller hung up"));
  link.aborters = undefined;
}

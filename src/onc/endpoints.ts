import { endSession } from "../call/lifetime.js";
import type { Alarm, Clock } from "../drive/clock.js";
import type { LocalListening } from "../drive/local-access.js";
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
import { wireOf } from "./callback-channel.js";
import {
  DatagramAdmission,
  DatagramServer,
  type DatagramServerLink,
  type DatagramServerOptions,
  hostOf,
  type ServerCall,
  type ServerEngine,
  type ServerLink,
  StreamAdmission,
  StreamServerLink,
} from "./engine/index.js";
import { onc } from "./protocol.js";
import { type ServerLimits, serverLimitDefaults } from "./server-limits.js";

const connected = channelOf("farcall:server:connect");
const gone = channelOf("farcall:server:disconnect");

/** How often connections are looked at for being idle or slow, at the least, in milliseconds. */
const sweepMsMax = 1_000;

export interface EndpointOptions extends ServerLimits, Pick<DatagramServerOptions, "noAmplification"> {
  /** What an upgrade puts between a stream and its use. */
  readonly layer?: StreamLayer | undefined;
  readonly network?: Network | undefined;
  readonly machine?: Machine | undefined;
  /** Is told that a connection is gone. */
  readonly onLost?: ((link: StreamServerLink, reason: Error | undefined) => void) | undefined;
}

/** Where a server listens, and whoever is connected: everything between the sockets and the engine. */
export class Endpoints {
  readonly #engine: ServerEngine;
  readonly #options: EndpointOptions;
  readonly #limits: typeof serverLimitDefaults;
  readonly #admission: StreamAdmission<StreamServerLink>;
  readonly #datagramAdmission: DatagramAdmission;
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
    this.#admission = new StreamAdmission(options);
    this.#datagramAdmission = new DatagramAdmission(options);
    this.#clock = (options.machine ?? realMachine).clock;
    this.#sweeper = this.#clock.alarm(() => this.#sweep());
    const { idleTimeoutMs, recordTimeoutMs, writeTimeoutMs } = this.#limits;
    this.#sweepMs = Math.min(sweepMsMax, ...[idleTimeoutMs, recordTimeoutMs, writeTimeoutMs].map((ms) => ms / 2));
  }

  /**
   * Accepts streams at an address; `layer` stands above each from its start, and `local` says how Unix sockets are
   * listened on.
   */
  async accept(address: CompleteAddress, layer?: StreamLayer, local?: LocalListening): Promise<string> {
    const { network } = this.#options;
    let bound: string | undefined;
    const onConnection = (stream: Stream): void => {
      if (this.#admits(stream)) void this.#admit(stream, layer, bound);
      else stream.destroy();
    };
    const listener = await listenStream(address, onConnection, { network, ...local });
    bound = listener.address;
    this.#listeners.push(listener);
    return listener.address;
  }

  #admits(stream: Stream): boolean {
    const ofPeer = this.#perPeer.get(hostOf(stream.peer)) ?? 0;
    return this.#open < this.#limits.connectionsMax && ofPeer < this.#limits.connectionsPerPeerMax;
  }

  /** Connections, those in a handshake included. */
  #open = 0;
  /** What stands below those in a handshake. */
  readonly #handshakes = new Set<Stream>();

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
    this.#handshakes.add(plain);
    try {
      const stream = await layer(plain, "server");
      this.#handshakes.delete(plain);
      if (!this.#closing) return this.#connected(stream, local, leave);
      // It was complete in the moment in which the server closed.
      stream.destroy();
      leave();
    } catch {
      // The peer could not agree on a session: there is nobody to tell.
      this.#handshakes.delete(plain);
      plain.destroy();
      leave();
    }
  }

  #connected(stream: Stream, local: string | undefined, leave: () => void): void {
    const link = new StreamServerLink(this.#engine, stream.peer, this.#options, this.#admission);
    link.upgradable = this.#options.layer !== undefined && stream.tls === undefined;
    link.tls = stream.tls;
    link.credentials = stream.credentials;
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
        this.#admission.forget(link);
        abandon(link, reason);
        // Answers that waited for the peer to read: their calls end unanswered.
        while (link.answerDeferred());
        this.#options.onLost?.(link, reason);
        if (link.running === 0) this.#over(link);
        this.#onEnded();
      },
      onBuffered: (bytes: number): void => this.#account(link, bytes),
      onCongested: (congested: boolean): void => {
        link.congested = congested;
        wireOf(link)?.congested(congested);
      },
      onFlushed: (): boolean => wireOf(link)?.more() === true,
      writeBacklogMax: this.#limits.writeBacklogMax,
      layer: this.#options.layer,
    };
    const drive = new StreamServerDrive(link, stream, events, this.#clock);
    this.#connections.set(link, drive);
    link.onChange = () => drive.ended();
    if (this.#connections.size === 1) this.#sweeper.set(this.#clock.now() + this.#sweepMs);
  }

  /** The connection is gone, and its last call has ended: objects of a session outlive it by the calls that use them. */
  #over(link: StreamServerLink): void {
    if (link.over) return;
    link.over = true;
    this.#admission.leave(link.peer);
    endSession(link.session);
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
    const side = new DatagramServer(this.#engine, this.#options, this.#datagramAdmission);
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
  ended({ link }: ServerCall): void {
    if (link instanceof StreamServerLink) {
      this.#connections.get(link)?.ended();
      if (link.gone && link.running === 0) this.#over(link);
      if (this.#admission.crowded && !this.#lettingIn) {
        this.#lettingIn = true;
        this.#clock.soon(this.#letIn);
      }
    } else for (const side of this.#sockets.values()) side.ended(link as DatagramServerLink);
    this.#onEnded();
  }

  #lettingIn = false;

  /** Calls have ended: those who wait for room may start theirs. */
  readonly #letIn = (): void => {
    this.#lettingIn = false;
    this.#admission.letIn((link) => this.#connections.get(link)?.resume());
  };

  /**
   * Stops accepting, gives the calls that run `drainMs` milliseconds to end, then fires the signals of those that
   * still run and ends every connection.
   */
  async close(drainMs: number): Promise<void> {
    this.#closing = true;
    const listeners = this.#listeners.splice(0);
    for (const plain of this.#handshakes) plain.destroy(new Error("the server is closing"));
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

/** Nobody waits for this link's answers any more. */
export function abandon(link: ServerLink, reason: Error | undefined): void {
  link.gone = true;
  for (const aborter of link.aborters ?? []) aborter.abort(reason ?? new Error("the caller hung up"));
  link.aborters = undefined;
}

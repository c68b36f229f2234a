import type { Datagram, DatagramEvents, DatagramPeer } from "../net/datagram.js";
import type { Network } from "../net/network.js";
import type { Stream, StreamListener } from "../net/stream.js";
import type { FaultCounts } from "./faults.js";
import type { Program } from "./program.js";
import type { Random } from "./random.js";
import { connectionReset, SimulatedStream, type StreamCarrier } from "./stream.js";
import type { VirtualTime } from "./time.js";
import { fateOf, type Weather } from "./weather.js";

/** How often a kernel tries again to reach a host that does not answer, in milliseconds. */
const connectRetryMs = 1_000;

/** Bytes that a stream holds for its peer before `write` answers false, as Node's sockets do. */
const highWaterMarkDefault = 65_536;

/** Is told what passes; for time-lines. */
export interface NetworkObserver {
  message(from: string, to: string, bytes: Uint8Array, transport: "stream" | "datagram", note: string): void;
}

/** What a program's sending may set off: the program may die before or after. */
export interface SendingHook {
  /** Whether the bytes leave; called before they do. */
  before(program: Program): boolean;
  after(program: Program): void;
}

export interface SimulatedNetworkOptions {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly weather: Weather;
  readonly counts: FaultCounts;
  readonly highWaterMark?: number | undefined;
  readonly observer?: NetworkObserver | undefined;
  readonly hook?: SendingHook | undefined;
  /** A name that leads to one of several hosts, as behind a load balancer. */
  readonly alias?: NetworkAlias | undefined;
}

export interface NetworkAlias {
  readonly name: string;
  /** The host that messages from this one go to now. */
  routeOf(from: string): string;
}

/** The streams and datagrams between the programs of a simulated world. */
export class SimulatedNetwork implements StreamCarrier {
  readonly #time: VirtualTime;
  readonly #random: Random;
  /** A source of chance for each pair of hosts and direction, so that what one does changes nothing for others. */
  readonly #chances = new Map<string, Random>();
  readonly #weather: Weather;
  readonly #counts: FaultCounts;
  readonly #observer: NetworkObserver | undefined;
  readonly #hook: SendingHook | undefined;
  readonly #highWaterMark: number;
  readonly #alias: NetworkAlias | undefined;
  readonly #listeners = new Map<string, { readonly program: Program; readonly accept: (stream: Stream) => void }>();
  readonly #sockets = new Map<string, SimulatedDatagram>();
  /** What others see of a program: several hosts may be behind one address. */
  readonly #addresses = new Map<Program, string>();
  /** Every stream end whose connection has not ended, by program. */
  readonly #streams = new Map<Program, Set<SimulatedStream>>();
  /** Hosts that are cut off from all others, and until when. */
  readonly #cutOff = new Map<string, number>();
  /** Hosts without power. */
  readonly #dark = new Set<string>();
  /** The arrival of the datagram that was held back last, for each pair of hosts. */
  readonly #held = new Map<string, number>();

  constructor(options: SimulatedNetworkOptions) {
    this.#time = options.time;
    this.#random = options.random;
    this.#weather = options.weather;
    this.#counts = options.counts;
    this.#observer = options.observer;
    this.#hook = options.hook;
    this.#highWaterMark = options.highWaterMark ?? highWaterMarkDefault;
    this.#alias = options.alias;
  }

  /** The network as one program sees it, and the address that it has there; its ports are counted from `firstPort`. */
  of(program: Program, address: string = program.host, firstPort = 1_025): Network {
    let nextPort = firstPort;
    this.#addresses.set(program, address);
    this.#streams.set(program, new Set());
    return {
      listen: (name, onConnection) => this.#listen(program, name, onConnection),
      connect: (name, signal) => this.#connect(program, nextPort++, name, signal),
      bind: (name) => this.#bind(program, name, name === undefined ? nextPort++ : 0),
    };
  }

  // --- what goes wrong

  /** Cuts a host off from all others for a while. */
  cutOff(host: string, ms: number): void {
    this.#cutOff.set(host, this.#time.now + ms);
  }

  /** Resets every connection of a host; says how many there were. */
  reset(host: string): number {
    let cut = 0;
    for (const [program, streams] of this.#streams) {
      if (program.host !== host) continue;
      for (const stream of [...streams]) {
        if (stream.closed) continue;
        cut++;
        stream.cut(connectionReset(stream.peer));
        streams.delete(stream);
      }
    }
    return cut;
  }

  /** A program has died. Its host's kernel tells its peers, unless the host lost its power with it. */
  died(program: Program, powerLost: boolean): void {
    for (const [name, listener] of this.#listeners) if (listener.program === program) this.#listeners.delete(name);
    for (const [name, socket] of this.#sockets) if (socket.program === program) this.#sockets.delete(name);
    if (powerLost) {
      this.#dark.add(program.host);
      return;
    }
    for (const stream of this.#streams.get(program) ?? []) {
      if (!stream.closed)
        stream.abandon(this.#chance(program.host, stream.other.program.host).chance(0.5) ? "reset" : "end");
    }
    this.#streams.delete(program);
  }

  /** A host has power again: it knows nothing of connections from before, and says so to whoever still sends. */
  lit(host: string): void {
    if (!this.#dark.delete(host)) return;
    for (const [program, streams] of this.#streams) {
      if (program.host !== host || program.alive) continue;
      for (const stream of streams) if (stream.unheard && !stream.closed) stream.abandon("reset");
    }
  }

  // --- streams

  #listen(program: Program, name: string, accept: (stream: Stream) => void): StreamListener {
    const place = this.#placeOf(program, name);
    if (this.#listeners.has(place)) throw systemError("EADDRINUSE", `memory://${name} is in use`);
    this.#listeners.set(place, { program, accept });
    return {
      address: `memory://${name}`,
      close: () => {
        this.#listeners.delete(place);
        return Promise.resolve();
      },
    };
  }

  /** Where a program listens: whoever has a name together with others listens at its own host. */
  #placeOf(program: Program, name: string): string {
    return name === this.#alias?.name ? program.host : name;
  }

  /** Where messages to a name go from here. */
  #routeOf(from: Program, name: string): string {
    return name === this.#alias?.name ? this.#alias.routeOf(from.host) : name;
  }

  #connect(program: Program, port: number, name: string, signal: AbortSignal | undefined): Promise<Stream> {
    return new Promise((resolve, reject) => {
      let there = name;
      const over = (): boolean => !program.alive || signal?.aborted === true;
      const answer = (task: () => void, late?: () => void): void => {
        this.#time.work(this.#time.now + this.#latency(there, program.host), () => {
          if (over()) late?.();
          else task();
        });
      };
      const arrive = (): void => {
        if (over()) return;
        there = this.#routeOf(program, name);
        const wait = this.#isolated(program.host, there);
        if (wait > 0 || this.#dark.has(there)) {
          if (wait > 0) this.#counts.partition++;
          this.#time.work(this.#time.now + Math.max(wait, connectRetryMs), arrive);
          return;
        }
        const listener = this.#listeners.get(there);
        if (listener === undefined) {
          answer(() => reject(systemError("ECONNREFUSED", `nobody listens on memory://${name}`)));
          return;
        }
        const [near, far] = this.#pair(program, port, name, listener.program);
        listener.accept(far);
        answer(
          () => resolve(near),
          () => near.destroy(),
        );
      };
      this.#time.work(this.#time.now + this.#latency(program.host, name), arrive);
      signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    });
  }

  #pair(client: Program, port: number, name: string, server: Program): [SimulatedStream, SimulatedStream] {
    const here = `tcp://${this.#addresses.get(client)}:${port}`;
    const there = `memory://${name}`;
    const near = new SimulatedStream(this, client, here, there, this.#highWaterMark);
    const far = new SimulatedStream(this, server, there, here, this.#highWaterMark);
    near.other = far;
    far.other = near;
    this.#streams.get(client)?.add(near);
    this.#streams.get(server)?.add(far);
    return [near, far];
  }

  arrival(from: SimulatedStream): number {
    const here = from.program.host;
    const there = from.other.program.host;
    const wait = this.#isolated(here, there);
    if (wait > 0) this.#counts.partition++;
    const random = this.#chance(here, there);
    let at = this.#time.now + wait + this.#latency(here, there);
    if (random.chance(this.#weather.delay)) {
      this.#counts.delay++;
      at += random.between(0, this.#weather.delayMs);
    }
    from.arrivesAt = Math.max(from.arrivesAt, at);
    return from.arrivesAt;
  }

  carry(from: SimulatedStream, at: number): void {
    this.#time.work(at, () => {
      const here = from.program.host;
      const there = from.other.program.host;
      const wait = this.#isolated(here, there);
      if (wait > 0) {
        this.#counts.partition++;
        this.carry(from, this.#time.now + wait + this.#latency(here, there));
        return;
      }
      from.arrive();
      // A host that lost its power and has it back resets what it does not know.
      const { other } = from;
      if (other.unheard && !this.#dark.has(other.program.host) && !other.closed) other.abandon("reset");
    });
  }

  sending(from: SimulatedStream, bytes: Uint8Array): boolean {
    if (this.#hook !== undefined && !this.#hook.before(from.program)) {
      this.#observer?.message(from.program.name, from.other.program.name, bytes, "stream", "not sent: it died");
      return false;
    }
    this.#observer?.message(from.program.name, from.other.program.name, bytes, "stream", "");
    return true;
  }

  sent(from: SimulatedStream): void {
    this.#hook?.after(from.program);
  }

  soon(task: () => void): void {
    this.#time.work(this.#time.now, task);
  }

  // --- datagrams

  #bind(program: Program, name: string | undefined, port: number): Datagram {
    const address = { host: name ?? this.#addresses.get(program) ?? program.host, port };
    const key = this.#placeOf(program, keyOf(address));
    if (this.#sockets.has(key)) throw systemError("EADDRINUSE", `memory+datagram://${key} is in use`);
    const socket = new SimulatedDatagram(
      program,
      address,
      (bytes, to) => this.#send(socket, bytes, to),
      () => {
        // A successor on the same host may have the port by now.
        if (this.#sockets.get(key) === socket) this.#sockets.delete(key);
      },
    );
    this.#sockets.set(key, socket);
    return socket;
  }

  #send(from: SimulatedDatagram, bytes: Uint8Array, to: DatagramPeer): void {
    if (this.#hook !== undefined && !this.#hook.before(from.program)) {
      this.#observer?.message(from.program.name, to.host, bytes, "datagram", "not sent: it died");
      return;
    }
    const there = this.#routeOf(from.program, keyOf(to));
    const pair = `${from.program.host} ${there}`;
    if (this.#isolated(from.program.host, this.#sockets.get(there)?.program.host ?? to.host) > 0) {
      this.#counts.partition++;
      this.#observer?.message(from.program.name, to.host, bytes, "datagram", "lost: the hosts are cut off");
    } else {
      const copies = fateOf(bytes, this.#weather, this.#chance(from.program.host, keyOf(to)), this.#counts);
      if (copies.length === 0) this.#observer?.message(from.program.name, to.host, bytes, "datagram", "lost");
      for (const copy of copies) {
        const at = this.#time.now + copy.ms;
        this.#overtake(pair, at, copy.held);
        const note = `${copies.length > 1 ? "twice, " : ""}${copy.bytes === bytes ? "" : "damaged, "}arrives at ${at.toFixed(1)}`;
        this.#observer?.message(from.program.name, to.host, copy.bytes, "datagram", note);
        this.#time.work(at, () => this.#deliver(from, copy.bytes, to, there));
      }
    }
    this.#hook?.after(from.program);
  }

  /** Counts a datagram that is overtaken. */
  #overtake(pair: string, at: number, held: boolean): void {
    const before = this.#held.get(pair);
    if (before !== undefined && at < before) {
      this.#counts.reordering++;
      this.#held.delete(pair);
    }
    if (held) this.#held.set(pair, at);
  }

  #deliver(from: SimulatedDatagram, bytes: Uint8Array, to: DatagramPeer, there: string): void {
    const target = this.#sockets.get(there);
    if (this.#isolated(from.program.host, target?.program.host ?? to.host) > 0) {
      this.#counts.partition++;
      return;
    }
    if (target !== undefined) {
      target.deliver(bytes, from.address);
      return;
    }
    // A host without power says nothing.
    if (this.#dark.has(there === keyOf(to) ? to.host : there)) return;
    this.#time.work(this.#time.now + this.#latency(to.host, from.program.host), () => {
      this.#observer?.message(to.host, from.program.name, noBytes, "datagram", "ICMP: nobody listens on the port");
      from.refuse(systemError("ECONNREFUSED", `nobody listens on memory+datagram://${keyOf(to)}`));
    });
  }

  // --- both

  #chance(from: string, to: string): Random {
    const pair = `${from} ${to}`;
    let random = this.#chances.get(pair);
    if (random === undefined) {
      random = this.#random.fork(pair);
      this.#chances.set(pair, random);
    }
    return random;
  }

  /** How long a message is under way from one host to another. */
  #latency(from: string, to: string): number {
    const [least, most] = this.#weather.latencyMs;
    return this.#chance(from, to).between(least, most);
  }

  /** For how long two hosts do not reach each other, from now. */
  #isolated(a: string, b: string): number {
    if (this.#cutOff.size === 0) return 0;
    return Math.max(0, (this.#cutOff.get(a) ?? 0) - this.#time.now, (this.#cutOff.get(b) ?? 0) - this.#time.now);
  }
}

const noBytes = new Uint8Array(0);

function keyOf({ host, port }: DatagramPeer): string {
  return port === 0 ? host : `${host}:${port}`;
}

class SimulatedDatagram implements Datagram {
  readonly program: Program;
  readonly address: DatagramPeer;
  readonly #send: (bytes: Uint8Array, to: DatagramPeer) => void;
  readonly #onClose: () => void;
  #events: DatagramEvents | undefined;
  #closed = false;

  constructor(
    program: Program,
    address: DatagramPeer,
    send: (bytes: Uint8Array, to: DatagramPeer) => void,
    onClose: () => void,
  ) {
    this.program = program;
    this.address = address;
    this.#send = send;
    this.#onClose = onClose;
  }

  get local(): string {
    return `memory+datagram://${keyOf(this.address)}`;
  }

  start(events: DatagramEvents): void {
    this.#events = events;
  }

  send(bytes: Uint8Array, to: DatagramPeer): void {
    if (!this.#closed && this.program.alive) this.#send(bytes, to);
  }

  deliver(bytes: Uint8Array, from: DatagramPeer): void {
    if (this.program.alive) this.#events?.onDatagram(bytes, from);
  }

  refuse(error: Error): void {
    if (this.program.alive) this.#events?.onError(error, true);
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#events = undefined;
      this.#onClose();
    }
    return Promise.resolve();
  }

  ref(): void {}

  unref(): void {}
}

function systemError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

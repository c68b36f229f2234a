import { RpcError } from "../model/index.js";
import {
  bindDatagram,
  type CompleteAddress,
  type Datagram,
  type DatagramPeer,
  isDatagram,
  listenStream,
  type Network,
  openDatagram,
  openStream,
  parseAddress,
  type Stream,
  type StreamListener,
} from "../net/index.js";
import { addFaults, type FaultCounts, noFaults } from "./faults.js";
import { Random } from "./random.js";
import { calm, fateOf, type Weather } from "./weather.js";

/** How a route to a real server treats what passes: probabilities from 0 to 1, default 0; times in milliseconds. */
export interface FaultyOptions extends Partial<Omit<Weather, "latencyMs">> {
  /** The faults follow from it, as far as the machine's own timing lets them. Default 1. */
  readonly seed?: number | undefined;
  /** The probability of each piece of a stream that the connection is reset in the middle of it. */
  readonly reset?: number | undefined;
  /** Where to listen; default: at a free port of 127.0.0.1, and for `unix:` beside the server's own path. */
  readonly listen?: string | undefined;
  /** The network of `memory:` addresses. */
  readonly network?: Network | undefined;
}

/** A way to a server on which things go wrong. */
export interface FaultyRoute extends AsyncDisposable {
  /** What clients connect to. */
  readonly address: string;
  /** How often each kind of fault happened so far. */
  readonly faults: FaultCounts;
  /** From now on nothing passes, until `heal`: datagrams are lost, streams wait. */
  partition(): void;
  heal(): void;
  /** Resets every connection; says how many there were. */
  reset(): number;
  close(): Promise<void>;
}

/**
 * Puts a faulty route in front of a real server: datagrams are lost, doubled, held back and damaged, connections stall
 * and are reset. Clients connect to its address instead of the server's.
 *
 * ```ts
 * await using route = await faulty(await server.listen("udp://127.0.0.1:0"), { loss: 0.2, duplication: 0.1 });
 * await using calc = await connect(CalcV1, route.address);
 * ```
 *
 * @throws RpcError `invalid-argument` for an address without a port, and for a probability that is none; or the system's
 *   error when there is nowhere to listen
 */
export async function faulty(address: string, options: FaultyOptions = {}): Promise<FaultyRoute> {
  const to = complete(address);
  const from = complete(options.listen ?? besides(to));
  const { seed = 1, reset = 0, listen: _listen, network, ...given } = options;
  const weather: Weather = { ...calm, delayMs: 100, ...given, latencyMs: [0, 0] };
  for (const [name, value] of Object.entries({ ...given, reset })) {
    if (name !== "delayMs" && !(value >= 0 && value <= 1)) throw invalid(`${name} must be from 0 to 1, not ${value}`);
  }
  const air = new Air(weather, reset, new Random(seed));
  return isDatagram(to) ? await routeDatagrams(from, to, air, network) : await routeStreams(from, to, air, network);
}

function complete(text: string): CompleteAddress {
  const address = parseAddress(text);
  if ("port" in address && address.port === undefined) throw invalid(`${text} has no port`);
  return address as CompleteAddress;
}

function besides(to: CompleteAddress): string {
  if ("port" in to) return `${to.scheme}://127.0.0.1:0`;
  return to.scheme === "unix" ? `unix:${to.path}.faulty` : `${to.scheme}://${to.name}-faulty`;
}

function invalid(message: string): RpcError {
  return new RpcError("invalid-argument", message, { executed: "no" });
}

/** What is between both ends: what goes wrong there, and what waits. */
class Air {
  readonly faults: FaultCounts = noFaults();
  parted = false;
  readonly weather: Weather;
  readonly reset: number;
  readonly random: Random;
  readonly #timers = new Set<NodeJS.Timeout>();
  #waiting: (() => void)[] = [];

  constructor(weather: Weather, reset: number, random: Random) {
    this.weather = weather;
    this.reset = reset;
    this.random = random;
  }

  /** Does something later. */
  after(ms: number, task: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      task();
    }, ms);
    this.#timers.add(timer);
  }

  /** Does something as soon as there is no partition. */
  whole(task: () => void): void {
    if (!this.parted) return task();
    this.faults.partition++;
    this.#waiting.push(task);
  }

  heal(): void {
    this.parted = false;
    for (const task of this.#waiting.splice(0)) task();
  }

  clear(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#waiting = [];
  }

  /** What becomes of a datagram. */
  carry(bytes: Uint8Array, deliver: (bytes: Uint8Array) => void): void {
    if (this.parted) {
      this.faults.partition++;
      return;
    }
    for (const copy of fateOf(bytes, this.weather, this.random, this.faults)) {
      if (copy.held) this.faults.reordering++;
      if (copy.ms === 0) deliver(copy.bytes);
      else this.after(copy.ms, () => deliver(copy.bytes));
    }
  }
}

async function routeDatagrams(
  from: CompleteAddress,
  to: CompleteAddress,
  air: Air,
  network: Network | undefined,
): Promise<FaultyRoute> {
  const front = await bindDatagram(from, { network });
  /** A socket to the server for each sender, so that answers find back. */
  const senders = new Map<string, Promise<{ readonly socket: Datagram; readonly peer: DatagramPeer }>>();
  const enter = async (sender: DatagramPeer): Promise<{ socket: Datagram; peer: DatagramPeer }> => {
    const opened = await openDatagram(to, { network });
    opened.socket.start({
      onDatagram: (bytes) => air.carry(bytes, (copy) => front.send(copy, sender)),
      // The server is gone; a sender of datagrams learns that by silence.
      onError: () => {},
    });
    return opened;
  };
  front.start({
    onDatagram(bytes, sender) {
      const key = `${sender.host} ${sender.port}`;
      const opened = senders.get(key) ?? enter(sender);
      senders.set(key, opened);
      air.carry(bytes, (copy) => {
        opened.then(
          ({ socket, peer }) => socket.send(copy, peer),
          () => senders.delete(key),
        );
      });
    },
    onError: () => {},
  });
  return route(front.local, air, {
    reset: () => 0,
    async close() {
      await front.close();
      for (const opened of senders.values()) await (await opened.catch(() => undefined))?.socket.close();
    },
  });
}

async function routeStreams(
  from: CompleteAddress,
  to: CompleteAddress,
  air: Air,
  network: Network | undefined,
): Promise<FaultyRoute> {
  const connections = new Set<() => void>();
  const accept = async (client: Stream): Promise<void> => {
    let server: Stream | undefined;
    let open = true;
    const reset = (): void => {
      open = false;
      connections.delete(reset);
      const why = Object.assign(new Error("the connection was reset on its way"), { code: "ECONNRESET" });
      client.destroy(why);
      server?.destroy(why);
    };
    connections.add(reset);
    const up = new Lane(air, reset);
    const down = new Lane(air, reset);
    client.start(up.eventsOf(client, down));
    down.to = client;
    try {
      server = await openStream(to, { network });
      server.start(down.eventsOf(server, up));
      if (!open) return server.destroy();
      up.to = server;
      up.run();
      await Promise.all([up.ended, down.ended]);
      connections.delete(reset);
    } catch {
      reset();
    }
  };
  const listener: StreamListener = await listenStream(from, (stream) => void accept(stream), { network });
  const scheme = to.scheme === "tls" ? "tls:" : "tcp:";
  return route(listener.address.replace(/^tcp:/, scheme), air, {
    reset() {
      const count = connections.size;
      air.faults.reset += count;
      for (const reset of connections) reset();
      return count;
    },
    async close() {
      await listener.close();
      for (const reset of connections) reset();
    },
  });
}

/** One direction of a connection. */
class Lane {
  to: Stream | undefined = undefined;
  /** Resolves when the stream that it reads is over. */
  readonly ended: Promise<void>;
  readonly #air: Air;
  readonly #reset: () => void;
  /** What has come and not gone on: pieces, then the end. */
  readonly #queue: (Uint8Array | "end")[] = [];
  #from: Stream | undefined;
  #busy = false;
  #full = false;
  #onEnd: () => void = () => {};

  constructor(air: Air, reset: () => void) {
    this.#air = air;
    this.#reset = reset;
    this.ended = new Promise((resolve) => {
      this.#onEnd = resolve;
    });
  }

  /** Events of the stream that this lane reads, to whose other end `back` writes. */
  eventsOf(from: Stream, back: Lane): Parameters<Stream["start"]>[0] {
    this.#from = from;
    return {
      onData: (chunk) => {
        this.#queue.push(chunk);
        from.pause();
        this.run();
      },
      onDrain: () => back.drained(),
      onClose: (error) => {
        this.#onEnd();
        if (error !== undefined) return this.#reset();
        this.#queue.push("end");
        this.run();
      },
    };
  }

  drained(): void {
    this.#full = false;
    this.run();
  }

  /** Passes the next piece on, when it may go. */
  run(): void {
    if (this.#busy || this.#full || this.to === undefined) return;
    const [next] = this.#queue;
    if (next === undefined) {
      this.#from?.resume();
      return;
    }
    this.#busy = true;
    const { weather, random, faults } = this.#air;
    const stalls = random.chance(weather.delay);
    if (stalls) faults.delay++;
    const go = (): void => this.#air.whole(() => this.#go());
    if (stalls) this.#air.after(random.between(0, weather.delayMs), go);
    else go();
  }

  #go(): void {
    this.#busy = false;
    const next = this.#queue.shift();
    const { to } = this;
    if (next === undefined || to === undefined) return;
    if (next === "end") return to.end();
    const { random, reset, faults } = this.#air;
    if (random.chance(reset)) {
      faults.reset++;
      to.write(next.subarray(0, random.integer(0, next.length)), this.#reset);
      return;
    }
    this.#full = !to.write(next);
    this.run();
  }
}

function route(address: string, air: Air, ends: { reset(): number; close(): Promise<void> }): FaultyRoute {
  const close = async (): Promise<void> => {
    air.clear();
    await ends.close();
  };
  return {
    address,
    get faults() {
      const faults = noFaults();
      addFaults(faults, air.faults);
      return faults;
    },
    partition: () => {
      air.parted = true;
    },
    heal: () => air.heal(),
    reset: () => ends.reset(),
    close,
    [Symbol.asyncDispose]: close,
  };
}

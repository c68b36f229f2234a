import type { ExchangeHandler, ExchangeListener } from "../net/exchange.js";
import { type ExchangeAddress, formatExchangeAddress } from "../net/exchange-address.js";
import type { ExchangeLoad } from "../net/exchange-limits.js";
import { encodeHttpResponse, HttpRequestReader } from "../net/http1.js";
import { encodeCgiResponse, ScgiRequestReader } from "../net/scgi.js";
import type { Stream, StreamLayer } from "../net/stream.js";
import { listenTcp } from "../net/tcp.js";
import { listenUnix } from "../net/unix.js";
import { type Alarm, type Clock, realClock } from "./clock.js";
import { Connection, type ConnectionHost, type Wire } from "./exchange-connection.js";
import type { LocalListening } from "./local-access.js";

/** How often slow connections are looked for, at the least, in milliseconds. */
const sweepMsMax = 1_000;

const http: Wire = {
  reader: ({ limits }) => new HttpRequestReader(limits.headersSizeMax, limits.bodySizeMax),
  encode: encodeHttpResponse,
};

const scgi: Wire = {
  reader: () => new ScgiRequestReader(),
  encode: (response) => [encodeCgiResponse(response)],
};

/**
 * Serves exchanges over HTTP/1.1 and 1.0, or SCGI, on TCP or a Unix socket. Rejects with the system's error.
 *
 * @param layer TLS, for `https:`
 * @param local how Unix sockets are listened on
 */
export async function listenExchanges(
  address: ExchangeAddress,
  handler: ExchangeHandler,
  load: ExchangeLoad,
  layer: StreamLayer | undefined,
  clock: Clock = realClock,
  local?: LocalListening | undefined,
): Promise<ExchangeListener> {
  const { host, port, socketPath, scheme, target } = address;
  const server = new ExchangeServer(scheme.startsWith("scgi") ? scgi : http, handler, load, clock);
  const onConnection = (stream: Stream): void => server.accept(stream, layer);
  const listener =
    socketPath === "" ? await listenTcp(host, port, onConnection) : await listenUnix(socketPath, onConnection, local);
  const place = /^tcp:\/\/(?:\[(.*)\]|([^:]*)):(\d+)$/.exec(listener.address);
  const bound = place === null ? {} : { host: place[1] ?? place[2] ?? "", port: Number(place[3]) };
  return {
    address: formatExchangeAddress({ ...address, ...bound, target }),
    stop() {
      server.stop();
      void listener.close();
    },
    async close() {
      server.stop();
      await listener.close();
      await server.close();
    },
  };
}

/** The connections of one listener. */
class ExchangeServer implements ConnectionHost {
  readonly wire: Wire;
  readonly handler: ExchangeHandler;
  readonly load: ExchangeLoad;
  readonly clock: Clock;
  /** No further exchange is to follow those under way. */
  stopping = false;
  readonly #connections = new Set<Connection>();
  readonly #sweeper: Alarm;
  readonly #sweepMs: number;
  #open = 0;
  #onEmpty: () => void = () => {};

  constructor(wire: Wire, handler: ExchangeHandler, load: ExchangeLoad, clock: Clock) {
    this.wire = wire;
    this.handler = handler;
    this.load = load;
    this.clock = clock;
    this.#sweeper = clock.alarm(() => this.#sweep());
    const { idleTimeoutMs, requestTimeoutMs, writeTimeoutMs } = load.limits;
    this.#sweepMs = Math.min(sweepMsMax, ...[idleTimeoutMs, requestTimeoutMs, writeTimeoutMs].map((ms) => ms / 2));
  }

  accept(stream: Stream, layer: StreamLayer | undefined): void {
    const host = stream.peer.replace(/:\d+$/, "");
    if (this.stopping || !this.load.enter(host)) return stream.destroy();
    this.#open++;
    const leave = (): void => {
      this.load.leave(host);
      if (--this.#open === 0) this.#onEmpty();
    };
    if (layer === undefined) this.#begin(stream, leave);
    else void this.#secure(stream, layer, leave);
  }

  async #secure(plain: Stream, layer: StreamLayer, leave: () => void): Promise<void> {
    try {
      const stream = await layer(plain, "server");
      if (!this.stopping) return this.#begin(stream, leave);
      stream.destroy();
    } catch {
      // The peer could not agree on a session: there is nobody to tell.
      plain.destroy();
    }
    leave();
  }

  #begin(stream: Stream, leave: () => void): void {
    const connection = new Connection(this, stream, () => {
      this.#connections.delete(connection);
      leave();
    });
    this.#connections.add(connection);
    if (this.#connections.size === 1) this.#sweeper.set(this.clock.now() + this.#sweepMs);
  }

  /** Ends the connections that are idle, slow with a request, or do not take their response. */
  #sweep(): void {
    const now = this.clock.now();
    for (const connection of this.#connections) connection.check(now);
    if (this.#connections.size > 0) this.#sweeper.set(now + this.#sweepMs);
  }

  stop(): void {
    this.stopping = true;
    for (const connection of this.#connections) connection.stop();
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.cut(new Error("the server is closing"));
    if (this.#open > 0) {
      await new Promise<void>((resolve) => {
        this.#onEmpty = resolve;
      });
    }
    this.#sweeper.clear();
  }
}

import type { Caller } from "../../model/index.js";
import { XdrWriter } from "../../xdr/index.js";
import { datagramSizeMax } from "./datagram-client.js";
import type { Aborter, ReplyPath, ServerLink } from "./server-call.js";
import type { ServerEngine } from "./server-engine.js";
import { runningBytesMax, runningCallsMax } from "./stream-server.js";

export interface DatagramServerLimits {
  readonly datagramSizeMax?: number | undefined;
  readonly runningCallsMax?: number | undefined;
  readonly runningBytesMax?: number | undefined;
}

/** The server's end of one datagram: a link that lives as long as its call, and a reply that is a datagram of its own. */
export class DatagramServerLink implements ServerLink, ReplyPath {
  readonly peer: string;
  readonly session: undefined = undefined;
  readonly size = 0;
  readonly tls: undefined = undefined;
  readonly upgradable = false;
  readonly full = false;
  readonly deferred: [] = [];
  readonly filtered: boolean;
  readonly local: string | undefined;
  running = 0;
  gone = false;
  aborters: Set<Aborter> | undefined = undefined;
  caller: Caller | undefined = undefined;
  readonly #writer: XdrWriter;
  readonly #send: (bytes: Uint8Array) => void;

  constructor(
    peer: string,
    local: string | undefined,
    filtered: boolean,
    writer: XdrWriter,
    send: (bytes: Uint8Array) => void,
  ) {
    this.peer = peer;
    this.local = local;
    this.filtered = filtered;
    this.#writer = writer;
    this.#send = send;
  }

  get replies(): ReplyPath {
    return this;
  }

  begin(): XdrWriter {
    this.#writer.reset();
    return this.#writer;
  }

  commit(): void {
    this.#send(this.#writer.take());
  }

  abort(): void {
    this.#writer.reset();
  }

  append(message: Uint8Array): void {
    this.#send(message);
  }
}

/** A server's datagram socket: each datagram is a call or nothing. */
export class DatagramServer {
  /** Datagrams that were dropped: too large, or while too many calls run; in that case their callers send them again. */
  dropped = 0;
  draining = false;
  /** Where the socket is bound. */
  local: string | undefined = undefined;
  /** Whoever has a call that runs. */
  readonly links: Set<DatagramServerLink> = new Set();
  readonly #engine: ServerEngine;
  readonly #runningMax: number;
  readonly #runningBytesMax: number;
  readonly #sizeMax: number;
  /** One writer for all replies: each is written and sent in one go. A reply over the limit becomes SYSTEM_ERR. */
  readonly #writer: XdrWriter;

  constructor(engine: ServerEngine, limits: DatagramServerLimits) {
    this.#engine = engine;
    this.#runningMax = limits.runningCallsMax ?? runningCallsMax;
    this.#runningBytesMax = limits.runningBytesMax ?? runningBytesMax;
    this.#sizeMax = limits.datagramSizeMax ?? datagramSizeMax;
    this.#writer = new XdrWriter({ sizeMax: this.#sizeMax });
  }

  /** Takes one datagram; what answers it is handed to `send`, now or later. */
  receive(bytes: Uint8Array, peer: string, send: (bytes: Uint8Array) => void): void {
    const { running, runningBytes } = this.#engine;
    const full = running >= this.#runningMax || runningBytes >= this.#runningBytesMax;
    if (this.draining || full || bytes.length > this.#sizeMax) {
      this.dropped++;
      return;
    }
    const link = new DatagramServerLink(peer, this.local, this.#engine.filter?.datagrams ?? false, this.#writer, send);
    this.#engine.receive(link, bytes, 0, bytes.length);
    if (link.running > 0) this.links.add(link);
  }

  /** Forgets whoever has no call that runs any more. */
  ended(link: DatagramServerLink): void {
    if (link.running === 0) this.links.delete(link);
  }
}

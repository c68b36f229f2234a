import type { Caller } from "../../model/index.js";
import { XdrWriter } from "../../xdr/index.js";
import { writeRefusal } from "../message.js";
import { DatagramAdmission, type DatagramAdmissionLimits, Running } from "./admission.js";
import { datagramSizeMax } from "./datagram-client.js";
import type { Aborter, ReplyPath, ServerLink } from "./server-call.js";
import type { ServerEngine } from "./server-engine.js";

export interface DatagramServerLimits extends DatagramAdmissionLimits {
  readonly datagramSizeMax?: number | undefined;
}

export interface DatagramServerOptions extends DatagramServerLimits {
  /**
   * Whether replies in datagrams to callers of other machines may not be larger than their calls: a sender's address is
   * easily forged, and a server that answers with more than it was asked with can be aimed at others. What is larger
   * becomes SYSTEM_ERR. Default false.
   */
  readonly noAmplification?: boolean | undefined;
}

/** Peers of this machine: loopback, and whatever is no UDP. */
const ofThisMachine = /^(?!udp:)|^udp:\/\/(?:(?:::ffff:)?127\.\d+\.\d+\.\d+|::1):\d+$/;

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
  readonly counted: Running = new Running();
  running = 0;
  gone = false;
  aborters: Set<Aborter> | undefined = undefined;
  caller: Caller | undefined = undefined;
  readonly #writer: XdrWriter;
  readonly #send: (bytes: Uint8Array) => void;
  readonly #replySizeMax: number;

  constructor(
    peer: string,
    local: string | undefined,
    filtered: boolean,
    writer: XdrWriter,
    send: (bytes: Uint8Array) => void,
    replySizeMax: number = Number.POSITIVE_INFINITY,
  ) {
    this.#replySizeMax = replySizeMax;
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
    this.append(this.#writer.take());
  }

  abort(): void {
    this.#writer.reset();
  }

  append(message: Uint8Array): void {
    if (message.length <= this.#replySizeMax) return this.#send(message);
    const w = this.begin();
    writeRefusal(w, new DataView(message.buffer, message.byteOffset).getUint32(0), { stat: "SYSTEM_ERR" });
    const refusal = w.take();
    if (refusal.length <= this.#replySizeMax) this.#send(refusal);
  }
}

/** A server's datagram socket: each datagram is a call or nothing. */
export class DatagramServer {
  /** Datagrams that were dropped: too large, or while too many of them run; in that case their callers send them again. */
  dropped = 0;
  draining = false;
  /** Where the socket is bound. */
  local: string | undefined = undefined;
  /** Whoever has a call that runs. */
  readonly links: Set<DatagramServerLink> = new Set();
  readonly #engine: ServerEngine;
  readonly #admission: DatagramAdmission;
  readonly #sizeMax: number;
  readonly #noAmplification: boolean;
  /** One writer for all replies: each is written and sent in one go. A reply over the limit becomes SYSTEM_ERR. */
  readonly #writer: XdrWriter;

  /** @param admission that of all datagram sockets of the server */
  constructor(
    engine: ServerEngine,
    limits: DatagramServerOptions,
    admission: DatagramAdmission = new DatagramAdmission(limits),
  ) {
    this.#engine = engine;
    this.#admission = admission;
    this.#sizeMax = limits.datagramSizeMax ?? datagramSizeMax;
    this.#noAmplification = limits.noAmplification ?? false;
    this.#writer = new XdrWriter({ sizeMax: this.#sizeMax });
  }

  /** Takes one datagram; what answers it is handed to `send`, now or later. */
  receive(bytes: Uint8Array, peer: string, send: (bytes: Uint8Array) => void): void {
    if (this.draining || bytes.length > this.#sizeMax || !this.#admission.hasRoom(peer)) {
      this.dropped++;
      return;
    }
    const filtered = this.#engine.filter?.datagrams ?? false;
    const replySizeMax = this.#noAmplification && !ofThisMachine.test(peer) ? bytes.length : undefined;
    const link = new DatagramServerLink(peer, this.local, filtered, this.#writer, send, replySizeMax);
    this.#engine.receive(link, bytes, 0, bytes.length);
    if (link.running === 0) return;
    this.links.add(link);
    this.#admission.join(peer, link.counted);
  }

  /** Forgets whoever has no call that runs any more. */
  ended(link: DatagramServerLink): void {
    if (link.running === 0 && this.links.delete(link)) this.#admission.leave(link.peer);
  }
}

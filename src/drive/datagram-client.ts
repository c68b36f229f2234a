import type { Datagram, DatagramPeer } from "../net/datagram.js";
import { type Alarm, type Clock, realClock } from "./clock.js";

/** What the drive needs of a client's protocol engine over datagrams. */
export interface DatagramEngine<Call> {
  deadline: number;
  readonly pendingCalls: number;
  readonly outbox: Uint8Array[];
  start(call: Call): void;
  cancel(call: Call, reason: unknown, now: number): void;
  datagram(bytes: Uint8Array, now: number): void;
  refused(error: Error, now: number): void;
  unsendable(error: Error, now: number): void;
  tick(now: number): void;
  close(now: number): void;
}

/** Runs a client's engine over a datagram socket to one peer. Datagrams from anyone else are dropped. */
export class DatagramClientDrive<Call> {
  readonly engine: DatagramEngine<Call>;
  /** Datagrams from others than the peer. */
  foreign = 0;
  readonly #socket: Datagram;
  readonly #peer: DatagramPeer;
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  #armedFor: number = Number.POSITIVE_INFINITY;
  #alive = false;
  #closed = false;
  readonly #waitingForRoom: (() => void)[] = [];

  constructor(engine: DatagramEngine<Call>, socket: Datagram, peer: DatagramPeer, clock: Clock = realClock) {
    this.engine = engine;
    this.#socket = socket;
    this.#peer = peer;
    this.#clock = clock;
    this.#alarm = clock.alarm(() => {
      this.#armedFor = Number.POSITIVE_INFINITY;
      engine.tick(this.now());
      this.#settleDown();
    });
    socket.unref();
    socket.start({
      onDatagram: (bytes, from) => {
        if (from.host !== peer.host || from.port !== peer.port) {
          this.foreign++;
          return;
        }
        engine.datagram(bytes, this.now());
        this.#settleDown();
      },
      onError: (error, refused) => {
        if (refused) engine.refused(error, this.now());
        else engine.unsendable(error, this.now());
        this.#settleDown();
      },
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  now(): number {
    return this.#clock.now();
  }

  start(call: Call): void {
    this.engine.start(call);
    this.#settleDown();
  }

  cancel(call: Call, reason: unknown): void {
    this.engine.cancel(call, reason, this.now());
    this.#settleDown();
  }

  /** Resolves once `hasRoom` holds, which is asked after everything that happens. */
  async ready(hasRoom: () => boolean): Promise<void> {
    while (!hasRoom() && !this.#closed) await new Promise<void>((resolve) => this.#waitingForRoom.push(resolve));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.engine.close(this.now());
    this.#settleDown();
    this.#alarm.clear();
    await this.#socket.close();
  }

  #settleDown(): void {
    const { engine } = this;
    const { outbox } = engine;
    for (const bytes of outbox) this.#socket.send(bytes, this.#peer);
    outbox.length = 0;
    if (engine.deadline < this.#armedFor) {
      this.#armedFor = engine.deadline;
      this.#alarm.set(engine.deadline);
    }
    if (this.#waitingForRoom.length > 0) for (const wake of this.#waitingForRoom.splice(0)) wake();
    const alive = engine.pendingCalls > 0;
    if (alive === this.#alive) return;
    this.#alive = alive;
    this.#alarm.keepAlive(alive);
    if (alive) this.#socket.ref();
    else this.#socket.unref();
  }
}

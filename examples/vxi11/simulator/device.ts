import { randomInt } from "node:crypto";
import { ERROR_ABORT, ERROR_OUT_OF_RESOURCES } from "../vxi11.js";
import { MessageExchange } from "./exchange.js";
import { DeviceLock } from "./lock.js";
import type { Instrument } from "./scpi.js";

/** Most links at once, of all clients. */
const linksMax = 64;

/** An operation ends with this error instead of a result. */
export class Fault extends Error {
  /** One of the ERROR_... numbers. */
  readonly code: number;

  constructor(code: number) {
    super(`error ${code}`);
    this.code = code;
  }
}

/** One link: its messages, and the operations that run on it. */
export class Link {
  readonly id: number;
  readonly exchange: MessageExchange;
  readonly #running = new Set<AbortController>();

  constructor(id: number, instrument: Instrument) {
    this.id = id;
    this.exchange = new MessageExchange(instrument);
  }

  /** Runs an operation that `abort` ends, or `hangUp`, which fires when the caller is gone. */
  async run<T>(hangUp: AbortSignal, operation: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const onHangUp = (): void => controller.abort(new Fault(ERROR_ABORT));
    if (hangUp.aborted) onHangUp();
    hangUp.addEventListener("abort", onHangUp, { once: true });
    this.#running.add(controller);
    try {
      return await operation(controller.signal);
    } finally {
      this.#running.delete(controller);
      hangUp.removeEventListener("abort", onHangUp);
    }
  }

  /** Operations that run. */
  get running(): number {
    return this.#running.size;
  }

  /** Ends what runs with ERROR_ABORT. */
  abort(): void {
    for (const controller of this.#running) controller.abort(new Fault(ERROR_ABORT));
  }
}

/** The instrument's device `inst0`, as the core and the abort channel see it. */
export class Device {
  readonly instrument: Instrument;
  readonly lock: DeviceLock<Link> = new DeviceLock();
  readonly #links = new Map<number, Link>();

  constructor(instrument: Instrument) {
    this.instrument = instrument;
  }

  /** A link with a number that nobody can have by chance: neither another client, nor one from before a restart. */
  open(): Link {
    if (this.#links.size >= linksMax) throw new Fault(ERROR_OUT_OF_RESOURCES);
    let id: number;
    do id = randomInt(1, 2 ** 31 - 1);
    while (this.#links.has(id));
    const link = new Link(id, this.instrument);
    this.#links.set(id, link);
    return link;
  }

  /** Operations that run, of all links. */
  get running(): number {
    return [...this.#links.values()].reduce((sum, { running }) => sum + running, 0);
  }

  find(id: number): Link | undefined {
    return this.#links.get(id);
  }

  /** Ends a link: what runs on it, what it holds, and what it has not read. */
  close(link: Link): void {
    this.#links.delete(link.id);
    link.abort();
    link.exchange.clear();
    this.lock.release(link);
  }
}

import type { Machine } from "../drive/machine.js";
import type { CallContext, Caller } from "../model/index.js";
import type { XdrWriter } from "../xdr/index.js";
import type { CallbackServingOptions, ServedCallbacks, ServedService } from "./callbacks.js";
import {
  type Aborter,
  type DeferredAnswer,
  type Outbox,
  type ReplyPath,
  Running,
  refuseBusy,
  ServerCall,
  type ServerLink,
  type StreamClientEngine,
  type StreamLink,
} from "./engine/index.js";
import { OncServer } from "./server.js";

// What a client serves to its server, over the connections that it has made. It outlives them: sessions of the server's calls
// and their replies are kept when the connection is lost.

/** Most callbacks of one client that run at once, and the bytes of their arguments, unless a user says otherwise. */
export const callbackLimits: { readonly callbacksMax: number; readonly callbackBytesMax: number } = {
  callbacksMax: 1_024,
  callbackBytesMax: 67_108_864,
};

/** Bytes of answers that do not wait for the last of the calls that came together. */
const answersFlushBytes = 65_536;

/** Bytes of answers that may wait for a server that goes on calling: above that the connection ends. */
const answerBytesMax = 67_108_864;

/** The services that a client offers its server. */
export class CallbackServer implements ServedCallbacks {
  readonly #server: OncServer;
  readonly #engine: StreamClientEngine;
  readonly #links = new WeakMap<object, CallbackLink>();
  readonly #callsMax: number;
  readonly #bytesMax: number;
  readonly #running = new Running();
  /** Something is to be sent. */
  onChange: () => void = () => {};

  /** @throws RangeError for a service that is there twice, TypeError for a missing handler */
  constructor(
    engine: StreamClientEngine,
    services: readonly ServedService[],
    options: CallbackServingOptions & { readonly machine?: Machine | undefined },
  ) {
    this.#engine = engine;
    this.#callsMax = options.callbacksMax ?? callbackLimits.callbacksMax;
    this.#bytesMax = options.callbackBytesMax ?? callbackLimits.callbackBytesMax;
    this.#server = new OncServer({ machine: options.machine, onError: options.onCallbackError, callbacks: false });
    for (const { service, lifetime, make } of services) this.#server.exportService(service, lifetime, make);
    engine.onCall = (link, buffer, start, end) => this.#receive(link, buffer, start, end);
  }

  #receive(link: StreamLink, buffer: Uint8Array, start: number, end: number): void {
    if (this.#running.calls >= this.#callsMax || this.#running.bytes >= this.#bytesMax) {
      return refuseBusy(link.outbox, buffer, start, end);
    }
    let served = this.#links.get(link);
    if (served === undefined) {
      served = new CallbackLink(this, link, this.#engine.peer, this.#running);
      this.#links.set(link, served);
    }
    this.#server.receive(served, buffer, start, end);
    // Many calls may have come together, and their answers may be large.
    if (link.outbox.size >= answersFlushBytes) this.onChange();
    if (served.unread > answerBytesMax) throw new Error("the server calls, and does not read the answers");
  }

  isContext(context: CallContext): boolean {
    return context instanceof ServerCall && context.link instanceof CallbackLink && context.link.owner === this;
  }

  /** A connection is gone: nobody waits for the answers of calls that came over it. */
  lost(link: object, reason: Error | undefined): void {
    const served = this.#links.get(link);
    if (served !== undefined) this.#server.linkLost(served, reason);
  }

  async close(): Promise<void> {
    await this.#server.close(0);
  }
}

/** A connection of the client, as what it serves sees it. */
class CallbackLink implements ServerLink, ReplyPath {
  readonly peer: string;
  readonly session: { readonly objects: Map<object, object> } = { objects: new Map() };
  readonly filtered = false;
  readonly counted: Running;
  readonly tls = undefined;
  readonly upgradable = false;
  readonly full = false;
  readonly deferred: DeferredAnswer[] = [];
  running = 0;
  gone = false;
  aborters: Set<Aborter> | undefined = undefined;
  caller: Caller | undefined = undefined;
  /** Bytes of answers that were added while the server read nothing. */
  unread = 0;
  readonly owner: CallbackServer;
  readonly #link: StreamLink;

  constructor(owner: CallbackServer, link: StreamLink, peer: string, counted: Running) {
    this.owner = owner;
    this.#link = link;
    this.peer = peer;
    this.counted = counted;
  }

  readonly onEnded = (): void => this.owner.onChange();

  get replies(): ReplyPath {
    return this;
  }

  get #outbox(): Outbox {
    return this.#link.outbox;
  }

  get size(): number {
    return this.#outbox.size;
  }

  begin(): XdrWriter {
    return this.#outbox.begin();
  }

  commit(at: number): void {
    this.#outbox.commit(at);
    this.unread = this.#link.congested ? this.unread + this.#outbox.size - at : 0;
  }

  abort(at: number): void {
    this.#outbox.abort(at);
  }

  append(message: Uint8Array): void {
    const at = this.#outbox.size;
    this.#outbox.append(message);
    this.unread = this.#link.congested ? this.unread + this.#outbox.size - at : 0;
  }
}

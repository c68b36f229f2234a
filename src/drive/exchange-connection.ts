import type { ExchangeHandler, ExchangeResponse } from "../net/exchange.js";
import type { ExchangeLoad } from "../net/exchange-limits.js";
import { httpContinue } from "../net/http1.js";

import { RequestError, type RequestHead, type RequestReader, tooLarge } from "../net/request-reader.js";
import type { Stream } from "../net/stream.js";
import type { Clock } from "./clock.js";
import { type ExchangeOwner, plain, RequestExchange } from "./request-exchange.js";

/** Bytes of further requests that a peer may send before it is answered; more are not read. */
export const aheadMax = 65_536;

/** What is different between HTTP and SCGI. */
export interface Wire {
  reader(load: ExchangeLoad): RequestReader;
  /** @param keepAliveMs how long the connection is kept; 0 to end it */
  encode(response: ExchangeResponse, keepAliveMs: number, isHead: boolean): readonly Uint8Array[];
}

/** The server that a connection belongs to. */
export interface ConnectionHost {
  readonly wire: Wire;
  readonly handler: ExchangeHandler;
  readonly load: ExchangeLoad;
  readonly clock: Clock;
  /** No further exchange is to follow those under way. */
  readonly stopping: boolean;
}

/**
 * Where a connection is.
 *
 * - `idle`: between two requests
 * - `reading`: a request has begun to arrive
 * - `handling`: it is whole, and its answer is awaited
 * - `dropping`: it was answered before it was whole; the rest is read and dropped
 * - `leaving`: the last answer is on its way out
 */
type State = "idle" | "reading" | "handling" | "dropping" | "leaving";

/** One connection: requests, one after another, and their answers. */
export class Connection implements ExchangeOwner {
  readonly #server: ConnectionHost;
  readonly #stream: Stream;
  readonly #reader: RequestReader;
  #state: State = "idle";
  /** When the state began, or when the peer was last seen to take some of an answer. */
  #since: number;
  #backlog = 0;
  #paused = false;
  #running = false;
  #exchange: RequestExchange | undefined;

  constructor(server: ConnectionHost, stream: Stream, onClose: () => void) {
    this.#server = server;
    this.#stream = stream;
    this.#reader = server.wire.reader(server.load);
    this.#since = server.clock.now();
    stream.start({
      onData: (chunk) => this.#onData(chunk),
      onDrain: () => {},
      onClose: () => {
        this.#state = "leaving";
        onClose();
        this.#exchange?.gone();
      },
    });
  }

  get stream(): Stream {
    return this.#stream;
  }

  get load(): ExchangeLoad {
    return this.#server.load;
  }

  get handler(): ExchangeHandler {
    return this.#server.handler;
  }

  #onData(chunk: Uint8Array): void {
    if (this.#state === "leaving") return;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      return this.#refuse(error);
    }
    this.#run();
    if (this.#state === "handling" && !this.#paused && this.#reader.unread > aheadMax) {
      this.#paused = true;
      this.#stream.pause();
    }
  }

  /** Reads as far as there is something to read, and no answer is awaited. */
  #run(): void {
    // An answer that comes at once comes while its request is being read.
    if (this.#running) return;
    this.#running = true;
    try {
      while (this.#state !== "handling" && this.#state !== "leaving") {
        const event = this.#reader.read();
        if (event === undefined) {
          if (this.#state === "idle" && !this.#reader.isBetween) this.#enter("reading");
          break;
        }
        if (event.kind === "head") this.#begin(event.head, event.length);
        else if (event.kind === "data") this.#exchange?.take(event.bytes);
        else this.#whole();
      }
    } catch (error) {
      this.#refuse(error);
    }
    this.#running = false;
  }

  #enter(state: State): void {
    this.#state = state;
    this.#since = this.#server.clock.now();
  }

  #begin(head: RequestHead, length: number | undefined): void {
    // It began with its first byte, which may have come before.
    if (this.#state === "idle") this.#enter("reading");
    const exchange = new RequestExchange(this, head, length);
    this.#exchange = exchange;
    const refusal = this.handler.admit(exchange);
    if (refusal !== undefined) return exchange.respond(refusal);
    const { bodySizeMax } = this.load.limits;
    if (length !== undefined && length > bodySizeMax) return exchange.fail(tooLarge(bodySizeMax));
    if (head.expectsContinue && this.#reader.unread === 0 && length !== 0) this.#stream.write(httpContinue);
  }

  #whole(): void {
    if (this.#state === "dropping") return this.#next();
    this.#state = "handling";
    this.#exchange?.whole();
  }

  /** The exchange has been answered. */
  answer(exchange: RequestExchange, response: ExchangeResponse): void {
    if (this.#exchange !== exchange || this.#state === "leaving") return;
    const { head } = exchange;
    const isWhole = this.#state === "handling";
    // A peer that waits for a word and is refused does not send the body: nothing tells where its next request begins.
    const last = this.#server.stopping || !head.keepAlive || (!isWhole && head.expectsContinue);
    const { idleTimeoutMs } = this.load.limits;
    const pieces = this.#server.wire.encode(response, last ? 0 : idleTimeoutMs, head.method === "HEAD");
    for (const piece of pieces) this.#stream.write(piece);
    if (isWhole) {
      if (last) this.#leave();
      else this.#next();
    } else if (head.expectsContinue) this.#leave();
    // Hanging up on a peer that still sends would lose the answer on its way.
    else this.#enter("dropping");
  }

  /** Goes on to the next request. */
  #next(): void {
    const { head } = this.#exchange ?? {};
    this.#exchange = undefined;
    if (this.#server.stopping || head?.keepAlive === false) return this.#leave();
    this.#enter("idle");
    if (this.#paused) {
      this.#paused = false;
      this.#stream.resume();
    }
    if (this.#reader.unread > 0) this.#run();
  }

  /** Ends the connection once what was written is out. */
  #leave(): void {
    this.#exchange = undefined;
    this.#enter("leaving");
    this.#stream.end();
  }

  /** What cannot be read is answered once, and nothing after it can be read. */
  #refuse(error: unknown): void {
    const { status, message } = error instanceof RequestError ? error : { status: 500, message: "the server failed" };
    if (this.#state === "idle" || this.#state === "reading") {
      for (const piece of this.#server.wire.encode(plain(status, message), 0, false)) this.#stream.write(piece);
    }
    this.#exchange?.dropBody();
    this.#leave();
  }

  /** Ends what takes too long. */
  check(now: number): void {
    const { idleTimeoutMs, requestTimeoutMs, writeTimeoutMs } = this.load.limits;
    const { backlog } = this.#stream;
    if (this.#backlog > 0 && backlog < this.#backlog) this.#since = now;
    const grew = this.#backlog === 0 && backlog > 0;
    this.#backlog = backlog;
    if (grew) this.#since = now;
    const waited = now - this.#since;
    if (backlog > 0) {
      if (waited > writeTimeoutMs) {
        this.cut(new Error(`took none of its response for ${writeTimeoutMs} ms (writeTimeoutMs)`));
      }
      return;
    }
    switch (this.#state) {
      case "idle":
        if (waited > idleTimeoutMs) this.#leave();
        break;
      case "reading":
        if (waited > requestTimeoutMs) {
          this.#refuse(new RequestError(408, `the request took more than ${requestTimeoutMs} ms (requestTimeoutMs)`));
        }
        break;
      case "dropping":
      case "leaving":
        if (waited > requestTimeoutMs) this.cut(new Error("the peer does not hang up"));
    }
  }

  /** No further request is wanted. */
  stop(): void {
    if (this.#state === "idle") this.#leave();
  }

  cut(reason: Error): void {
    this.#stream.destroy(reason);
  }
}

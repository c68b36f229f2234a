import type { LocalPeer, TlsPeer } from "../model/index.js";

// HTTP exchanges, the third shape of transport beside streams and datagrams: a request goes out whole, one response
// comes back, and nothing else correlates them. SCGI has the same shape with other bytes. Both ends are here.

// --- the client's end

/** One request, a POST. */
export interface ExchangeRequest {
  /** What is asked for, with the query, such as `/RPC2`. */
  readonly target: string;
  /** Without what the transport itself says: Host, Content-Length, Connection, Accept-Encoding. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** Whether the events want to know how the body gets on. */
  readonly progress: boolean;
}

/** What a response begins with. */
export interface ResponseHead {
  readonly status: number;
  /** The words beside the number, which servers choose freely. */
  readonly statusText: string;
  /** By lower-case names; those that came twice are joined by commas. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Each Set-Cookie, since commas cannot join them. */
  readonly setCookie: readonly string[];
}

/** What happens in an exchange. The last event is `onEnd` or `onError`; after `abort` there is none. */
export interface ExchangeEvents {
  /** A connection is there and the request goes out: from now on the server may act on it. Comes before all others but `onError`. */
  onSent(): void;
  /** So many bytes of the body have left this process. Only where the request wants progress and the transport knows it. */
  onUploaded(bytes: number): void;
  onHead(head: ResponseHead): void;
  /** A piece of the body, its content encoding undone. */
  onData(chunk: Uint8Array): void;
  onEnd(): void;
  /** There will be no whole response. Without an `onSent` before, nothing was sent. */
  onError(error: Error): void;
}

/** An exchange under way. */
export interface Exchange {
  /** Gives it up: ends its connection, and no event follows. */
  abort(): void;
}

/** A way to one origin, for any number of exchanges at once. Connections are made, kept and ended as it sees fit. */
export interface ExchangeTransport {
  /** The origin, such as `http://127.0.0.1:8000`. */
  readonly peer: string;
  /** Connections made so far; 0 where that is not known. */
  readonly connects: number;
  /**
   * Makes a connection for the next exchange, so that a user learns at once whether somebody is there. A transport that
   * cannot, as in browsers, does nothing. Rejects with the system's error.
   */
  open(signal: AbortSignal): Promise<void>;
  start(request: ExchangeRequest, events: ExchangeEvents): Exchange;
  /** Ends the connections that wait for further exchanges, and those in use once they are done. */
  close(): void;
}

// --- the server's end

/** What a request begins with, as a server sees it. */
export interface ServedHead {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** A header by its lower-case name; undefined when it is not there. */
  header(name: string): string | undefined;
  /** Who asks, such as `tcp://127.0.0.1:40312`. */
  readonly peer: string;
  /** What TLS proved about the other end; undefined in clear text. */
  readonly tls: TlsPeer | undefined;
  /** What the kernel says of the other end of a Unix socket; undefined where nobody asked. */
  readonly credentials?: LocalPeer | undefined;
  /** One object for all requests of one connection. */
  readonly connection: object;
}

/** A request that has arrived whole. */
export interface ServedExchange extends ServedHead {
  /** With its content encoding undone. */
  readonly body: Uint8Array;
  /** Answers, once. */
  respond(response: ExchangeResponse): void;
  /** Is called once when the connection ends before the answer. */
  onGone: (() => void) | undefined;
}

export interface ExchangeResponse {
  readonly status: number;
  /** Without Content-Length, Date and Connection. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** What a server does with requests. */
export interface ExchangeHandler {
  /** Looks at a request before its body is read: an answer refuses it. */
  admit(head: ServedHead): ExchangeResponse | undefined;
  /** Takes a request. Must answer it, now or later. */
  handle(exchange: ServedExchange): void;
}

/** Something that accepts exchanges. */
export interface ExchangeListener {
  /** Where it listens, with the port that it was given. */
  readonly address: string;
  /** Accepts nobody any more and ends idle connections; exchanges under way go on. */
  stop(): void;
  /** Ends every connection; resolves when they are gone. */
  close(): Promise<void>;
}

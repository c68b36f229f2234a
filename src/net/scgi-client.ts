import type { Exchange, ExchangeEvents, ExchangeRequest, ExchangeTransport } from "./exchange.js";
import { type ExchangeAddress, formatExchangeAddress } from "./exchange-address.js";
import type { PeerDemand } from "./peer-credentials.js";
import { CgiHeadReader, encodeScgiHead } from "./scgi.js";
import type { Stream } from "./stream.js";
import { connectTcp } from "./tcp.js";
import { connectUnix } from "./unix.js";

/** A larger body goes out in pieces of this size, so that its progress can be told and an early answer stops it. */
const pieceSize = 65_536;

export interface ScgiTransportOptions {
  /** Who must be serving on a Unix socket: asked of each connection before anything is written to it. */
  readonly demand?: (() => Promise<PeerDemand>) | undefined;
}

/** SCGI over TCP or a Unix socket: a connection for each exchange, since the protocol has no other way. */
export class ScgiTransport implements ExchangeTransport {
  readonly peer: string;
  connects = 0;
  readonly #address: ExchangeAddress;
  readonly #options: ScgiTransportOptions;

  constructor(address: ExchangeAddress, options: ScgiTransportOptions = {}) {
    this.peer = formatExchangeAddress(address, "");
    this.#address = address;
    this.#options = options;
  }

  /** Finds out whether somebody is there. The connection cannot be used for an exchange later: servers wait for one at once. */
  async open(signal: AbortSignal): Promise<void> {
    (await this.#connect(signal)).destroy();
  }

  async #connect(signal: AbortSignal): Promise<Stream> {
    const { host, port, socketPath } = this.#address;
    const demand = await this.#options.demand?.();
    const credentials = demand?.credentials;
    const stream = await (socketPath === ""
      ? connectTcp(host, port, { signal })
      : connectUnix(socketPath, { signal, credentials }));
    this.connects++;
    try {
      demand?.check(stream.credentials, this.peer);
    } catch (error) {
      stream.destroy();
      throw error;
    }
    return stream;
  }

  start(request: ExchangeRequest, events: ExchangeEvents): Exchange {
    const { host, port } = this.#address;
    const variables: [string, string][] = [
      ["REQUEST_METHOD", "POST"],
      ["REQUEST_URI", request.target],
      ["SERVER_PROTOCOL", "HTTP/1.1"],
      ["HTTP_HOST", host === "" ? "localhost" : `${host}:${port}`],
    ];
    for (const [name, value] of Object.entries(request.headers)) {
      const variable = name.toUpperCase().replaceAll("-", "_");
      variables.push([variable === "CONTENT_TYPE" ? variable : `HTTP_${variable}`, value]);
    }
    const head = encodeScgiHead(request.body.length, variables);
    return new ScgiExchange((signal) => this.#connect(signal), head, request, events);
  }

  close(): void {}
}

class ScgiExchange implements Exchange {
  readonly #events: ExchangeEvents;
  readonly #connecting = new AbortController();
  readonly #reader = new CgiHeadReader();
  readonly #request: ExchangeRequest;
  readonly #head: Uint8Array;
  #stream: Stream | undefined;
  #over = false;
  #hasHead = false;
  /** Bytes of the body that are to come; undefined: until the connection ends. */
  #left: number | undefined;
  #uploaded = 0;

  constructor(
    connect: (signal: AbortSignal) => Promise<Stream>,
    head: Uint8Array,
    request: ExchangeRequest,
    events: ExchangeEvents,
  ) {
    this.#events = events;
    this.#head = head;
    this.#request = request;
    connect(this.#connecting.signal).then(
      (stream) => this.#connected(stream),
      (error: unknown) => this.#fail(error instanceof Error ? error : new Error(String(error))),
    );
  }

  abort(): void {
    if (this.#over) return;
    this.#finish();
  }

  #connected(stream: Stream): void {
    if (this.#over) return stream.destroy();
    this.#stream = stream;
    stream.start({
      onData: (chunk) => this.#onData(chunk),
      onDrain: () => {},
      onClose: (error) => this.#onClose(error),
    });
    this.#events.onSent();
    if (this.#over) return;
    const { body, progress } = this.#request;
    if (body.length > pieceSize || progress) {
      stream.write(this.#head);
      this.#upload(stream);
    } else stream.write(Buffer.concat([this.#head, body]));
  }

  #upload(stream: Stream): void {
    const { body, progress } = this.#request;
    if (this.#over || this.#uploaded >= body.length) return;
    const to = Math.min(this.#uploaded + pieceSize, body.length);
    stream.write(body.subarray(this.#uploaded, to), () => {
      if (this.#over) return;
      this.#uploaded = to;
      if (progress) this.#events.onUploaded(to);
      this.#upload(stream);
    });
  }

  #onData(chunk: Uint8Array): void {
    if (this.#over) return;
    if (this.#hasHead) return this.#body(chunk);
    try {
      const found = this.#reader.push(chunk);
      if (found === undefined) return;
      this.#hasHead = true;
      this.#left = found.contentLength;
      this.#events.onHead(found.head);
      if (!this.#over) this.#body(found.rest);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #body(chunk: Uint8Array): void {
    // What comes behind the announced end belongs to nothing.
    const piece = this.#left === undefined ? chunk : chunk.subarray(0, this.#left);
    if (piece.length > 0) this.#events.onData(piece);
    if (this.#over || this.#left === undefined) return;
    this.#left -= piece.length;
    if (this.#left === 0) this.#end();
  }

  #onClose(error: Error | undefined): void {
    if (this.#over) return;
    if (error === undefined && this.#hasHead && this.#left === undefined) return this.#end();
    const where = this.#hasHead ? "in the middle of the response" : "before the response";
    this.#fail(error ?? new Error(`the connection ended ${where}`));
  }

  #end(): void {
    this.#finish();
    this.#events.onEnd();
  }

  #fail(error: Error): void {
    if (this.#over) return;
    this.#finish();
    this.#events.onError(error);
  }

  #finish(): void {
    this.#over = true;
    this.#connecting.abort(new Error("the exchange is over"));
    this.#stream?.destroy();
  }
}

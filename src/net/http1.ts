import { METHODS, STATUS_CODES } from "node:http";
import type { ExchangeResponse } from "./exchange.js";
import { RequestError, type RequestEvent, type RequestHead, type RequestReader, tooLarge } from "./request-reader.js";

// HTTP/1.1 and 1.0 at the server's end (RFC 9112): requests that arrive in pieces, and the heads of responses. Strict
// where leniency has let requests be smuggled past proxies: lines end in CRLF, a length is digits and stands once, a length and a
// transfer coding do not stand together, nothing is folded, no space stands before a colon.

/** Bytes of a chunk's size line. Extensions are read over; nobody needs long ones. */
const chunkLineMax = 256;

/** The head of a request. */
class HttpHead implements RequestHead {
  readonly method: string;
  readonly target: string;
  /** Whether it is HTTP/1.1; else it is 1.0. */
  readonly isCurrent: boolean;
  /** Names in lower case, each before its value. */
  readonly #fields: readonly string[];

  constructor(method: string, target: string, isCurrent: boolean, fields: readonly string[]) {
    this.method = method;
    this.target = target;
    this.isCurrent = isCurrent;
    this.#fields = fields;
  }

  header(name: string): string | undefined {
    const fields = this.#fields;
    for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return fields[i + 1];
    return undefined;
  }

  /** How often a header is there. */
  count(name: string): number {
    let count = 0;
    for (let i = 0; i < this.#fields.length; i += 2) if (this.#fields[i] === name) count++;
    return count;
  }

  get keepAlive(): boolean {
    const connection = this.header("connection")?.toLowerCase();
    if (connection === undefined) return this.isCurrent;
    return this.isCurrent ? !/\bclose\b/.test(connection) : /\bkeep-alive\b/.test(connection);
  }

  get expectsContinue(): boolean {
    return this.isCurrent && this.header("expect") !== undefined;
  }
}

type State = "head" | "length" | "chunk-size" | "chunk" | "chunk-end" | "trailers" | "end";

/** Reads the requests of one connection, one after another. */
export class HttpRequestReader implements RequestReader {
  readonly #headersSizeMax: number;
  readonly #bodySizeMax: number;
  #bytes: Buffer = none;
  #at = 0;
  /** Up to where the end of the head was looked for. */
  #searched = 0;
  #state: State = "head";
  /** Bytes of the body, or of a chunk, that are to come. */
  #left = 0;
  #trailersSize = 0;

  /** @param bodySizeMax above which a chunk is refused before it comes; a length is its reader's business */
  constructor(headersSizeMax: number, bodySizeMax: number = Number.POSITIVE_INFINITY) {
    this.#headersSizeMax = headersSizeMax;
    this.#bodySizeMax = bodySizeMax;
  }

  get unread(): number {
    return this.#bytes.length - this.#at;
  }

  get isBetween(): boolean {
    return this.#state === "head" && this.unread === 0;
  }

  push(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    if (this.#at === this.#bytes.length) {
      this.#bytes = bytes;
    } else {
      this.#bytes = Buffer.concat([this.#at === 0 ? this.#bytes : this.#bytes.subarray(this.#at), bytes]);
    }
    this.#searched -= this.#at;
    this.#at = 0;
    if (this.#searched < 0) this.#searched = 0;
  }

  read(): RequestEvent | undefined {
    switch (this.#state) {
      case "head":
        return this.#readHead();
      case "length":
        return this.#readBody("end");
      case "chunk-size":
        return this.#readChunkSize();
      case "chunk":
        return this.#readBody("chunk-end");
      case "chunk-end":
        return this.#readChunkEnd();
      case "trailers":
        return this.#readTrailers();
      case "end":
        this.#state = "head";
        return end;
    }
  }

  // --- the head

  #readHead(): RequestEvent | undefined {
    // An empty line or two before a request is forgiven (section 2.2).
    while (this.#bytes[this.#at] === 0x0d && this.#bytes[this.#at + 1] === 0x0a) this.#at += 2;
    const from = Math.max(this.#at, this.#searched - 3);
    const found = this.#bytes.indexOf(headEnd, from);
    if (found < 0) {
      this.#checkLineEnds(this.#searched);
      this.#searched = this.#bytes.length;
      if (this.unread > this.#headersSizeMax) throw tooLong(this.#headersSizeMax);
      // What cannot become a request is not waited for.
      if (!/^[A-Z-]*( [!-~]*)?( [HTP/.01]*)?\r?$/.test(this.#firstLine())) throw bad("this is no request of HTTP/1.1");
      return undefined;
    }
    if (found - this.#at > this.#headersSizeMax) throw tooLong(this.#headersSizeMax);
    const head = parseHead(this.#bytes.toString("latin1", this.#at, found + 2));
    this.#at = found + 4;
    this.#searched = 0;
    const length = this.#frame(head);
    return { kind: "head", head, length };
  }

  /** A peer that ends its lines otherwise would wait for an answer that never comes. */
  #checkLineEnds(from: number): void {
    for (let lf = this.#bytes.indexOf(0x0a, from); lf >= 0; lf = this.#bytes.indexOf(0x0a, lf + 1)) {
      if (lf >= this.#at && this.#bytes[lf - 1] !== 0x0d) throw bad("a line that does not end in CRLF");
    }
  }

  /** As much of the first line as is there. */
  #firstLine(): string {
    const text = this.#bytes.toString("latin1", this.#at, Math.min(this.#bytes.length, this.#at + 1024));
    const lineEnd = text.indexOf("\n");
    return lineEnd < 0 ? text : text.slice(0, lineEnd);
  }

  /** How the body ends (section 6.3). @returns its length; undefined when chunks say it */
  #frame(head: HttpHead): number | undefined {
    const coding = head.header("transfer-encoding");
    const length = head.header("content-length");
    if (coding !== undefined) {
      if (length !== undefined) throw bad("a Content-Length beside a Transfer-Encoding");
      if (!head.isCurrent) throw bad("a Transfer-Encoding in HTTP/1.0");
      if (head.count("transfer-encoding") > 1 || coding.toLowerCase() !== "chunked") {
        throw new RequestError(501, "a Transfer-Encoding other than chunked");
      }
      this.#state = "chunk-size";
      this.#trailersSize = 0;
      return undefined;
    }
    if (length === undefined) {
      this.#state = "end";
      return 0;
    }
    if (head.count("content-length") > 1 || !/^\d{1,15}$/.test(length)) throw bad("a Content-Length that is none");
    this.#left = Number(length);
    this.#state = this.#left === 0 ? "end" : "length";
    return this.#left;
  }

  // --- the body

  #readBody(next: State): RequestEvent | undefined {
    const size = Math.min(this.#left, this.unread);
    if (size === 0) return undefined;
    const bytes = this.#bytes.subarray(this.#at, this.#at + size);
    this.#at += size;
    this.#left -= size;
    if (this.#left === 0) this.#state = next;
    return { kind: "data", bytes };
  }

  /** A line without its end; undefined while it is not whole. */
  #readLine(max: number): string | undefined {
    const lf = this.#bytes.indexOf(0x0a, this.#at);
    if ((lf < 0 ? this.unread : lf - this.#at) > max) throw bad("a line of the body is too long");
    if (lf < 0) return undefined;
    if (this.#bytes[lf - 1] !== 0x0d || lf === this.#at) throw bad("a line of the body does not end in CRLF");
    const line = this.#bytes.toString("latin1", this.#at, lf - 1);
    this.#at = lf + 1;
    return line;
  }

  #readChunkSize(): RequestEvent | undefined {
    const line = this.#readLine(chunkLineMax);
    if (line === undefined) return undefined;
    const size = /^([0-9A-Fa-f]{1,12})(?:;[\t\x20-\x7e\x80-\xff]*)?$/.exec(line)?.[1];
    if (size === undefined) throw bad("a chunk without a size");
    this.#left = Number.parseInt(size, 16);
    if (this.#left > this.#bodySizeMax) throw tooLarge(this.#bodySizeMax);
    this.#state = this.#left === 0 ? "trailers" : "chunk";
    return this.read();
  }

  #readChunkEnd(): RequestEvent | undefined {
    if (this.unread < 2) return undefined;
    if (this.#bytes[this.#at] !== 0x0d || this.#bytes[this.#at + 1] !== 0x0a) throw bad("a chunk longer than its size");
    this.#at += 2;
    this.#state = "chunk-size";
    return this.read();
  }

  /** Headers behind the body are read over: nobody here has a use for them. */
  #readTrailers(): RequestEvent | undefined {
    for (;;) {
      const line = this.#readLine(this.#headersSizeMax);
      if (line === undefined) return undefined;
      if (line === "") break;
      if (!headerLines.test(`${line}\r\n`) || framing.test(line)) throw bad("a trailer line that is none");
      this.#trailersSize += line.length;
      if (this.#trailersSize > this.#headersSizeMax) throw tooLong(this.#headersSizeMax);
    }
    this.#state = "head";
    return end;
  }
}

/** Takes a head apart, whose every line ends in CRLF. */
function parseHead(text: string): HttpHead {
  const lineEnd = text.indexOf("\r\n");
  const [, method = "", target = "", minor] = requestLine.exec(text.slice(0, lineEnd)) ?? [];
  if (minor === undefined || !methods.has(method)) throw bad("this is no request of HTTP/1.1");
  if (!headerLines.test(text.slice(lineEnd + 2))) throw bad("a header line that is none");
  const fields: string[] = [];
  for (let at = lineEnd + 2; at < text.length; ) {
    const next = text.indexOf("\r\n", at);
    const colon = text.indexOf(":", at);
    let from = colon + 1;
    let to = next;
    while (isBlank(text.charCodeAt(from)) && from < to) from++;
    while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
    fields.push(text.slice(at, colon).toLowerCase(), text.slice(from, to));
    at = next + 2;
  }
  const head = new HttpHead(method, target, minor === "1", fields);
  // Section 3.2: who asks names the server it means, once.
  const hosts = head.count("host");
  if (hosts > 1 || (hosts === 0 && head.isCurrent)) throw bad("a request without a Host, or with several");
  const expected = head.header("expect");
  if (expected !== undefined && expected.toLowerCase() !== "100-continue") {
    throw new RequestError(417, "an expectation other than 100-continue");
  }
  return head;
}

/** The methods that are registered. Another may be the rest of a body that somebody in front has taken for less. */
const methods: ReadonlySet<string> = new Set(METHODS);
/** The target is a path, an address, or `*` (section 3.2). */
const requestLine = /^([A-Z-]{1,32}) (\/[!-~]*|\*|[A-Za-z][\w+.-]*:\/\/[!-~]+) HTTP\/1\.([01])$/;
/** Names that are tokens, a colon with nothing before it, and values without control characters. */
const headerLines = /^(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n)*$/;

/** What says where a request ends, or whose it is, does not stand behind it (RFC 9110, section 6.5.1). */
const framing = /^(?:content-length|transfer-encoding|host|connection|expect):/i;

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

const none = Buffer.alloc(0);
const headEnd = Buffer.from("\r\n\r\n");
const end: RequestEvent = { kind: "end" };

function bad(text: string): RequestError {
  return new RequestError(400, text);
}

function tooLong(max: number): RequestError {
  return new RequestError(431, `the headers are larger than ${max} bytes (headersSizeMax)`);
}

// --- responses

/** Bytes of a body that are worth copying to spare a system call. */
const joinedMax = 65_536;

/** What tells a peer that waits for it to send the body. */
export const httpContinue: Uint8Array = Buffer.from("HTTP/1.1 100 Continue\r\n\r\n");

/**
 * A response, as one or two pieces.
 *
 * @param keepAliveMs how long the connection is kept for the next request; 0 to end it
 */
export function encodeHttpResponse(
  { status, headers, body }: ExchangeResponse,
  keepAliveMs: number,
  isHead: boolean,
): Uint8Array[] {
  const length = typeof body === "string" ? Buffer.byteLength(body) : body.length;
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Unknown"}\r\n`;
  for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
  // RFC 9110, section 8.6: nothing is announced where nothing may come.
  if (status !== 204) head += `Content-Length: ${length}\r\n`;
  head += `Date: ${httpDate()}\r\n`;
  head +=
    keepAliveMs > 0
      ? `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(keepAliveMs / 1000)}\r\n\r\n`
      : "Connection: close\r\n\r\n";
  if (isHead) return [Buffer.from(head, "latin1")];
  if (typeof body === "string") return [Buffer.from(head + body)];
  const first = Buffer.from(head, "latin1");
  return length <= joinedMax ? [Buffer.concat([first, body])] : [first, body];
}

let dateSecond = -1;
let dateText = "";

/** The time as HTTP writes it; made once a second. */
function httpDate(): string {
  const now = Date.now();
  const second = Math.floor(now / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(now).toUTCString();
  }
  return dateText;
}

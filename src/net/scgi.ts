import type { ExchangeResponse, ResponseHead } from "./exchange.js";
import { RequestError, type RequestEvent, type RequestHead, type RequestReader } from "./request-reader.js";

// SCGI (python.ca/scgi/protocol.txt), both directions: a request is a netstring of headers, each name and value ended by
// a NUL, then the body; the response is CGI's (RFC 3875, section 6): header lines, an empty line, the body. One exchange
// for each connection.

/** Most bytes of a request's headers, or of a response's: what Node's HTTP takes. */
export const scgiHeadersSizeMax = 16_384;

/** A request that has begun to arrive. */
export interface ScgiHead {
  /** By the names of CGI, such as `REQUEST_URI` and `HTTP_AUTHORIZATION`. */
  readonly variables: ReadonlyMap<string, string>;
  readonly contentLength: number;
  /** The bytes that have arrived behind it. */
  readonly rest: Uint8Array;
}

/** The headers of a request. CONTENT_LENGTH comes first and SCGI is 1, as the protocol wants. */
export function encodeScgiHead(contentLength: number, variables: Iterable<readonly [string, string]>): Uint8Array {
  let text = `CONTENT_LENGTH\0${contentLength}\0SCGI\x001\0`;
  for (const [name, value] of variables) {
    if (`${name}${value}`.includes("\0")) throw new RangeError(`the header ${name} cannot hold a NUL`);
    text += `${name}\0${value}\0`;
  }
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from(`${bytes.length}:`), bytes, Buffer.from(",")]);
}

/** Reads a request's headers, however they are cut into chunks. */
export class ScgiHeadReader {
  #kept: Uint8Array = new Uint8Array();

  /** How many bytes wait for the rest of the headers. */
  get size(): number {
    return this.#kept.length;
  }

  /**
   * @returns the headers once they are whole
   * @throws Error for what is not SCGI
   */
  push(chunk: Uint8Array): ScgiHead | undefined {
    const bytes = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk]);
    this.#kept = bytes;
    const colon = bytes.subarray(0, 7).indexOf(0x3a);
    const digits = text(bytes.subarray(0, colon < 0 ? Math.min(bytes.length, 7) : colon));
    // A length in digits, without a zero in front.
    if (!(colon < 0 ? /^([1-9]\d{0,5})?$/ : /^[1-9]\d{0,5}$/).test(digits)) throw new Error("this is not SCGI");
    if (colon < 0) return undefined;
    const length = Number(digits);
    if (length > scgiHeadersSizeMax) throw new Error(`SCGI headers of ${length} bytes, above ${scgiHeadersSizeMax}`);
    const end = colon + 1 + length;
    if (bytes.length <= end) return undefined;
    if (bytes[end] !== 0x2c || bytes[end - 1] !== 0) throw new Error("the SCGI headers do not end as they should");
    const variables = readVariables(text(bytes.subarray(colon + 1, end - 1)));
    const contentLength = variables.get("CONTENT_LENGTH") ?? "";
    if (!/^\d{1,15}$/.test(contentLength)) throw new Error("SCGI without a CONTENT_LENGTH");
    if (variables.get("SCGI") !== "1") throw new Error("this is another version of SCGI");
    return { variables, contentLength: Number(contentLength), rest: bytes.subarray(end + 1) };
  }
}

function readVariables(list: string): Map<string, string> {
  const fields = list.split("\0");
  if (fields.length % 2 !== 0) throw new Error("an SCGI header without a value");
  const variables = new Map<string, string>();
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? "";
    // The protocol forbids it: who reads the first and who reads the second would disagree.
    if (name === "" || variables.has(name)) throw new Error(`the SCGI header ${name} came twice, or has no name`);
    variables.set(name, fields[i + 1] ?? "");
  }
  return variables;
}

/** Reads the one request of a connection. */
export class ScgiRequestReader implements RequestReader {
  readonly #head = new ScgiHeadReader();
  /** What has arrived behind the headers; undefined while they are not whole. */
  #body: Uint8Array[] | undefined;
  #left = 0;
  #found: ScgiHead | undefined;
  #ended = false;

  get unread(): number {
    return this.#head.size;
  }

  /** There is no request after the first, and until its first byte nobody can tell what the peer wants. */
  get isBetween(): boolean {
    return false;
  }

  push(chunk: Uint8Array): void {
    if (this.#body !== undefined) {
      this.#body.push(chunk);
      return;
    }
    try {
      this.#found = this.#head.push(chunk);
    } catch (error) {
      throw new RequestError(400, (error as Error).message);
    }
    if (this.#found === undefined) return;
    this.#left = this.#found.contentLength;
    this.#body = [this.#found.rest];
  }

  read(): RequestEvent | undefined {
    const head = this.#found;
    if (head !== undefined) {
      this.#found = undefined;
      return { kind: "head", head: new ScgiRequestHead(head.variables), length: head.contentLength };
    }
    if (this.#body === undefined || this.#ended) return undefined;
    if (this.#left === 0) {
      this.#ended = true;
      return { kind: "end" };
    }
    for (let piece = this.#body.shift(); piece !== undefined; piece = this.#body.shift()) {
      // What comes behind a whole request belongs to nothing.
      const bytes = piece.subarray(0, this.#left);
      if (bytes.length === 0) continue;
      this.#left -= bytes.length;
      return { kind: "data", bytes };
    }
    return undefined;
  }
}

class ScgiRequestHead implements RequestHead {
  readonly #variables: ScgiHead["variables"];
  readonly keepAlive = false;
  readonly expectsContinue = false;

  constructor(variables: ScgiHead["variables"]) {
    this.#variables = variables;
  }

  get method(): string {
    return this.#variables.get("REQUEST_METHOD") ?? "";
  }

  get target(): string {
    return this.#variables.get("REQUEST_URI") ?? this.#variables.get("PATH_INFO") ?? "/";
  }

  header(name: string): string | undefined {
    const variable = name.toUpperCase().replaceAll("-", "_");
    const own = variable === "CONTENT_TYPE" || variable === "CONTENT_LENGTH";
    return this.#variables.get(own ? variable : `HTTP_${variable}`);
  }
}

/** A CGI response. */
export function encodeCgiResponse({ status, headers, body }: ExchangeResponse): Uint8Array {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  let head = `Status: ${status}\r\n`;
  for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
  head += `Content-Length: ${bytes.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, "latin1"), bytes]);
}

/** A CGI response that has begun to arrive. */
export interface CgiHead {
  readonly head: ResponseHead;
  /** Undefined: the body ends with the connection. */
  readonly contentLength: number | undefined;
  readonly rest: Uint8Array;
}

/** Reads a CGI response's head, however it is cut into chunks. */
export class CgiHeadReader {
  #kept: Uint8Array = new Uint8Array();

  /**
   * @returns the head once it is whole
   * @throws Error for what is not CGI
   */
  push(chunk: Uint8Array): CgiHead | undefined {
    const bytes = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk]);
    this.#kept = bytes;
    const end = headEnd(bytes);
    if (end === undefined) {
      if (bytes.length > scgiHeadersSizeMax) throw new Error(`a response head above ${scgiHeadersSizeMax} bytes`);
      return undefined;
    }
    const headers: Record<string, string> = Object.create(null);
    const setCookie: string[] = [];
    for (const line of text(bytes.subarray(0, end.head)).split(/\r?\n/)) {
      const [, field = "", value = ""] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
      if (field === "") throw new Error(`the response begins with a line that is no header: ${line.slice(0, 80)}`);
      const name = field.toLowerCase();
      if (name === "set-cookie") setCookie.push(value);
      else headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
    }
    const [, status = "200", statusText = ""] = /^(\d{3})(?: (.*))?$/.exec(headers["status"] ?? "200 OK") ?? ["", "0"];
    const { "content-length": length } = headers;
    if (length !== undefined && !/^\d{1,15}$/.test(length)) throw new Error(`a Content-Length of ${length}`);
    return {
      head: { status: Number(status), statusText, headers, setCookie },
      contentLength: length === undefined ? undefined : Number(length),
      rest: bytes.subarray(end.body),
    };
  }
}

/** Where the head's last line ends, and where the body begins. Lines end in CRLF, or in LF as CGI programs write. */
function headEnd(bytes: Uint8Array): { readonly head: number; readonly body: number } | undefined {
  for (let lf = bytes.indexOf(0x0a); lf >= 0; lf = bytes.indexOf(0x0a, lf + 1)) {
    const next = bytes[lf + 1] === 0x0d ? lf + 2 : lf + 1;
    if (bytes[next] === 0x0a) return { head: bytes[lf - 1] === 0x0d ? lf - 1 : lf, body: next + 1 };
    if (lf > scgiHeadersSizeMax) break;
  }
  return undefined;
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

import { XmlRpcDecodeError } from "../codec/error.js";
import type { DecodedResponse } from "../codec/message.js";
import { ResponseDecoder } from "../codec/message.js";
import { type Settings, withCharset } from "../codec/options.js";
import { charsetOf, isXmlType } from "./answer.js";
import type { ClientCall } from "./client-call.js";
import { type FarcallNote, readFarcallHeader } from "./farcall-header.js";

/** Where an attempt goes: an origin, and a path with its query there. */
export interface Place {
  readonly origin: string;
  readonly target: string;
}

/** What a response begins with, as the transport tells it. */
export interface Head {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly setCookie: readonly string[];
}

/** Bytes of an answer that is no XML which are kept, to be shown. */
export const shownBytes = 512;

/** Bytes of an answer that is no XML which are read to its end, so that its connection can be used again. */
export const drainedBytes = 65_536;

/** One transmission of a call, and what comes back. */
export class Attempt {
  readonly call: ClientCall;
  readonly place: Place;
  /** How many redirects led here. */
  readonly redirects: number;
  /** Whether the place may have what belongs to the user's own server: credentials, cookies, headers. */
  readonly trusted: boolean;
  readonly headers: Readonly<Record<string, string>>;
  /** The request is, or may be, with the server. */
  sent = false;
  ended = false;
  head: Head | undefined = undefined;
  note: FarcallNote = readFarcallHeader(undefined);
  uploaded = 0;
  received = 0;
  #decoder: ResponseDecoder | undefined;
  #trouble: unknown;
  #first: Uint8Array[] = [];
  #firstSize = 0;

  constructor(
    call: ClientCall,
    place: Place,
    redirects: number,
    trusted: boolean,
    headers: Readonly<Record<string, string>>,
  ) {
    this.call = call;
    this.place = place;
    this.redirects = redirects;
    this.trusted = trusted;
    this.headers = headers;
  }

  get body(): Uint8Array {
    return this.call.body;
  }

  /** Whether whoever sends it is to say how the body gets on. */
  get progress(): boolean {
    return this.call.life.progress !== undefined;
  }

  get contentType(): string | undefined {
    return this.head?.headers["content-type"];
  }

  /** The first bytes of an answer that is no XML. */
  get firstBytes(): Uint8Array {
    const bytes = new Uint8Array(Math.min(this.#firstSize, shownBytes));
    let at = 0;
    for (const piece of this.#first) {
      bytes.set(piece.subarray(0, bytes.length - at), at);
      at = Math.min(bytes.length, at + piece.length);
    }
    return bytes;
  }

  /** The answer begins. */
  begin(head: Head): void {
    this.head = head;
    this.note = readFarcallHeader(head.headers["farcall"]);
  }

  /**
   * Takes a piece of the answer.
   *
   * @returns false when no more of it is wanted
   */
  take(chunk: Uint8Array, settings: Settings): boolean {
    this.received += chunk.length;
    if (this.#trouble !== undefined) return this.received <= drainedBytes;
    if (this.#decoder === undefined && !this.#looksLikeXml(chunk, settings)) {
      if (this.#firstSize < shownBytes) this.#first.push(chunk);
      this.#firstSize += chunk.length;
      return this.received <= drainedBytes;
    }
    const claimed = Number(this.head?.headers["content-length"]);
    if (claimed > settings.documentSizeMax) {
      const text = `the answer says that it has ${claimed} bytes, more than documentSizeMax, ${settings.documentSizeMax}`;
      this.#trouble = new XmlRpcDecodeError("limit", text);
      return false;
    }
    try {
      this.#decoder ??= new ResponseDecoder(withCharset(settings, charsetOf(this.contentType)));
      this.#decoder.push(chunk);
      return true;
    } catch (error) {
      this.#trouble = error;
      return this.received <= drainedBytes;
    }
  }

  /** Servers in some languages call XML what they like; then its beginning tells. */
  #looksLikeXml(chunk: Uint8Array, { strict }: Settings): boolean {
    if (this.#first.length > 0) return false;
    if (isXmlType(this.contentType)) return true;
    if (strict) return false;
    let text = "";
    for (const byte of chunk.subarray(0, 64)) text += String.fromCharCode(byte);
    return /^(?:\u00ef\u00bb\u00bf)?\s*<(?:\?xml|methodResponse)/.test(text);
  }

  /**
   * The answer is whole.
   *
   * @returns what it says, or undefined when it is no XML
   * @throws XmlRpcDecodeError for XML that is no answer
   */
  finish(settings: Settings): DecodedResponse | undefined {
    if (this.#trouble !== undefined) throw this.#trouble;
    if (this.#decoder === undefined && (this.#firstSize > 0 || !isXmlType(this.contentType))) return undefined;
    return (this.#decoder ?? new ResponseDecoder(settings)).end();
  }
}

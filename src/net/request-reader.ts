/** What a request begins with, as it is read off a connection. */
export interface RequestHead {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** A header by its lower-case name; of several the first. */
  header(name: string): string | undefined;
  /** Whether the peer wants the connection for further requests. */
  readonly keepAlive: boolean;
  /** Whether the peer waits for a word before it sends the body. */
  readonly expectsContinue: boolean;
}

/** What a reader finds next. */
export type RequestEvent =
  /** `length` is the body's, undefined where only its end will tell. */
  | { readonly kind: "head"; readonly head: RequestHead; readonly length: number | undefined }
  | { readonly kind: "data"; readonly bytes: Uint8Array }
  | { readonly kind: "end" };

/** Reads the requests of one connection, however they are cut into chunks. It owns no socket and no timer. */
export interface RequestReader {
  /** Bytes that have arrived and were not read. */
  readonly unread: number;
  /** Whether nothing of a next request is here. */
  readonly isBetween: boolean;
  push(chunk: Uint8Array): void;
  /**
   * What comes next; undefined while more bytes are needed.
   *
   * @throws RequestError for what is no request; nothing that follows can be read
   */
  read(): RequestEvent | undefined;
}

/** A request that cannot be read. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  /** What HTTP calls it. */
  readonly status: number;

  constructor(status: number, text: string) {
    super(text);
    this.status = status;
  }
}

/** A body over the limit, wherever that is found. */
export function tooLarge(sizeMax: number): RequestError {
  return new RequestError(413, `the body is larger than ${sizeMax} bytes (bodySizeMax)`);
}

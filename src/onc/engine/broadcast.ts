import { XdrReader, XdrWriter } from "../../xdr/index.js";
import type { ClientAuth } from "../auth/index.js";
import { ReplyHeader, type Target, writeCallHeader, writeOpaqueAuth } from "../message.js";

/** A call that many servers may answer: RFC 5531, section 8.4.2. Only results are answers. */
export class BroadcastCall<T> {
  /** The message, the same for all. */
  readonly message: Uint8Array;
  readonly #xid: number;
  readonly #auth: ClientAuth;
  readonly #decode: (r: XdrReader) => T;
  readonly #header = new ReplyHeader();
  readonly #reader = new XdrReader();

  /** @throws EncodeError for arguments that the wire cannot carry */
  constructor(
    xid: number,
    target: Target,
    auth: ClientAuth,
    encode: (w: XdrWriter) => void,
    decode: (r: XdrReader) => T,
  ) {
    this.#xid = xid;
    this.#auth = auth;
    this.#decode = decode;
    const w = new XdrWriter();
    writeCallHeader(w, xid, target);
    writeOpaqueAuth(w, auth.credential());
    writeOpaqueAuth(w, auth.verifier(w.view()));
    encode(w);
    this.message = w.take();
  }

  /**
   * Takes what somebody has sent.
   *
   * @returns what it answers; undefined for whatever is no result of this call
   */
  take(bytes: Uint8Array): { readonly value: T } | undefined {
    const [r, header] = [this.#reader, this.#header];
    r.reset(bytes);
    try {
      if (!header.readXid(r) || header.xid !== this.#xid) return undefined;
      header.readBody(r);
      if (header.refusal !== undefined || !this.#auth.accepted(header.verifier)) return undefined;
      const value = this.#decode(this.#auth.unwrapResult?.(r) ?? r);
      r.finish();
      return { value };
    } catch {
      // Anybody may send anything: who does not answer as the contract says has not answered.
      return undefined;
    }
  }
}

/**
 * An HTTP answer that is none of XML-RPC: an error page, a login form, a proxy's own words. It is the `cause` of the
 * call's `RpcError`, whose `status` has the HTTP status too.
 */
export class HttpAnswerError extends Error {
  override readonly name = "HttpAnswerError";
  /** Such as 404. */
  readonly status: number;
  readonly contentType: string | undefined;
  /** Up to 512 of them. */
  readonly firstBytes: Uint8Array;
  /** Where a redirect leads that was not followed. */
  readonly location: string | undefined;

  constructor(
    status: number,
    statusText: string,
    contentType: string | undefined,
    firstBytes: Uint8Array,
    location: string | undefined,
  ) {
    const words = statusText === "" ? "" : ` ${statusText}`;
    const type = contentType === undefined ? "" : `, ${contentType}`;
    const shown = firstBytes.length === 0 ? "" : `: ${printable(firstBytes)}`;
    super(`HTTP ${status}${words}${type}${shown}`);
    this.status = status;
    this.contentType = contentType;
    this.firstBytes = firstBytes;
    this.location = location;
  }
}

/** The beginning of a text on one line, without what a terminal would obey. */
function printable(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes.subarray(0, 160)) text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : " ";
  return JSON.stringify(text.replace(/ +/g, " ").trim());
}

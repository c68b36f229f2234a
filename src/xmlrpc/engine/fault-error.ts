/**
 * A fault that a handler throws on purpose: its number and text go to the caller as they are. Whatever else is thrown
 * goes to the server's `onError`, and the caller only learns that the procedure failed.
 */
export class XmlRpcFault extends Error {
  override readonly name = "XmlRpcFault";
  /** A whole number of 32 bits; those from -32768 to -32000 have agreed meanings. */
  readonly code: number;

  /** @throws RangeError for a code that is no whole number of 32 bits */
  constructor(code: number, string: string) {
    super(string);
    if (!Number.isInteger(code) || (code | 0) !== code) {
      throw new RangeError(`a fault code must be a whole number of 32 bits, not ${code}`);
    }
    this.code = code;
  }
}

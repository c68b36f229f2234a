/**
 * A quadruple-precision number (RFC 4506, section 4.8: IEEE 754 binary128) as its 16 bytes. JavaScript has no such
 * number, so what a peer sends is kept whole, and converting it to a number is the reader's decision.
 */
export class Quadruple {
  /** Sign, 15 bits of exponent, the first 48 bits of the fraction; unsigned. */
  readonly high: bigint;
  /** The last 64 bits of the fraction; unsigned. */
  readonly low: bigint;

  /** @throws RangeError unless both halves are from 0 to 2^64 - 1 */
  constructor(high: bigint, low: bigint) {
    if (BigInt.asUintN(64, high) !== high || BigInt.asUintN(64, low) !== low) {
      throw new RangeError("the halves of a Quadruple are bigints from 0n to 2n ** 64n - 1n");
    }
    this.high = high;
    this.low = low;
  }
}

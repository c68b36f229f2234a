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

  /** The same number in quadruple precision; every JavaScript number is exact in it. */
  static fromNumber(value: number): Quadruple {
    const sign = value < 0 || Object.is(value, -0) ? 1n << 63n : 0n;
    if (Number.isNaN(value)) return new Quadruple(0x7fff_8000_0000_0000n, 0n);
    const [exponent, fraction] = partsOf(Math.abs(value));
    return new Quadruple(sign | (exponent << 48n) | (fraction >> 64n), BigInt.asUintN(64, fraction));
  }

  /** From 32 hexadecimal digits after `0x`, as {@link toString} gives them; undefined for other text. */
  static parse(text: string): Quadruple | undefined {
    if (!/^0x[0-9a-fA-F]{32}$/.test(text)) return undefined;
    return new Quadruple(BigInt(text.slice(0, 18)), BigInt(`0x${text.slice(18)}`));
  }

  /** The nearest JavaScript number (of two equally near, the even one); infinite beyond the largest. */
  toNumber(): number {
    const sign = this.high >> 63n === 1n ? -1 : 1;
    const exponent = Number((this.high >> 48n) & 0x7fffn);
    const fraction = ((this.high & 0xffff_ffff_ffffn) << 64n) | this.low;
    if (exponent === 0x7fff) return fraction === 0n ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    // The value is `whole` * 2^(power - 112), and the least power of a normal double is -1022.
    const power = exponent - bias;
    if (exponent === 0 || power < -1076) return sign * 0;
    if (power > 1023) return sign * Number.POSITIVE_INFINITY;
    const whole = (1n << 112n) | fraction;
    const normal = Math.max(power, -1022);
    const dropped = BigInt(60 + normal - power);
    return sign * Number(shiftRounding(whole, dropped)) * 2 ** (normal - 52);
  }

  /** Whether every bit is the same. Unlike `===` on numbers: NaN equals itself, and 0 is not -0. */
  equals(other: Quadruple): boolean {
    return this.high === other.high && this.low === other.low;
  }

  /** The 16 bytes as hexadecimal, such as `0x3fff0000000000000000000000000000` for 1. */
  toString(): string {
    return `0x${((this.high << 64n) | this.low).toString(16).padStart(32, "0")}`;
  }

  /** `JSON.stringify` refuses bigints; the bytes say everything. */
  toJSON(): string {
    return this.toString();
  }
}

/** What is added to the exponent. */
const bias = 16383;

/** Biased exponent and 112 bits of fraction of a number that is not negative. */
function partsOf(value: number): [exponent: bigint, fraction: bigint] {
  if (value === 0) return [0n, 0n];
  if (value === Number.POSITIVE_INFINITY) return [0x7fffn, 0n];
  let power = 0;
  let scaled = value;
  // Scaling by powers of two is exact here; a subnormal double is a normal quadruple.
  if (scaled < 2 ** -1022) {
    scaled *= 2 ** 54;
    power = -54;
  }
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, scaled);
  const high = bits.getBigUint64(0);
  power += Number(high >> 52n) - 1023;
  return [BigInt(power + bias), (high & 0xf_ffff_ffff_ffffn) << 60n];
}

/** `value` / 2^`bits`, to the nearest whole number, of two equally near the even one. */
function shiftRounding(value: bigint, bits: bigint): bigint {
  const whole = value >> bits;
  const rest = value - (whole << bits);
  const half = 1n << (bits - 1n);
  return rest > half || (rest === half && (whole & 1n) === 1n) ? whole + 1n : whole;
}

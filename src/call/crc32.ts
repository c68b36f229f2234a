/** CRC-32 as in zlib, PNG and Ethernet: reflected, polynomial 0xEDB88320. It tells mistakes apart, not forgeries. */
export function crc32(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  let crc = -1;
  let at = start;
  // Eight bytes a step, by eight tables: four times as fast as one byte a step.
  for (const last = end - 8; at <= last; at += 8) {
    const low =
      crc ^
      ((bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24));
    crc =
      (table[0x700 + (low & 0xff)] as number) ^
      (table[0x600 + ((low >>> 8) & 0xff)] as number) ^
      (table[0x500 + ((low >>> 16) & 0xff)] as number) ^
      (table[0x400 + (low >>> 24)] as number) ^
      (table[0x300 + (bytes[at + 4] as number)] as number) ^
      (table[0x200 + (bytes[at + 5] as number)] as number) ^
      (table[0x100 + (bytes[at + 6] as number)] as number) ^
      (table[bytes[at + 7] as number] as number);
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ (table[(crc ^ (bytes[at] as number)) & 0xff] as number);
  return ~crc >>> 0;
}

/** Table k holds the remainders of a byte that is followed by k zero bytes. */
const table = new Int32Array(8 * 256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  table[byte] = crc;
}
for (let at = 256; at < table.length; at++) {
  const before = table[at - 256] as number;
  table[at] = (before >>> 8) ^ (table[before & 0xff] as number);
}

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RecordError, RecordReader, recordMark } from "../../src/onc/record.js";

/** Cuts `bytes` into chunks at the given places and gives the records that come out. */
function read(bytes: Uint8Array, cuts: readonly number[] = [], limits = {}): string[] {
  const reader = new RecordReader(limits);
  const records: string[] = [];
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    reader.push(new Uint8Array(bytes.subarray(from, cut)));
    from = cut;
    while (reader.next()) records.push(hex(reader.buffer.subarray(reader.start, reader.end)));
  }
  return records;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(" ", ""), "hex"));

// RFC 5531, section 11: the top bit of the mark says "last fragment", the other 31 bits are its length.
const streams: [name: string, bytes: string, records: string[]][] = [
  ["one fragment", "80000003 010203", ["010203"]],
  ["two fragments", "00000002 0102 80000001 03", ["010203"]],
  ["two records", "80000001 01 80000002 0203", ["01", "0203"]],
  ["an empty record", "80000000", [""]],
  ["an empty last fragment", "00000002 0102 80000000", ["0102"]],
  ["an empty first fragment", "00000000 80000002 0102", ["0102"]],
  ["an empty middle fragment", "00000001 01 00000000 80000001 02", ["0102"]],
  ["nothing but empty fragments", "00000000 00000000 80000000", [""]],
  ["a record right behind one in fragments", "00000001 01 80000001 02 80000001 03", ["0102", "03"]],
];

describe("record marking", () => {
  it.each(streams)("reads %s, however the bytes are split", (_name, text, records) => {
    const bytes = bytesOf(text);
    expect(read(bytes)).toEqual(records);
    expect(
      read(
        bytes,
        Array.from({ length: bytes.length }, (_, i) => i),
      ),
    ).toEqual(records);
    for (let cut = 0; cut <= bytes.length; cut++) expect(read(bytes, [cut])).toEqual(records);
  });

  it.each(streams)("gives no record of %s before its last byte", (_name, text, records) => {
    const bytes = bytesOf(text);
    for (let length = 0; length < bytes.length; length++) {
      const found = read(bytes.subarray(0, length));
      expect(found.length).toBeLessThan(records.length);
      expect(records.slice(0, found.length)).toEqual(found);
    }
  });

  it("marks a message as one last fragment", () => {
    expect(recordMark(0)).toBe(0x80000000);
    expect(recordMark(44)).toBe(0x8000002c);
  });

  it("gives any records under any fragments and any split", () => {
    const fragments = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(fc.array(fragments, { minLength: 1, maxLength: 5 }), fc.array(fc.nat(400)), (records, cuts) => {
        const bytes = Buffer.concat(
          records.flatMap((pieces) =>
            pieces.flatMap((piece, i) => {
              const mark = Buffer.alloc(4);
              mark.writeUInt32BE((piece.length | (i === pieces.length - 1 ? 0x80000000 : 0)) >>> 0);
              return [mark, piece];
            }),
          ),
        );
        const places = [...new Set(cuts.filter((cut) => cut < bytes.length))].sort((a, b) => a - b);
        expect(read(bytes, places)).toEqual(records.map((pieces) => hex(Buffer.concat(pieces))));
      }),
    );
  });

  it("gives a record that lies whole in a chunk as a view of it", () => {
    const reader = new RecordReader();
    const chunk = bytesOf("80000002 0102");
    reader.push(chunk);
    expect(reader.next()).toBe(true);
    expect(reader.buffer).toBe(chunk);
    expect([reader.start, reader.end]).toEqual([4, 6]);
  });

  it("refuses a record over the limit at its mark, before a byte of it is kept", () => {
    expect(() => read(bytesOf("80000009"), [], { recordSizeMax: 8 })).toThrow(RecordError);
    expect(() => read(bytesOf("ffffffff"))).toThrow(/limit of 16777216 \(recordSizeMax\)/);
    expect(read(bytesOf("80000008 0102030405060708"), [], { recordSizeMax: 8 })).toHaveLength(1);
  });

  it("counts all fragments of a record towards its limit", () => {
    expect(() => read(bytesOf("00000005 0102030405 80000004"), [], { recordSizeMax: 8 })).toThrow(/at least 9 bytes/);
  });

  it("refuses a record of too many fragments, empty ones too", () => {
    const empty = "00000000".repeat(3);
    expect(() => read(bytesOf(`${empty} 80000000`), [], { fragmentsMax: 3 })).toThrow(/more than 3 fragments/);
    expect(read(bytesOf(`${empty} 80000000`), [], { fragmentsMax: 4 })).toEqual([""]);
  });

  it("keeps about as much as has arrived when a huge record comes a byte at a time", () => {
    const reader = new RecordReader();
    reader.push(bytesOf("80ffffff"));
    expect(reader.next()).toBe(false);
    for (let i = 0; i < 100_000; i++) {
      reader.push(new Uint8Array(1));
      expect(reader.next()).toBe(false);
    }
    expect(reader.held).toBe(100_000);
    expect(reader.partial).toBe(true);
  });
});

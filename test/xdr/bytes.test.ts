import { describe, expect, it } from "vitest";
import { Reader, viewSizeMin, Writer } from "../../src/bytes/index.js";

class LittleReader extends Reader {
  constructor(bytes: Uint8Array) {
    super({ littleEndian: true });
    this.reset(bytes);
  }
}

function reader(bytes: Uint8Array): Reader {
  const made = new Reader();
  made.reset(bytes);
  return made;
}

describe("byte order", () => {
  it("a little-endian machine's 5, read by a big-endian one without a common form, is 83,886,080", () => {
    const little = new Writer({ littleEndian: true });
    little.uint32(5);
    expect(reader(little.view()).uint32()).toBe(83_886_080);
    expect(new LittleReader(little.view()).uint32()).toBe(5);
  });

  it("either order is the other one's mirror, for every size", () => {
    const writers = [new Writer(), new Writer({ littleEndian: true })] as const;
    for (const w of writers) {
      w.uint16(0x0102);
      w.uint32(0x0304_0506);
      w.uint64(0x0708_090a_0b0c_0d0en);
      w.uint64(-2n);
      w.float32(1.5);
      w.float64(-2.5);
      w.uint8(255);
    }
    const big = [...writers[0].view()];
    const little = [...writers[1].view()];
    for (const [from, to] of [
      [0, 2],
      [2, 6],
      [6, 14],
      [14, 22],
      [22, 26],
      [26, 34],
      [34, 35],
    ] as const) {
      expect(little.slice(from, to)).toEqual(big.slice(from, to).reverse());
    }
    for (const r of [reader(writers[0].view()), new LittleReader(writers[1].view())]) {
      expect([r.uint16(), r.uint32(), r.uint64(), r.int64(), r.float32(), r.float64(), r.uint8()]).toEqual([
        0x0102,
        0x0304_0506,
        0x0708_090a_0b0c_0d0en,
        -2n,
        1.5,
        -2.5,
        255,
      ]);
      r.finish();
    }
  });
});

describe("a writer", () => {
  it("grows from any size, and keeps what was written", () => {
    for (let sizeInitial = 0; sizeInitial < 20; sizeInitial++) {
      const w = new Writer({ sizeInitial });
      for (let i = 0; i < 40; i++) w.uint8(i);
      w.utf8Padded("text");
      expect([...w.view()]).toEqual([...Array.from({ length: 40 }, (_, i) => i), 116, 101, 120, 116]);
    }
  });

  it.each<[string, (w: Writer) => void]>([
    ["a byte", (w) => w.uint8(1)],
    ["two bytes", (w) => w.uint16(1)],
    ["four bytes", (w) => w.uint32(1)],
    ["eight bytes", (w) => w.uint64(1n)],
    ["a float", (w) => w.float32(1)],
    ["a double", (w) => w.float64(1)],
    ["bytes", (w) => w.bytes(new Uint8Array(3))],
    ["zeros", (w) => w.zeros(3)],
    ["short text", (w) => w.utf8Padded("abc")],
    ["short text that is not ASCII", (w) => w.utf8Padded("\u20ac")],
    ["long text", (w) => w.utf8Padded("x".repeat(100))],
    ["long text that is not ASCII", (w) => w.utf8Padded("\u20ac".repeat(50))],
  ])("fills its limit to the last byte with %s, and not one more", (_, write) => {
    const measured = new Writer();
    write(measured);
    const size = measured.position;
    const exact = new Writer({ sizeMax: size + 2, sizeInitial: 1 });
    exact.zeros(2);
    write(exact);
    expect([...exact.view()]).toEqual([0, 0, ...measured.view()]);
    const short = new Writer({ sizeMax: size + 1, sizeInitial: 1 });
    short.zeros(2);
    expect(() => write(short)).toThrow(`more than ${size + 1} bytes`);
    // A buffer larger than the limit does not raise it.
    short.reset(new Uint8Array(1000));
    short.zeros(2);
    expect(() => write(short)).toThrow(`more than ${size + 1} bytes`);
  });

  it("writes over the buffer that it is given, zeros included", () => {
    const buffer = new Uint8Array(16).fill(0xee);
    const w = new Writer();
    w.reset(buffer);
    w.uint8(1);
    w.align(4);
    w.patchUint32(w.reserve(4), 7);
    expect([...buffer.subarray(0, 9)]).toEqual([1, 0, 0, 0, 0, 0, 0, 7, 0xee]);
  });

  it("gives what was taken away for good", () => {
    for (const size of [4, 200, 256, 1000]) {
      const w = new Writer();
      w.bytes(new Uint8Array(size).fill(1));
      const taken = w.take();
      expect(w.position).toBe(0);
      w.bytes(new Uint8Array(size).fill(2));
      expect(taken).toEqual(new Uint8Array(size).fill(1));
    }
  });

  it("patches and truncates only what is written", () => {
    const w = new Writer();
    w.uint32(1);
    w.uint32(2);
    w.truncate(4);
    expect([...w.view()]).toEqual([0, 0, 0, 1]);
    expect(() => w.patchUint32(1, 0)).toThrow("cannot patch");
    expect(() => w.truncate(5)).toThrow("cannot truncate");
  });
});

describe("a reader", () => {
  it("sees its range only, and reports offsets from its start", () => {
    const r = new Reader();
    r.reset(Uint8Array.of(9, 9, 1, 2, 3, 9), 2, 5);
    expect(r.remaining).toBe(3);
    expect(r.uint16()).toBe(0x0102);
    expect(() => r.uint16()).toThrow("the bytes end early: 2 are needed, 1 are left (at byte 2)");
    expect(r.uint8()).toBe(3);
    r.finish();
    r.reset(Uint8Array.of(7), 0, 1);
    expect(r.uint8()).toBe(7);
    expect(() => r.reset(Uint8Array.of(7), 0, 2)).toThrow(RangeError);
  });

  it.each<[string, number, (r: Reader) => unknown]>([
    ["uint8", 1, (r) => r.uint8()],
    ["uint16", 2, (r) => r.uint16()],
    ["int32", 4, (r) => r.int32()],
    ["uint32", 4, (r) => r.uint32()],
    ["int64", 8, (r) => r.int64()],
    ["uint64", 8, (r) => r.uint64()],
    ["float32", 4, (r) => r.float32()],
    ["float64", 8, (r) => r.float64()],
    ["bytes", 5, (r) => r.bytes(5)],
    ["view", 5, (r) => r.view(5)],
    ["utf8", 5, (r) => r.utf8(5)],
    ["utf8, long", 100, (r) => r.utf8(100)],
    ["skip", 5, (r) => r.skip(5)],
    ["zeros", 5, (r) => r.zeros(5)],
  ])("%s never reads past the end, though the buffer goes on", (_, size, read) => {
    const buffer = new Uint8Array(200);
    const r = new Reader();
    r.reset(buffer, 0, size);
    read(r);
    expect(r.remaining).toBe(0);
    r.reset(buffer, 0, size - 1);
    expect(() => read(r)).toThrow("end early");
  });

  it("gives long bytes as a view of the buffer, and short ones as a copy", () => {
    const buffer = Buffer.alloc(viewSizeMin * 2);
    const r = reader(buffer);
    const long = r.bytes(viewSizeMin);
    const short = r.bytes(viewSizeMin - 1);
    buffer.fill(1);
    expect(long[0]).toBe(1);
    expect(short[0]).toBe(0);
    expect([long, short].map((bytes) => Object.getPrototypeOf(bytes) === Uint8Array.prototype)).toEqual([true, true]);
  });
});

describe("text", () => {
  const texts = [
    "",
    "a",
    "abcdefgh",
    "abcdefg\u00e9",
    "\u00e9",
    "\u{1f600}",
    "\ufeffx",
    "x".repeat(47),
    "\u20ac".repeat(48),
  ];
  it.each([...texts, ...texts.map((text) => text.repeat(100))])("%j is the same UTF-8 as Node's", (text) => {
    const w = new Writer({ sizeInitial: 1 });
    expect(w.utf8Padded(text)).toBe(Buffer.byteLength(text));
    const bytes = Buffer.from(text);
    const zeros = Buffer.alloc(-bytes.length & 3);
    expect(Buffer.from(w.view()).toString("hex")).toBe(Buffer.concat([bytes, zeros]).toString("hex"));
    expect(reader(w.view()).utf8(bytes.length)).toBe(text);
  });

  it.each(["\ud800", "\udc00", "a\ud800b", "\udc00\ud800", `${"x".repeat(100)}\ud800`])(
    "%j is refused, and nothing of it is left behind",
    (text) => {
      const w = new Writer();
      expect(() => w.utf8Padded(text)).toThrow("half of a surrogate pair");
      expect(w.position).toBe(0);
    },
  );

  it.each(["ff", "c0af", "eda080", "f4908080", "e282", `${"61".repeat(100)}80`])("bytes %s are refused", (hex) => {
    expect(() => reader(Buffer.from(hex, "hex")).utf8(hex.length / 2)).toThrow("are not UTF-8");
  });
});

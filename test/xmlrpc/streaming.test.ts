import { CallDecoder, encodeResponse, ResponseDecoder, type XmlRpcOptions, type XmlRpcValue } from "farcall/xmlrpc";
import { describe, expect, it } from "vitest";

const pieceSize = 16_384;

/** Feeds a document in pieces, and gives how many bytes were read before it was refused. */
function readUntilRefused(document: string, message: RegExp, options: XmlRpcOptions = {}): number {
  const decoder = document.includes("methodCall") ? new CallDecoder(options) : new ResponseDecoder(options);
  const bytes = Buffer.from(document);
  for (let at = 0; at < bytes.length; at += pieceSize) {
    try {
      decoder.push(bytes.subarray(at, at + pieceSize));
    } catch (error) {
      expect((error as Error).message).toMatch(message);
      return Math.min(at + pieceSize, bytes.length);
    }
  }
  expect(() => decoder.end()).toThrow(message);
  return bytes.length;
}

const before = "<methodResponse><params><param><value>";

describe("what is hostile is refused before most of it is read", () => {
  it.each([
    ["100,000 arrays in one another", before + "<array><data><value>".repeat(100_000), /depthMax/, 1],
    ["100,000 structs in one another", before + "<struct><member><name>a</name><value>".repeat(100_000), /depthMax/, 1],
    ["100,000 unknown elements in one another", before + "<a>".repeat(100_000), /"a" is no type/, 1],
    ["100,000 attributes", `${before}<int ${"a='b' ".repeat(100_000)}`, /more than 16 attributes/, 1],
    ["a document type", `<!DOCTYPE r>${" ".repeat(1_000_000)}`, /has a DTD/, 1],
    [
      "an entity bomb",
      `<!DOCTYPE r [<!ENTITY a "aaaa">${'<!ENTITY b "&a;&a;&a;&a;">'.repeat(20)}]>${" ".repeat(1e6)}`,
      /DTD/,
      1,
    ],
    [
      "a document type without an end",
      `<!DOCTYPE r [${'<!ENTITY a "b">'.repeat(100_000)}`,
      /first 65536 characters/,
      5,
    ],
    ["a comment without an end", `<!--${"x".repeat(1_000_000)}`, /first 65536 characters/, 5],
    ["space without an end", " ".repeat(1_000_000), /first 65536 characters/, 6],
    ["a page of HTML", `<html>${"<p>".repeat(100_000)}`, /the element "html"/, 1],
    ["no XML", "x".repeat(1_000_000), /text data outside of root node/, 1],
    ["a method's name without an end", `<methodCall><methodName>${"a".repeat(1_000_000)}`, /nameLengthMax, 4096/, 1],
    [
      "a member's name without an end",
      `${before}<struct><member><name>${"a".repeat(1_000_000)}`,
      /nameLengthMax, 4096/,
      1,
    ],
    ["a string that is too long", `${before}<string>${"a".repeat(1_000_000)}`, /stringLengthMax, 20000/, 2],
    ["one value too many", `${before}<array><data>${"<value/>".repeat(100_000)}`, /valuesMax, 1000/, 1],
  ] as [string, string, RegExp, number][])("%s", (_name, document, message, pieces) => {
    const read = readUntilRefused(document, message, { stringLengthMax: 20_000, valuesMax: 1_000 });
    expect(read).toBeLessThanOrEqual(pieces * pieceSize);
    expect(read).toBeLessThan(Buffer.byteLength(document));
  });

  it("a document that is too large, at the byte that is", () => {
    const decoder = new ResponseDecoder({ documentSizeMax: 100 });
    decoder.push(Buffer.alloc(100, " "));
    expect(() => decoder.push(Buffer.alloc(1, " "))).toThrow(/more bytes than documentSizeMax, 100/);
  });
});

describe("a decoder", () => {
  it("keeps nothing of a chunk's buffer, which may be used again", () => {
    const document = encodeResponse(["é€😀".repeat(50), { a: 1 }, Uint8Array.of(1, 2, 3)]);
    for (const size of [1, 3, 7, 64]) {
      const buffer = new Uint8Array(size);
      const decoder = new ResponseDecoder();
      for (let at = 0; at < document.length; at += size) {
        const chunk = document.subarray(at, at + size);
        buffer.set(chunk);
        decoder.push(buffer.subarray(0, chunk.length));
        buffer.fill(0x78);
      }
      expect(decoder.end().value).toEqual(["é€😀".repeat(50), { a: 1 }, Uint8Array.of(1, 2, 3)]);
    }
  });

  it("takes empty chunks", () => {
    const decoder = new ResponseDecoder();
    decoder.push(new Uint8Array());
    decoder.push(encodeResponse(1));
    decoder.push(new Uint8Array());
    expect(decoder.end()).toEqual({ value: 1 });
  });
});

describe("the elements of a large result", () => {
  const rows = Array.from({ length: 1_000 }, (_, i) => ({ id: i, tags: ["a", `b${i}`] }));
  const plain = encodeResponse(rows);
  // A comment is for the XML parser, and so is all that follows.
  const commented = Buffer.from(Buffer.from(plain).toString().replace("<data>", "<data><!-- x -->"));

  it.each([
    ["plain", plain],
    ["with a comment", commented],
  ])("come one by one, as soon as they are whole: %s", (_name, document) => {
    const taken: XmlRpcValue[] = [];
    const decoder = new ResponseDecoder({}, (row, index) => {
      expect(index).toBe(taken.length);
      taken.push(row);
    });
    const half = document.length >> 1;
    decoder.push(document.subarray(0, half));
    expect(taken.length).toBeGreaterThan(400);
    expect(taken.length).toBeLessThan(600);
    decoder.push(document.subarray(half));
    expect(taken).toEqual(rows);
    expect(decoder.end()).toEqual({ value: [] });
  });

  it.each([
    ["plain", plain],
    ["with a comment", commented],
  ])("end with what their taker throws: %s", (_name, document) => {
    const stop = new Error("enough");
    const decoder = new ResponseDecoder({}, (_row, index) => {
      if (index === 3) throw stop;
    });
    expect(() => decoder.push(document)).toThrow(stop);
  });

  it("have their places in messages", () => {
    const decoder = new ResponseDecoder({}, () => {});
    const wrong = Buffer.from(Buffer.from(plain).toString().replace("<int>500</int>", "<int>x</int>"));
    expect(() => decoder.push(wrong)).toThrow(/^result\[500\]\.id: "x" is no int/);
  });

  it("are of arrays only, and not of arrays within, nor of faults", () => {
    const taken: XmlRpcValue[] = [];
    const take = (value: XmlRpcValue): void => void taken.push(value);
    const read = (document: Uint8Array): unknown => {
      const decoder = new ResponseDecoder({}, take);
      decoder.push(document);
      return decoder.end().value;
    };
    expect(read(encodeResponse({ a: [1, 2] }))).toEqual({ a: [1, 2] });
    expect(read(encodeResponse("a"))).toBe("a");
    expect(taken).toEqual([]);
    expect(read(encodeResponse([[1, 2]]))).toEqual([]);
    expect(taken).toEqual([[1, 2]]);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  CgiHeadReader,
  encodeCgiResponse,
  encodeScgiHead,
  ScgiHeadReader,
  scgiHeadersSizeMax,
} from "../../src/net/scgi.js";

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");
const join = (pieces: readonly Uint8Array[]): string => Buffer.concat(pieces).toString("latin1");

// The example of the protocol's specification.
const example =
  "70:CONTENT_LENGTH\0" +
  "27\0SCGI\x001\0REQUEST_METHOD\0POST\0REQUEST_URI\0/deepthought\0,What is the answer to life?";

/** Hands a text over in pieces and gives what came of it. */
function read<T extends { readonly rest: Uint8Array }>(
  reader: { push(chunk: Uint8Array): T | undefined },
  text: string,
  size: number,
): { found: T | undefined; rest: string } {
  let found: T | undefined;
  const behind: Uint8Array[] = [];
  for (let at = 0; at < text.length; at += size) {
    const piece = bytes(text.slice(at, at + size));
    if (found !== undefined) behind.push(piece);
    else {
      found = reader.push(piece);
      if (found !== undefined) behind.push(found.rest);
    }
  }
  return { found, rest: join(behind) };
}

describe("a request of SCGI", () => {
  it("is written as in the specification", () => {
    const head = encodeScgiHead(27, [
      ["REQUEST_METHOD", "POST"],
      ["REQUEST_URI", "/deepthought"],
    ]);
    expect(join([head, bytes("What is the answer to life?")])).toBe(example);
  });

  it.each([1, 2, 3, 7, 1000])("is read in pieces of %i bytes", (size) => {
    const { found, rest } = read(new ScgiHeadReader(), example, size);
    expect(found?.contentLength).toBe(27);
    expect([...(found?.variables ?? [])]).toEqual([
      ["CONTENT_LENGTH", "27"],
      ["SCGI", "1"],
      ["REQUEST_METHOD", "POST"],
      ["REQUEST_URI", "/deepthought"],
    ]);
    expect(rest).toBe("What is the answer to life?");
  });

  it.each([
    ["no length", "abc"],
    ["HTTP", "POST / HTTP/1.1\r\n"],
    ["a length with a zero in front", "070:"],
    ["a length without an end", "7000000"],
    ["a length over the limit", `${scgiHeadersSizeMax + 1}:`],
    ["no comma behind the headers", "24:CONTENT_LENGTH\x000\0SCGI\x001\0;"],
    ["headers that do not end in a NUL", "23:CONTENT_LENGTH\x000\0SCGI\x001,"],
    ["a name without a value", "29:CONTENT_LENGTH\x000\0SCGI\x001\0MORE\0,"],
    ["a name that comes twice", "31:CONTENT_LENGTH\x000\0SCGI\x001\0SCGI\x001\0,"],
    ["an empty name", "27:CONTENT_LENGTH\x000\0SCGI\x001\0\0a\0,"],
    ["no content length", "14:SCGI\x001\0A\x0012345\0,"],
    ["a content length that is none", "25:CONTENT_LENGTH\x00-1\0SCGI\x001\0,"],
    ["another version", "24:CONTENT_LENGTH\x000\0SCGI\x002\0,"],
  ])("is refused with %s", (_what, text) => {
    expect(() => new ScgiHeadReader().push(bytes(text))).toThrow();
  });

  it("does not carry a NUL in a header", () => {
    expect(() => encodeScgiHead(0, [["HTTP_COOKIE", "a\0b"]])).toThrow(/HTTP_COOKIE/);
  });

  it("is what was written, whatever the headers hold", () => {
    const word = fc.string({ unit: "binary-ascii", minLength: 1 }).filter((text) => !text.includes("\0"));
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(word, word), { selector: ([name]) => name }), fc.nat(), (headers, length) => {
        const own = headers.filter(([name]) => name !== "SCGI" && name !== "CONTENT_LENGTH");
        const found = new ScgiHeadReader().push(encodeScgiHead(length, own));
        expect(found?.contentLength).toBe(length);
        expect([...(found?.variables ?? [])].slice(2)).toEqual(own);
      }),
    );
  });
});

describe("a response of CGI", () => {
  it("is written with its status first", () => {
    const response = encodeCgiResponse({ status: 200, headers: { "Content-Type": "text/xml" }, body: "abc" });
    expect(join([response])).toBe("Status: 200\r\nContent-Type: text/xml\r\nContent-Length: 3\r\n\r\nabc");
  });

  it.each([
    ["as rtorrent writes it", "Status: 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 3\r\n\r\nabc"],
    ["with bare line ends, as scripts write it", "Status: 200 OK\nContent-Type: text/xml\nContent-Length: 3\n\nabc"],
    ["without a status, which means 200", "Content-Type:text/xml\r\ncontent-length:3\r\n\r\nabc"],
  ])("is read %s, however it is cut", (_what, text) => {
    for (const size of [1, 2, 3, 1000]) {
      const { found, rest } = read(new CgiHeadReader(), text, size);
      expect(found?.head.status).toBe(200);
      expect(found?.head.headers["content-type"]).toBe("text/xml");
      expect(found?.contentLength).toBe(3);
      expect(rest).toBe("abc");
    }
  });

  it("keeps cookies apart and joins other headers", () => {
    const found = new CgiHeadReader().push(bytes("Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX: 1\r\nX: 2\r\n\r\n"));
    expect(found?.head.setCookie).toEqual(["a=1", "b=2"]);
    expect(found?.head.headers["x"]).toBe("1, 2");
    expect(found?.contentLength).toBeUndefined();
  });

  it("keeps a header of any name as data", () => {
    const found = new CgiHeadReader().push(bytes("__proto__: x\r\n\r\n"));
    expect(Object.keys(found?.head.headers ?? {})).toEqual(["__proto__"]);
  });

  it.each([
    ["a line that is no header", "<html>\r\n\r\n"],
    ["a space in a name", "A B: c\r\n\r\n"],
    ["a length that is none", "Content-Length: -1\r\n\r\n"],
    ["no end", `X: ${"y".repeat(scgiHeadersSizeMax)}`],
  ])("is refused with %s", (_what, text) => {
    expect(() => new CgiHeadReader().push(bytes(text))).toThrow();
  });
});

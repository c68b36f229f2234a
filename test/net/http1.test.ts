import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, connect } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeHttpResponse, HttpRequestReader } from "../../src/net/http1.js";
import { RequestError } from "../../src/net/request-reader.js";

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");

interface Found {
  readonly method: string;
  readonly target: string;
  readonly keepAlive: boolean;
  readonly body: string;
  readonly header: (name: string) => string | undefined;
}

/** Every request in a text, which is handed over in pieces. Throws what the reader throws. */
function read(text: string, size = text.length, headersSizeMax = 16_384): Found[] {
  const reader = new HttpRequestReader(headersSizeMax);
  const found: Found[] = [];
  let open: { -readonly [K in keyof Found]: Found[K] } | undefined;
  for (let at = 0; at < text.length; at += size) {
    reader.push(bytes(text.slice(at, at + size)));
    for (let event = reader.read(); event !== undefined; event = reader.read()) {
      if (event.kind === "head") {
        const { method, target, keepAlive } = event.head;
        const { head } = event;
        open = { method, target, keepAlive, body: "", header: (name) => head.header(name) };
      } else if (event.kind === "data") {
        if (open !== undefined) open.body += Buffer.from(event.bytes).toString("latin1");
      } else if (open !== undefined) {
        found.push(open);
        open = undefined;
      }
    }
  }
  return found;
}

const head = "POST /RPC2 HTTP/1.1\r\nHost: h\r\n";

describe("a request of HTTP/1", () => {
  const table: [name: string, text: string, ...expected: Partial<Found>[]][] = [
    ["with a length", `${head}Content-Length: 4\r\n\r\nping`, { body: "ping", keepAlive: true }],
    ["without a body", `${head}\r\n`, { body: "" }],
    ["with an empty body", `${head}Content-Length: 0\r\n\r\n`, { body: "" }],
    [
      "in chunks",
      `${head}Transfer-Encoding: chunked\r\n\r\n4\r\nping\r\n3;a=b\r\nabc\r\n0\r\n\r\n`,
      { body: "pingabc" },
    ],
    [
      "in chunks with trailers",
      `${head}Transfer-Encoding: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n`,
      { body: "0123456789" },
    ],
    ["of HTTP/1.0", "POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi", { body: "hi", keepAlive: false }],
    ["of HTTP/1.0 that stays", "POST / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", { keepAlive: true }],
    ["that goes", `${head}Connection: close\r\n\r\n`, { keepAlive: false }],
    ["that goes among others", `${head}Connection: TE, Close\r\n\r\n`, { keepAlive: false }],
    ["behind an empty line", `\r\n${head}\r\n`, { method: "POST" }],
    ["with a whole address", "POST http://h/a HTTP/1.1\r\nHost: h\r\n\r\n", { target: "http://h/a" }],
    ["about the server", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", { method: "OPTIONS", target: "*" }],
    ["of another method", "GET /a?b=c HTTP/1.1\r\nHost: h\r\n\r\n", { method: "GET", target: "/a?b=c" }],
    ["and another", `${head}Content-Length: 1\r\n\r\na${head}Content-Length: 1\r\n\r\nb`, { body: "a" }, { body: "b" }],
    [
      "chunks and another",
      `${head}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n${head}\r\n`,
      { body: "a" },
      { body: "" },
    ],
  ];

  it.each(table)("is read %s, however it is cut", (_name, text, ...expected) => {
    for (const size of [text.length, 1, 2, 3, 7]) expect(read(text, size)).toMatchObject(expected);
  });

  it("has its headers by names of any case, without the blanks around them", () => {
    const [request] = read(`${head}X-Key:\t a b \t\r\nEmpty:\r\nX-KEY: second\r\n__proto__: p\r\n\r\n`);
    expect(request?.header("x-key")).toBe("a b");
    expect(request?.header("empty")).toBe("");
    expect(request?.header("__proto__")).toBe("p");
    expect(request?.header("other")).toBeUndefined();
  });

  it.each([
    ["no HTTP", "hello\r\n\r\n", 400],
    ["TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400],
    ["no target", "POST HTTP/1.1\r\nHost: h\r\n\r\n", 400],
    ["two spaces", "POST  / HTTP/1.1\r\nHost: h\r\n\r\n", 400],
    ["HTTP/2", "POST / HTTP/2.0\r\nHost: h\r\n\r\n", 400],
    ["HTTP/0.9", "GET /\r\n\r\n", 400],
    ["bare line ends", "POST / HTTP/1.1\nHost: h\n\n", 400],
    ["a bare line end among the headers", `${head}A: b\nC: d\r\n\r\n`, 400],
    ["a bare CR in a header", `${head}A: b\rC: d\r\n\r\n`, 400],
    ["a NUL in a header", `${head}A: b\0\r\n\r\n`, 400],
    ["a folded header", `${head}A: b\r\n c\r\n\r\n`, 400],
    ["a space before the colon", `${head}Content-Length : 4\r\n\r\nping`, 400],
    ["a header without a name", `${head}: x\r\n\r\n`, 400],
    ["a header without a colon", `${head}nothing\r\n\r\n`, 400],
    ["no Host", "POST / HTTP/1.1\r\n\r\n", 400],
    ["two Hosts", `${head}Host: h\r\n\r\n`, 400],
    ["two lengths", `${head}Content-Length: 4\r\nContent-Length: 4\r\n\r\nping`, 400],
    ["a list of lengths", `${head}Content-Length: 4, 4\r\n\r\nping`, 400],
    ["a signed length", `${head}Content-Length: +4\r\n\r\nping`, 400],
    ["a length in hexadecimal", `${head}Content-Length: 0x4\r\n\r\nping`, 400],
    ["a length and chunks", `${head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ["chunks in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400],
    ["another coding", `${head}Transfer-Encoding: gzip\r\n\r\n`, 501],
    ["two codings", `${head}Transfer-Encoding: gzip, chunked\r\n\r\n`, 501],
    ["chunked twice", `${head}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`, 501],
    ["a coding that is nearly chunked", `${head}Transfer-Encoding: \x0bchunked\r\n\r\n`, 400],
    ["another expectation", `${head}Expect: 200-ok\r\n\r\n`, 417],
    ["a chunk without a size", `${head}Transfer-Encoding: chunked\r\n\r\n\r\n`, 400],
    ["a chunk with a size that is none", `${head}Transfer-Encoding: chunked\r\n\r\n0x4\r\nping\r\n`, 400],
    ["a chunk with a signed size", `${head}Transfer-Encoding: chunked\r\n\r\n-1\r\n`, 400],
    ["a chunk of a huge size", `${head}Transfer-Encoding: chunked\r\n\r\n${"f".repeat(13)}\r\n`, 400],
    ["a chunk longer than its size", `${head}Transfer-Encoding: chunked\r\n\r\n3\r\nping\r\n`, 400],
    ["a size that ends in a bare line end", `${head}Transfer-Encoding: chunked\r\n\r\n4\nping\r\n`, 400],
    ["an extension without an end", `${head}Transfer-Encoding: chunked\r\n\r\n4;${"x".repeat(300)}`, 400],
    ["a blank behind the size of a chunk", `${head}Transfer-Encoding: chunked\r\n\r\n4 ;a=b\r\nping\r\n0\r\n\r\n`, 400],
    ["a trailer that is none", `${head}Transfer-Encoding: chunked\r\n\r\n0\r\nPOST / HTTP/1.1\r\n\r\n`, 400],
    ["a length behind its body", `${head}Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n`, 400],
    ["a second CR behind the last chunk", `${head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\r\n\r\n`, 400],
    ["the rest of another method", "T / HTTP/1.1\r\nHost: h\r\n\r\n", 400],
    ["a method in small letters", "post / HTTP/1.1\r\nHost: h\r\n\r\n", 400],
    ["a target that is no path", "POST x/a HTTP/1.1\r\nHost: h\r\n\r\n", 400],
    ["headers over the limit", `${head}A: ${"x".repeat(20_000)}\r\n\r\n`, 431],
    ["headers without an end", `${head}A: ${"x".repeat(20_000)}`, 431],
    ["trailers over the limit", `${head}Transfer-Encoding: chunked\r\n\r\n0\r\n${"A: b\r\n".repeat(5_000)}`, 431],
  ])("is refused with %s", (_what, text, status) => {
    for (const size of [text.length, 7]) {
      expect(() => read(text, size)).toThrow(
        expect.toSatisfy((error) => error instanceof RequestError && error.status === status),
      );
    }
  });

  it("is refused as soon as it cannot become one", () => {
    for (const text of ["\0", "hello world", "POST / FTP", "POST / HTTP/1.1 more", "get me"]) {
      expect(() => read(text)).toThrow(RequestError);
    }
    for (const text of ["P", "POST", "POST ", "POST /a", "POST /a HTT", "POST /a HTTP/1.1\r"]) {
      expect(read(text)).toEqual([]);
    }
  });

  it("is read or refused, whatever the bytes are", () => {
    const pieces = fc.constantFrom(
      ...[
        "POST",
        " ",
        "/",
        "HTTP/1.1",
        "\r\n",
        "\r",
        "\n",
        "Host: h",
        "Content-Length: 3",
        "Transfer-Encoding: chunked",
      ],
      ...["3", "0", ";", ":", "abc", "\0", "Expect: 100-continue", "Connection: close", "\r\n\r\n"],
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 30 }), fc.integer({ min: 1, max: 9 }), (parts, size) => {
        const outcome = (cut: number): unknown => {
          try {
            return read(parts.join(""), cut).map(({ method, target, body }) => ({ method, target, body }));
          } catch (error) {
            if (!(error instanceof RequestError)) throw error;
            return "refused";
          }
        };
        const whole = outcome(1_000_000);
        const cut = outcome(size);
        // However it is cut, the same requests come of it; a refusal may come sooner.
        if (cut !== "refused" && whole !== "refused") expect(cut).toEqual(whole);
      }),
      { numRuns: 3_000 },
    );
  });

  it("is what Node's own parser reads", async () => {
    let seen: (request: IncomingMessage, body: string) => void = () => {};
    const server = createServer((request, response) => {
      let body = "";
      request.setEncoding("latin1").on("data", (chunk: string) => {
        body += chunk;
      });
      request.on("end", () => {
        seen(request, body);
        response.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const token = fc
      .stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,8}$/)
      .filter((name) => !/^(host|connection|upgrade|expect|te|content-length|transfer-encoding|cookie)$/i.test(name));
    const value = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/);
    const request = fc.record({
      path: fc.stringMatching(/^\/[!-~]{0,20}$/).filter((path) => !path.includes("#")),
      headers: fc.uniqueArray(fc.tuple(token, value), { maxLength: 5, selector: ([name]) => name.toLowerCase() }),
      chunks: fc.array(fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 20 }), { maxLength: 4 }),
      chunked: fc.boolean(),
    });
    try {
      await fc.assert(
        fc.asyncProperty(request, async ({ path, headers, chunks, chunked }) => {
          const lines = headers.map(([name, text]) => `${name}: ${text}\r\n`).join("");
          const body = chunks.join("");
          const framed = chunked
            ? `Transfer-Encoding: chunked\r\n\r\n${chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join("")}0\r\n\r\n`
            : `Content-Length: ${body.length}\r\n\r\n${body}`;
          const text = `POST ${path} HTTP/1.1\r\nHost: h\r\n${lines}${framed}`;
          const theirs = await new Promise<{
            url: string | undefined;
            headers: IncomingMessage["headers"];
            body: string;
          }>((resolve, reject) => {
            seen = (found, read) => resolve({ url: found.url, headers: found.headers, body: read });
            const socket = connect({ port, host: "127.0.0.1" }, () => socket.write(text, "latin1"));
            socket.on("data", (answer) => {
              if (answer.toString("latin1").startsWith("HTTP/1.1 4"))
                reject(new Error(`Node refuses ${JSON.stringify(text)}`));
              socket.destroy();
            });
          });
          const [ours] = read(text, 5);
          expect(ours?.target).toBe(theirs.url);
          expect(ours?.body).toBe(theirs.body);
          for (const [name] of headers)
            expect(ours?.header(name.toLowerCase())).toBe(theirs.headers[name.toLowerCase()]);
        }),
        { numRuns: 100 },
      );
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});

/** Text with something wrong that has let requests be smuggled past others' servers. */
const damaged = fc
  .tuple(
    fc.array(
      fc.constantFrom(
        "Content-Length: 3\r\n",
        "Content-Length: 3\r\nX: y\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Connection: keep-alive\r\n",
        "X: y\r\n",
      ),
      { maxLength: 3 },
    ),
    fc.constantFrom("", "abc", "3\r\nabc\r\n0\r\n\r\n", "3;a=b\r\nabc\r\n0\r\nT: u\r\n\r\n", "0\r\n\r\n"),
    fc.array(
      fc.tuple(
        fc.nat(),
        fc.nat(2),
        fc.constantFrom(
          ...[
            "\r\n",
            "\n",
            "\r",
            "\r\n ",
            "\r\n\t",
            " ",
            "\t",
            ":",
            ";",
            ",",
            "\0",
            "\x0b",
            "\x7f",
            "\x80",
            "0",
            "3",
            "+",
            "-",
            "_",
            "x",
          ],
          ...[
            "Content-Length: 0\r\n",
            "Transfer-Encoding: identity\r\n",
            "chunked",
            "\r\n\r\n",
            "\n\n",
            "GET",
            "HTTP/1.0",
          ],
        ),
      ),
      { maxLength: 2 },
    ),
  )
  .map(([headers, body, damage]) => {
    let text = `POST /a HTTP/1.1\r\nHost: h\r\n${headers.join("")}\r\n${body}`;
    for (const [at, cut, piece] of damage) {
      const from = at % (text.length + 1);
      text = text.slice(0, from) + piece + text.slice(from + cut);
    }
    return `${text}POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n`;
  });

describe("what somebody in front of a server may see otherwise", () => {
  interface Seen {
    readonly method: string | undefined;
    readonly target: string | undefined;
    readonly body: string;
  }

  /** The requests that come whole before what cannot be read. */
  function ours(text: string): Seen[] {
    const reader = new HttpRequestReader(16_384);
    const found: Seen[] = [];
    let open = { method: "", target: "", body: "" };
    try {
      reader.push(bytes(text));
      for (let event = reader.read(); event !== undefined; event = reader.read()) {
        if (event.kind === "head") open = { method: event.head.method, target: event.head.target, body: "" };
        else if (event.kind === "data") open.body += Buffer.from(event.bytes).toString("latin1");
        else found.push(open);
      }
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
    }
    return found;
  }

  it("is no request to this reader: what it takes, Node's parser takes as the same", async () => {
    let seen: Seen[] = [];
    const server = createServer((request, response) => {
      let body = "";
      request.setEncoding("latin1").on("data", (chunk: string) => {
        body += chunk;
      });
      request.on("end", () => {
        seen.push({ method: request.method, target: request.url, body });
        response.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    let taken = 0;
    try {
      await fc.assert(
        fc.asyncProperty(damaged, async (text) => {
          seen = [];
          await new Promise<void>((resolve) => {
            const socket = connect({ port, host: "127.0.0.1" }, () => socket.end(text, "latin1"));
            socket.on("error", () => {});
            socket.on("close", () => resolve());
            socket.resume();
          });
          const read = ours(text);
          // Either may be the stricter one, at a tab behind a length, say; what both take must be the same.
          const both = Math.min(seen.length, read.length);
          expect(read.slice(0, both)).toEqual(seen.slice(0, both));
          taken += both;
        }),
        { numRuns: 400 },
      );
      expect(taken).toBeGreaterThan(40);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});

describe("a response of HTTP/1", () => {
  const encode = (...args: Parameters<typeof encodeHttpResponse>): string =>
    Buffer.concat(encodeHttpResponse(...args)).toString("latin1");

  it("has a status, its headers, a length and a date", () => {
    const text = encode({ status: 200, headers: { "Content-Type": "text/xml" }, body: "abc" }, 65_000, false);
    expect(text).toMatch(
      /^HTTP\/1\.1 200 OK\r\nContent-Type: text\/xml\r\nContent-Length: 3\r\nDate: \w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=65\r\n\r\nabc$/,
    );
  });

  it("has the length of its bytes, not of its characters", () => {
    expect(encode({ status: 200, headers: {}, body: "é" }, 0, false)).toMatch(
      /Content-Length: 2\r\n.*\r\n\r\n\u00c3\u00a9$/s,
    );
  });

  it.each([
    ["bytes", new Uint8Array([1, 2, 3])],
    ["many bytes", new Uint8Array(100_000).fill(7)],
  ])("carries %s", (_what, body) => {
    const whole = Buffer.concat(encodeHttpResponse({ status: 200, headers: {}, body }, 0, false));
    expect(whole.subarray(whole.indexOf("\r\n\r\n") + 4)).toEqual(Buffer.from(body));
  });

  it("says when it is the last", () => {
    expect(encode({ status: 200, headers: {}, body: "" }, 0, false)).toMatch(/\r\nConnection: close\r\n\r\n$/);
  });

  it("has no body for HEAD, and no length for 204", () => {
    expect(encode({ status: 405, headers: {}, body: "no" }, 0, true)).toMatch(/Content-Length: 2\r\n.*\r\n\r\n$/s);
    expect(encode({ status: 204, headers: {}, body: "" }, 0, false)).not.toMatch(/Content-Length/);
  });
});

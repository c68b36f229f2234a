// Requests of HTTP/1 as a server reads them: however they are cut, the same requests come of them, or the same refusal.
import { HttpRequestReader } from "../../../src/net/http1.js";
import { RequestError } from "../../../src/net/request-reader.js";
import { damageText, type Random } from "../random.js";
import { chunksOf, type Target } from "../target.js";

const headersSizeMax = 4_096;

/** What has a meaning in a request, and what has let requests be smuggled. */
const pieces: readonly string[] = [
  ..." \t\r\n:;,0aF",
  ...["\r\n", "\r\n\r\n", "\n", "\n\n", "\r", "\r\n ", "\0", "\x0b", "\x80"],
  ...["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST /RPC2 HTTP/1.1\r\n", " HTTP/1.0", " HTTP/2.0", "http://a/"],
  ...["Host: b\r\n", "Connection: close\r\n", "Connection: keep-alive\r\n", "Expect: 100-continue\r\n"],
  ...[
    "Content-Length: 3\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: +3\r\n",
    "Content-Length : 3\r\n",
    "content-length:3,3\r\n",
  ],
  ...["Transfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: \x0bchunked\r\n"],
  ...["0\r\n\r\n", "1\r\na\r\n", "3;a=b\r\nabc\r\n", "ffffffffffff\r\n", "0x3\r\n", "-1\r\n", "x".repeat(500)],
];

const bodies = ["", "abc", "<methodCall/>", "x".repeat(300)] as const;
const headers = ["Content-Type: text/xml\r\n", "X: y\r\n", "Cookie: a=b; c=d\r\n", "Empty:\r\n"] as const;

function requestOf(random: Random): string {
  const more = Array.from({ length: random.below(3) }, () => random.pick(headers)).join("");
  const body = random.pick(bodies);
  const head = `POST /RPC2 HTTP/1.1\r\nHost: a\r\n${more}`;
  if (random.below(3) > 0) return `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
  const chunks = body === "" ? "" : `${body.length.toString(16)}\r\n${body}\r\n`;
  return `${head}Transfer-Encoding: chunked\r\n\r\n${chunks}${chunks}0\r\n${random.below(3) === 0 ? "T: u\r\n" : ""}\r\n`;
}

/** What was found, in room that is there before. */
class Found {
  readonly #parts: string[];
  #count = 0;
  bytes = 0;

  constructor(room: number) {
    this.#parts = new Array(room);
  }

  read(reader: HttpRequestReader, chunk: Uint8Array): void {
    reader.push(chunk);
    for (let event = reader.read(); event !== undefined; event = reader.read()) {
      if (event.kind === "data") this.bytes += event.bytes.length;
      else this.#parts[this.#count++] = event.kind === "head" ? event.head.target : "end";
    }
  }

  get text(): string {
    return `${this.#parts.slice(0, this.#count).join(" ")} ${this.bytes}`;
  }
}

export const httpRequests: Target = {
  name: "http-requests",
  share: 2,
  // A RequestError and its stack, and what V8 notes of regular expressions.
  allowance: 8_192,
  make(random, large) {
    const text = Array.from({ length: large ? 100 : 1 + random.below(3) }, () => requestOf(random)).join("");
    const damaged = random.below(8) === 0 ? text : damageText(random, text, requestOf(random), pieces);
    const bytes = Buffer.from(damaged, "latin1");
    const chunks = chunksOf(random, bytes);
    return {
      size: bytes.length,
      prepare() {
        const reader = new HttpRequestReader(headersSizeMax);
        const found = new Found(bytes.length + 1);
        let refusal: number | undefined;
        return {
          work() {
            try {
              for (const chunk of chunks) found.read(reader, chunk);
            } catch (error) {
              if (!(error instanceof RequestError)) throw error;
              refusal = error.status;
            }
          },
          check: () => problemOf(bytes, { found, refusal, unread: reader.unread }),
        };
      },
    };
  },
};

interface Outcome {
  readonly found: Found;
  readonly refusal: number | undefined;
  readonly unread: number;
}

function problemOf(bytes: Buffer, { found, refusal, unread }: Outcome): string | undefined {
  if (found.bytes + unread > bytes.length) return `${found.bytes} bytes of bodies and ${unread} unread`;
  if (refusal === undefined && unread > headersSizeMax + 512) return `waits with ${unread} bytes`;
  const whole = new Found(bytes.length + 1);
  let wholeRefusal: number | undefined;
  try {
    whole.read(new HttpRequestReader(headersSizeMax), bytes);
  } catch (error) {
    wholeRefusal = (error as RequestError).status;
  }
  // Of what is too long it depends on the pieces whether it is found bad before.
  if ((refusal === undefined) !== (wholeRefusal === undefined))
    return `refused ${refusal} in pieces, ${wholeRefusal} at once`;
  return found.text === whole.text ? undefined : `read ${found.text} in pieces, ${whole.text} at once`;
}

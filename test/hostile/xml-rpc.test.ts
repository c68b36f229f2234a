import { connect as connectSocket, createServer, type Server } from "node:net";
import { gzipSync } from "node:zlib";
import { encodeCall, encodeResponse, XmlRpcClient } from "farcall/xmlrpc";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeScgiHead } from "../../src/net/scgi.js";
import { buildChild } from "../support/children.js";
import { Running } from "../support/processes.js";

// What is small to send and meant to be dear to read is refused cheaply: processor time of the process that is attacked,
// which a busy machine does not stretch as it does a clock's. Of several tries the cheapest counts, since collections of what was
// before fall into some.

const budgetMs = 50;
const tries = 8;
/** Far above what the victim has when it is idle, and far below what the bombs hold. */
const residentMiB = 400;

const GiB = 1_073_741_824;
const zipped16MiB = gzipSync(Buffer.alloc(16 * 1_048_576, " "));
/** 1 GiB of spaces in 1 MB: gzip's members follow one another. */
const zippedGiB = Buffer.concat(Array.from({ length: 64 }, () => zipped16MiB));

const entities = Array.from({ length: 9 }, (_, i) => `<!ENTITY e${i + 1} "${`&e${i};`.repeat(10)}">`).join("");
const laughs = `<?xml version="1.0"?><!DOCTYPE r [<!ENTITY e0 "ha">${entities}]>`;

/** Documents, each as a call and as an answer. */
function documents(open: string): readonly (readonly [name: string, document: string])[] {
  return [
    ["a billion entities", `${laughs}${open}<string>&e9;</string>`],
    ["entities without an end", `<?xml version="1.0"?><!DOCTYPE r [${'<!ENTITY a "b">'.repeat(100_000)}`],
    ["100,000 arrays in one another", open + "<array><data><value>".repeat(100_000)],
    ["100,000 structs in one another", open + "<struct><member><name>a</name><value>".repeat(100_000)],
    ["100,000 unknown elements in one another", open + "<a>".repeat(100_000)],
    ["100,000 elements before the message", "<a>".repeat(100_000)],
    ["100,000 attributes", `${open}<int ${"a='b' ".repeat(100_000)}`],
    ["a number of a million digits", `${open}<biginteger>${"9".repeat(1_000_000)}</biginteger></value>`],
    ["a comment of a million characters", `<!--${"-x".repeat(500_000)}`],
  ];
}

const asCall = documents("<methodCall><methodName>victim.call</methodName><params><param><value>");
const asAnswer = documents("<methodResponse><params><param><value>");

const type = "Content-Type: text/xml\r\n";
const post = (headers: string, body: string | Uint8Array = ""): Buffer =>
  Buffer.concat([
    Buffer.from(`POST /RPC2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n${type}${headers}\r\n`),
    Buffer.from(body as Uint8Array),
  ]);
const whole = (body: string | Uint8Array, more = ""): Buffer =>
  post(`Content-Length: ${Buffer.byteLength(body)}\r\n${more}`, body);

describe("what is small to send and meant to be dear to read", () => {
  let victim: Running;
  let client: XmlRpcClient;
  let http = "";
  let scgi = "";
  let attacker: Server;
  /** What the attacking server answers to anything. */
  let answer: Uint8Array = Buffer.alloc(0);

  beforeAll(async () => {
    victim = new Running(process.execPath, [await buildChild("xml-rpc-victim")]);
    [, http = "", scgi = ""] = await victim.line(/^READY (\S+) (\S+)$/);
    client = new XmlRpcClient(http);
    attacker = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.write(answer));
    });
    await new Promise<void>((resolve) => attacker.listen(0, "127.0.0.1", resolve));
    // What runs for the first time is compiled, which is nobody's attack.
    for (let i = 0; i < 20; i++) {
      await client.execute("victim.cpuMs");
      await send(http, whole(encodeCall("system.listMethods")));
      await send(http, whole("<methodCall><methodName>x<!-- --></methodName>"));
    }
    await call(Buffer.from(`HTTP/1.1 200 OK\r\n${type}Content-Length: 4\r\n\r\n<a/>`));
  });

  afterAll(async () => {
    await client.close();
    await victim.stop();
    attacker.close();
  });

  const cpuMs = async (): Promise<number> => (await client.execute("victim.cpuMs")) as number;

  /** Sends bytes, and gives what comes back until the victim hangs up. */
  function send(url: string, bytes: Uint8Array): Promise<string> {
    const { hostname: host, port } = new URL(url.replace(/^scgi/, "http"));
    return new Promise((resolve) => {
      let received = "";
      const socket = connectSocket({ host, port: Number(port) }, () => socket.write(bytes));
      socket.setEncoding("latin1").on("data", (text: string) => {
        received += text;
        // Whoever refuses early waits for the rest of what was announced, which never comes.
        if (/\r\n\r\n./s.test(received)) socket.end();
      });
      socket.on("error", () => {});
      socket.on("close", () => resolve(received));
    });
  }

  /** Has the victim call the attacker, who answers with these bytes; gives how the call failed. */
  async function call(bytes: Buffer): Promise<string> {
    answer = bytes;
    const address = attacker.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    return (await client.execute("victim.call", [`http://127.0.0.1:${port}/RPC2`])) as string;
  }

  async function expectCheap(attack: () => Promise<string>, outcome: RegExp): Promise<void> {
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < tries && least >= budgetMs; i++) {
      const before = await cpuMs();
      expect(await attack()).toMatch(outcome);
      least = Math.min(least, (await cpuMs()) - before);
    }
    expect(least).toBeLessThan(budgetMs);
    expect(await client.execute("victim.peakMiB")).toBeLessThan(residentMiB);
  }

  it.each(asCall)("costs a server little: %s", async (_name, document) => {
    await expectCheap(() => send(http, whole(document)), /^HTTP\/1.1 200 .*<fault>/s);
  });

  it.each<[name: string, request: Buffer, outcome: RegExp]>([
    ["gzip that inflates to 1 GiB", whole(zippedGiB, "Content-Encoding: gzip\r\n"), /^HTTP\/1.1 413 /],
    [
      "a small document of gzip that nests deep",
      whole(gzipSync(asCall[2]?.[1] ?? ""), "Content-Encoding: gzip\r\n"),
      /^HTTP\/1.1 200 .*<fault>/s,
    ],
    ["gzip in gzip", whole(gzipSync(zippedGiB), "Content-Encoding: gzip, gzip\r\n"), /^HTTP\/1.1 415 /],
    ["a body that is said to have 1 GiB", post(`Content-Length: ${GiB}\r\n`, "<methodCall>"), /^HTTP\/1.1 413 /],
    [
      "a chunk that is said to have 1 GiB",
      post("Transfer-Encoding: chunked\r\n", `${GiB.toString(16)}\r\n<methodCall>`),
      /^HTTP\/1.1 413 /,
    ],
  ])("costs a server little: %s", async (_name, request, outcome) => {
    await expectCheap(() => send(http, request), outcome);
  });

  it.each<[name: string, request: Uint8Array, outcome: RegExp]>([
    [
      "a body of SCGI that is said to have 1 GiB",
      encodeScgiHead(GiB, [
        ["REQUEST_METHOD", "POST"],
        ["REQUEST_URI", "/RPC2"],
        ["CONTENT_TYPE", "text/xml"],
      ]),
      /^Status: 413\r\n/,
    ],
    ["headers of SCGI that are said to have 1 GiB", Buffer.from(`${GiB}:CONTENT_LENGTH\0`), /^Status: 400\r\n/],
  ])("costs a server little: %s", async (_name, request, outcome) => {
    await expectCheap(() => send(scgi, request), outcome);
  });

  const answered = (body: string | Uint8Array, more = ""): Buffer =>
    Buffer.concat([
      Buffer.from(`HTTP/1.1 200 OK\r\n${type}Content-Length: ${Buffer.byteLength(body)}\r\n${more}\r\n`),
      Buffer.from(body as Uint8Array),
    ]);

  it.each(asAnswer)("costs a client little: %s", async (_name, document) => {
    await expectCheap(() => call(answered(document)), /^bad-reply unknown /);
  });

  it.each<[name: string, bytes: Buffer, outcome: RegExp]>([
    ["gzip that inflates to 1 GiB", answered(zippedGiB, "Content-Encoding: gzip\r\n"), /^bad-reply unknown /],
    [
      "an answer that is said to have 1 GiB",
      Buffer.from(`HTTP/1.1 200 OK\r\n${type}Content-Length: ${GiB}\r\n\r\n${Buffer.from(encodeResponse(1))}`),
      /^bad-reply unknown .*documentSizeMax/,
    ],
    [
      "a chunk that is said to have 1 GiB",
      Buffer.from(
        `HTTP/1.1 200 OK\r\n${type}Transfer-Encoding: chunked\r\n\r\n${GiB.toString(16)}\r\n${" ".repeat(200_000)}`,
      ),
      /^bad-reply unknown /,
    ],
  ])("costs a client little: %s", async (_name, bytes, outcome) => {
    await expectCheap(() => call(bytes), outcome);
  });
});

import { connect as connectTcp } from "node:net";
import { WebServer } from "farcall/xmlrpc";
import { describe, expect, it } from "vitest";
import { parseExchangeAddress } from "../../src/net/exchange-address.js";

/** Sends bytes and gives everything that comes back until the server hangs up. */
function talk(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = "";
    const socket = connectTcp({ port, host: "127.0.0.1" }, () => socket.write(text));
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(received));
  });
}

// The classic example, as the textbooks show it: the whole exchange on the wire.
const document = `<?xml version="1.0"?>
<methodCall>
   <methodName>test.square</methodName>
   <params>
      <param>
         <value><int>14</int></value>
      </param>
   </params>
</methodCall>
`;

const answer =
  '<?xml version="1.0"?><methodResponse><params><param><value><int>196</int></value></param></params></methodResponse>';

describe("test.square by an HTTP/1.0 POST that is written by hand", () => {
  it("answers 196", async () => {
    await using server = new WebServer(0);
    server.addHandler("test", { square: (n: number) => n * n });
    const { port } = parseExchangeAddress(await server.start());
    const request =
      `POST /RPC2 HTTP/1.0\r\nUser-Agent: by hand\r\nHost: 127.0.0.1\r\n` +
      `Content-Type: text/xml\r\nContent-Length: ${document.length}\r\n\r\n${document}`;
    const [head = "", body] = (await talk(port, request)).split("\r\n\r\n");
    expect(body).toBe(answer);
    const [status, ...headers] = head.split("\r\n");
    expect(status).toBe("HTTP/1.1 200 OK");
    expect(headers).toContain("Content-Type: text/xml");
    expect(headers).toContain(`Content-Length: ${answer.length}`);
    expect(headers).toContain("Connection: close");
  });
});

import { connect as connectSocket, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { MemoryNetwork, type Procedure, Server } from "farcall";
import { type OncService, oncProgram } from "farcall/onc";
import { string } from "farcall/xdr";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { memoryPair } from "../../src/net/memory.js";
import type { Stream } from "../../src/net/stream.js";
import { serverAuthNone } from "../../src/onc/auth/index.js";
import { Endpoints } from "../../src/onc/endpoints.js";
import { ServerEngine } from "../../src/onc/engine/index.js";
import { Authority, type Identity } from "../support/certificates.js";
import { later, until } from "../support/faults.js";
import { callMessage, fragment, opaqueHex, words } from "../support/raw-messages.js";
import { describeWith } from "../support/requirements.js";

// A server that closes while a TLS handshake is under way: whoever is in it gets neither a session nor an answer, and
// does not keep the server open.

interface EchoV1 {
  echo: Procedure<[text: string], string>;
}
const EchoV1: OncService<EchoV1> = oncProgram<EchoV1>({
  name: "ECHO_PROG",
  program: 0x2000_0103,
  version: 1,
  procedures: { echo: { number: 1, name: "ECHO", args: [string()], result: string() } },
});
const target = { program: EchoV1.program, version: 1 };
const echo = fragment(callMessage({ ...target, procedure: 1, args: opaqueHex(Buffer.from("hello")) }), true);
/** RFC 9289, section 4.1: a NULL call with AUTH_TLS, and the reply that says STARTTLS. */
const probe = fragment(callMessage({ ...target, procedure: 0, credential: words(7, 0) }), true);
const startTls = Buffer.from("STARTTLS");

describeWith(["openssl"], "a TLS handshake when the server closes", () => {
  let identity: Identity;
  const sockets: Socket[] = [];
  beforeAll(() => {
    identity = new Authority().issue("server", "IP:127.0.0.1");
  });
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });

  /** A connection of bare bytes: what it got, and whether it was ended. */
  async function open(address: string): Promise<{ socket: Socket; state: { got: Buffer; closed: boolean } }> {
    const socket = connectSocket(Number(address.slice(address.lastIndexOf(":") + 1)), "127.0.0.1");
    sockets.push(socket);
    const state = { got: Buffer.alloc(0), closed: false };
    socket.on("data", (chunk) => {
      state.got = Buffer.concat([state.got, chunk]);
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      state.closed = true;
    });
    await until(() => !socket.connecting);
    return { socket, state };
  }

  /** Goes on with the handshake, and makes a call if it succeeds. Resolves to what was answered, once all is over. */
  async function finish(socket: Socket): Promise<string> {
    let got = "";
    socket.removeAllListeners("data");
    const secured = connectTls({ socket, rejectUnauthorized: false, minVersion: "TLSv1.3", ALPNProtocols: ["sunrpc"] });
    secured.on("secureConnect", () => secured.write(echo));
    secured.on("data", (chunk: Buffer) => {
      got += chunk.toString("latin1");
    });
    secured.on("error", () => {});
    // An answered call leaves the connection open.
    await until(() => got !== "" || socket.destroyed || secured.destroyed);
    return got;
  }

  async function serve(at: string): Promise<{ server: Server; address: string }> {
    const server = new Server({ tls: { cert: identity.cert, key: identity.key } });
    server.export(EchoV1, { echo: (text) => text });
    return { server, address: await server.listen(at) };
  }

  it("of a tls: address is cut off, and the server is closed at once", async () => {
    const { server, address } = await serve("tls://127.0.0.1:0");
    const { socket, state } = await open(address);
    // The server has accepted it, and waits for the first message.
    await later(50);
    await server.close({ drainMs: 0 });
    expect(await finish(socket)).toBe("");
    await until(() => state.closed);
  });

  it("after AUTH_TLS is cut off, and the server is closed at once", async () => {
    const { server, address } = await serve("tcp://127.0.0.1:0");
    const { socket, state } = await open(address);
    socket.write(probe);
    await until(() => state.got.includes(startTls));
    await server.close({ drainMs: 0 });
    expect(await finish(socket)).toBe("");
    await until(() => state.closed);
  });

  it("that is not hindered does get an answer, at either address", async () => {
    for (const at of ["tls://127.0.0.1:0", "tcp://127.0.0.1:0"]) {
      const { server, address } = await serve(at);
      const { socket, state } = await open(address);
      if (at.startsWith("tcp:")) {
        socket.write(probe);
        await until(() => state.got.includes(startTls));
      }
      expect(await finish(socket)).toContain("hello");
      await server.close({ drainMs: 0 });
    }
  });
});

describe("a layer", () => {
  it("that is in place only after the server has closed is taken away again, and serves nobody", async () => {
    const network = new MemoryNetwork();
    const ignore = (): void => {};
    const host = {
      dispatch: ignore,
      report: ignore,
      answered: ignore,
      watch: ignore,
      unwatch: ignore,
      newAborter: () => new AbortController(),
      now: () => 0,
    };
    const endpoints = new Endpoints(new ServerEngine(host, [serverAuthNone]), { network });
    // It outlives the stream below, as a session that is complete in the moment of closing does.
    const [above, peer] = memoryPair("tls://peer:1", "tls://server:1");
    let complete: (() => void) | undefined;
    const layer = (): Promise<Stream> => new Promise((resolve) => (complete = () => resolve(above)));
    await endpoints.accept({ scheme: "memory", name: "echo" }, layer);
    await network.connect("echo");
    await until(() => complete !== undefined);
    await endpoints.close(0);
    const seen = { bytes: 0, closed: false };
    peer.start({
      onData(chunk) {
        seen.bytes += chunk.length;
      },
      onDrain() {},
      onClose() {
        seen.closed = true;
      },
    });
    peer.write(probe);
    complete?.();
    await until(() => seen.closed || seen.bytes > 0);
    expect(seen).toEqual({ bytes: 0, closed: true });
  });
});

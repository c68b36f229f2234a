import { connect as connectSocket, createServer, type Socket, type Server as SocketServer } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  type CallContext,
  type ConnectOptions,
  connect,
  type Procedure,
  Server,
  type ServerOptions,
} from "../../src/index.js";
import { type OncService, oncProgram } from "../../src/onc/index.js";
import { string } from "../../src/xdr/index.js";
import { Authority, type Identity } from "../support/certificates.js";
import { run } from "../support/processes.js";
import { describeWith } from "../support/requirements.js";

interface EchoV1 {
  echo: Procedure<[text: string], string>;
  who: Procedure<[], string>;
}
const EchoV1: OncService<EchoV1> = oncProgram<EchoV1>({
  name: "ECHO_PROG",
  program: 0x2000_0103,
  version: 1,
  procedures: {
    echo: { number: 1, name: "ECHO", args: [string()], result: string() },
    who: { number: 2, name: "WHO", args: [], result: string() },
  },
});

const secret = "the words that nobody may read on the way";

/** What passes between a client and a server, both ways, and what may be changed on the way. */
async function tap(address: string, change: (bytes: Buffer) => Buffer = (bytes) => bytes) {
  const { port, hostname } = new URL(address.replace(/^\w+:/, "http:"));
  const seen: Buffer[] = [];
  const open = new Set<Socket>();
  const pass = (from: Socket, to: Socket, alter: (bytes: Buffer) => Buffer): void => {
    open.add(from);
    from.on("data", (bytes: Buffer) => {
      seen.push(bytes);
      to.write(alter(bytes));
    });
    from.on("error", () => {});
    from.on("close", () => to.destroy());
  };
  const proxy: SocketServer = createServer((client) => {
    const server = connectSocket(Number(port), hostname);
    pass(client, server, (bytes) => bytes);
    pass(server, client, change);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const bound = proxy.address() as { port: number };
  return {
    address: `${address.split(":")[0]}://127.0.0.1:${bound.port}`,
    seen: () => Buffer.concat(seen).toString("latin1"),
    [Symbol.dispose]: () => {
      for (const socket of open) socket.destroy();
      proxy.close();
    },
  };
}

describeWith(["openssl"], "TLS", () => {
  let authority: Authority;
  let server: Identity;
  let client: Identity;
  let elsewhere: Identity;
  let stranger: Authority;
  const open: AsyncDisposable[] = [];

  beforeAll(() => {
    authority = new Authority();
    stranger = new Authority("somebody else's authority");
    server = authority.issue("server", "IP:127.0.0.1,DNS:localhost");
    client = authority.issue("alice", "DNS:alice.example");
    elsewhere = authority.issue("elsewhere", "DNS:elsewhere.example");
  });
  afterAll(async () => {
    for (const one of open) await one[Symbol.asyncDispose]();
  });

  async function serve(address: string, tls: ServerOptions["tls"]): Promise<string> {
    const serving = new Server({ tls, onError: () => {} });
    open.push(serving);
    const whoIs = ({ caller: { tls } }: CallContext): string =>
      tls === undefined
        ? "clear"
        : `${tls.protocol} ${tls.verified} ${tls.subject ?? "-"} ${tls.altNames?.join() ?? ""}`;
    serving.export(EchoV1, { echo: (text) => text, who: whoIs });
    return await serving.listen(address);
  }

  const call = async (address: string, options: ConnectOptions): Promise<string> => {
    await using connected = await connect(EchoV1, address, options);
    expect(await connected.echo(secret)).toBe(secret);
    return await connected.who();
  };

  it.each([["tcp://127.0.0.1:0"], ["tls://127.0.0.1:0"]])("hides every call on %s", async (at) => {
    const address = await serve(at, { cert: server.cert, key: server.key });
    using between = await tap(address);
    expect(await call(between.address, { tls: { ca: authority.ca.cert } })).toBe("TLSv1.3 false - ");
    expect(between.seen()).not.toContain("nobody may read");
    expect(between.seen().length).toBeGreaterThan(500);
    if (at.startsWith("tcp")) expect(between.seen()).toContain("STARTTLS");
  });

  it("lets the tap of these tests see clear text", async () => {
    const address = await serve("tcp://127.0.0.1:0", undefined);
    using between = await tap(address);
    expect(await call(between.address, {})).toBe("clear");
    expect(between.seen()).toContain("nobody may read");
  });

  it("carries many calls at once, and large ones", async () => {
    const address = await serve("tls://127.0.0.1:0", { cert: server.cert, key: server.key });
    await using connected = await connect(EchoV1, address, { tls: { ca: authority.ca.cert } });
    const long = "x".repeat(3_000_000);
    expect(await connected.echo(long)).toBe(long);
    const many = Array.from({ length: 500 }, (_, i) => `${i}`);
    expect(await Promise.all(many.map((text) => connected.echo(text)))).toEqual(many);
  });

  it.each([["tcp://127.0.0.1:0"], ["tls://127.0.0.1:0"]])(
    "gives a handler of %s the client's proved identity",
    async (at) => {
      const tls = { cert: server.cert, key: server.key, ca: authority.ca.cert, requireClientCertificate: true };
      const address = await serve(at, tls);
      const mine = { ca: authority.ca.cert, cert: client.cert, key: client.key };
      expect(await call(address, { tls: mine })).toBe("TLSv1.3 true alice DNS:alice.example");
      await expect(call(address, { tls: { ca: authority.ca.cert } })).rejects.toMatchObject({ code: "unavailable" });
      const forged = stranger.issue("alice", "DNS:alice.example");
      await expect(
        call(address, { tls: { ca: authority.ca.cert, cert: forged.cert, key: forged.key } }),
      ).rejects.toMatchObject({ code: "unavailable" });
    },
  );

  it.each([
    ["that nobody trusted vouches for", () => ({ ca: stranger.ca.cert }), () => server],
    ["of another name", () => ({ ca: authority.ca.cert }), () => elsewhere],
  ])("refuses a server's certificate %s, and never falls back to clear text", async (_name, tls, identity) => {
    for (const at of ["tcp://127.0.0.1:0", "tls://127.0.0.1:0"]) {
      const address = await serve(at, { cert: identity().cert, key: identity().key });
      using between = await tap(address);
      for (const policy of ["required", "opportunistic"] as const) {
        await expect(call(between.address, { tls: { ...tls(), policy } })).rejects.toMatchObject({
          code: "unavailable",
          executed: "no",
        });
      }
      expect(between.seen()).not.toContain("nobody may read");
    }
  });

  it("refuses, when TLS is required, a server without it and an answer stripped of it", async () => {
    const plain = await serve("tcp://127.0.0.1:0", undefined);
    const tls = { ca: authority.ca.cert };
    await expect(call(plain, { tls })).rejects.toMatchObject({ code: "denied", executed: "no" });
    expect(await call(plain, { tls: { ...tls, policy: "opportunistic" } })).toBe("clear");
    expect(await call(plain, { tls: { ...tls, policy: "off" } })).toBe("clear");

    const address = await serve("tcp://127.0.0.1:0", { cert: server.cert, key: server.key });
    const strip = (bytes: Buffer): Buffer =>
      Buffer.from(bytes.toString("latin1").replace("STARTTLS", "NOTHINGS"), "latin1");
    using between = await tap(address, strip);
    await expect(call(between.address, { tls })).rejects.toMatchObject({ code: "denied", executed: "no" });
    expect(between.seen()).not.toContain("nobody may read");
  });

  it("answers clear text with AUTH_TOOWEAK where the server requires TLS, except procedure 0", async () => {
    const address = await serve("tcp://127.0.0.1:0", { cert: server.cert, key: server.key, policy: "required" });
    await using connected = await connect(EchoV1, address);
    await connected.$ping();
    await expect(connected.echo("hello")).rejects.toMatchObject({
      code: "denied",
      executed: "no",
      status: { number: 7, why: { text: "AUTH_TOOWEAK" } },
    });
    expect(await call(address, { tls: { ca: authority.ca.cert } })).toMatch(/^TLSv1.3/);
  });

  it("refuses datagrams where TLS is required, at either end", async () => {
    await expect(
      serve("udp://127.0.0.1:0", { cert: server.cert, key: server.key, policy: "required" }),
    ).rejects.toMatchObject({ code: "invalid-argument" });
    await expect(connect(EchoV1, "udp://127.0.0.1:9", { tls: {} })).rejects.toMatchObject({ code: "invalid-argument" });
    await expect(serve("tls://127.0.0.1:0", undefined)).rejects.toThrow(/needs the server's tls option/);
  });

  it("calls a key or certificate that cannot be used the user's mistake, at either end", async () => {
    const bad = { ca: "not a certificate", cert: "nor this" };
    for (const address of ["tcp://127.0.0.1:9", "tls://127.0.0.1:9"]) {
      await expect(connect(EchoV1, address, { tls: bad })).rejects.toMatchObject({ code: "invalid-argument" });
    }
    await expect(serve("tls://127.0.0.1:0", bad)).rejects.toMatchObject({ code: "invalid-argument" });
  });

  it("cuts off a client that sends clear text behind its request for TLS", async () => {
    const address = await serve("tcp://127.0.0.1:0", { cert: server.cert, key: server.key });
    const socket = connectSocket(Number(new URL(address.replace("tcp:", "http:")).port), "127.0.0.1");
    const probe = "80000028 00000001 00000000 00000002 20000103 00000001 00000000 00000007 00000000 00000000 00000000";
    const hidden = "80000028 00000002 00000000 00000002 20000103 00000001 00000002 00000000 00000000 00000000 00000000";
    const bytes: Buffer[] = [];
    socket.on("data", (chunk) => bytes.push(chunk));
    const closed = new Promise((resolve) => socket.on("close", resolve).on("error", () => {}));
    socket.write(Buffer.from(`${probe}${hidden}`.replaceAll(" ", ""), "hex"));
    await closed;
    expect(Buffer.concat(bytes).toString("hex")).not.toContain("00000002000000010000000000");
  });

  it("ends a connection whose server sends clear text behind its agreement to TLS: executed no", async () => {
    const address = await serve("tcp://127.0.0.1:0", { cert: server.cert, key: server.key });
    // A reply that fits the client's first call, in the same packet as STARTTLS.
    const forged = Buffer.from(`8000001c${"00000002"}00000001${"00000000".repeat(4)}`, "hex");
    using between = await tap(address, (bytes) =>
      bytes.includes("STARTTLS") ? Buffer.concat([bytes, forged]) : bytes,
    );
    for (const policy of ["required", "opportunistic"] as const) {
      const error = await call(between.address, { tls: { ca: authority.ca.cert, policy } }).catch(
        (one: unknown) => one,
      );
      expect(error).toMatchObject({ code: "unavailable", executed: "no" });
      expect(String(error)).toContain("the server sent more in clear text behind its answer");
    }
    expect(between.seen()).not.toContain("nobody may read");
  });

  it("speaks TLS 1.3 with sunrpc to OpenSSL's s_client, and nothing older or other", async () => {
    const address = await serve("tls://127.0.0.1:0", { cert: server.cert, key: server.key });
    const target = address.replace("tls://", "");
    const common = ["s_client", "-connect", target, "-CAfile", authority.ca.certFile, "-verify_return_error", "-brief"];
    const shell = (args: readonly string[]) => run("sh", ["-c", `openssl ${args.join(" ")} </dev/null 2>&1`]);
    const good = await shell([...common, "-alpn", "sunrpc"]);
    expect(good.stdout).toContain("TLSv1.3");
    expect(good.stdout).toMatch(/Verification: OK/);
    const older = await shell([...common, "-alpn", "sunrpc", "-tls1_2"]);
    expect(older.stdout).toMatch(/alert|error/i);
    expect(older.stdout).not.toContain("Verification: OK");
    const other = await shell([...common, "-alpn", "h2"]);
    expect(other.stdout).not.toContain("Verification: OK");
  });
});

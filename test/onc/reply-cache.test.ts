import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectSocket, type NetConnectOpts, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Procedure, Server, type ServerOptions } from "farcall";
import { type OncService, oncProgram } from "farcall/onc";
import { uint } from "farcall/xdr";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { ReplyStore } from "../../src/call/reply-cache.js";
import { MemoryReplyStore } from "../../src/store/index.js";
import { askUdp, callMessage, fragment, words } from "../support/raw-messages.js";

const cluster = vi.hoisted(() => ({ isWorker: false }));
vi.mock("node:cluster", () => ({ default: cluster }));

interface Counter {
  next: Procedure<[of: number], number>;
}
const CounterV1: OncService<Counter> = oncProgram<Counter>({
  name: "COUNTER",
  program: 0x2000_0e24,
  version: 1,
  procedures: { next: { number: 1, name: "NEXT", args: [uint], result: uint } },
});
const message = callMessage({ program: CounterV1.program, version: 1, procedure: 1, args: words(3) });
const reply = (count: number): string => words(7, 1, 0, 0, 0, 0, count);

const servers: Server[] = [];
afterEach(async () => {
  cluster.isWorker = false;
  for (const server of servers.splice(0)) await server.close({ drainMs: 0 });
});

/** A server that counts its calls, and where it listens. */
async function serve(address: string, options: ServerOptions = {}): Promise<{ server: Server; address: string }> {
  const server = new Server(options);
  servers.push(server);
  let count = 0;
  server.export(CounterV1, { next: () => ++count });
  return { server, address: await server.listen(address) };
}

/** A loopback address that nobody else has ports of: one that was given up is still free when it is wanted again. */
const localAddress =
  process.platform === "linux" ? `127.${64 + randomInt(64)}.${randomInt(256)}.${1 + randomInt(254)}` : "127.0.0.1";

/** Asks over a stream, and gives the answer with the port that it was asked from. */
async function askFrom(where: NetConnectOpts): Promise<{ answer: string; port: number | undefined }> {
  const socket: Socket = connectSocket(where);
  await once(socket, "connect");
  socket.write(fragment(message, true));
  const [bytes] = (await once(socket, "data")) as [Buffer];
  const { localPort: port } = socket;
  // Without the pause that keeps a port from being used again at once.
  if (port === undefined) socket.destroy();
  else socket.resetAndDestroy();
  await once(socket, "close");
  return { answer: bytes.subarray(4).toString("hex"), port };
}

describe("a server's reply cache", () => {
  it("is there for UDP by default: another port is another caller", async () => {
    const { address } = await serve("udp://127.0.0.1:0");
    expect([await askUdp(address, message), await askUdp(address, message)]).toEqual([reply(1), reply(2)]);
  });

  it("answers a call that is sent again over TCP from the same port, when it is told to", async () => {
    const { address } = await serve("tcp://127.0.0.1:0", { replyCache: { streams: true } });
    const to = { localAddress, host: "127.0.0.1", port: Number(address.slice(address.lastIndexOf(":") + 1)) };
    const first = await askFrom(to);
    const again = await askFrom({ ...to, localPort: first.port });
    expect(again).toEqual({ answer: reply(1), port: first.port });
    expect((await askFrom(to)).answer).toBe(reply(2));
  });

  it("leaves TCP alone by default", async () => {
    const { address } = await serve("tcp://127.0.0.1:0");
    const to = { localAddress, host: "127.0.0.1", port: Number(address.slice(address.lastIndexOf(":") + 1)) };
    const first = await askFrom(to);
    expect((await askFrom({ ...to, localPort: first.port })).answer).toBe(reply(2));
  });

  it("never filters Unix sockets, whose callers all have one address", async () => {
    const folder = mkdtempSync(join(tmpdir(), "farcall-"));
    const path = join(folder, "s");
    await serve(`unix:${path}`, { replyCache: { streams: true } });
    expect((await askFrom({ path })).answer).toBe(reply(1));
    expect((await askFrom({ path })).answer).toBe(reply(2));
    rmSync(folder, { recursive: true, force: true });
  });

  const shared: ReplyStore<undefined> = Object.assign(new MemoryReplyStore(), { shared: true, durable: true });
  it.each<[string, ServerOptions, boolean, object]>([
    ["by default", {}, false, { datagrams: true, streams: false, durable: false, shared: false }],
    ["switched off", { replyCache: false }, false, { datagrams: false, streams: false, durable: false, shared: false }],
    ["for TCP too", { replyCache: { streams: true } }, false, { datagrams: true, streams: true }],
    ["in a worker of a cluster", {}, true, { datagrams: false, shared: false }],
    ["in a worker, with a shared store", { replyCache: { store: shared } }, true, { datagrams: true, shared: true }],
    ["with a durable store", { replyCache: { store: shared } }, false, { durable: true, shared: true }],
  ])("says what it gives %s", async (_when, options, isWorker, facts) => {
    cluster.isWorker = isWorker;
    const { server } = await serve("udp://127.0.0.1:0", options);
    expect(await server.duplicateFiltering()).toMatchObject(facts);
  });
});

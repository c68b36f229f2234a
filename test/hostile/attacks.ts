// What hostile clients do to a server. Each attack goes on until its time is up, and leaves nothing open.
import { createSocket } from "node:dgram";
import { connect, type Socket } from "node:net";
import { SESSION_PROGRAM, SESSION_VERSION } from "../../src/onc/session/session.js";
import { later, seeded } from "../support/faults.js";
import { TargetV1 } from "../support/hostile-target.js";
import { callMessage, fragment, fromHex, opaqueHex, words } from "../support/raw-messages.js";

type Addresses = readonly [tcp: string, udp: string, unix: string];

/** Goes on for so many milliseconds. The numbers are its own. */
type Attack = (addresses: Addresses, ms: number, ...numbers: number[]) => Promise<void>;

const recordSizeMax = 16 * 1024 * 1024;
const call = (procedure: number, args: string): Uint8Array =>
  callMessage({ program: TargetV1.program, version: 1, procedure, args });

/** So many connections; those that the server ends are opened again. */
class Crowd implements Disposable {
  readonly sockets = new Set<Socket>();
  #open = true;
  readonly #options: { readonly path: string } | { readonly port: number; readonly host: string };
  readonly #onOpen: (socket: Socket) => void;

  constructor(address: string, count: number, onOpen: (socket: Socket) => void) {
    this.#options = address.startsWith("unix:")
      ? { path: address.slice(5) }
      : { port: Number(address.slice(address.lastIndexOf(":") + 1)), host: "127.0.0.1" };
    this.#onOpen = onOpen;
    for (let i = 0; i < count; i++) this.#connect();
  }

  #connect(): void {
    const socket = connect(this.#options);
    socket.on("connect", () => this.#onOpen(socket));
    socket.on("error", () => {});
    socket.on("close", () => {
      this.sockets.delete(socket);
      if (this.#open) setTimeout(() => this.#open && this.#connect(), 20);
    });
    this.sockets.add(socket);
  }

  [Symbol.dispose](): void {
    this.#open = false;
    for (const socket of this.sockets) socket.destroy();
  }
}

/** Connections that announce the largest record there is, and send a byte every so often. */
const slowClaims: Attack = async ([tcp], ms, count = 0, everyMs = 0) => {
  using crowd = new Crowd(tcp, count, (socket) => socket.write(fromHex(words(0x8000_0000 + recordSizeMax))));
  const byte = new Uint8Array(1);
  for (const end = performance.now() + ms; performance.now() < end; await later(everyMs)) {
    for (const socket of crowd.sockets) if (!socket.connecting) socket.write(byte);
  }
};

/** The same, and as much of the record as the server takes. */
const fastClaims: Attack = async ([tcp], ms, count = 0) => {
  const bytes = new Uint8Array(65_536);
  using crowd = new Crowd(tcp, count, (socket) => socket.write(fromHex(words(0x8000_0000 + recordSizeMax))));
  for (const end = performance.now() + ms; performance.now() < end; await later(10)) {
    for (const socket of crowd.sockets) if (!socket.connecting && socket.writableLength === 0) socket.write(bytes);
  }
};

/** Clients that ask for large replies and never read. */
const neverRead: Attack = async ([tcp], ms, count = 0) => {
  const ask = fragment(call(2, words(4 * 1024 * 1024)), true);
  using crowd = new Crowd(tcp, count, (socket) => {
    socket.pause();
    for (let i = 0; i < 100; i++) socket.write(ask);
  });
  await later(ms);
  void crowd;
};

/** Large calls that run long, as many as the server starts. */
const longCalls: Attack = async ([tcp], ms, count = 0) => {
  const hold = fragment(call(3, opaqueHex(new Uint8Array(1024 * 1024))), true);
  using crowd = new Crowd(tcp, count, () => {});
  for (const end = performance.now() + ms; performance.now() < end; await later(10)) {
    for (const socket of crowd.sockets)
      if (!socket.connecting && socket.writableLength < hold.length) socket.write(hold);
  }
};

/** Large datagrams, from so many ports, whose calls run long: more than the server takes. */
const longDatagrams: Attack = async ([, udp], ms, count = 0) => {
  const hold = call(3, opaqueHex(new Uint8Array(60_000)));
  const xid = new DataView(hold.buffer, hold.byteOffset);
  const port = Number(udp.slice(udp.lastIndexOf(":") + 1));
  const sockets = Array.from({ length: count }, () => createSocket("udp4").on("error", () => {}));
  // One at a time: what overflows the kernel's buffer does not reach the server, and takes others' datagrams with it.
  let next = 0;
  for (const end = performance.now() + ms; performance.now() < end; await later(2)) {
    xid.setUint32(0, next++);
    // Each is another call; the bytes must not change while they are on their way.
    sockets[next % count]?.send(hold.slice(), port, "127.0.0.1");
  }
  await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))));
};

/** Bytes that mean nothing, on every port. */
const garbage: Attack = async ([tcp, udp, unix], ms, seed = 0) => {
  const random = seeded(seed);
  const noise = (size: number): Uint8Array => Uint8Array.from({ length: size }, () => random() * 256);
  const pieces = Array.from({ length: 64 }, () => noise(1 + Math.floor(random() * 1_400)));
  const piece = (): Uint8Array => pieces[Math.floor(random() * pieces.length)] as Uint8Array;
  using overTcp = new Crowd(tcp, 20, (socket) => socket.write(piece()));
  using overUnix = new Crowd(unix, 20, (socket) => socket.write(piece()));
  const socket = createSocket("udp4");
  socket.on("error", () => {});
  const port = Number(udp.slice(udp.lastIndexOf(":") + 1));
  for (const end = performance.now() + ms; performance.now() < end; await later(0)) {
    for (let i = 0; i < 50; i++) socket.send(piece(), port, "127.0.0.1");
    for (const peer of [...overTcp.sockets, ...overUnix.sockets]) {
      if (!peer.connecting && peer.writableLength === 0) peer.write(piece());
    }
  }
  await new Promise<void>((resolve) => socket.close(() => resolve()));
};

/** Well-formed calls of each procedure in which one length after another claims gigabytes. */
const gigabyteClaims: Attack = async ([tcp, udp, unix], ms) => {
  const whole = callMessage({
    program: TargetV1.program,
    version: 1,
    procedure: 1,
    credential: words(1) + opaqueHex(fromHex(`${words(1, 4)}61626364${words(0, 0, 2, 1, 2)}`)),
    args: opaqueHex(new Uint8Array(64)),
  });
  const messages: Uint8Array[] = [];
  for (const claim of [0x7fff_ffff, 0x8000_0000, 0xffff_fffc, 0xffff_ffff, 0x4000_0000]) {
    for (let at = 0; at < whole.length; at += 4) {
      const message = new Uint8Array(whole);
      new DataView(message.buffer).setUint32(at, claim);
      messages.push(message);
    }
  }
  const socket = createSocket("udp4");
  socket.on("error", () => {});
  const port = Number(udp.slice(udp.lastIndexOf(":") + 1));
  let next = 0;
  const message = (): Uint8Array => messages[next++ % messages.length] as Uint8Array;
  const mark = (): Uint8Array => fromHex(words(0x7fff_ffff + (next++ & 1) * 0x8000_0000));
  const onOpen = (peer: Socket): boolean => peer.write(next % 7 === 0 ? mark() : fragment(message(), true));
  using overTcp = new Crowd(tcp, 20, onOpen);
  using overUnix = new Crowd(unix, 20, onOpen);
  for (const end = performance.now() + ms; performance.now() < end; await later(1)) {
    for (let i = 0; i < 20; i++) socket.send(message(), port, "127.0.0.1");
    for (const peer of [...overTcp.sockets, ...overUnix.sockets]) {
      if (!peer.connecting && peer.writableLength === 0) peer.write(fragment(message(), true));
    }
  }
  await new Promise<void>((resolve) => socket.close(() => resolve()));
};

const session = (procedure: number, args: string, xid = 2): Uint8Array =>
  fragment(callMessage({ xid, program: SESSION_PROGRAM, version: SESSION_VERSION, procedure, args }), true);

/** What a server is made to remember in a session: `store` as OPEN told it. */
function litter(id: string, store: string): Uint8Array {
  const { program, version } = TargetV1;
  const made = (lane: number, sequence: number, acknowledged: number, procedure: number, args: string): Uint8Array => {
    const head = words(lane, sequence, acknowledged, 10_000, 2, 0, 0, program, version, procedure);
    return session(2, `${id}${head}${opaqueHex(fromHex(args))}`);
  };
  const lanes = Array.from({ length: 64 }, (_, i) => i);
  return Buffer.concat([
    // It was used, so it is not the first to go.
    made(0, 1, 0, 1, opaqueHex(new Uint8Array(8))),
    session(4, `${id}${words(64)}${lanes.map((lane) => words(lane, 1)).join("")}`),
    // Answers that are never acknowledged, and lanes that are never used again.
    ...lanes.map((lane) => made(100 + lane, 1, 0, 2, words(16))),
    // Numbers far from one another: of calls that run, and of calls that never will.
    ...lanes
      .slice(0, 8)
      .flatMap((lane) => [
        made(200 + lane, 1, 0, 3, opaqueHex(new Uint8Array(8))),
        made(200 + lane, 32_769, 32_768, 3, opaqueHex(new Uint8Array(8))),
        session(5, `${id}${store}${words(300 + lane, 1, 1)}`),
        session(5, `${id}${store}${words(300 + lane, 32_769, 1)}`),
      ]),
  ]);
}

/** Sessions, as many as there may be, and in each as much as it takes. */
const sessions: Attack = async ([tcp], ms, count = 0) => {
  const open = session(1, words(0, 0, 0, 0, 0, 0), 1);
  using crowd = new Crowd(tcp, count, (socket) => {
    let got = Buffer.alloc(0);
    socket.write(open);
    socket.on("data", (chunk) => {
      got = Buffer.concat([got, chunk as Buffer]);
      for (let end = 0; got.length >= 4; got = got.subarray(end)) {
        end = 4 + (got.readUInt32BE() & 0x7fff_ffff);
        if (got.length < end) return;
        const [xid, status] = [got.readUInt32BE(4), end > 32 ? got.readUInt32BE(28) : 1];
        if (xid !== 1) continue;
        // Refused: there are as many as there may be.
        if (status !== 0) {
          setTimeout(() => socket.destroy(), 50);
          continue;
        }
        const store = got.subarray(68, 68 + 4 + Math.ceil(got.readUInt32BE(68) / 4) * 4).toString("hex");
        socket.write(litter(got.toString("hex", 32, 52), store));
        socket.write(open);
      }
    });
  });
  await later(ms);
  void crowd;
};

export const attacks = {
  sessions,
  slowClaims,
  fastClaims,
  neverRead,
  longCalls,
  longDatagrams,
  garbage,
  gigabyteClaims,
};

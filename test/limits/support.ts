// A service that takes and gives bytes and lets calls hang, its server on real sockets, and peers of bare bytes.
import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectSocket, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, connect, type Procedure, type RpcError, Server, type ServerOptions } from "farcall";
import { type OncService, oncProgram } from "farcall/onc";
import { array, opaque, uint } from "farcall/xdr";
import { expect } from "vitest";
import { callMessage, fragment, opaqueHex, toHex, words } from "../support/raw-messages.js";

export interface Sink {
  /** Takes bytes, says how many. */
  take: Procedure<[bytes: Uint8Array], number>;
  /** Gives so many bytes, in a later turn than it was asked. */
  give: Procedure<[size: number], Uint8Array>;
  /** Takes bytes and keeps them until the test lets the call end. */
  hold: Procedure<[bytes: Uint8Array], number>;
  /** The same, of many. */
  keep: Procedure<[pieces: Uint8Array[]], number>;
}

export const SinkV1: OncService<Sink> = oncProgram<Sink>({
  name: "SINK",
  program: 0x20000e1d,
  version: 1,
  procedures: {
    take: { number: 1, name: "TAKE", args: [opaque()], result: uint },
    give: { number: 2, name: "GIVE", args: [uint], result: opaque() },
    hold: { number: 3, name: "HOLD", args: [opaque()], result: uint },
    keep: { number: 4, name: "KEEP", args: [array(opaque())], result: uint },
  },
});

/** A call of one of the sink's procedures, as a record of one fragment. What `keep` takes is given as it is sent. */
export function record(procedure: keyof Sink, argument: Uint8Array | number, xid = 7): Uint8Array {
  const { number } = SinkV1.procedures[procedure];
  let args = typeof argument === "number" ? words(argument) : opaqueHex(argument);
  if (procedure === "keep") args = toHex(argument as Uint8Array);
  return fragment(callMessage({ xid, program: SinkV1.program, version: 1, procedure: number, args }), true);
}

export interface SinkServer extends AsyncDisposable {
  readonly tcp: string;
  readonly udp: string;
  readonly unix: string;
  /** Ends of the calls of `hold` and `keep` that run, in their order. */
  readonly held: (() => void)[];
  /** A client over a Unix socket: of another peer address than those that misbehave over TCP. */
  readonly good: Client<Sink>;
  /** Checks that others are served on. */
  serves(): Promise<void>;
}

export async function startSink(options: ServerOptions): Promise<SinkServer> {
  const folder = mkdtempSync(join(tmpdir(), "farcall-"));
  const held: (() => void)[] = [];
  const server = new Server({ onError: () => {}, ...options });
  server.export(SinkV1, {
    take: (bytes) => bytes.length,
    give: (size) => Promise.resolve(new Uint8Array(size)),
    hold: (bytes) => new Promise<number>((resolve) => held.push(() => resolve(bytes.length))),
    keep: (pieces) => new Promise<number>((resolve) => held.push(() => resolve(pieces.length))),
  });
  const tcp = await server.listen("tcp://127.0.0.1:0");
  const udp = await server.listen("udp://127.0.0.1:0");
  const unix = await server.listen(`unix:${join(folder, "s")}`);
  const good = await connect(SinkV1, unix, { session: "off", timeoutMs: 10_000 });
  return {
    tcp,
    udp,
    unix,
    held,
    good,
    async serves() {
      expect(await good.take(new Uint8Array(9))).toBe(9);
    },
    async [Symbol.asyncDispose]() {
      await good.$close();
      await server.close({ drainMs: 0 });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A TCP peer of bare bytes. */
export class Raw implements Disposable {
  readonly #socket: Socket;
  readonly #chunks: Buffer[] = [];
  closed = false;

  constructor(address: string) {
    this.#socket = connectSocket(Number(address.slice(address.lastIndexOf(":") + 1)), "127.0.0.1");
    this.#socket.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
    });
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => {
      this.closed = true;
    });
  }

  /** What has come so far. */
  get received(): Buffer {
    if (this.#chunks.length > 1) this.#chunks.splice(0, this.#chunks.length, Buffer.concat(this.#chunks));
    return this.#chunks[0] ?? Buffer.alloc(0);
  }

  write(bytes: Uint8Array): this {
    this.#socket.write(bytes);
    return this;
  }

  pause(): this {
    this.#socket.pause();
    return this;
  }

  resume(): this {
    this.#socket.resume();
    return this;
  }

  /** How many whole records have come: every reply of the sink is one fragment. */
  get replies(): number {
    const { received } = this;
    let count = 0;
    for (let at = 0; at + 4 <= received.length; count++) {
      at += 4 + (received.readUInt32BE(at) & 0x7fff_ffff);
      if (at > received.length) break;
    }
    return count;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/** How a call failed. Rejects when it did not. */
export const failure = (call: Promise<unknown>): Promise<RpcError> =>
  call.then(
    (value) => Promise.reject(new Error(`it gave ${String(value)}`)),
    (error: RpcError) => error,
  );

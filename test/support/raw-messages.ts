// RPC messages as bare bytes over bare sockets: for peers that break the rules, or that no library would imitate.
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";

/** Bytes from hex with any spaces in it. */
export const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ""), "hex"));
export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** 32-bit words, most significant byte first. */
export function words(...values: readonly number[]): string {
  return values.map((value) => (value >>> 0).toString(16).padStart(8, "0")).join("");
}

/** Bytes as XDR's variable-length opaque data, in hex. */
export function opaqueHex(bytes: Uint8Array): string {
  return words(bytes.length) + toHex(bytes).padEnd(Math.ceil(bytes.length / 4) * 8, "0");
}

export interface RawCall {
  readonly xid?: number;
  readonly rpcvers?: number;
  readonly program: number;
  readonly version: number;
  readonly procedure: number;
  /** In hex, after its flavor: length and body. */
  readonly credential?: string;
  readonly verifier?: string;
  /** In hex. */
  readonly args?: string;
}

/** A call message: RFC 5531, section 9. */
export function callMessage(call: RawCall): Uint8Array {
  const { xid = 7, rpcvers = 2, program, version, procedure, args = "" } = call;
  const { credential = words(0, 0), verifier = words(0, 0) } = call;
  return fromHex(words(xid, 0, rpcvers, program, version, procedure) + credential + verifier + args);
}

/** One fragment of a record: RFC 5531, section 11. */
export function fragment(bytes: Uint8Array, last: boolean): Uint8Array {
  return new Uint8Array([...fromHex(words((last ? 0x8000_0000 : 0) + bytes.length)), ...bytes]);
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}

/**
 * Sends bytes to a TCP port and gives the first record of the answer, in hex, without its mark.
 * Rejects when the connection ends, or the time is up, without one.
 */
export async function askTcp(address: string, bytes: Uint8Array, timeoutMs = 10_000): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port: portOf(address) });
  let got = Buffer.alloc(0);
  socket.write(bytes);
  try {
    return await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
      socket.on("data", (chunk: Buffer) => {
        got = Buffer.concat([got, chunk]);
        if (got.length < 4 || got.length < 4 + (got.readUInt32BE() & 0x7fff_ffff)) return;
        clearTimeout(timer);
        resolve(got.subarray(4, 4 + (got.readUInt32BE() & 0x7fff_ffff)).toString("hex"));
      });
      socket.on("error", reject);
      socket.on("close", () => {
        clearTimeout(timer);
        reject(new Error("the connection was closed without an answer"));
      });
    });
  } finally {
    socket.destroy();
  }
}

/** Sends a datagram to a UDP port and gives the first that comes back, in hex. Rejects when the time is up. */
export async function askUdp(address: string, bytes: Uint8Array, timeoutMs = 10_000): Promise<string> {
  const socket = createSocket("udp4");
  try {
    socket.send(bytes, portOf(address), "127.0.0.1");
    const [answer] = (await once(socket, "message", { signal: AbortSignal.timeout(timeoutMs) })) as [Buffer];
    return answer.toString("hex");
  } finally {
    socket.close();
  }
}

/** Sends one message, as a record over TCP or as a datagram over UDP, and gives the answer in hex. */
export function ask(address: string, message: Uint8Array): Promise<string> {
  return address.startsWith("udp:") ? askUdp(address, message) : askTcp(address, fragment(message, true));
}

/** A foreign client: it sends its calls as datagrams, all from one port. */
export class Port implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #to: number;

  private constructor(socket: Socket, to: number) {
    this.#socket = socket;
    this.#to = to;
  }

  /** @param address of the server, such as `udp://127.0.0.1:2049` */
  static async open(address: string): Promise<Port> {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    return new Port(socket, portOf(address));
  }

  /** Calls a procedure of one int, and gives the first datagram that comes then, in hex. */
  async ask(
    service: { program: number; version: number },
    procedure: number,
    n: number,
    options: { xid?: number } = {},
  ) {
    const answer = once(this.#socket, "message", { signal: AbortSignal.timeout(15_000) });
    this.send(service, procedure, n, options);
    return ((await answer) as [Buffer])[0].toString("hex");
  }

  /** Calls, and waits for nothing; the xid is the argument unless it is given. */
  send(
    service: { program: number; version: number },
    procedure: number,
    n: number,
    { xid = n }: { xid?: number } = {},
  ) {
    const { program, version } = service;
    this.#socket.send(callMessage({ xid, program, version, procedure, args: words(n) }), this.#to, "127.0.0.1");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
  }
}

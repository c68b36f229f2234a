// A relay over TCP that writes down the messages of one exchange in the order in which they pass.
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { RecordReader } from "../../src/onc/record.js";

export interface MessageLog extends AsyncDisposable {
  /** Where clients connect. */
  readonly address: string;
  readonly port: number;
  /** `call NAME(n)` or `reply NAME = n`; n is the first word behind the header, and absent where there is none. */
  readonly lines: readonly string[];
}

/** The names of procedures, by the numbers of program and procedure; or what makes one, with more in it, of the arguments. */
export type Names = Readonly<Record<number, Readonly<Record<number, string | ((args: Buffer) => string)>>>>;

/** Stands before a server at a port of 127.0.0.1. Calls and replies carry AUTH_NONE. */
export async function startMessageLog(target: string, names: Names): Promise<MessageLog> {
  const lines: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect({ host: "127.0.0.1", port: Number(target.slice(target.lastIndexOf(":") + 1)) });
    const called = new Map<number, string>();
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      const records = new RecordReader();
      sockets.add(from);
      from.on("data", (chunk: Buffer) => {
        records.push(chunk);
        while (records.next()) {
          lines.push(describe(Buffer.from(records.buffer.slice(records.start, records.end)), names, called));
        }
        to.write(chunk);
      });
      from.on("error", () => {});
      from.on("close", () => to.destroy());
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("no port");
  return {
    address: `tcp://127.0.0.1:${bound.port}`,
    port: bound.port,
    lines,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** RFC 5531, section 9: xid and type; of a call then five words and two flavors, of an accepted reply four words. */
function describe(message: Buffer, names: Names, called: Map<number, string>): string {
  const word = (index: number): number => message.readUInt32BE(4 * index);
  const xid = word(0);
  const value = (index: number): string => (message.length > 4 * index ? String(word(index)) : "");
  if (word(1) === 0) {
    const naming = names[word(3)]?.[word(5)] ?? (word(5) === 0 ? "NULL" : `${word(3)}.${word(5)}`);
    const text = typeof naming === "string" ? `${naming}(${value(10)})` : naming(message.subarray(40));
    called.set(xid, text.replace(/\(.*/, ""));
    return `call ${text}`;
  }
  const name = called.get(xid) ?? "?";
  if (word(2) !== 0 || word(5) !== 0) return `refusal of ${name}`;
  return value(6) === "" ? `reply ${name}` : `reply ${name} = ${value(6)}`;
}

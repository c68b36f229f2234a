// A binder in a process of its own under garbage: what is sent, and what it takes.
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { connect } from "farcall";
import { RpcbindV4 } from "../../src/binder/rpcbind/rpcbind.js";
import { startFarcall } from "../support/cli.js";
import { fragment } from "../support/raw-messages.js";
import { binderDatagrams } from "./datagrams.js";

export interface Flood {
  /** Megabytes that the process has in memory: after a tenth of it, and at the end. */
  readonly before: number;
  readonly after: number;
  readonly sent: number;
  /** Whether a registration that was there is still told. */
  readonly answers: boolean;
  /** Its exit code, after SIGTERM. */
  readonly code: number | null;
}

/** Sends so many damaged questions, nine in datagrams for each in a record. */
export async function flood(count: number, seed: number): Promise<Flood> {
  await using running = startFarcall(["bind", "--foreground", "--host", "127.0.0.1", "--port", "0", "--no-socket"]);
  while (!/udp:\S+;/.test(running.stderr)) await new Promise((resolve) => setTimeout(resolve, 25));
  const port = Number(/udp:\/\/127\.0\.0\.1:(\d+)/.exec(running.stderr)?.[1]);
  const address = `tcp://127.0.0.1:${port}`;
  const entry = { prog: 0x2000_0e61, vers: 1, netid: "tcp", addr: `127.0.0.1.${port >> 8}.${port & 255}`, owner: "" };
  const ask = async (): Promise<string> => {
    await using client = await connect(RpcbindV4, address, { session: "off" });
    await client.set(entry);
    return await client.getversaddr(entry);
  };
  await ask();
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.connect(port, "127.0.0.1", () => resolve()));
  let [sent, before] = [0, 0];
  for (const datagram of binderDatagrams(seed, count)) {
    sent++;
    if (sent % 10 === 0) await sendRecord(port, datagram, sent % 20 === 0);
    else if (sent % 64 === 0) await new Promise<void>((resolve) => socket.send(datagram, () => resolve()));
    else socket.send(datagram, () => {});
    if (sent === Math.floor(count / 10)) before = memoryOf(running.pid);
  }
  socket.close();
  const answers = (await ask()) === entry.addr;
  const after = memoryOf(running.pid);
  running.kill("SIGTERM");
  return { before, after, sent, answers, code: await running.ended };
}

/** Megabytes. */
function memoryOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1_024;
}

/** Sends one record over a connection of its own, and does not wait for more than that it is taken. */
function sendRecord(port: number, message: Uint8Array, whole: boolean): Promise<void> {
  return new Promise((resolve) => {
    const socket = connectTcp({ host: "127.0.0.1", port });
    socket.on("error", () => {});
    socket.on("close", () => resolve());
    socket.on("data", () => socket.destroy());
    const bytes = fragment(message, true);
    socket.end(whole ? bytes : bytes.subarray(0, bytes.length / 2));
  });
}

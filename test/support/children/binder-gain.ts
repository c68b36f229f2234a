// Sends questions of every kind to a binder over UDP, and compares each answer's size with its question's. Prints one line
// of JSON: how many were sent and answered, how often and how much an answer was larger.
//   node binder-gain HOST PORT COUNT SEED
import { createSocket } from "node:dgram";
import { setTimeout as sleep } from "node:timers/promises";
import { binderDatagrams } from "../../binder/datagrams.js";

const [host = "127.0.0.1", port = "111", count = "1000", seed = "1"] = process.argv.slice(2);
const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
const sizes = new Map<number, number>();
let [answered, larger, most] = [0, 0, 0];
socket.on("message", (bytes) => {
  const size = sizes.get(bytes.readUInt32BE(0));
  if (size === undefined) return;
  answered++;
  if (bytes.length > size) larger++;
  most = Math.max(most, bytes.length / size);
});
await new Promise<void>((resolve) => socket.connect(Number(port), host, () => resolve()));
let sent = 0;
for (const datagram of binderDatagrams(Number(seed), Number(count))) {
  // Of its own: an answer is known by it.
  if (datagram.length >= 4) {
    datagram.writeUInt32BE(++sent, 0);
    sizes.set(sent, datagram.length);
  }
  await new Promise<void>((resolve) => socket.send(datagram, () => resolve()));
  // So that none is lost in a full buffer.
  if (sent % 50 === 0) await sleep(5);
}
for (let last = -1; last !== answered; ) {
  last = answered;
  await sleep(300);
}
process.stdout.write(`${JSON.stringify({ sent, answered, larger, most })}\n`);
process.exit();

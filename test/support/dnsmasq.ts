// A name server of the tests' own: dnsmasq on a free port of loopback, which knows nothing but what it is told.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { Running } from "./processes.js";

/** `_calc._tcp.farcall.test,127.0.0.1.example,1001,10,5`: name, target, port, priority, weight. */
export type SrvLine = string;

export interface Dnsmasq extends AsyncDisposable {
  /** Where it answers, as `setServers` takes it. */
  readonly server: string;
  /** Ends it, and starts it with other records. */
  restart(records: readonly SrvLine[]): Promise<void>;
  stop(): Promise<void>;
}

export async function startDnsmasq(records: readonly SrvLine[]): Promise<Dnsmasq> {
  let port = await freePort();
  let running: Running | undefined;
  const stop = async (): Promise<void> => {
    await running?.stop();
    running = undefined;
  };
  const restart = async (lines: readonly SrvLine[]): Promise<void> => {
    await stop();
    running = new Running("dnsmasq", [
      ...["--keep-in-foreground", "--conf-file=/dev/null", "--pid-file", "--log-facility=-"],
      ...["--no-resolv", "--no-hosts", "--no-poll", "--user=root", "--local=/test/"],
      ...[`--port=${port}`, "--listen-address=127.0.0.1", "--bind-interfaces"],
      "--host-record=here.farcall.test,127.0.0.1",
      ...lines.map((line) => `--srv-host=${line}`),
    ]);
    if (!(await answers(port, running))) throw new Error(`dnsmasq does not answer: ${running.describe()}`);
  };
  // Somebody else may have taken the port meanwhile.
  for (let left = 3; ; left--) {
    try {
      await restart(records);
      break;
    } catch (error) {
      if (left === 0) throw error;
      port = await freePort();
    }
  }
  return { server: `127.0.0.1:${port}`, restart, stop, [Symbol.asyncDispose]: stop };
}

async function freePort(): Promise<number> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port;
}

/** Waits until it answers; false when it does not. */
async function answers(port: number, running: Running): Promise<boolean> {
  let over = false;
  void running.ended.then(() => {
    over = true;
  });
  const { Resolver } = await import("node:dns/promises");
  const dns = new Resolver({ timeout: 200, tries: 1 });
  dns.setServers([`127.0.0.1:${port}`]);
  for (let left = 100; left > 0 && !over; left--) {
    const found = await dns.resolve4("here.farcall.test").catch(() => []);
    if (found.length > 0) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

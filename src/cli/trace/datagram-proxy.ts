import { bindDatagram, type CompleteAddress, type Datagram, type DatagramPeer, openDatagram } from "../../net/index.js";
import type { TraceSession, Wiretap } from "./session.js";
import type { Relay } from "./stream-proxy.js";

/** Most senders at once, each with a socket of its own to the server; the one that was silent longest leaves. */
const sendersMaxDefault = 1_024;

/** Milliseconds of silence after which a sender is forgotten: longer than any sensible call over UDP. */
const idleMs = 120_000;

/** Datagrams that wait for the socket to the server; what comes above is lost, as datagrams may be. */
const waitingMax = 64;

interface Sender {
  readonly tap: Wiretap;
  readonly peer: DatagramPeer;
  heardAt: number;
  /** Undefined until it is open. */
  server: { readonly socket: Datagram; readonly peer: DatagramPeer } | undefined;
  waiting: Uint8Array[];
  gone: boolean;
}

/** Passes datagrams on, both ways and unchanged; answers go to whoever sent, by a socket for each sender. */
export async function proxyDatagrams(
  from: CompleteAddress,
  to: CompleteAddress,
  session: TraceSession,
  sendersMax: number = sendersMaxDefault,
): Promise<Relay> {
  const front = await bindDatagram(from, {});
  /** By address, the one that was silent longest first. */
  const senders = new Map<string, Sender>();

  const leave = (key: string, sender: Sender, why?: string): void => {
    senders.delete(key);
    sender.gone = true;
    sender.tap.closed(why);
    void sender.server?.socket.close();
  };

  const enter = async (key: string, sender: Sender): Promise<void> => {
    try {
      const server = await openDatagram(to, {});
      if (sender.gone) return await server.socket.close();
      sender.server = server;
      server.socket.start({
        onDatagram(bytes) {
          if (sender.gone) return;
          front.send(bytes, sender.peer);
          sender.tap.datagram("to-client", bytes);
        },
        onError: (error) => {
          if (!sender.gone) sender.tap.failed(`to reach the server: ${error.message}`);
        },
      });
      for (const bytes of sender.waiting.splice(0)) server.socket.send(bytes, server.peer);
    } catch (error) {
      if (!sender.gone) leave(key, sender, `cannot reach the server: ${String(error)}`);
    }
  };

  front.start({
    onDatagram(bytes, peer) {
      const key = `udp://${peer.host}:${peer.port}`;
      let sender = senders.get(key);
      if (sender === undefined) {
        const [oldest] = senders;
        if (senders.size >= sendersMax && oldest !== undefined) leave(...oldest, "too many senders");
        sender = { tap: session.open(key), peer, heardAt: 0, server: undefined, waiting: [], gone: false };
        void enter(key, sender);
      }
      senders.delete(key);
      senders.set(key, sender);
      sender.heardAt = performance.now();
      if (sender.server !== undefined) sender.server.socket.send(bytes, sender.server.peer);
      else if (sender.waiting.length < waitingMax) sender.waiting.push(bytes);
      sender.tap.datagram("to-server", bytes);
    },
    // An answer found its asker gone.
    onError: () => {},
  });

  const sweeper = setInterval(() => {
    for (const [key, sender] of senders) {
      if (performance.now() - sender.heardAt < idleMs) break;
      leave(key, sender, "silent");
    }
  }, idleMs / 10);

  return {
    address: front.local,
    async close() {
      clearInterval(sweeper);
      for (const [key, sender] of senders) leave(key, sender);
      await front.close();
    },
  };
}

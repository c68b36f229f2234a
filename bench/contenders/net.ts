import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { Stopwatch } from "../calls.js";
import type { Caller, Contender, Sample } from "../contender.js";

// As long as a null call of ONC RPC with its record mark, and as its reply.
const callBytes = 44;
const replyBytes = 28;

/** Bare sockets: as many records at once as the window allows, and nothing is done for one of them. */
export const contender: Contender = {
  async serve() {
    const server = createServer({ noDelay: true }, (socket) => {
      let whole = 0;
      socket.on("error", () => socket.destroy());
      socket.on("data", (chunk) => {
        whole += chunk.length;
        const records = Math.floor(whole / callBytes);
        whole -= records * callBytes;
        if (records > 0) socket.write(Buffer.alloc(records * replyBytes));
      });
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    return String((server.address() as AddressInfo).port);
  },

  async connect(port): Promise<Caller> {
    const socket = connect({ port: Number(port), host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    return {
      kinds: ["null"],
      run: (_kind, window, ms) => (window === 1 ? oneAfterAnother(socket, ms) : exchange(socket, window, ms)),
    };
  },
};

/** Takes each exchange's time, as the other contenders do at window 1. */
function oneAfterAnother(socket: Socket, ms: number): Promise<Sample> {
  return new Promise((resolve) => {
    let whole = 0;
    const onData = (chunk: Buffer): void => {
      whole += chunk.length;
      if (whole < replyBytes) return;
      whole -= replyBytes;
      if (watch.lap() < ms) {
        socket.write(Buffer.alloc(callBytes));
        return;
      }
      socket.off("data", onData);
      resolve(watch.sample);
    };
    socket.on("data", onData);
    const watch = new Stopwatch();
    socket.write(Buffer.alloc(callBytes));
  });
}

function exchange(socket: Socket, window: number, ms: number): Promise<Sample> {
  return new Promise((resolve) => {
    let calls = 0;
    let whole = 0;
    let running = true;
    let flying = window;
    const start = performance.now();
    const timer = setTimeout(() => {
      running = false;
    }, ms);
    const onData = (chunk: Buffer): void => {
      whole += chunk.length;
      const records = Math.floor(whole / replyBytes);
      whole -= records * replyBytes;
      calls += records;
      flying -= records;
      if (running && records > 0) {
        flying += records;
        socket.write(Buffer.alloc(records * callBytes));
      } else if (flying === 0) {
        clearTimeout(timer);
        socket.off("data", onData);
        resolve({ calls, ms: performance.now() - start });
      }
    };
    socket.on("data", onData);
    socket.write(Buffer.alloc(window * callBytes));
  });
}

// Serves render.x and runs its requests: node .build/examples/render/server.js --state requests.db --socket /tmp/render.sock
import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Server } from "farcall";
import { RequestQueue } from "farcall/async";
import { openSqliteRequestEngine } from "farcall/store";
import { RenderV1 } from "./render.js";

const { state, socket, verbose } = parseArgs({
  options: {
    state: { type: "string", default: "requests.db" },
    socket: { type: "string", default: "/tmp/render.sock" },
    verbose: { type: "boolean", default: false },
  },
}).values;

const say = (text: string): void => {
  if (verbose) console.log(text);
};

const queue = new RequestQueue({
  engine: await openSqliteRequestEngine({ path: state }),
  // Short, so that a dead worker's request goes on soon.
  worker: { leaseMs: 1_500 },
  authorize: (_caller, procedure) => {
    say(`server  2  the request for ${procedure} has arrived, and is validated`);
    return true;
  },
});

queue.handle(
  RenderV1,
  {
    async render(total, { request, signal }) {
      if (request === undefined) return 0;
      say("server  6  a worker takes it from the queue, with a lease");
      say("server  7  the procedure runs");
      const from = request.resumed === undefined ? 0 : (request.resumed[0] as number);
      for (let done = from + 1; done <= total; done++) {
        await sleep(50, undefined, { signal });
        // Where to go on comes first: what was told is then never done again.
        await request.checkpoint(new Uint8Array([done]));
        await request.progress({ done, total });
      }
      say("server  8  it returns: the result and its event are kept, in one transaction");
      return request.attempt;
    },
  },
  { restart: { render: "resume" } },
);

const server = new Server();
server.export(RenderV1, {
  render(frames) {
    say("server  3  the call has arrived, and its arguments are decoded");
    say("server  4  the procedure runs");
    return frames;
  },
});
queue.serve(server);
// What a server that was killed has left behind.
rmSync(socket, { force: true });
console.log("serving", await server.listen(`unix:${socket}`));

process.once("SIGTERM", () => {
  void server.close({ drainMs: 0 }).then(() => queue.close({ drainMs: 0 }));
});

// The six steps of a synchronous call and the eleven of an asynchronous one, printed as they happen:
// npm run -s example:steps
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { connect, requests } from "farcall";
import { RenderV1 } from "./render.js";

const folder = mkdtempSync(join(tmpdir(), "farcall-steps-"));
const socket = join(folder, "socket");
const script = fileURLToPath(new URL("./server.js", import.meta.url));
const args = ["--state", join(folder, "requests.db"), "--socket", socket, "--verbose"];
const server = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "inherit"] });

try {
  await new Promise<void>((resolve) => {
    createInterface({ input: server.stdout }).on("line", (line) => {
      if (line.startsWith("serving")) resolve();
      else console.log(line);
    });
  });
  await using render = await connect(RenderV1, `unix:${socket}`);

  console.log("A synchronous call");
  console.log("client  1  the program calls the stub, which encodes the arguments");
  console.log("client  2  the message is sent, and the call waits");
  await render.render(3);
  console.log("client  5  the reply has arrived, and finds its call by its id");
  console.log("client  6  the result is decoded: the call returns");

  console.log("An asynchronous call");
  console.log("client  1  the program submits a request: its arguments are encoded and sent, with a key");
  const request = await requests(render).render(3);
  console.log("server  3  it gets its AsyncRequestId, and is kept in the queue, on the disk");
  console.log("server  4  the id is answered, at once");
  console.log(`client  5  the id has arrived: ${request.id}; the program may do something else, or end`);
  for await (const event of request.events({ acknowledge: true })) {
    if (event.kind === "progress") console.log(`client     progress: ${event.value.done} of ${event.value.total}`);
    if (event.kind !== "done") continue;
    console.log("server  9  the AsyncEventMessage goes to whoever waits for it");
    console.log(`client 10  it has arrived, and finds its request by the id: ${event.value}`);
  }
  console.log("client 11  it is acknowledged: the server need not keep it any longer");
} finally {
  server.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}

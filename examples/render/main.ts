// A long job survives SIGKILL of its client, of its server, and of both: npm run -s example:render
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const folder = mkdtempSync(join(tmpdir(), "farcall-render-"));
const [socket, state, notes] = ["socket", "requests.db", "notes"].map((name) => join(folder, name)) as [
  string,
  string,
  string,
];
const frames = 40;

/** Starts a program, and tells what it prints. */
function start(name: "server" | "client", args: readonly string[], onLine: (line: string) => void): ChildProcess {
  const script = fileURLToPath(new URL(`./${name}.js`, import.meta.url));
  const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  createInterface({ input: child.stdout }).on("line", onLine);
  return child;
}

async function serve(): Promise<ChildProcess> {
  let ready = (): void => {};
  const listening = new Promise<void>((resolve) => {
    ready = resolve;
  });
  const server = start(
    "server",
    ["--state", state, "--socket", socket],
    (line) => line.startsWith("serving") && ready(),
  );
  await listening;
  return server;
}

async function kill(...children: readonly ChildProcess[]): Promise<void> {
  for (const child of children) {
    const ended = child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined;
    child.kill("SIGKILL");
    await ended;
  }
}

/** Runs the client until it has dealt with the frame, or to its end. */
function follow(until: number): Promise<ChildProcess> {
  return new Promise((resolve) => {
    const client = start("client", [socket, notes, String(frames)], (line) => {
      console.log("client:", line);
      if (line.endsWith(`frame ${until} of ${frames}`)) resolve(client);
    });
    client.once("exit", () => resolve(client));
  });
}

let server = await serve();
try {
  let client = await follow(8);
  console.log("-- SIGKILL to the client");
  await kill(client);
  client = await follow(16);
  console.log("-- SIGKILL to the server, which ran it");
  await kill(server);
  server = await serve();
  await kill(client);
  client = await follow(26);
  console.log("-- SIGKILL to both");
  await kill(client, server);
  server = await serve();
  client = await follow(frames + 1);
} finally {
  await kill(server);
  rmSync(folder, { recursive: true, force: true });
}

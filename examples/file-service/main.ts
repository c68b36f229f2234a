// Two clients read the same file, one by each program, while the server is killed and started again:
// npm run -s example:file-service
import { type ChildProcess, fork } from "node:child_process";
import { on, once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect, RpcError } from "farcall";
import { type FileHandle, FileStatus, OpenMode, SeekFrom, StatefulFilesV1, StatelessFilesV1 } from "./files.js";

const pieceSize = 16;
const name = "numbers.txt";

const folder = await mkdtemp(join(tmpdir(), "farcall-files-"));
let server: Awaited<ReturnType<typeof start>> | undefined;
try {
  await writeFile(join(folder, name), "one two three four five six seven eight nine ten eleven twelve thirteen\n");
  server = await start("0");
  const { address } = server;

  await using stateful = await connect(StatefulFilesV1, address);
  await using stateless = await connect(StatelessFilesV1, address);
  await using other = await connect(StatefulFilesV1, address);

  heading("Both read the beginning.");
  const handle = await open("stateful ", stateful);
  // What the server keeps for the stateful client, the stateless one keeps itself.
  let position = 0n;
  await readStateful(handle);
  await readStateless();

  heading("The server is killed while both wait for the next piece, and started again.");
  const held = await holdReads(server, 2);
  const reads = [readStateful(handle), readStateless()];
  await held.all;
  await kill(server);
  server = await start(new URL(address).port);
  await Promise.all(reads);

  heading("Somebody else opens a file first. Then both read on.");
  await open("another  ", other);
  await readStateful(handle);
  await readStateless();

  heading("The session of the stateful client is gone, and it says that it knows. Its handle is of an earlier boot.");
  stateful.$renew();
  await readStateful(handle);

  heading("It opens the file again, and must itself know how far it was.");
  const again = await open("stateful ", stateful);
  const sought = await stateful.seek(again, BigInt(pieceSize), SeekFrom.FROM_START);
  say("stateful ", `SEEK(handle, ${pieceSize}, FROM_START) -> ${statusName(sought.status)}`);
  await readStateful(again);
  say("stateful ", `CLOSE(handle) -> ${statusName(await stateful.close(again))}`);

  async function readStateful(from: FileHandle): Promise<void> {
    const outcome = await told(stateful.read(from, pieceSize));
    say("stateful ", `READ(handle, ${pieceSize}) -> ${outcome.text}`);
  }

  async function readStateless(): Promise<void> {
    const retransmissionsBefore = stateless.$stats().retransmissions;
    const outcome = await told(stateless.read(name, position, pieceSize));
    const again = stateless.$stats().retransmissions - retransmissionsBefore;
    const how =
      again === 0 ? "" : `   (asked again ${again === 1 ? "once" : `${again} times`}: a read may be repeated)`;
    say("stateless", `READ("${name}", ${position}, ${pieceSize}) -> ${outcome.text}${how}`);
    position += BigInt(outcome.size);
  }
} finally {
  if (server !== undefined) await kill(server);
  await rm(folder, { recursive: true });
}

async function open(who: string, client: Awaited<ReturnType<typeof connect<StatefulFilesV1>>>): Promise<FileHandle> {
  const opened = await client.open(name, OpenMode.OPEN_READ);
  if (opened.status !== FileStatus.FILE_OK) throw new Error(statusName(opened.status));
  const { boot, id } = opened.handle;
  say(who, `OPEN("${name}") -> a handle of boot ${hex(boot)}: ${hex(id)}...`);
  return opened.handle;
}

async function told(
  reading: Promise<{ status: FileStatus; data?: Uint8Array }>,
): Promise<{ readonly text: string; readonly size: number }> {
  try {
    const { status, data = new Uint8Array(0) } = await reading;
    const text = status === FileStatus.FILE_OK ? JSON.stringify(Buffer.from(data).toString()) : statusName(status);
    return { text, size: data.length };
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    return { text: `failed: ${error.code}, executed: ${error.executed}`, size: 0 };
  }
}

async function start(port: string): Promise<{ readonly process: ChildProcess; readonly address: string }> {
  const child = fork(fileURLToPath(new URL("server.js", import.meta.url)), [folder, port]);
  const ended = once(child, "exit").then(() => Promise.reject(new Error("the server ended")));
  const [{ address, boot }] = (await Promise.race([once(child, "message"), ended])) as [
    { address: string; boot: string },
  ];
  say("server   ", `boot ${boot} serves at ${address}`);
  return { process: child, address };
}

/** From now on the server does not answer reads. @returns what ends when it has begun that many */
async function holdReads({ process: child }: { readonly process: ChildProcess }, count: number) {
  const begun = on(child, "message");
  child.send("hold");
  await begun.next();
  const all = (async () => {
    for (let i = 0; i < count; i++) await begun.next();
  })();
  return { all };
}

async function kill({ process: child }: { readonly process: ChildProcess }): Promise<void> {
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
  say("server   ", "killed");
}

function statusName(status: FileStatus): string {
  return Object.entries(FileStatus).find(([, value]) => value === status)?.[0] ?? String(status);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex", 0, 4);
}

function heading(text: string): void {
  console.log(`\n${text}`);
}

function say(who: string, text: string): void {
  console.log(`  ${who}  ${text}`);
}

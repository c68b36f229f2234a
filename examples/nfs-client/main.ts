// Reads and writes files over NFS: npm run -s example:nfs-client -- ls nfs://127.0.0.1:20490/export
import { createReadStream, createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { RpcError } from "farcall";
import { type Fattr3, Ftype3 } from "../nfs-server/nfs.js";
import { exportsOf, NfsClient } from "./client.js";
import { NfsFailure } from "./failure.js";
import { parseNfsUrl } from "./path.js";

const usage = `usage: nfs-client ls URL        list a directory
       nfs-client cat URL       print a file
       nfs-client get URL FILE  copy a file from the server
       nfs-client put FILE URL  copy a file to the server
       nfs-client mkdir URL     make a directory
       nfs-client rm URL        remove a file
       nfs-client rmdir URL     remove an empty directory
       nfs-client mv URL PATH   rename; PATH is as in the URL
URL: nfs://HOST[:PORT]/EXPORT/PATH[?mountport=PORT]; without ports the host's rpcbind is asked`;

type Command = (args: readonly string[]) => Promise<void>;

const commands: Readonly<Record<string, Command>> = {
  ls: async ([url]) =>
    on(url, async (client, path) => {
      for await (const { text, attributes } of client.list(path)) console.log(line(text, attributes));
    }),
  cat: async ([url]) =>
    on(url, async (client, path) => pipeline(Readable.from(client.read(path)), process.stdout, { end: false })),
  get: async ([url, file]) =>
    on(url, async (client, path) =>
      pipeline(Readable.from(client.read(path)), createWriteStream(needed(file, "FILE"))),
    ),
  put: async ([file, url]) => {
    const { mode } = await stat(needed(file, "FILE"));
    await on(url, async (client, path) => {
      const { bytes, rewrites } = await client.write(path, createReadStream(needed(file, "FILE")), {
        mode: mode & 0o777,
      });
      console.log(
        `${bytes} bytes${rewrites === 0 ? "" : `, written anew ${rewrites} times, since the server restarted`}`,
      );
    });
  },
  mkdir: async ([url]) => on(url, (client, path) => client.mkdir(path)),
  rm: async ([url]) => on(url, (client, path) => client.remove(path)),
  rmdir: async ([url]) => on(url, (client, path) => client.rmdir(path)),
  mv: async ([url, to]) => on(url, (client, path, within) => client.rename(path, within(needed(to, "PATH")))),
};

const [name = "", ...args] = process.argv.slice(2);
try {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) throw new TypeError(name === "" ? "what is to be done?" : `no command ${name}`);
  await command(args);
} catch (error) {
  if (error instanceof TypeError) {
    console.error(`${error.message}\n${usage}`);
    process.exitCode = 2;
  } else if (error instanceof NfsFailure || error instanceof RpcError || "errno" in (error as object)) {
    console.error((error as Error).message);
    process.exitCode = 1;
  } else {
    throw error;
  }
}

/** Mounts the export that the URL's path lies in, and does something with the rest of the path. */
async function on(
  url: string | undefined,
  use: (client: NfsClient, path: string, within: (path: string) => string) => Promise<unknown>,
): Promise<void> {
  const { host, port, mountPort, path } = parseNfsUrl(needed(url, "URL"));
  const exported = await exportsOf(host, mountPort);
  const [root] = exported.filter((root) => isWithin(path, root)).sort((a, b) => b.length - a.length);
  if (root === undefined) {
    const what = `${path} is not in what ${host} exports (${exported.join(", ") || "nothing"})`;
    throw new NfsFailure(what, "MNT3ERR_NOENT");
  }
  const within = (path: string): string => {
    if (!isWithin(path, root)) throw new TypeError(`${path} is not in ${root}`);
    return path.slice(root.length);
  };
  await using client = await NfsClient.mount({ host, port, mountPort, path: root });
  await use(client, within(path), within);
}

function isWithin(path: string, root: string): boolean {
  return root === "/" || path === root || path.startsWith(`${root}/`);
}

function needed(argument: string | undefined, what: string): string {
  if (argument === undefined) throw new TypeError(`${what} is missing`);
  return argument;
}

function line(name: string, attributes: Fattr3 | undefined): string {
  if (attributes === undefined) return `?          ${"?".padStart(12)} ${name}`;
  const letter = { [Ftype3.NF3DIR]: "d", [Ftype3.NF3LNK]: "l" }[attributes.type as number] ?? "-";
  const bits = [...attributes.mode.toString(2).padStart(12, "0").slice(3)];
  const rights = bits.map((bit, i) => (bit === "1" ? "rwx"[i % 3] : "-")).join("");
  const time = new Date(attributes.mtime.seconds * 1_000).toISOString().slice(0, 16).replace("T", " ");
  return `${letter}${rights} ${String(attributes.size).padStart(12)} ${time} ${name}`;
}

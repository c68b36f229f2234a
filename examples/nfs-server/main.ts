// Serves a directory by NFS: npm run -s example:nfs-server -- --dir DIRECTORY --port 20490
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { RpcError } from "farcall";
import { serveDirectory } from "./serve.js";
import { errnoOf } from "./status.js";

const usage = `usage: nfs-server --dir DIRECTORY [options]
  --export NAME      the path that clients mount (default /export)
  --host ADDRESS     where to listen (default 127.0.0.1)
  --port PORT        of NFS, 0 for a free one (default 2049)
  --mount-port PORT  of MOUNT (default: the same)
  --read-only        refuse every change
  --key FILE         keep the key of file handles there, so that mounts outlive a restart; made when it is missing
  --no-sync          answer before changes are on the disk
  --register         tell rpcbind`;

try {
  const { values } = parseArgs({
    options: {
      dir: { type: "string" },
      export: { type: "string", default: "/export" },
      host: { type: "string", default: "127.0.0.1" },
      port: { type: "string", default: "2049" },
      "mount-port": { type: "string" },
      "read-only": { type: "boolean", default: false },
      key: { type: "string" },
      "no-sync": { type: "boolean", default: false },
      register: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    process.exit();
  }
  if (values.dir === undefined) throw new TypeError("--dir is missing");
  if (!values.export.startsWith("/")) throw new TypeError("--export begins with a slash");

  const server = await serveDirectory({
    directory: values.dir,
    exportName: values.export,
    host: values.host,
    port: portOf("--port", values.port),
    mountPort: values["mount-port"] === undefined ? undefined : portOf("--mount-port", values["mount-port"]),
    readOnly: values["read-only"],
    key: values.key === undefined ? undefined : keyIn(values.key),
    durable: !values["no-sync"],
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void server.close());
  try {
    if (values.register) await server.register();
  } catch (error) {
    await server.close();
    throw error;
  }
  console.log(`nfs ${server.address}`);
  console.log(`mount ${server.mountAddress}`);
  console.log(`${values.dir} as ${values.export}${values["read-only"] ? ", read-only" : ""}`);
} catch (error) {
  if (error instanceof TypeError || (error as { code?: unknown }).code === "ERR_PARSE_ARGS_UNKNOWN_OPTION") {
    console.error(`${(error as Error).message}\n${usage}`);
    process.exitCode = 2;
  } else if (error instanceof RpcError || errnoOf(error) !== undefined) {
    console.error((error as Error).message);
    process.exitCode = 1;
  } else {
    throw error;
  }
}

function portOf(option: string, text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw new TypeError(`${option} is a number up to 65535, not ${text}`);
  return port;
}

/** The key in a file, which nobody else may read: whoever has it can make handles. */
function keyIn(path: string): Uint8Array {
  try {
    writeFileSync(path, randomBytes(32), { flag: "wx", mode: 0o600 });
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
  }
  const key = readFileSync(path);
  if (key.length < 32) throw new TypeError(`${path} holds ${key.length} bytes, not the 32 of a key`);
  return key;
}

// Makes digests of files for this user and root, and reports each to the caller: npm run -s example:callbacks -- --unix /tmp/digest
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { RpcError, Server } from "farcall";
import { type Digest, DigestV1, WatchV1 } from "./digest.js";

const path = socketPath();

// The kernel says who calls, and only the server's own user and root may.
const server = new Server({ local: true });
server.export(DigestV1, {
  async all(directory, context) {
    console.log(`digests of ${directory} for process ${context.caller.pid} of user ${context.caller.uid}`);
    const watch = context.callback(WatchV1);
    const files = (await readdir(directory, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name))
      .sort();
    const digests: Digest[] = [];
    for (const name of files) {
      const file = relative(directory, name);
      digests.push({
        file,
        sha256: createHash("sha256")
          .update(await readFile(name))
          .digest(),
      });
      // The caller's own service, over the caller's own connection. It ends with this call.
      if (!(await watch.done(file, digests.length, files.length, { context }))) break;
    }
    return digests;
  },
});

try {
  console.log(await server.listen(`unix:${path}`));
} catch (error) {
  if (!(error instanceof RpcError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
  await server.close();
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void server.close({ drainMs: 1_000 }));
}

function socketPath(): string {
  try {
    const { unix } = parseArgs({ options: { unix: { type: "string" } } }).values;
    if (unix !== undefined) return unix;
    console.error("the option --unix says where to listen");
  } catch (error) {
    console.error((error as Error).message);
  }
  console.error("usage: callbacks --unix PATH");
  process.exit(2);
}

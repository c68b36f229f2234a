// Runs where no package is installed: tries both ends of local authentication, and says what came of each.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, RpcError, Server } from "farcall";
import { WhoV1, whoHandlers } from "../who.js";

const home = mkdtempSync(join(tmpdir(), "farcall-without-"));
const path = join(home, "s");
const print = (line: string): void => void process.stdout.write(`${line}\n`);
const told = (what: string, error: unknown): void => {
  if (!(error instanceof RpcError)) throw error;
  print(`${what} ${error.code} ${error.executed}: ${error.message.replace(/ \(.*/s, "")}`);
};

const server = new Server({ local: true }).export(WhoV1, whoHandlers);
await server.listen(`unix:${path}`).catch((error: unknown) => told("listen", error));
print(`socket ${existsSync(path) ? "there" : "none"}`);

// Somebody listens, and is not called.
const open = new Server().export(WhoV1, whoHandlers);
const address = await open.listen(`unix:${path}`);
await connect(WhoV1, address, { requirePeer: { uids: [0] } }).catch((error: unknown) => told("connect", error));
await open.close();
rmSync(home, { recursive: true });

// Has digests made and watches: npm run -s example:callbacks:client -- unix:/tmp/digest DIRECTORY [--enough N]
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { connect, RpcError, serve } from "farcall";
import { DigestV1, WatchV1 } from "./digest.js";

const { address, directory, enough } = options();

// What the server may call: it is told whether to go on.
const watch = serve(WatchV1, {
  done(file, done, of) {
    console.log(`${done} of ${of}: ${file}`);
    return done < enough;
  },
});

try {
  // Nobody but this user or root is asked to read files for us.
  const requirePeer = { uids: [process.geteuid?.() ?? 0, 0] };
  await using client = await connect(DigestV1, address, { requirePeer, callbacks: [watch] });
  for (const { file, sha256 } of await client.all(resolve(directory))) {
    console.log(`${Buffer.from(sha256).toString("hex")}  ${file}`);
  }
} catch (error) {
  if (!(error instanceof RpcError)) throw error;
  console.error(`${error.message} (executed: ${error.executed})`);
  process.exitCode = 1;
}

function options(): { address: string; directory: string; enough: number } {
  try {
    const { values, positionals } = parseArgs({ options: { enough: { type: "string" } }, allowPositionals: true });
    const [address, directory] = positionals;
    const enough = Number(values.enough ?? Number.POSITIVE_INFINITY);
    if (address !== undefined && directory !== undefined && enough > 0) return { address, directory, enough };
  } catch (error) {
    console.error((error as Error).message);
  }
  console.error("usage: callbacks:client ADDRESS DIRECTORY [--enough N]");
  process.exit(2);
}

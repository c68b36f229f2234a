// Compiles the .x files of farcall's own programs in src: `npm run stubs`. A test says when they are out of date.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));

/** Each with what `farcall gen` is told besides. Protocol cores import no package, so they import by path. */
const stubs = [
  ["src/onc/session/session.x", "--codecs-only", "--import", "farcall/xdr=../../xdr/index.js"],
  ...["src/binder/rpcbind/rpcbind.x", "src/binder/directory/directory.x"].map((file) => [
    file,
    ...["--import", "farcall/xdr=../../xdr/index.js"],
    ...["--import", "farcall/onc=../../onc/index.js"],
  ]),
  ["src/async/async.x", "--import", "farcall/xdr=../xdr/index.js", "--import", "farcall/onc=../onc/index.js"],
];

// With --check nothing is written.
for (const stub of stubs) {
  const args = ["dist/cli/main.js", "gen", ...stub, ...process.argv.slice(2)];
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) process.exit(status ?? 1);
}

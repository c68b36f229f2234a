// Brings the checkout to where a command can run: `node scripts/ensure.mjs install peers build examples`.
// Each step does nothing when its outcome is already there. Only Node and npm may be assumed here: no dependencies.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(fileURLToPath(import.meta.url), "../..");
const scratch = join(root, ".build");

const steps = { install, peers, build, examples, bench, crashTable };

for (const name of process.argv.slice(2)) {
  const step = steps[name];
  if (step === undefined) fail(`ensure: unknown step ${name}; there are ${Object.keys(steps).join(", ")}`);
  step();
}

/** Installs the dependencies when what is installed is not what the lockfile says. */
function install(folder = root) {
  if (installed(folder)) return;
  note(`installing dependencies${folder === root ? "" : ` of ${relative(root, folder)}`}`);
  // Not `npm ci`: it wants every platform's optional binaries in the lockfile, and a registry that mirrors only some of
  // them leaves the others out. The lockfile's versions hold all the same, and --no-save keeps it as it is.
  // A registry that stumbles once should not fail a first try of the project.
  for (let attempt = 1; ; attempt++) {
    const args = ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"];
    // Nothing that is only compared with needs a script of its own to run.
    if (folder !== root) args.push("--ignore-scripts");
    const { status } = run("npm", args, folder);
    if (status === 0) return;
    if (attempt === 3) fail("ensure: npm install failed");
    note(`npm install failed; attempt ${attempt + 1} of 3`);
  }
}

function installed(folder) {
  const record = join(folder, "node_modules/.package-lock.json");
  if (!existsSync(record)) return false;
  const wanted = JSON.parse(readFileSync(join(folder, "package-lock.json"), "utf8")).packages;
  const present = JSON.parse(readFileSync(record, "utf8")).packages;
  return Object.entries(wanted).every(
    ([path, entry]) =>
      path === "" || entry.optional || entry.devOptional || entry.peer || present[path]?.integrity === entry.integrity,
  );
}

/** Installs the real peers that the interop tests talk to; where it cannot, those tests say so and are skipped. */
function peers() {
  if (process.platform === "win32") return;
  run("bash", [join(root, "scripts/peers.sh")]);
}

/** Compiles src to dist when dist was made from other sources. */
function build() {
  compile({
    name: "dist",
    project: "tsconfig.json",
    output: join(root, "dist"),
    inputs: ["src", "tsconfig.json", "tsconfig.base.json", "package-lock.json"],
  });
}

/** Compiles the examples against dist to .build/examples: Node 20 does not run TypeScript. */
function examples() {
  build();
  // The stubs are committed, for whoever reads them without running anything; a test says when they are out of date.
  const files = readdirSync(join(root, "examples"), { recursive: true }).filter((file) => file.endsWith(".x"));
  gen(files.sort().map((file) => join("examples", file)));
  compile({
    name: "examples",
    project: "tsconfig.examples.json",
    output: join(scratch, "examples"),
    inputs: ["examples", "src", "tsconfig.examples.json", "tsconfig.base.json", "package-lock.json"],
  });
}

/** Installs what the benchmarks compare with, and compiles them against dist. */
function bench() {
  const folder = join(root, "bench");
  peers();
  build();
  install(folder);
  linkFarcall(folder);
  gen(["bench/bench.x", "-o", "bench/generated"]);
  compile({
    name: "bench",
    project: "bench/tsconfig.json",
    output: join(folder, "dist"),
    inputs: [
      ...[
        "main.ts",
        "worker.ts",
        "worker-process.ts",
        "calls.ts",
        "contender.ts",
        "figures.ts",
        "documents.ts",
        "echo.ts",
      ],
      ...["tsconfig.json", "package-lock.json", "contenders", "codec", "documents", "echo", "generated"],
    ]
      .map((path) => `bench/${path}`)
      // What it is compiled against: a changed face must not be found out by a run.
      .concat("src"),
  });
}

/** Installs farcall's rivals, and compiles the crash table against dist. */
function crashTable() {
  const folder = join(root, "crash-table/rivals");
  build();
  install(folder);
  linkFarcall(folder);
  compile({
    name: "crash-table",
    project: "crash-table/tsconfig.json",
    output: join(folder, "dist"),
    inputs: ["crash-table", "src"],
  });
}

/** The folder is a package of its own, so `farcall` does not mean its parent without this. */
function linkFarcall(folder) {
  const link = join(folder, "node_modules/farcall");
  if (!existsSync(link)) symlinkSync(root, link, "junction");
}

function gen(args) {
  const { status } = spawnSync(process.execPath, [join(root, "dist/cli/main.js"), "gen", ...args], {
    cwd: root,
    // Its summary is no news here.
    stdio: ["ignore", "ignore", 2],
  });
  if (status !== 0) fail(`ensure: farcall gen ${args.join(" ")} failed`);
}

function compile({ name, project, output, inputs }) {
  const stamp = join(scratch, "stamps", name);
  const digest = digestOf(inputs);
  if (existsSync(output) && existsSync(stamp) && readFileSync(stamp, "utf8") === digest) return;
  note(`building ${relative(root, output)}`);
  // Compiled beside the old output and then swapped in: no file of a removed source stays, and a program that is
  // starting from the old output meanwhile finds it whole.
  const fresh = join(scratch, `${name}.${process.pid}.new`);
  const old = join(scratch, `${name}.${process.pid}.old`);
  rmSync(fresh, { recursive: true, force: true });
  const { status } = run(process.execPath, [
    join(root, "node_modules/typescript/bin/tsc"),
    "-p",
    join(root, project),
    "--outDir",
    fresh,
    "--noEmitOnError",
  ]);
  if (status !== 0) {
    rmSync(fresh, { recursive: true, force: true });
    fail(`ensure: ${project} does not compile`);
  }
  try {
    if (existsSync(output)) renameSync(output, old);
    renameSync(fresh, output);
  } catch (error) {
    // Another command is just swapping in the same.
    if (!["ENOENT", "ENOTEMPTY", "EEXIST"].includes(error.code)) throw error;
    rmSync(fresh, { recursive: true, force: true });
  }
  rmSync(old, { recursive: true, force: true });
  mkdirSync(join(scratch, "stamps"), { recursive: true });
  writeFileSync(stamp, digest);
}

/** A digest of the files' names and contents: times lie after a clone or a checkout. */
function digestOf(paths) {
  const hash = createHash("sha256");
  const visit = (path) => {
    for (const entry of readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const child = join(path, entry.name);
      if (["node_modules", "dist"].includes(entry.name)) continue;
      if (entry.isDirectory()) visit(child);
      else add(child);
    }
  };
  const add = (path) => hash.update(relative(root, path)).update("\0").update(readFileSync(path)).update("\0");
  for (const path of paths.map((path) => join(root, path))) {
    if (!existsSync(path)) continue;
    if (/\.\w+$/.test(path)) add(path);
    else visit(path);
  }
  return hash.digest("hex");
}

function run(command, args, cwd = root) {
  // Everything that a step prints goes to stderr: stdout belongs to the command that follows.
  return spawnSync(command, args, { cwd, stdio: ["ignore", 2, 2], shell: process.platform === "win32" });
}

function note(text) {
  process.stderr.write(`farcall: ${text}\n`);
}

function fail(text) {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}

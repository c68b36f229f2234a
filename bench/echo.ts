// The comparison of XML-RPC's servers: a small call over HTTP, from 16 connections that are kept. One load generator, wrk,
// drives all of them, so that no server is measured by its own client.
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { call, text } from "./echo/call.js";
import { add, type Figures, turns } from "./figures.js";
import { WorkerProcess } from "./worker-process.js";

export const connections = 16;

/** What is printed: calls per second, and the microseconds of CPU that a call costs the server's process. */
export const echoTasks: { readonly speed: string; readonly cpu: string; readonly load: string } = {
  speed: `XML-RPC echo, ${connections} connections, calls/s`,
  cpu: `XML-RPC echo, ${connections} connections, server's CPU us per call`,
  load: `XML-RPC echo, ${connections} connections, busy part of the load generator's core`,
};

const bench = fileURLToPath(new URL("../", import.meta.url));
const folder = join(bench, "../.build/bench-echo");

interface Contender {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
  stop(): void;
}

/** Runs all servers by turns, of whole seconds, since wrk knows no less. */
export async function benchEcho(figures: Figures, rounds: number, ms: number, failures: string[]): Promise<void> {
  const seconds = Math.max(1, Math.round(ms / 1000));
  const started: Contender[] = [];
  const contenders: Contender[] = [];
  mkdirSync(folder, { recursive: true });
  const script = join(folder, "call.lua");
  writeFileSync(script, `wrk.method = "POST"\nwrk.headers["Content-Type"] = "text/xml"\nwrk.body = [[${call}]]\n`);
  try {
    for (const [name, start] of servers) {
      try {
        const contender = await start(name);
        started.push(contender);
        await check(contender);
        await load(contender, script, seconds);
        contenders.push(contender);
      } catch (error) {
        failures.push(`${name}'s echo: ${(error as Error).message}`);
      }
    }
    for (let round = 0; round < rounds; round++) {
      for (const contender of turns(contenders, round)) {
        const { calls, cpuUs, loadCpuUs, wallUs } = await load(contender, script, seconds);
        add(figures, echoTasks.speed, contender.name, (calls / wallUs) * 1e6);
        add(figures, echoTasks.cpu, contender.name, cpuUs / calls);
        add(figures, echoTasks.load, contender.name, loadCpuUs / wallUs);
      }
    }
  } finally {
    for (const contender of started) contender.stop();
  }
}

const servers: readonly (readonly [name: string, start: (name: string) => Promise<Contender>])[] = [
  ["farcall", inWorker("xml-farcall")],
  ["farcall-mounted", inWorker("xml-farcall-mounted")],
  ["npm-xmlrpc", inWorker("xml-npm-xmlrpc")],
  ["node-http", inWorker("xml-node-http")],
  ["xmlrpc-c", inC],
];

function inWorker(file: string) {
  return async (name: string): Promise<Contender> => {
    const worker = new WorkerProcess(file);
    try {
      const url = await worker.order<string>({ do: "serve" });
      return { name, url, pid: worker.pid, stop: () => worker.stop() };
    } catch (error) {
      worker.stop();
      throw error;
    }
  };
}

async function inC(name: string): Promise<Contender> {
  const program = join(folder, "xmlrpc-c");
  const libraries = ["server_abyss", "server", "abyss", ""].map((part) => `-lxmlrpc${part === "" ? "" : `_${part}`}`);
  execFileSync(
    "gcc",
    ["-O2", "-o", program, join(bench, "echo/xmlrpc-c.c"), ...libraries, "-lxmlrpc_util", "-lpthread"],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  const child: ChildProcess = spawn(program, { stdio: ["ignore", "pipe", "ignore"] });
  const port = await new Promise<string>((resolve, reject) => {
    child.stdout?.setEncoding("utf8").on("data", (line: string) => resolve(line.replace(/\D/g, "")));
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`it ended with code ${code}`)));
  });
  return { name, url: `http://127.0.0.1:${port}/RPC2`, pid: child.pid ?? 0, stop: () => child.kill() };
}

/** Whoever answers something else is not measured. */
async function check({ url }: Contender): Promise<void> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "text/xml" },
    body: call,
    signal: AbortSignal.timeout(10_000),
  });
  const body = await response.text();
  if (response.status !== 200 || !body.includes(text)) throw new Error(`it answered ${response.status}: ${body}`);
}

interface Load {
  readonly calls: number;
  readonly wallUs: number;
  readonly cpuUs: number;
  readonly loadCpuUs: number;
}

const run = promisify(execFile);

async function load({ url, pid }: Contender, script: string, seconds: number): Promise<Load> {
  const before = cpuUsOf(pid);
  // The shell says what its children cost.
  const wrk = `wrk -t1 -c${connections} -d${seconds}s -s "$0" "$1"; times`;
  const { stdout } = await run("sh", ["-c", wrk, script, url]);
  const cpuUs = cpuUsOf(pid) - before;
  const [, requests, wall] = /(\d+) requests in ([\d.]+)s/.exec(stdout) ?? [];
  if (requests === undefined || /Socket errors|Non-2xx/.test(stdout)) throw new Error(`wrk says: ${stdout.trim()}`);
  const [, userMin, user, systemMin, system] = /(\d+)m([\d.]+)s (\d+)m([\d.]+)s\n?$/.exec(stdout) ?? [];
  const loadCpuS = Number(userMin) * 60 + Number(user) + Number(systemMin) * 60 + Number(system);
  return { calls: Number(requests), wallUs: Number(wall) * 1e6, cpuUs, loadCpuUs: loadCpuS * 1e6 };
}

/** What a process has spent so far, its threads and those that have ended included. The kernel counts hundredths of a second. */
function cpuUsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

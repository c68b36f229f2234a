import { spawn } from "node:child_process";
import { chmod } from "node:fs/promises";
import { isIP } from "node:net";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Binder, BinderChange } from "../index.js";
import { CliError, ExitCode } from "./exit.js";
import { harmless } from "./harmless.js";
import { milliseconds, unsigned } from "./numbers.js";

interface BindFlags {
  readonly host: readonly string[];
  readonly port: number;
  readonly socket: string | false;
  readonly state?: string | undefined;
  readonly names: string;
  readonly remoteCalls?: true | undefined;
  readonly refuse: readonly number[];
  readonly probeInterval: number;
  readonly foreground?: true | undefined;
}

const socketDefault = "/run/rpcbind.sock";

export function define(command: Command): void {
  command
    .usage("[options]")
    .description(
      "Tells where the programs of this machine are served: an rpcbind of versions 2, 3 and 4, in place of the system's.\n" +
        "Servers of this machine register with it, and take back what is theirs; it removes what nobody serves any more.",
    )
    .addOption(
      new Option("--host <address>", "an IP address to listen on, and loopback; may be repeated (default: all)")
        .argParser((text: string, before: readonly string[]) => [...before, checkHost(text)])
        .default([], "all"),
    )
    .addOption(new Option("--port <port>", "TCP and UDP port; 0 takes a free one").argParser(checkPort).default(111))
    .addOption(new Option("--socket <path>", "the Unix socket that servers register at").default(socketDefault))
    .addOption(new Option("--no-socket", "no Unix socket"))
    .addOption(new Option("--state <file>", "keeps the registrations, and starts with those that are still served"))
    .addOption(
      new Option(
        "--names <where>",
        "keeps what is registered by name: memory, sqlite:FILE, etcd:URL,URL,... or, to read, dns:DOMAIN; none: no names",
      ).default("memory"),
    )
    .addOption(new Option("--remote-calls", "make calls for others: CALLIT, BCAST and INDIRECT"))
    .addOption(
      new Option("--refuse <program>", "with --remote-calls: a program that is never called; may be repeated")
        .argParser((text: string, before: readonly number[]) => [...before, unsigned(text)])
        .default([], "those that trust callers of their machine"),
    )
    .addOption(
      new Option("--probe-interval <ms>", "milliseconds between looks for the servers")
        .argParser(milliseconds)
        .default(30_000),
    )
    .addOption(new Option("--foreground", "stay in the foreground, and say what is registered"))
    .addHelpText(
      "after",
      `
Exit code: 0 when it serves in the background, or was ended by SIGINT or SIGTERM; 1 when an address cannot be had or the state
file cannot be used; 2 for a wrong command line.

Examples:
  farcall bind --state /run/farcall-bind.json   in place of the system's rpcbind (as root)
  farcall bind --foreground --host 127.0.0.1 --port 1111 --no-socket   one to try things with
  farcall bind --remote-calls                   that answers broadcasts
  farcall bind --names etcd:http://192.0.2.1:2379,http://192.0.2.2:2379   names that all machines know`,
    )
    .action(async (flags: BindFlags) => {
      if (flags.foreground === true) await serve(flags);
      else await startInBackground();
    });
}

/** Serves until a signal ends it. Started from {@link startInBackground}, it tells its parent when it does. */
async function serve(flags: BindFlags): Promise<void> {
  const tell = process.send?.bind(process);
  const { Binder } = await import("../index.js");
  const { remoteCalls, refuse, probeInterval, state } = flags;
  if (remoteCalls !== true && refuse.length > 0) throw new CliError("--refuse goes with --remote-calls");
  const { directoryOf } = await import("./names/stores.js");
  const directory = await directoryOf(flags.names);
  const binder = new Binder({
    directory,
    state,
    probeIntervalMs: probeInterval,
    remoteCalls: remoteCalls === true ? { refuse } : false,
    onChange: tell === undefined ? (change) => process.stdout.write(changeText(change)) : undefined,
  });
  try {
    await listen(binder, flags);
  } catch (error) {
    await binder.close();
    throw new CliError(whyNot(error, flags), ExitCode.failed);
  }
  const ended = new Promise<void>((end) => {
    process.once("SIGINT", () => end());
    process.once("SIGTERM", () => end());
  });
  const text = `rpcbind at ${binder.addresses.join(", ")}`;
  if (tell === undefined) process.stderr.write(`farcall: ${text}; Ctrl-C ends\n`);
  else {
    // Nobody reads any more what is said from now on.
    process.stderr.on("error", () => {});
    tell({ ready: text }, () => process.disconnect());
  }
  await ended;
  await binder.close();
}

async function listen(binder: Binder, { host, port, socket }: BindFlags): Promise<void> {
  // The sockets first: who registers goes there.
  if (socket !== false) {
    await binder.listen(`unix:${socket}`);
    // Everybody on this machine may ask and register; what is whose is told apart by who they are.
    await chmod(socket, 0o666);
  }
  for (const one of hostsOf(host)) {
    const text = one.includes(":") ? `[${one}]` : one;
    try {
      const tcp = await binder.listen(`tcp://${text}:${port}`);
      // A free port is the same for both.
      await binder.listen(`udp://${text}:${/\d+$/.exec(tcp)?.[0]}`);
    } catch (error) {
      if (host.length > 0 || one !== "::" || !lacksIpv6(error)) throw error;
      const tcp = await binder.listen(`tcp://0.0.0.0:${port}`);
      await binder.listen(`udp://0.0.0.0:${/\d+$/.exec(tcp)?.[0]}`);
    }
  }
}

/** The hosts to listen on. Servers register over loopback, so it is always one of them. */
function hostsOf(given: readonly string[]): readonly string[] {
  if (given.length === 0) return ["::"];
  const wildcard = given.find((host) => host === "::" || host === "0.0.0.0");
  if (wildcard !== undefined) return [wildcard];
  return [...new Set([...given, "127.0.0.1"])];
}

function lacksIpv6(error: unknown): boolean {
  return ["EAFNOSUPPORT", "EADDRNOTAVAIL", "EINVAL"].includes(systemCode(error) ?? "");
}

function whyNot(error: unknown, { port, socket }: BindFlags): string {
  const message = error instanceof Error ? error.message : String(error);
  switch (systemCode(error)) {
    case "EADDRINUSE":
      return `${message}. Another rpcbind is there: end it (systemctl stop rpcbind.socket rpcbind), or give --port and --socket`;
    case "EACCES":
    case "EPERM":
      if (message.includes("unix:"))
        return `${message}. Only root may listen at ${socket}: give --socket PATH, or --no-socket`;
      return `${message}. Port ${port} needs root or the capability CAP_NET_BIND_SERVICE: give --port 1024 or above`;
    case "EADDRNOTAVAIL":
      return `${message}. No interface of this machine has that address`;
    default:
      return message;
  }
}

function systemCode(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== undefined && /^E[A-Z]+$/.test(code)) return code;
  }
  return undefined;
}

/** Starts the same command once more, apart from this terminal, and waits until it serves. */
async function startInBackground(): Promise<void> {
  const args = [...process.execArgv, ...process.argv.slice(1), "--foreground"];
  const child = spawn(process.execPath, args, { detached: true, stdio: ["ignore", "ignore", "pipe", "ipc"] });
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const said = await new Promise<{ readonly ready: string } | { readonly code: number | null }>((resolve, reject) => {
    child.once("error", reject);
    child.once("message", (message) => resolve(message as { ready: string }));
    child.once("close", (code) => resolve({ code }));
  });
  if ("ready" in said) {
    process.stderr.write(`farcall: ${said.ready}; process ${child.pid}\n`);
    child.unref();
    child.stderr?.destroy();
    return;
  }
  process.stderr.write(stderr);
  process.exitCode = said.code ?? ExitCode.failed;
}

function changeText({ kind, registration }: BinderChange): string {
  const { prog, vers, netid, addr, owner } = registration;
  return harmless(`${kind} program ${prog} version ${vers} ${netid} ${addr} owner ${owner}`).concat("\n");
}

function checkHost(text: string): string {
  if (isIP(text) === 0) throw new InvalidArgumentError("It must be an IP address of this machine.");
  return text;
}

function checkPort(text: string): number {
  const port = unsigned(text);
  if (port > 65_535) throw new InvalidArgumentError("It must be a port, from 0 to 65535.");
  return port;
}

// C programs as peers, built with rpcgen and libtirpc while the tests run.
//
//   await using server = await startPeer(programs.everyTypeServer);
//   const calc = await connect(EveryTypeV1, server.address("tcp"));
//
//   const { lines } = await runPeer(programs.everyTypeClient, ["tcp", port, "types"]);
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Finished, Running, type RunOptions, run } from "./processes.js";

/** The folder of the C sources. */
export const sourceFolder: string = fileURLToPath(new URL("../interop/c/", import.meta.url));
const cache = fileURLToPath(new URL("../../.build/peers/", import.meta.url));

/** A C program, by its files in test/interop/c (or elsewhere, by absolute path). */
export interface PeerProgram {
  readonly name: string;
  readonly sources: readonly string[];
  /** The interfaces that rpcgen compiles; the sources include their headers by the same names. */
  readonly x?: string | readonly string[] | undefined;
  /** Which of rpcgen's stubs are linked in besides the codecs. */
  readonly stubs?: "client" | "server" | undefined;
  /** What it is linked with besides libtirpc, such as `-lm`. */
  readonly libraries?: readonly string[] | undefined;
}

const xmlRpcFolder = fileURLToPath(new URL("../interop/xml-rpc/", import.meta.url));

const examples = fileURLToPath(new URL("../../examples/", import.meta.url));

/** The peers that stand ready. What each takes and prints is said at the top of its C file. */
export const programs = {
  /** Serves everytype.x on TCP, UDP and a Unix socket: a procedure for every XDR type. */
  everyTypeServer: { name: "everytype_server", sources: ["everytype_server.c"], x: "everytype.x", stubs: "server" },
  /** `TRANSPORT ADDRESS types`, `TRANSPORT ADDRESS sizes BYTES...`, or `- - bytes`; prints `ok NAME` or `fail NAME WHY`. */
  everyTypeClient: { name: "everytype_client", sources: ["everytype_client.c"], x: "everytype.x", stubs: "client" },
  /** Program 0x20000e02, versions 2 to 3: the procedure's number chooses the status of the answer. */
  statusServer: { name: "status_server", sources: ["status_server.c"] },
  /** Calls any procedure with any bytes and credentials; prints what libtirpc makes of the answer, as JSON. */
  rawClient: { name: "raw_client", sources: ["raw_client.c"] },
  /** Program 0x20000e05, version 1: a procedure that does not reply, and one that says how often it was called. */
  onewayServer: { name: "oneway_server", sources: ["oneway_server.c"] },
  /** Calls a procedure in a batch, without waiting; says what became of each, and of the call that flushes them. */
  batchClient: { name: "batch_client", sources: ["batch_client.c"] },
  /** `registerrpc` and `svc_run`; needs rpcbind. */
  classicServer: { name: "classic_server", sources: ["classic_server.c"] },
  /** `NETID...`: registers by libtirpc's own way; needs rpcbind. */
  registeredServer: { name: "registered_server", sources: ["registered_server.c"] },
  /** `HOST NETID PROGRAM VERSION INT`: finds it by `clnt_create`; needs rpcbind. */
  findingClient: { name: "finding_client", sources: ["finding_client.c"] },
  /** `callrpc`; needs rpcbind. */
  classicClient: { name: "classic_client", sources: ["classic_client.c"] },
  /** The client in C of the example of two wires. */
  twoWiresClient: {
    name: "two_wires_client",
    sources: [`${examples}two-wires/client.c`],
    x: [`${examples}calc/calc.x`, `${examples}file-service/files.x`],
    stubs: "client",
  },
  /** Decodes XML-RPC documents with xmlrpc-c: a line of JSON for each. */
  xmlRpcDecoder: {
    name: "xml_rpc_decode",
    sources: [`${xmlRpcFolder}decode.c`],
    libraries: ["-lxmlrpc", "-lxmlrpc_util", "-lxmlrpc_xmlparse", "-lxmlrpc_xmltok"],
  },
  /** The methods `peer.*`, by xmlrpc-c and its HTTP server. */
  xmlRpcServer: {
    name: "xml_rpc_server",
    sources: [`${xmlRpcFolder}server.c`],
    libraries: ["-lxmlrpc_server_abyss", "-lxmlrpc_server", "-lxmlrpc_abyss", "-lxmlrpc", "-lxmlrpc_util", "-lpthread"],
  },
  /** Calls the methods `peer.*` at a URL; prints what each gave. */
  xmlRpcClient: {
    name: "xml_rpc_client",
    sources: [`${xmlRpcFolder}client.c`],
    libraries: ["-lxmlrpc_client", "-lxmlrpc", "-lxmlrpc_util"],
  },
} as const satisfies Record<string, PeerProgram>;

const shared = ["peer.c", "peer.h"];
const flags = ["-O2", "-w", "-I.", "-I/usr/include/tirpc"];
/** rpcgen's output by the letter that asks for it: header, codecs, client, server. */
const outputs = { h: ".h", c: "_xdr.c", l: "_clnt.c", m: "_svc.c" } as const;

/**
 * Builds a program, and gives the path of the executable. It is kept by the digest of its sources, so a second call,
 * in this run or a later one, costs nothing; two builds at the same time do not disturb each other.
 */
export async function buildPeer(program: PeerProgram): Promise<string> {
  const interfaces = program.x === undefined ? [] : [program.x].flat();
  const files = [...shared, ...program.sources, ...interfaces].map((file) =>
    join(file.startsWith("/") ? "" : sourceFolder, file),
  );
  const hash = createHash("sha256").update(JSON.stringify([flags, program]));
  for (const file of files) hash.update(readFileSync(file)).update("\0");
  const home = join(cache, `${program.name}-${hash.digest("hex").slice(0, 16)}`);
  const executable = join(home, program.name);
  if (existsSync(executable)) return executable;

  mkdirSync(cache, { recursive: true });
  const workshop = mkdtempSync(join(cache, "building-"));
  try {
    for (const file of files) await copyFile(file, join(workshop, basename(file)));
    const sources = ["peer.c", ...program.sources.map((file) => basename(file))];
    for (const x of interfaces) {
      const letters = { client: ["h", "c", "l"], server: ["h", "c", "m"], none: ["h", "c"] } as const;
      const stem = basename(x, ".x");
      for (const letter of letters[program.stubs ?? "none"]) {
        const output = `${stem}${outputs[letter]}`;
        await must(run("rpcgen", ["-C", "-M", "-N", `-${letter}`, "-o", output, `${stem}.x`], { cwd: workshop }));
        if (output.endsWith(".c")) sources.push(output);
      }
    }
    await must(
      run("gcc", [...flags, "-o", program.name, ...sources, "-ltirpc", ...(program.libraries ?? [])], {
        cwd: workshop,
      }),
    );
    renameSync(workshop, home);
  } catch (error) {
    rmSync(workshop, { recursive: true, force: true });
    // Somebody else may have finished the same build first.
    if (!existsSync(executable)) throw error;
  }
  return executable;
}

async function must(running: Promise<Finished>): Promise<void> {
  const { code, stderr } = await running;
  if (code !== 0) throw new Error(`exit code ${code}: ${stderr}`);
}

/** Builds a program if need be and runs it to its end. */
export async function runPeer(
  program: PeerProgram,
  args: readonly (string | number)[],
  options: RunOptions = {},
): Promise<Finished> {
  return run(await buildPeer(program), args.map(String), options);
}

export type Transport = "tcp" | "udp" | "unix";

/** A C server that listens on loopback; `await using` ends it. */
export class Peer implements AsyncDisposable {
  readonly process: Running;
  /** Where each transport listens: a port of 127.0.0.1, or a path. */
  readonly endpoints: Readonly<Record<Transport, string>>;
  readonly #folder: string;

  private constructor(process: Running, ready: RegExpExecArray, folder: string) {
    this.process = process;
    this.endpoints = { tcp: ready[1] ?? "", udp: ready[2] ?? "", unix: ready[3] ?? "" };
    this.#folder = folder;
  }

  static async start(program: PeerProgram): Promise<Peer> {
    const executable = await buildPeer(program);
    // Short, wherever the checkout lies: a Unix socket's path holds 107 bytes.
    const folder = mkdtempSync(join(tmpdir(), "farcall-"));
    const process = new Running(executable, [join(folder, "s")]);
    try {
      return new Peer(process, await process.line(/^READY tcp=(\d+) udp=(\d+) unix=(.+)$/), folder);
    } catch (error) {
      await process.stop();
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** As `connect` takes it, such as `tcp://127.0.0.1:2049`. */
  address(transport: Transport): string {
    const endpoint = this.endpoints[transport];
    return transport === "unix" ? `unix:${endpoint}` : `${transport}://127.0.0.1:${endpoint}`;
  }

  /** What it has printed after READY. */
  get lines(): readonly string[] {
    return this.process.lines.slice(1);
  }

  /** Waits for a line after READY and the first `skip` lines behind it. */
  line(pattern: RegExp, options: { skip?: number; timeoutMs?: number } = {}): Promise<RegExpExecArray> {
    return this.process.line(pattern, { ...options, skip: (options.skip ?? 0) + 1 });
  }

  async stop(): Promise<void> {
    await this.process.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** Builds a server if need be, starts it, and waits until it listens. */
export function startPeer(program: PeerProgram): Promise<Peer> {
  return Peer.start(program);
}

/** Splits an address such as `tcp://127.0.0.1:2049` or `unix:/path` into what the C clients take. */
export function peerArguments(address: string): [transport: string, endpoint: string] {
  const [, transport = "", rest = ""] = /^(\w+):(?:\/\/)?(.*)$/.exec(address) ?? [];
  return [transport, transport === "unix" ? rest : rest.slice(rest.lastIndexOf(":") + 1)];
}

// Runs inside the namespace of rpcbind-namespace.ts, one scenario a process: prints what happened as JSON lines.
//   node rpcbind-scenarios SCENARIO [ARGUMENT...]
import { execFile } from "node:child_process";
import { connect, type Handlers, type Procedure, RpcError, Server } from "farcall";
import { type OncService, oncProgram } from "farcall/onc";
import { int, nothing, string } from "farcall/xdr";
import { RpcbindV2, RpcbindV3, RpcbindV4 } from "../../../src/binder/rpcbind/rpcbind.js";
import { callrpc, registerrpc, svc_exit, svc_run } from "../../../src/classic.js";
import { handlersOf } from "../rpcbind-handlers.js";

interface Twice {
  twice: Procedure<[value: number], number>;
}
const program = 0x20000e15;
const twice = (version: number): OncService<Twice> =>
  oncProgram<Twice>({
    name: "TWICE",
    program,
    version,
    procedures: { twice: { number: 1, name: "TWICE", args: [int], result: int } },
  });
const handlers = { twice: (value: number): number => 2 * value };

const print = (line: string): void =>
  void process.stdout.write(`${line}
`);
const say = (value: unknown): void => print(JSON.stringify(value));

/** What came of a promise, as data. */
async function outcome<T>(promise: Promise<T>): Promise<unknown> {
  try {
    return { value: await promise };
  } catch (error) {
    if (!(error instanceof RpcError)) return { threw: String(error) };
    const { code, executed, status, message } = error;
    return { code, executed, status, message };
  }
}

async function call(address: string, version = 2): Promise<unknown> {
  const dialled = connect(twice(version), address);
  return await outcome(
    dialled.then(async (client) => {
      try {
        return { address: client.$address, result: await client.twice(21) };
      } finally {
        await client.$close();
      }
    }),
  );
}

async function serve(...addresses: string[]): Promise<{ server: Server; bound: string[] }> {
  const server = new Server();
  server.export(twice(2), handlers).export(twice(3), handlers);
  const bound: string[] = [];
  for (const address of addresses) bound.push(await server.listen(address));
  return { server, bound };
}

/** Not `spawnSync`: the server that it asks lives in this process. */
const rpcinfo = (...args: string[]): Promise<string> =>
  new Promise((resolve) => execFile("rpcinfo", args, (_error, stdout) => resolve(stdout.trim())));

/** The lines of `rpcinfo` for our program: version, netid, address, owner. */
const listed = async (): Promise<string[]> =>
  (await rpcinfo())
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([number]) => number === String(program))
    .map(([, ...rest]) => rest.slice(0, 2).join(" "))
    .sort();

/** A rpcbind of our own, of some versions, with one registration. It notes which versions were asked. */
async function fakeRpcbind(versions: readonly number[], port: number, asked: number[]): Promise<Server> {
  const server = new Server();
  const byAddress = (version: number): Pick<Handlers<RpcbindV4>, "set" | "unset" | "getaddr"> => ({
    set: () => true,
    unset: () => true,
    getaddr(entry) {
      asked.push(version);
      return entry.prog === program ? `127.0.0.1.${port >> 8}.${port & 255}` : "";
    },
  });
  if (versions.includes(4)) server.export(RpcbindV4, handlersOf(RpcbindV4, byAddress(4)));
  if (versions.includes(3)) server.export(RpcbindV3, handlersOf(RpcbindV3, byAddress(3)));
  if (versions.includes(2)) {
    const byPort: Partial<Handlers<RpcbindV2>> = {
      set: () => true,
      unset: () => true,
      getport(mapping) {
        asked.push(2);
        return mapping.prog === program ? port : 0;
      },
    };
    server.export(RpcbindV2, handlersOf(RpcbindV2, byPort));
  }
  await server.listen("tcp://127.0.0.1:111");
  await server.listen("udp://127.0.0.1:111");
  return server;
}

const portOf = (address: string | undefined): number => Number(address?.split(":").at(-1));

const scenarios: Record<string, (...args: string[]) => Promise<void>> = {
  /** Registers, is found over TCP and UDP and by rpcinfo, and takes the registration back. */
  async register() {
    const { server, bound } = await serve("tcp://127.0.0.1:0", "udp://127.0.0.1:0", "unix:/run/twice.sock");
    say(await call("tcp://127.0.0.1"));
    await server.register();
    say(await listed());
    const ports = bound.slice(0, 2).map(portOf);
    for (const [i, scheme] of ["tcp", "udp"].entries()) {
      const { value } = (await call(`${scheme}://127.0.0.1`)) as { value: { address: string; result: number } };
      say({ result: value.result, found: value.address === `${scheme}://127.0.0.1:${ports[i]}` });
    }
    say(await rpcinfo("-T", "tcp", "127.0.0.1", String(program), "2"));
    say(await rpcinfo("-T", "udp", "127.0.0.1", String(program)));
    say(await call("tcp://localhost"));
    await server.unregister();
    say(await listed());
    say(await call("udp://127.0.0.1"));
    await server.close();
  },

  /** A server that closes takes its registrations back; one that was killed is replaced by the next. */
  async replace() {
    const first = await serve("tcp://127.0.0.1:0");
    await first.server.register();
    const second = await serve("tcp://127.0.0.1:0");
    await second.server.register();
    const { value } = (await call("tcp://127.0.0.1")) as { value: { address: string } };
    say(value.address === second.bound[0]);
    await second.server.close();
    say(await listed());
    await first.server.close();
  },

  /** Every address of a host, and IPv6. */
  async wildcard() {
    const { server } = await serve("tcp://0.0.0.0:0", "udp://0.0.0.0:0", "tcp://[::1]:0", "udp://[::1]:0");
    await server.register();
    say(await listed());
    for (const address of ["tcp://127.0.0.1", "udp://127.0.0.1", "tcp://[::1]", "udp://[::1]"]) {
      const outcome = (await call(address)) as { value?: { result: number } };
      say(outcome.value?.result ?? outcome);
    }
    await server.close();
  },

  async notRegistered() {
    for (const scheme of ["tcp", "udp"]) say(await call(`${scheme}://127.0.0.1`));
  },

  /** rpcbind gives another version's address, as C clients expect; the server then says which there are. */
  async otherVersion() {
    const { server } = await serve("tcp://127.0.0.1:0", "udp://127.0.0.1:0");
    await server.register();
    for (const scheme of ["tcp", "udp"]) say(await call(`${scheme}://127.0.0.1`, 7));
    await server.close();
  },

  /** A fake rpcbind that serves some versions only. */
  async fallback(...versions: string[]) {
    const { server, bound } = await serve("tcp://127.0.0.1:0", "udp://127.0.0.1:0");
    for (const [i, scheme] of ["tcp", "udp"].entries()) {
      const asked: number[] = [];
      const binder = await fakeRpcbind(versions.map(Number), portOf(bound[i]), asked);
      const { value } = (await call(`${scheme}://127.0.0.1`)) as { value: { result: number } };
      say({ result: value.result, asked });
      await server.register({ binder: "tcp://127.0.0.1:111" });
      await server.unregister();
      await binder.close({ drainMs: 0 });
    }
    await server.close();
  },

  async noRpcbind() {
    for (const scheme of ["tcp", "udp"]) say(await call(`${scheme}://127.0.0.1`));
    const { server } = await serve("tcp://127.0.0.1:0");
    say(await outcome(server.register()));
    say(await callrpc("127.0.0.1", program, 1, 1, int, 21, int).then(({ stat, value }) => ({ stat, value })));
    await server.close();
  },

  /** C's classic server is called. */
  async callrpc() {
    const prog = 0x20000e03;
    const calls = [
      await callrpc("127.0.0.1", prog, 1, 1, int, 21, int),
      await callrpc("127.0.0.1", prog, 1, 2, string(), "hello", nothing),
      await callrpc("127.0.0.1", prog, 2, 1, int, 21, int),
      await callrpc("127.0.0.1", prog + 1, 1, 1, int, 21, int),
      await callrpc("127.0.0.1", prog, 1, 9, int, 21, int, { timeoutMs: 2_000 }),
      await callrpc("127.0.0.1", prog, 1, 1, string(), "x".repeat(100_000), int),
      await callrpc("127.0.0.1", prog, 1, 1, int, 21, string()),
      await callrpc("no-such-host.invalid", prog, 1, 1, int, 21, int),
    ];
    for (const { stat, value, error } of calls) {
      say({ stat, value, executed: error?.executed, text: error?.status?.text });
    }
  },

  /** Serves as C's classic server does, until it is told to end by procedure 3. */
  async registerrpc() {
    const prog = 0x20000e16;
    await registerrpc(prog, 1, 1, (value: number) => 2 * value, int, int);
    await registerrpc(prog, 1, 2, (text: string) => print(text), string(), nothing);
    const end = (value: number): number => {
      setTimeout(svc_exit, 200);
      return value;
    };
    await registerrpc(prog, 1, 3, end, int, int);
    await registerrpc(
      prog,
      1,
      4,
      () => {
        throw new Error("no");
      },
      int,
      int,
    );
    print("READY");
    await svc_run();
    print("ended");
  },
};

const [name = "", ...args] = process.argv.slice(2);
const scenario = scenarios[name];
if (scenario === undefined) throw new Error(`no scenario ${name}`);
await scenario(...args);

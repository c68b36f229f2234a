// Runs on one of two machines of a network: serves a program and registers it, or broadcasts.
//   node broadcast-scenarios serve NAME PORT       prints READY
//   node broadcast-scenarios call STEPS-AS-JSON    a step is [PROCEDURE, ARGUMENTS, OPTIONS]; prints a line of JSON for each
import { BroadcastError, broadcast, connect, type Procedure, RpcError, Server } from "farcall";
import { type OncService, oncProgram } from "farcall/onc";
import { int, string } from "farcall/xdr";

interface Where {
  /** Says its machine's name. */
  name: Procedure<[], string, "at-least-once">;
  /** Answers the second time it is asked, as if the first question had been lost. */
  second: Procedure<[], string, "at-least-once">;
  /** How often it was called. */
  count: Procedure<[], number>;
  /** Fails on the machine that is named. */
  failAt: Procedure<[name: string], string>;
}

const Where: OncService<Where> = oncProgram<Where>({
  name: "WHERE",
  program: 0x2000_0e41,
  version: 1,
  procedures: {
    name: { number: 1, name: "NAME", args: [], result: string(), semantics: "at-least-once" },
    second: { number: 2, name: "SECOND", args: [], result: string(), semantics: "at-least-once" },
    count: { number: 3, name: "COUNT", args: [], result: int },
    failAt: { number: 4, name: "FAIL_AT", args: [string()], result: string() },
  },
});

const [mode, ...rest] = process.argv.slice(2);

async function serve(name: string, port: string): Promise<void> {
  let [asked, counted] = [0, 0];
  const server = new Server({ onError: () => {} }).export(Where, {
    name: () => name,
    second() {
      if (++asked === 1) throw new Error("not yet");
      return name;
    },
    count: () => ++counted,
    failAt(where) {
      if (where === name) throw new Error("here");
      return name;
    },
  });
  await server.listen(`udp://0.0.0.0:${port}`);
  await server.register({ binder: "tcp://127.0.0.1:111" });
  process.stdout.write("READY\n");
}

async function call([procedure, args, options]: readonly [keyof Where, never, object]): Promise<unknown> {
  try {
    const replies = await broadcast(Where, procedure, args, { ...options });
    const [first] = replies;
    if (first === undefined) return { replies };
    // The first to answer is a binding.
    await using bound = await connect(Where, first.address, { session: "off" });
    const at = await bound.name();
    return { replies, bound: at };
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    const { code, executed, message } = error;
    return { code, executed, message, replies: error instanceof BroadcastError ? error.replies : undefined };
  }
}

if (mode === "serve") await serve(rest[0] ?? "", rest[1] ?? "0");
else {
  for (const step of JSON.parse(rest[0] ?? "[]") as Parameters<typeof call>[0][]) {
    process.stdout.write(`${JSON.stringify(await call(step))}\n`);
  }
  process.exit();
}

// One process of a contender: `process.js MODULE serve`, or `process.js MODULE call ADDRESS`. It talks to who started it.
import type { Caller, Contender, Description } from "./contender.js";

/** What a call came to. Times are in milliseconds from its start. */
export type Outcome =
  | { readonly value: number; readonly ms: number }
  | ({ readonly error: string; readonly ms: number } & Description);

/** A server's process says where it listens, then each call that runs; a client's says that it is there, then each outcome. */
export type Message =
  | { readonly address: string }
  | { readonly ran: number }
  | { readonly connected: true }
  | { readonly call: number; readonly outcome: Outcome };

/** A client's process is told to call `double(n)`, and by which number it shall report it. */
export interface Order {
  readonly call: number;
  readonly n: number;
}

const say = (message: Message): void => void process.send?.(message);

export async function serve({ serve }: Contender): Promise<void> {
  const address = await serve((n) => {
    say({ ran: n });
    return n === 0 ? new Promise(() => {}) : Promise.resolve(2 * n);
  });
  say({ address });
}

export async function call({ connect }: Contender, address: string): Promise<void> {
  const caller = await connect(address);
  process.on("message", ({ call, n }: Order) => {
    const start = performance.now();
    void outcomeOf(caller, n).then((outcome) => say({ call, outcome: { ...outcome, ms: performance.now() - start } }));
  });
  say({ connected: true });
}

async function outcomeOf(caller: Caller, n: number): Promise<{ value: number } | { error: string }> {
  try {
    return { value: await caller.double(n) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error), ...caller.describe(error) };
  }
}

/** Plays the role that the arguments name. */
export async function play(contender: Contender, [role, address = ""]: readonly string[]): Promise<void> {
  process.on("disconnect", () => process.exit());
  if (role === "serve") await serve(contender);
  else await call(contender, address);
}

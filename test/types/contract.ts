// Never run: what compiles here, and what does not, is the test (`npm run typecheck`).
import {
  type CallOptions,
  type Client,
  type ConnectOptions,
  connect,
  type OneWayProcedure,
  type Procedure,
  Server,
} from "../../src/index.js";
import { type OncService, oncProgram } from "../../src/onc/index.js";
import type { ReplyStore } from "../../src/store/index.js";
import { int, nothing, string } from "../../src/xdr/index.js";
import { NotesV1 } from "../support/notes.js";
import { StoreV1 } from "../support/store.js";

export function calls(client: Client<StoreV1>): void {
  void client.read("a", { semantics: "exactly-once" });
  void client.read("a", { semantics: "at-most-once" });
  void client.write("a", 1, { semantics: "exactly-once" });
  void client.log("a", { semantics: "at-most-once" });
  // @ts-expect-error what must not run twice cannot be asked for at least once
  void client.write("a", 1, { semantics: "at-least-once" });
  // @ts-expect-error nor can it be left to the network, which duplicates datagrams
  void client.write("a", 1, { semantics: "maybe" });
  // @ts-expect-error what is not to be sent again cannot be asked for at least once
  void client.log("a", { semantics: "at-least-once" });
  // @ts-expect-error an argument of another type
  void client.read(1);
  // @ts-expect-error a missing argument
  void client.write("a");
  // @ts-expect-error a procedure that the contract does not have
  void client.remove("a");
  const options: CallOptions<"at-least-once"> = { semantics: "maybe" };
  void client.read("a", options);
  // @ts-expect-error options that widen
  void client.write("a", 1, options);
  void client.$try.write("a", 1).then((outcome) => {
    if (outcome.ok) outcome.value satisfies boolean;
    else outcome.executed satisfies "no" | "yes" | "unknown";
  });
}

oncProgram<{ a: Procedure<[], number, "at-least-once"> }>({
  name: "A_PROG",
  program: 1,
  version: 1,
  // @ts-expect-error the contract declares something else than the default, and the service does not say it
  procedures: { a: { number: 1, name: "A", args: [], result: int } },
});

export async function narrowedClients(address: string): Promise<void> {
  const client = await connect(StoreV1, address, { semantics: { read: "at-most-once", log: "maybe" } });
  void client.read("a", { semantics: "exactly-once" });
  void client.log("a", { semantics: "at-most-once" });
  void client.write("a", 1, { semantics: "exactly-once" });
  // @ts-expect-error the client has narrowed it
  void client.read("a", { semantics: "at-least-once" });
  // @ts-expect-error nor can it be left to the network any more
  void client.read("a", { semantics: "maybe" });
  // @ts-expect-error what must not run twice cannot be asked for at least once
  await connect(StoreV1, address, { semantics: { write: "at-least-once" } });
  // @ts-expect-error nor can what is not to be sent again
  await connect(StoreV1, address, { timeoutMs: 5, semantics: { read: "maybe", log: "at-least-once" } });
  // @ts-expect-error a procedure that the contract does not have
  await connect(StoreV1, address, { semantics: { read: "maybe", remove: "maybe" } });
  const plain: Client<StoreV1> = await connect(StoreV1, address, { retry: { attempts: 2 } });
  void plain.read("a", { semantics: "at-least-once", retry: false });
  const options: ConnectOptions = { timeoutMs: 5 };
  (await connect(StoreV1, address, options)) satisfies Client<StoreV1>;
  const open = <C>(service: OncService<C>): Promise<Client<C>> => connect(service, address);
  void open(StoreV1).then((opened) => opened.write("a", 1));
}

export async function hedgedClients(address: string, client: Client<StoreV1>): Promise<void> {
  await connect(StoreV1, address, { hedge: { read: { afterMs: 20, max: 2 } } });
  void client.read("a", { hedge: { afterMs: 20 } });
  void client.read("a", { hedge: false });
  // @ts-expect-error what must not run twice cannot be hedged
  await connect(StoreV1, address, { hedge: { write: { afterMs: 20 } } });
  // @ts-expect-error nor can what is sent once
  await connect(StoreV1, address, { hedge: { log: { afterMs: 20 } } });
  // @ts-expect-error nor can what this client has narrowed
  await connect(StoreV1, address, { semantics: { read: "at-most-once" }, hedge: { read: { afterMs: 20 } } });
  // @ts-expect-error the same for one call
  void client.write("a", 1, { hedge: { afterMs: 20 } });
  // @ts-expect-error and for one that is sent once
  void client.log("a", { hedge: { afterMs: 20 } });
}

export async function oneWayCalls(address: string): Promise<void> {
  const client = await connect(NotesV1, address, { semantics: { note: "maybe" } });
  void (client.note(1, { timeoutMs: 50 }) satisfies Promise<void>);
  // @ts-expect-error without a reply there is nothing to promise
  void client.note(1, { semantics: "at-most-once" });
  // @ts-expect-error nor anything to try again
  void client.note(1, { retry: { attempts: 2 } });
  // @ts-expect-error nor can a client narrow it
  await connect(NotesV1, address, { semantics: { note: "at-most-once" } });
  // @ts-expect-error what has a result is not one-way
  StoreV1.with({ oneWay: ["read"] });
  StoreV1.with({ oneWay: ["log"] }) satisfies OncService<{
    read: StoreV1["read"];
    write: StoreV1["write"];
    log: OneWayProcedure<[line: string]>;
  }>;
}
oncProgram<{ a: OneWayProcedure<[string]> }>({
  name: "A_PROG",
  program: 1,
  version: 1,
  // @ts-expect-error the service does not say that it is one-way
  procedures: { a: { number: 1, name: "A", args: [string()], result: nothing } },
});
oncProgram<{ a: Procedure<[string], void, "maybe"> }>({
  name: "A_PROG",
  program: 1,
  version: 1,
  // @ts-expect-error the contract does not say it
  procedures: { a: { number: 1, name: "A", args: [string()], result: nothing, semantics: "maybe", oneWay: true } },
});

const common = { name: "A_PROG", program: 1, version: 1 };
oncProgram<{ a: Procedure<[string], number> }>({
  ...common,
  // @ts-expect-error a codec that is not the argument's
  procedures: { a: { number: 1, name: "A", args: [int], result: int } },
});
oncProgram<{ a: Procedure<[string], string> }>({
  ...common,
  // @ts-expect-error a codec that is not the result's
  procedures: { a: { number: 1, name: "A", args: [string()], result: int } },
});
oncProgram<{ a: Procedure<[], number> }>({
  ...common,
  // @ts-expect-error a declaration that is not the contract's
  procedures: { a: { number: 1, name: "A", args: [], result: int, semantics: "maybe" } },
});

export function serves(server: Server): void {
  // @ts-expect-error a handler is missing
  server.export(StoreV1, { read: () => 1, write: () => true });
  // @ts-expect-error a handler gives something else
  server.export(StoreV1, { read: () => "1", write: () => true, log: () => {} });
}

interface Bank {
  pay: Procedure<[string], void, "exactly-once">;
  ask: Procedure<[string], number>;
}
export function transactions(
  service: OncService<Bank>,
  store: ReplyStore<{ query(sql: string): void }>,
  plain: Server,
): void {
  new Server({ replyCache: { store } }).export(service, {
    pay: (_to, { transaction }) => transaction.query("UPDATE"),
    // @ts-expect-error only an exactly-once procedure has a transaction
    ask: (_of, { transaction }) => transaction.query("SELECT"),
  });
  // @ts-expect-error nor has any without a store that gives one
  plain.export(service, { pay: (_to, { transaction }) => transaction.query("UPDATE"), ask: () => 1 });
}

type ContractOf<S> = S extends OncService<infer C> ? C : never;
const overlaid = StoreV1.with({ idempotent: ["write"] });
export function overlays(client: Client<ContractOf<typeof overlaid>>): void {
  void client.write("a", 1, { semantics: "at-least-once" });
  void client.read("a", { semantics: "maybe" });
  const stricter = StoreV1.with({ atMostOnce: ["read"], exactlyOnce: ["write"] });
  stricter satisfies OncService<{
    read: Procedure<[string], number, "at-most-once">;
    write: Procedure<[string, number], boolean, "exactly-once">;
    log: StoreV1["log"];
  }>;
  // @ts-expect-error a name that is no procedure
  StoreV1.with({ idempotent: ["remove"] });
}

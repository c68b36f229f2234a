// Never run: what compiles here, and what does not, is the test (`npm run typecheck`).
import type { ArgsOf, Client, Handlers, Procedure } from "../../src/model/index.js";
import {
  array,
  boolean,
  type ContractOf,
  double,
  i8,
  int,
  method,
  nothing,
  nullable,
  optional,
  overXmlRpc,
  rest,
  string,
  struct,
  type ValueOf,
  type XmlRpcService,
  xmlRpcService,
} from "../../src/xmlrpc/index.js";
import { StoreV1 } from "../support/store.js";

const methods = {
  square: method("test.square", { params: [int], result: int }),
  none: method("test.none", { params: [], result: nothing }),
  start: method("supervisor.startProcess", { params: [string, optional(boolean)], result: boolean }),
  list: method("test.list", {
    params: [struct({ from: i8, note: optional(string), owner: nullable(string) })],
    result: array(double),
    semantics: "at-least-once",
  }),
  sum: method("test.sum", { params: [string, rest(int)], result: int }),
};
const Test = xmlRpcService(methods);
type Test = ContractOf<typeof methods>;
Test.procedures.square.name satisfies string;

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same: [
  Same<Test["square"], Procedure<[arg: number], number, "at-most-once">>,
  Same<ArgsOf<Test["start"]>, [arg: string, arg?: boolean | undefined]>,
  Same<
    Test["list"],
    Procedure<[arg: { from: bigint; note?: string | undefined; owner: string | null }], number[], "at-least-once">
  >,
  Same<ArgsOf<Test["sum"]>, [arg: string, arg: number[]]>,
  Same<ValueOf<typeof double>, number>,
] = [true, true, true, true, true];
void same;

export function calls(client: Client<Test>): void {
  void (client.square(14) satisfies Promise<number>);
  void client.none({ timeoutMs: 5 });
  void client.start("a");
  void client.start("a", true, { timeoutMs: 5 });
  void client.list({ from: 1n, owner: null }, { semantics: "maybe" });
  // @ts-expect-error an argument of another type
  void client.square("14");
  // @ts-expect-error a member is missing
  void client.list({ from: 1n });
  // @ts-expect-error what must not run twice cannot be asked for at least once
  void client.square(14, { semantics: "at-least-once" });
}

export const handlers: Handlers<Test> = {
  square: (n, context) => {
    context.procedure satisfies string;
    return n * n;
  },
  none: () => {},
  sum: (label, numbers) => numbers.reduce((sum, one) => sum + one, label.length),
  start: (name, wait, context) => {
    wait satisfies boolean | undefined;
    return context.procedure === name;
  },
  list: async ({ from, note, owner }) => [Number(from), note?.length ?? 0, owner?.length ?? 0],
};

export const wrong: Handlers<Test> = {
  ...handlers,
  // @ts-expect-error a handler gives something else
  square: (n) => String(n),
};

// @ts-expect-error a function is no type
method("a.b", { params: [Math.abs], result: int });

// A service of another wire keeps its contract.
const Store = overXmlRpc(StoreV1);
type ContractOfService<S> = S extends XmlRpcService<infer C> ? C : never;
const kept: Same<ContractOfService<typeof Store>, StoreV1> = true;
void kept;
export function overCalls(client: Client<ContractOfService<typeof Store>>): void {
  void (client.read("a", { semantics: "exactly-once" }) satisfies Promise<number>);
  // @ts-expect-error what must not run twice cannot be asked for at least once
  void client.write("a", 1, { semantics: "at-least-once" });
}
const Some = overXmlRpc(StoreV1, { without: ["log"] });
export function someCalls(client: Client<ContractOfService<typeof Some>>): void {
  void client.read("a");
  // @ts-expect-error a procedure that was left out
  void client.log("a");
}
// @ts-expect-error a name that is no procedure
overXmlRpc(StoreV1, { without: ["remove"] });
// @ts-expect-error what has no codecs has no types
overXmlRpc(Test);

// A declaration that is absent is at-most-once, also where the method is described within its service.
const Inline = xmlRpcService({
  pay: method("bank.pay", { params: [int], result: int }),
  read: method("bank.read", { params: [int], result: int, semantics: "at-least-once" }),
});
export function narrowed(inline: Client<typeof Inline extends XmlRpcService<infer C> ? C : never>): void {
  // @ts-expect-error: it would widen what is declared
  void inline.pay(1, { semantics: "maybe" });
  void inline.pay(1, { semantics: "exactly-once" });
  void inline.read(1, { semantics: "maybe" });
}

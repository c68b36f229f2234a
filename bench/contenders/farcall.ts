import { type ConnectOptions, connect, Server } from "farcall";
import { keepCalling } from "../calls.js";
import type { Caller, Contender, Kind } from "../contender.js";
import { BenchV1 } from "../generated/bench.js";

/** Both ends farcall over TCP, with options of a client; `kinds` are what it is measured at. */
export const contenderWith = (options: ConnectOptions, kinds: readonly Kind[]): Contender => ({
  async serve() {
    const server = new Server();
    server.export(BenchV1, { add: ({ a, b }) => a + b, echo: (entries) => entries });
    return await server.listen("tcp://127.0.0.1:0");
  },

  async connect(address): Promise<Caller> {
    const client = await connect(BenchV1, address, options);
    const pair = { a: 20, b: 22 };
    const calls = { null: () => client.$ping(), struct: () => client.add(pair) };
    return { kinds, run: (kind, window, ms) => keepCalling(calls[kind as keyof typeof calls], window, ms) };
  },
});

/** As a user writes them: defaults everywhere, so calls are made in a session. */
export const contender: Contender = contenderWith({ session: "auto" }, ["null", "struct"]);

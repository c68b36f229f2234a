import { connect, Server } from "farcall";
import { keepCalling } from "../calls.js";
import type { Caller, Contender } from "../contender.js";
import { BenchV1 } from "../generated/bench.js";

/** Both ends farcall over TCP, as a user writes them: defaults everywhere. */
export const contender: Contender = {
  async serve() {
    const server = new Server();
    server.export(BenchV1, { add: ({ a, b }) => a + b, echo: (entries) => entries });
    return await server.listen("tcp://127.0.0.1:0");
  },

  async connect(address): Promise<Caller> {
    const client = await connect(BenchV1, address);
    const pair = { a: 20, b: 22 };
    const calls = { null: () => client.$ping(), struct: () => client.add(pair) };
    return { kinds: ["null", "struct"], run: (kind, window, ms) => keepCalling(calls[kind], window, ms) };
  },
};

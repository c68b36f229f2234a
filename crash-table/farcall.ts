import { type ConnectOptions, connect, type Procedure, RpcError, Server } from "farcall";
import { type OncService, oncProgram } from "farcall/onc";
import { uint } from "farcall/xdr";
import type { Contender } from "./contender.js";

interface Doubler {
  double: Procedure<[n: number], number>;
}
const DoublerV1: OncService<Doubler> = oncProgram<Doubler>({
  name: "DOUBLER",
  program: 0x2000_0e26,
  version: 1,
  procedures: { double: { number: 1, name: "DOUBLE", args: [uint], result: uint } },
});

/** farcall with options of a client: its test does not wait for the deadline that is the default. */
export const contenderWith = (options: ConnectOptions): Contender => ({
  async serve(double) {
    const server = new Server();
    server.export(DoublerV1, { double });
    return server.listen("tcp://127.0.0.1:0");
  },

  async connect(address) {
    const client = await connect(DoublerV1, address, options);
    return {
      double: (n) => client.double(n),
      describe: (error) => (error instanceof RpcError ? { code: error.code, executed: error.executed } : {}),
    };
  },
});

export const contender: Contender = contenderWith({});

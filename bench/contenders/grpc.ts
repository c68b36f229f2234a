import { fileURLToPath } from "node:url";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { keepCalling } from "../calls.js";
import type { Caller, Contender } from "../contender.js";

type Answer = (error: grpc.ServiceError | null, value?: unknown) => void;

interface BenchClient {
  nothing(argument: object, answer: Answer): void;
  add(argument: object, answer: Answer): void;
}

// The compiled file lies one folder deeper than its source.
const proto = fileURLToPath(new URL("../../contenders/grpc.proto", import.meta.url));
const bench = grpc.loadPackageDefinition(loadSync(proto))["Bench"] as grpc.ServiceClientConstructor;

export const contender: Contender = {
  async serve() {
    const server = new grpc.Server();
    server.addService(bench.service, {
      nothing: (_call: unknown, answer: Answer) => answer(null, {}),
      add: (call: { request: { a: number; b: number } }, answer: Answer) =>
        answer(null, { value: call.request.a + call.request.b }),
    });
    return await new Promise((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(String(port)) : reject(error),
      );
    });
  },

  async connect(port): Promise<Caller> {
    const client = new bench(`127.0.0.1:${port}`, grpc.credentials.createInsecure()) as unknown as BenchClient;
    const promised = (method: "nothing" | "add", argument: object) => () =>
      new Promise((resolve, reject) => {
        client[method](argument, (error, value) => (error === null ? resolve(value) : reject(error)));
      });
    const calls = { null: promised("nothing", {}), struct: promised("add", { a: 20, b: 22 }) };
    return {
      kinds: ["null", "struct"],
      run: (kind, window, ms) => keepCalling(calls[kind as keyof typeof calls], window, ms),
    };
  },
};

import * as grpc from "@grpc/grpc-js";
import type { Contender } from "../contender.js";

// What a generated stub holds; the bytes of a message do not matter here.
interface Num {
  readonly n: number;
}
const number = {
  serialize: (message: Num) => Buffer.from(JSON.stringify(message)),
  deserialize: (bytes: Buffer) => JSON.parse(bytes.toString()) as Num,
};
const service = {
  double: {
    path: "/crash.Doubler/Double",
    requestStream: false,
    responseStream: false,
    requestSerialize: number.serialize,
    requestDeserialize: number.deserialize,
    responseSerialize: number.serialize,
    responseDeserialize: number.deserialize,
  },
} satisfies grpc.ServiceDefinition;
const Doubler = grpc.makeGenericClientConstructor(service, "Doubler");

export const contender: Contender = {
  async serve(double) {
    const server = new grpc.Server();
    server.addService(service, {
      double(call: grpc.ServerUnaryCall<Num, Num>, answer: grpc.sendUnaryData<Num>) {
        void double(call.request.n).then((n) => answer(null, { n }));
      },
    });
    return new Promise((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(`127.0.0.1:${port}`) : reject(error),
      );
    });
  },

  async connect(address) {
    const client = new Doubler(address, grpc.credentials.createInsecure());
    return {
      double: (n) =>
        new Promise((resolve, reject) => {
          client["double"]?.({ n }, (error: grpc.ServiceError | null, value: Num) =>
            error === null ? resolve(value.n) : reject(error),
          );
        }),
      describe: (error) => ({ code: grpc.status[(error as grpc.ServiceError).code] }),
    };
  },
};

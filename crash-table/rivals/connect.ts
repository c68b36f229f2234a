import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { create, createFileRegistry } from "@bufbuild/protobuf";
import type { GenService } from "@bufbuild/protobuf/codegenv2";
import { FileDescriptorProtoSchema, file_google_protobuf_wrappers, UInt32ValueSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { connectNodeAdapter, createConnectTransport } from "@connectrpc/connect-node";
import type { Contender } from "../contender.js";

// What a generated stub holds.
const number = "google.protobuf.UInt32Value";
const file = create(FileDescriptorProtoSchema, {
  name: "crash.proto",
  package: "crash",
  syntax: "proto3",
  dependency: [file_google_protobuf_wrappers.proto.name],
  service: [{ name: "Doubler", method: [{ name: "Double", inputType: `.${number}`, outputType: `.${number}` }] }],
});
const Doubler = createFileRegistry(file, () => file_google_protobuf_wrappers).getService(
  "crash.Doubler",
) as GenService<{
  double: { methodKind: "unary"; input: typeof UInt32ValueSchema; output: typeof UInt32ValueSchema };
}>;

export const contender: Contender = {
  async serve(double) {
    const routes = connectNodeAdapter({
      routes: (router) =>
        router.service(Doubler, {
          double: async ({ value }) => create(UInt32ValueSchema, { value: await double(value) }),
        }),
    });
    const server = createServer(routes);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  },

  async connect(baseUrl) {
    const client = createClient(Doubler, createConnectTransport({ baseUrl, httpVersion: "2" }));
    return {
      double: async (value) => (await client.double({ value })).value,
      describe: (error) => ({
        // As its documentation spells it.
        code: error instanceof ConnectError ? Code[error.code].toLowerCase() : undefined,
      }),
    };
  },
};

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import {
  createMessageConnection,
  type MessageConnection,
  RequestType,
  ResponseError,
  SocketMessageReader,
  SocketMessageWriter,
} from "vscode-jsonrpc/node";
import { type Contender, causeOf } from "../contender.js";

const double = new RequestType<number, number, void>("double");

function over(socket: Socket): MessageConnection {
  const connection = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
  connection.listen();
  return connection;
}

export const contender: Contender = {
  async serve(handler) {
    const server = createServer((socket) => void over(socket).onRequest(double, handler));
    await once(server.listen(0, "127.0.0.1"), "listening");
    return String((server.address() as AddressInfo).port);
  },

  async connect(port) {
    const socket = connect({ host: "127.0.0.1", port: Number(port) });
    await once(socket, "connect");
    const connection = over(socket);
    return {
      double: (n) => connection.sendRequest(double, n),
      describe: (error) => (error instanceof ResponseError ? { code: String(error.code) } : { cause: causeOf(error) }),
    };
  },
};
